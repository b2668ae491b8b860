/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "config/config_check.h"
#include "drive.h"
#include "log/log.h"
#include "orders.h"
#include "processors.h"
#include "replies.h"
#include "tell.h"
#include "transaction.h"

/* Who is to own the pCPU of this index in the map, when no guest has it. */
static struct owner pcpu_default(const struct host_config *host, uint32_t index)
{
    if (index < host->reserved_pcpus)
        return owner_of_kind(OWNER_BOOT);
    return owner_of_kind(index - host->reserved_pcpus < host->shared_pcpus ? OWNER_SHARED
                                                                           : OWNER_IDLE);
}

struct owner host_pcpu_owner(const struct db *db, const struct pcpu *pcpu)
{
    static const struct host_config first = {.reserved_pcpus = 1};

    return pcpu_default(db->host_set ? &db->host : &first, (uint32_t)(pcpu - db->pcpus));
}

/* A partition that runs on the shared pCPUs; NULL: none does. */
static const struct partition *shares(const struct db *db)
{
    for (size_t i = 0; i < db->partitions_end; i++)
        if (partition_started(&db->partitions[i]) && db->partitions[i].config.weight)
            return &db->partitions[i];
    return NULL;
}

/* What the shared pCPUs are is in the cpusets of all that run on them. */
static int may_change(struct control *control, const struct pcpu *pcpu, struct owner owner,
                      char *text)
{
    bool shared = pcpu->owner.kind == OWNER_SHARED || owner.kind == OWNER_SHARED;
    const struct partition *partition = shared ? shares(control->db) : NULL;

    if (pcpu->owner.kind == OWNER_GUEST)
        return refuse(text, -EBUSY, "pCPU %u is to be %s, but partition %u has it", pcpu->pcpu,
                      owner.kind == OWNER_BOOT ? "reserved" : "shared",
                      pcpu->owner.partition.value);
    if (partition)
        return refuse(
            text, -EBUSY,
            "the shared pCPUs are to change, but partition %s runs on them: stop it first",
            partition->config.name);
    if (owner.kind == OWNER_SHARED && pcpu->pcpu >= PARCLOSE_MAX_PCPUS)
        return refuse(text, -EINVAL, "pCPU %u is to be shared: only numbers below %d can be",
                      pcpu->pcpu, PARCLOSE_MAX_PCPUS);
    return 0;
}

static int reserve_pcpus(struct control *control, const struct host_config *host, char *text)
{
    for (uint32_t i = 0; i < control->db->pcpus_count; i++) {
        const struct pcpu *pcpu = &control->db->pcpus[i];
        struct owner owner = pcpu_default(host, i);
        if (owner_equal(pcpu->owner, owner) || pcpu->owner.kind == OWNER_OFFLINE)
            continue; /* one that is offline becomes so when it comes back */
        if (pcpu->owner.kind == OWNER_GUEST && owner.kind == OWNER_IDLE)
            continue; /* a guest has it, and may keep it */
        int error = may_change(control, pcpu, owner, text);
        if (error)
            return error;
        transaction_change(control, RESOURCE_PCPU, pcpu->pcpu, 0, &owner);
    }
    return 0;
}

/* What of a node is reserved now: the extent of boot at its beginning. */
static uint64_t reserved_now(const struct db *db, uint32_t node)
{
    return db_memory_of(db, node, owner_of_kind(OWNER_BOOT));
}

static int reserve_node(struct control *control, uint32_t node, uint64_t bytes, char *text)
{
    uint64_t now = reserved_now(control->db, node);
    struct owner owner;

    if (bytes < now)
        transaction_memory(control, node, bytes, now - bytes, owner_of_kind(OWNER_AVAILABLE));
    if (bytes <= now)
        return 0;
    if (!db_memory_owned(control->db, node, now, bytes - now, &owner) ||
        owner.kind != OWNER_AVAILABLE)
        return refuse(text, -EBUSY,
                      "%llu MiB of node %u are to be reserved, but a partition has some of it: "
                      "stop it first",
                      (unsigned long long)(bytes >> 20), node);
    transaction_memory(control, node, now, bytes - now, owner_of_kind(OWNER_BOOT));
    return 0;
}

static int reserve_memory(struct control *control, const struct host_config *host, char *text)
{
    const struct db *db = control->db;
    uint64_t left = (uint64_t)host->reserved_memory_mib << 20;
    int error = 0;

    left = (left + MEMORY_GRAIN - 1) & ~(MEMORY_GRAIN - 1);
    if (left > db_memory_total(db))
        return refuse(text, -ENOMEM, "%u MiB are to be reserved: this host has %llu",
                      host->reserved_memory_mib, (unsigned long long)(db_memory_total(db) >> 20));
    for (uint32_t i = 0; i < db->nodes_count && !error; i++) {
        uint64_t here = left < db->nodes[i].memory_bytes ? left : db->nodes[i].memory_bytes;
        error = reserve_node(control, db->nodes[i].node, here, text);
        left -= here;
    }
    return error;
}

int host_reserve(struct control *control, const struct host_config *host,
                 char text[PARCLOSE_REASON_MAX])
{
    if (host->reserved_pcpus + host->shared_pcpus > control->db->pcpus_count)
        return refuse(text, -EINVAL, "%u pCPUs are to be reserved and %u shared: this host has %u",
                      host->reserved_pcpus, host->shared_pcpus, control->db->pcpus_count);
    int error = reserve_pcpus(control, host, text);
    if (!error)
        error = reserve_memory(control, host, text);
    return error;
}

int host_keeps_vfs(struct control *control, const struct host_config *host,
                   const struct partition_config *config, char text[PARCLOSE_REASON_MAX])
{
    for (uint32_t v = 0; v < config->vfs_count; v++) {
        const struct partition_vf *vf = &config->vfs[v];
        const struct card_config *old = host_config_card(&control->db->host, vf->card);
        const struct card_config *new = host_config_card(host, vf->card);
        if (new &&old &&new->bdf.value == old->bdf.value && vf->index < new->vfs &&
            !strcmp(new->driver, old->driver))
            continue;
        return refuse(text, -EBUSY,
                      "VF %u of card %s is used by partition %s: stop it before the card is "
                      "changed",
                      vf->index, vf->card, config->name);
    }
    return 0;
}

/* A started partition's VFs must mean the same functions before and after. */
static int keeps_vfs(struct control *control, const struct host_config *host, char *text)
{
    int error = 0;

    for (size_t i = 0; i < control->db->partitions_end && !error; i++)
        if (partition_started(&control->db->partitions[i]))
            error = host_keeps_vfs(control, host, &control->db->partitions[i].config, text);
    return error;
}

/* Those that go are in the map until the TCB has let them go. */
static int cards_fit(struct control *control, const struct host_config *host, char *text)
{
    uint32_t count = 0;

    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        count += control->db->pfs[i] && control->db->pfs[i]->present;
    for (uint32_t i = 0; i < host->cards_count; i++) {
        const struct pf *pf = db_pf(control->db, host->cards[i].bdf);
        count += !pf || !pf->present;
    }
    return count <= PARCLOSE_MAX_PFS
               ? 0
               : refuse(text, -EBUSY,
                        "%u cards more than the %d that can be known at once: take the old ones "
                        "out of host.xml first",
                        count - PARCLOSE_MAX_PFS, PARCLOSE_MAX_PFS);
}

void host_tell_boot(struct control *control)
{
    const struct boot_settings message = {.header = frame_header(BOOT_SETTINGS, sizeof(message), 0),
                                          .watchdog_ms = control->db->host.watchdog_ms};
    if (control->db->host_set)
        control_send(control, PROCESS_BOOT, &message, NULL, 0);
}

int host_judge(struct control *control, const struct host_config *host,
               char text[PARCLOSE_REASON_MAX])
{
    int error = host_config_check(host, text);

    if (!error && orders_deadline(control))
        error = refuse(text, -EBUSY, "an order about a PF or SR-PCIM is under way: try again");
    if (!error)
        error = keeps_vfs(control, host, text);
    return error ? error : cards_fit(control, host, text);
}

int host_change(struct control *control, const struct host_config *host,
                char text[PARCLOSE_REASON_MAX])
{
    transaction_change(control, RESOURCE_HOST, 0, 0, host);
    return host_reserve(control, host, text);
}

void host_changed(struct control *control)
{
    log_notice("host configuration: %u cards", control->db->host.cards_count);
    host_tell_boot(control);
    tell_tcb(control);
    tell_pcim(control);
    processors_mend(control);
    drive_all(control);
}

int host_set(struct control *control, const struct control_host_set *request,
             char text[PARCLOSE_REASON_MAX])
{
    const struct host_config *host = &request->host;

    int error = host_config_check(host, text);
    if (error)
        return error;
    if (control->db->host_set && !memcmp(host, &control->db->host, sizeof(*host)))
        return 0;
    error = apply_frees_host(control, text);
    if (!error)
        error = host_judge(control, host, text);
    if (error)
        return error;
    transaction_begin(control, AUDIT_HOST_SET, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &request->requester);
    transaction_request(control, &request->header);
    error = host_change(control, host, text);
    if (!error)
        error = commit_or_say(control, text);
    if (!error)
        host_changed(control);
    return error;
}
