/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/config_check.h"
#include "names/names.h"

#define NS_PER_MS   UINT64_C(1000000)
#define STOP_MAX_MS 35000 /* the power button's time-out of a stop, and until it is forced */

/* ---- items */

struct plan_item *plan_add(struct plan *plan, enum plan_object object, enum plan_change change,
                           enum plan_way way)
{
    /* all there can be fit: PLAN_ITEMS_MAX counts them; one too many would be said in the last */
    struct plan_item *item =
        &plan->items[plan->count < PLAN_ITEMS_MAX ? plan->count++ : PLAN_ITEMS_MAX - 1];

    *item = (struct plan_item){.object = object, .change = change, .way = way};
    if (plan->count == PLAN_ITEMS_MAX)
        plan_refuse(item, "more changes than one plan can have: propose less at once");
    return item;
}

void plan_say(struct plan_item *item, const char *format, ...)
{
    size_t used = strlen(item->text);
    va_list arguments;

    if (used + 2 >= sizeof(item->text))
        return;
    if (used) {
        strcpy(item->text + used, ", ");
        used += 2;
    }
    va_start(arguments, format);
    vsnprintf(item->text + used, sizeof(item->text) - used, format, arguments);
    va_end(arguments);
}

void plan_say_number(struct plan_item *item, const char *name, uint64_t before, uint64_t after)
{
    if (before != after)
        plan_say(item, "%s %llu -> %llu", name, (unsigned long long)before,
                 (unsigned long long)after);
}

void plan_say_text(struct plan_item *item, const char *name, const char *before, const char *after)
{
    if (strcmp(before, after) != 0)
        plan_say(item, "%s %.60s -> %.60s", name, before[0] ? before : "none",
                 after[0] ? after : "none");
}

void plan_refuse(struct plan_item *item, const char *format, ...)
{
    va_list arguments;

    if (item->way == PLAN_REFUSED)
        return;
    item->way = PLAN_REFUSED;
    item->outage = (struct plan_outage){.restart = false};
    va_start(arguments, format);
    vsnprintf(item->reason, sizeof(item->reason), format, arguments);
    va_end(arguments);
}

/* ---- what is in force */

const struct host_config *plan_host(const struct plan *plan)
{
    if (plan->proposal->host_given)
        return &plan->proposal->host;
    return plan->view->head->host.reserved_pcpus ? &plan->view->head->host : NULL;
}

const struct snapshot_vf *plan_vf(const struct plan *plan, const char *card, uint32_t index)
{
    const struct snapshot_pf *pf = snapshot_view_card(plan->view, card);

    return pf ? snapshot_view_vf(plan->view, pf->observed.bdf, index) : NULL;
}

const char *plan_owner(const struct plan *plan, struct owner owner, char text[64])
{
    const struct snapshot_partition *partition =
        owner.kind == OWNER_GUEST ? snapshot_view_partition_id(plan->view, owner.partition) : NULL;

    if (partition)
        snprintf(text, 64, "partition %s", partition->config.name);
    else
        snprintf(text, 64, "%s", name_of_owner(owner.kind));
    return text;
}

/* ---- a partition */

static void say_processors(struct plan_item *item, const struct partition_config *a,
                           const struct partition_config *b)
{
    plan_say_number(item, "vcpus", a->vcpus, b->vcpus);
    plan_say_number(item, "memory-mib", a->memory_mib, b->memory_mib);
    plan_say_text(item, "huge-pages", name_of_pages(a->pages), name_of_pages(b->pages));
    plan_say_text(item, "processors", a->weight ? "shared" : "dedicated",
                  b->weight ? "shared" : "dedicated");
    if (a->weight && b->weight)
        plan_say_number(item, "weight", a->weight, b->weight);
}

static void say_differences(struct plan_item *item, const struct partition_config *a,
                            const struct partition_config *b)
{
    say_processors(item, a, b);
    plan_say_text(item, "autostart", a->autostart ? "yes" : "no", b->autostart ? "yes" : "no");
    plan_say_text(item, "monitor", a->monitor, b->monitor);
    plan_say_text(item, "firmware", name_of_firmware(a->firmware), name_of_firmware(b->firmware));
    plan_say_text(item, "on-outage", name_of_outage_policy(a->on_outage),
                  name_of_outage_policy(b->on_outage));
    plan_say_text(item, "kernel", a->kernel, b->kernel);
    plan_say_text(item, "initrd", a->initrd, b->initrd);
    plan_say_text(item, "variables", a->variables, b->variables);
    plan_say_text(item, "disk", a->disk, b->disk);
    plan_say_text(item, "cmdline", a->cmdline, b->cmdline);
    plan_say_number(item, "channels", a->channels_count, b->channels_count);
    if (a->channels_count == b->channels_count &&
        memcmp(a->channels, b->channels, sizeof(a->channels)) != 0)
        plan_say(item, "other channels");
}

static void say_new(struct plan_item *item, const struct partition_config *config)
{
    plan_say(item, "%u vCPUs", config->vcpus);
    plan_say(item, "%u MiB", config->memory_mib);
    for (uint32_t i = 0; i < config->vfs_count; i++)
        plan_say(item, "VF %s/%u", config->vfs[i].card, config->vfs[i].index);
    if (config->autostart)
        plan_say(item, "started at once: autostart");
}

/* As control judges a definition. */
static void check_size(const struct plan *plan, struct plan_item *item,
                       const struct partition_config *config)
{
    const struct host_config *host = plan_host(plan);
    uint32_t kept = host ? host->reserved_pcpus : 1, shared = host ? host->shared_pcpus : 0;
    uint64_t total = 0, reserved = host ? (uint64_t)host->reserved_memory_mib << 20 : 0;
    uint64_t bytes = (uint64_t)config->memory_mib << 20;

    for (uint32_t i = 0; i < plan->view->head->memory_count; i++)
        total += plan->view->memory[i].bytes;
    if (bytes > total || reserved > total - bytes)
        plan_refuse(item, "memory-mib is %u: this host has %llu MiB, %llu of them reserved",
                    config->memory_mib, (unsigned long long)(total >> 20),
                    (unsigned long long)(reserved >> 20));
    if (config->weight && config->vcpus > shared)
        plan_refuse(item, "vcpus is %u: this host has %u shared pCPUs", config->vcpus, shared);
    if (!config->weight && config->vcpus + kept + shared > plan->view->head->pcpus_count)
        plan_refuse(item, "vcpus is %u: this host has %u pCPUs, %u of them reserved or shared",
                    config->vcpus, plan->view->head->pcpus_count, kept + shared);
}

static void check_cards(const struct plan *plan, struct plan_item *item,
                        const struct partition_config *config)
{
    const struct host_config *host = plan_host(plan);
    char reason[PARCLOSE_REASON_MAX];

    if (!host && config->vfs_count)
        plan_refuse(item, "no host configuration is set yet: it names the cards");
    if (host && partition_config_check_cards(config, host, reason))
        plan_refuse(item, "%s", reason);
}

/* Nobody is kept from defining it, but it cannot start as long as that is so. */
static void say_taken(const struct plan *plan, struct plan_item *item,
                      const struct partition_config *config)
{
    char owner[64];

    for (uint32_t i = 0; i < config->vfs_count; i++) {
        const struct snapshot_vf *vf = plan_vf(plan, config->vfs[i].card, config->vfs[i].index);
        if (vf && vf->owner.kind == OWNER_GUEST)
            plan_say(item, "it cannot start while %s has VF %s/%u",
                     plan_owner(plan, vf->owner, owner), config->vfs[i].card, config->vfs[i].index);
    }
}

/* From its order to the last state of its guest that was reached. */
static uint32_t start_ms(const struct snapshot_partition *partition)
{
    static const enum partition_state last[] = {
        STATE_CHANNELS_OPERATING, STATE_PROCESSORS_OPERATING, STATE_PROCESSORS_ATTACHED};
    uint64_t begun = partition->times[STATE_ACTIVE].boottime_ns;

    for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
        uint64_t reached = partition->times[last[i]].boottime_ns;
        if (begun && reached > begun)
            return (uint32_t)((reached - begun) / NS_PER_MS) + 1;
    }
    return 0;
}

/* How long the gate waits at most for PFs of it that are not ready now. */
static uint32_t gate_max_ms(const struct plan *plan, const struct partition_config *config)
{
    const struct host_config *host = plan_host(plan);
    uint32_t sum = 0;

    for (uint32_t i = 0; i < config->vfs_count && host && !sum; i++) {
        const struct snapshot_pf *pf = snapshot_view_card(plan->view, config->vfs[i].card);
        for (int rung = 0; rung < 4 && (!pf || pf->readiness != PF_READY); rung++)
            sum += host->gate.wait_ms[rung];
    }
    return sum;
}

/* NULL: its VFs can come and go while it runs. */
static const char *no_hot_plug(const struct snapshot_partition *known,
                               const struct partition_config *config)
{
    if (!partition_config_live_apart(&known->config, config))
        return "its monitor is made with it";
    if (strcmp(config->monitor, "native") != 0)
        return "its monitor takes no VF and gives none up while it runs";
    for (uint32_t i = 0; i < config->vfs_count; i++)
        for (uint32_t j = 0; j < known->config.vfs_count; j++)
            if (config->vfs[i].index == known->config.vfs[j].index &&
                !strcmp(config->vfs[i].card, known->config.vfs[j].card) &&
                memcmp(&config->vfs[i].attributes, &known->config.vfs[j].attributes,
                       sizeof(config->vfs[i].attributes)) != 0)
                return "attributes of a VF that stays: an edit of devices.xml changes most of them "
                       "at once";
    return NULL;
}

static bool same_vfs(const struct partition_config *a, const struct partition_config *b)
{
    return a->vfs_count == b->vfs_count && !memcmp(a->vfs, b->vfs, sizeof(a->vfs)) &&
           !memcmp(a->standby_of, b->standby_of, sizeof(a->standby_of));
}

static void plan_started(struct plan *plan, struct plan_item *item,
                         const struct snapshot_partition *known,
                         const struct partition_config *config)
{
    const char *why = no_hot_plug(known, config);

    if (item->way == PLAN_REFUSED)
        return;
    if (why) {
        item->way = plan->restart ? PLAN_RESTART : PLAN_NEXT_START;
        snprintf(item->reason, sizeof(item->reason), "%s", why);
        item->outage = (struct plan_outage){.restart = true,
                                            .stop_max_ms = STOP_MAX_MS,
                                            .start_ms = start_ms(known),
                                            .gate_max_ms = gate_max_ms(plan, config)};
    } else if ((known->phase != PHASE_RUNNING && known->phase != PHASE_FROZEN) ||
               !(known->states & STATE_BIT(STATE_PROCESSORS_ATTACHED))) {
        plan_refuse(item, "it is %s: its VFs change while it runs, or is stopped",
                    name_of_phase(known->phase));
    } else {
        item->way = same_vfs(&known->config, config) ? PLAN_AT_ONCE : PLAN_HOT_PLUG;
    }
}

static void plan_partition(struct plan *plan, const struct partition_config *config)
{
    const struct snapshot_partition *known = snapshot_view_partition(plan->view, config->name);

    if (known && !memcmp(&known->config, config, sizeof(*config)))
        return;
    struct plan_item *item =
        plan_add(plan, PLAN_PARTITION, known ? PLAN_CHANGE : PLAN_ADD, PLAN_AT_ONCE);
    memcpy(item->partition, config->name, sizeof(item->partition));
    if (known)
        say_differences(item, &known->config, config);
    else
        say_new(item, config);
    check_size(plan, item, config);
    check_cards(plan, item, config);
    if (known && !snapshot_partition_stopped(known))
        plan_started(plan, item, known, config);
    else
        say_taken(plan, item, config);
    if (known)
        plan_make_vfs(plan, known, config, item->way);
}

/* ---- the whole */

static void check_number(struct plan *plan)
{
    uint32_t count = plan->view->head->partitions_count;

    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].object == PLAN_PARTITION && plan->items[i].change == PLAN_ADD &&
            ++count > PARCLOSE_MAX_PARTITIONS)
            plan_refuse(&plan->items[i], "%d partitions are defined already",
                        PARCLOSE_MAX_PARTITIONS);
}

void plan_make(struct plan *plan)
{
    plan->count = 0;
    plan_make_host(plan);
    for (uint32_t i = 0; i < plan->proposal->partitions_count; i++)
        plan_partition(plan, &plan->proposal->partitions[i]);
    plan_make_edits(plan);
    check_number(plan);
}

bool plan_refused(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].way == PLAN_REFUSED)
            return true;
    return false;
}

/* FNV-1a */
static uint64_t hash(uint64_t sum, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static uint64_t hash_item(uint64_t sum, const struct plan_item *item)
{
    const uint32_t numbers[] = {item->object, item->change, item->way, item->index};

    sum = hash(sum, numbers, sizeof(numbers));
    sum = hash(sum, item->partition, sizeof(item->partition));
    sum = hash(sum, item->card, sizeof(item->card));
    sum = hash(sum, item->text, strlen(item->text) + 1);
    return hash(sum, item->reason, strlen(item->reason) + 1);
}

/* Of the proposal, too: texts in items are cut. */
uint64_t plan_digest(const struct plan *plan)
{
    uint64_t sum = hash(UINT64_C(0xcbf29ce484222325), plan->proposal, sizeof(*plan->proposal));

    for (size_t i = 0; i < plan->count; i++)
        sum = hash_item(sum, &plan->items[i]);
    return sum ? sum : 1;
}
