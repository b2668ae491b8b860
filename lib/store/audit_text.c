/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_text.h"

#include <inttypes.h>
#include <stdio.h>

#include "names/names.h"

#define NAME(table, value) ((value) < sizeof(table) / sizeof((table)[0]) ? (table)[value] : "?")

static const char *const kind_names[AUDIT_KINDS] = {
    [AUDIT_NONE] = "?",
    [AUDIT_RESET] = "reset",
    [AUDIT_HOST_SET] = "host-set",
    [AUDIT_DEFINE] = "define",
    [AUDIT_UNDEFINE] = "undefine",
    [AUDIT_START] = "start",
    [AUDIT_WAIT] = "wait",
    [AUDIT_CHANNELS] = "channels",
    [AUDIT_ATTACH] = "attach",
    [AUDIT_STOP] = "stop",
    [AUDIT_RELEASE] = "release",
    [AUDIT_RUNG] = "rung",
    [AUDIT_ACTION] = "device-action",
    [AUDIT_SHUTDOWN] = "shutdown",
    [AUDIT_RECOVERED] = "recovered",
    [AUDIT_CHANNEL] = "channel",
    [AUDIT_PCPU] = "pcpu",
    [AUDIT_VF_NEWS] = "vf-news",
    [AUDIT_EDIT] = "edit",
    [AUDIT_SESSION] = "session",
    [AUDIT_OUTAGE] = "outage",
    [AUDIT_ORDER] = "order",
    [AUDIT_FREEZE] = "freeze",
    [AUDIT_APPLY] = "apply",
    [AUDIT_FAILOVER] = "failover",
    [AUDIT_ERRORS] = "errors",
    [AUDIT_PF_LOST] = "pf-lost",
};

static const char *const audit_phase_names[AUDIT_PHASES] = {
    "?", [AUDIT_BEGUN] = "begun", [AUDIT_APPLIED] = "applied", [AUDIT_UNDONE] = "undone"};

static const char *const attach_names[] = {
    [ATTACH_NONE] = "detached",
    [ATTACH_COMMITTED] = "attach committed",
    [ATTACH_DONE] = "attached",
    [ATTACH_UNDOING] = "detach ordered",
};

static const char *const edit_state_names[] = {
    [EDIT_NONE] = "none",    [EDIT_APPLYING] = "applying", [EDIT_UNDOING] = "being undone",
    [EDIT_DONE] = "applied", [EDIT_UNDONE] = "undone",
};

static const char *const order_state_names[] = {
    [ORDER_NONE] = "none",
    [ORDER_ACTING] = "acting",
    [ORDER_SETTLING] = "settling",
    [ORDER_DONE] = "done",
};

const char *audit_order_state_name(uint32_t state)
{
    return state < sizeof(order_state_names) / sizeof(order_state_names[0])
               ? order_state_names[state]
               : "unknown";
}

const char *audit_edit_state_name(uint32_t state)
{
    return state < sizeof(edit_state_names) / sizeof(edit_state_names[0]) ? edit_state_names[state]
                                                                          : "unknown";
}

const char *audit_kind_name(uint32_t kind)
{
    return NAME(kind_names, kind);
}

const char *audit_phase_name(uint32_t phase)
{
    return NAME(audit_phase_names, phase);
}

static void owner_text(const struct owner *owner, char *text, size_t size)
{
    if (owner->kind == OWNER_GUEST)
        snprintf(text, size, "partition %" PRIu32, owner->partition.value);
    else
        snprintf(text, size, "%s", name_of_owner(owner->kind));
}

void audit_resource_text(const struct audit_change *change, char *text, size_t size)
{
    char bdf[NAME_BDF_MAX];

    name_of_bdf((struct bdf){(uint32_t)change->key[0]}, bdf);
    switch (change->kind) {
    case RESOURCE_CONTROL:
        snprintf(text, size, "control");
        break;
    case RESOURCE_HOST:
        snprintf(text, size, "host configuration");
        break;
    case RESOURCE_PARTITION:
        snprintf(text, size, "definition of partition %" PRIu64, change->key[0]);
        break;
    case RESOURCE_RUN:
        snprintf(text, size, "partition %" PRIu64, change->key[0]);
        break;
    case RESOURCE_PCPU:
        snprintf(text, size, "pCPU %" PRIu64, change->key[0]);
        break;
    case RESOURCE_MEMORY:
        snprintf(text, size, "memory of node %" PRIu64 " at %" PRIu64 " MiB", change->key[0],
                 change->key[1] >> 20);
        break;
    case RESOURCE_PF:
        snprintf(text, size, "PF %s", bdf);
        break;
    case RESOURCE_VF:
        snprintf(text, size, "VF %s/%" PRIu64, bdf, change->key[1]);
        break;
    case RESOURCE_ACTION:
        if (change->key[1] == ACTION_WHOLE_PF)
            snprintf(text, size, "action on PF %s", bdf);
        else
            snprintf(text, size, "action on VF %s/%" PRIu64, bdf, change->key[1]);
        break;
    case RESOURCE_REQUEST:
        snprintf(text, size, "request %" PRIu64 " that is remembered", change->key[0]);
        break;
    case RESOURCE_CHANNEL:
        snprintf(text, size, "console of partition %" PRIu64, change->key[0]);
        break;
    case RESOURCE_EDIT:
        snprintf(text, size, "edit of devices.xml");
        break;
    case RESOURCE_ORDER:
        snprintf(text, size, "order about %s%s", change->key[0] ? "PF " : "SR-PCIM",
                 change->key[0] ? bdf : "");
        break;
    case RESOURCE_APPLY:
        snprintf(text, size, "applied proposal");
        break;
    default:
        snprintf(text, size, "?");
    }
}

static void host_text(const struct host_config *host, char *text, size_t size)
{
    snprintf(text, size,
             "%" PRIu32 " cards, %" PRIu32 " MiB and %" PRIu32 " pCPUs reserved, %" PRIu32
             " pCPUs shared, watchdog %" PRIu32 " ms",
             host->cards_count, host->reserved_memory_mib, host->reserved_pcpus, host->shared_pcpus,
             host->watchdog_ms);
}

static void partition_text(const struct partition_config *config, char *text, size_t size)
{
    snprintf(text, size, "\"%.*s\": %" PRIu32 " vCPUs, %" PRIu32 " MiB, %" PRIu32 " VFs, %s %.*s",
             PARCLOSE_NAME_MAX, config->name, config->vcpus, config->memory_mib, config->vfs_count,
             config->kernel[0] ? "kernel" : "disk", PARCLOSE_PATH_MAX,
             config->kernel[0] ? config->kernel : config->disk);
}

static void run_text(const struct partition_run *run, char *text, size_t size)
{
    snprintf(text, size, "%s, %s, rung %s, descriptor %" PRIu64 "%s%.*s", name_of_phase(run->phase),
             NAME(attach_names, run->attach), name_of_rung(run->rung), run->descriptor_generation,
             run->reason[0] ? ": " : "", PARCLOSE_REASON_MAX, run->reason);
}

static void memory_text(const struct memory_image *memory, char *text, size_t size)
{
    char owner[32];

    owner_text(&memory->owner, owner, sizeof(owner));
    snprintf(text, size, "%" PRIu64 " MiB: %s", memory->bytes >> 20, owner);
}

static void pf_text(const struct pf_image *pf, char *text, size_t size)
{
    char owner[32];

    owner_text(&pf->owner, owner, sizeof(owner));
    snprintf(text, size, "%s%s%s%s", owner, pf->in_error ? ", in error" : "",
             pf->disabled ? ", disabled" : "",
             pf->idle_power == IDLE_POWER_AUTO ? ", idle-power auto" : "");
}

static void channel_text(const struct channel_image *channel, char *text, size_t size)
{
    char owner[32];

    owner_text(&channel->owner, owner, sizeof(owner));
    snprintf(text, size, "%s, served by %s, attached %" PRIu32, owner,
             name_of_process(channel->server), channel->attached);
}

static void edit_text(const struct edit_image *edit, char *text, size_t size)
{
    snprintf(text, size, "%.*s: %" PRIu32 " VFs, %s%s%.*s", PARCLOSE_EDIT_NAME_MAX, edit->name,
             edit->vfs_count, audit_edit_state_name(edit->state), edit->text[0] ? ": " : "",
             PARCLOSE_REASON_MAX, edit->text);
}

static void order_text(const struct order_image *order, char *text, size_t size)
{
    snprintf(text, size, "%s, %s%s%.*s", name_of_order(order->order),
             audit_order_state_name(order->state), order->text[0] ? ": " : "", PARCLOSE_REASON_MAX,
             order->text);
}

static void apply_text(const struct apply_image *apply, char *text, size_t size)
{
    snprintf(text, size, "%s%s%.*s", name_of_apply_state(apply->state), apply->text[0] ? ": " : "",
             PARCLOSE_REASON_MAX, apply->text);
}

void audit_image_text(uint32_t kind, const void *image, char *text, size_t size)
{
    if (!image) {
        snprintf(text, size, "-");
        return;
    }
    switch (kind) {
    case RESOURCE_CONTROL:
        snprintf(text, size, "%s",
                 ((const struct control_image *)image)->shutting_down ? "shutting down"
                                                                      : "serving");
        break;
    case RESOURCE_HOST:
        host_text(image, text, size);
        break;
    case RESOURCE_PARTITION:
        partition_text(image, text, size);
        break;
    case RESOURCE_RUN:
        run_text(image, text, size);
        break;
    case RESOURCE_PCPU:
    case RESOURCE_VF:
        owner_text(image, text, size);
        break;
    case RESOURCE_MEMORY:
        memory_text(image, text, size);
        break;
    case RESOURCE_PF:
        pf_text(image, text, size);
        break;
    case RESOURCE_ACTION:
        snprintf(text, size, "%s", name_of_action(((const struct action_image *)image)->action));
        break;
    case RESOURCE_REQUEST:
        snprintf(text, size, "transaction %" PRIu64,
                 ((const struct request_image *)image)->transaction);
        break;
    case RESOURCE_CHANNEL:
        channel_text(image, text, size);
        break;
    case RESOURCE_EDIT:
        edit_text(image, text, size);
        break;
    case RESOURCE_ORDER:
        order_text(image, text, size);
        break;
    case RESOURCE_APPLY:
        apply_text(image, text, size);
        break;
    default:
        snprintf(text, size, "?");
    }
}
