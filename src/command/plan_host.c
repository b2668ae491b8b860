/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "config/config_check.h"
#include "names/names.h"
#include "plan.h"

#define GRAIN (UINT64_C(2) << 20) /* bytes: control's unit of memory */

/* ---- reservations, as control judges them (src/control/host.c) */

static struct owner pcpu_default(const struct host_config *host, uint32_t index)
{
    struct owner owner = {.kind = OWNER_IDLE};

    if (index < host->reserved_pcpus)
        owner.kind = OWNER_BOOT;
    else if (index - host->reserved_pcpus < host->shared_pcpus)
        owner.kind = OWNER_SHARED;
    return owner;
}

static const struct snapshot_partition *shares(const struct snapshot_view *view)
{
    for (uint32_t i = 0; i < view->head->partitions_count; i++)
        if (!snapshot_partition_stopped(&view->partitions[i]) && view->partitions[i].config.weight)
            return &view->partitions[i];
    return NULL;
}

static void check_pcpu(const struct plan *plan, struct plan_item *item, uint32_t index)
{
    const struct snapshot_pcpu *pcpu = &plan->view->pcpus[index];
    struct owner owner = pcpu_default(&plan->proposal->host, index);
    bool shared = pcpu->owner.kind == OWNER_SHARED || owner.kind == OWNER_SHARED;
    const struct snapshot_partition *partition = shared ? shares(plan->view) : NULL;
    char text[64];

    if (pcpu->owner.kind == owner.kind || pcpu->owner.kind == OWNER_OFFLINE)
        return;
    if (pcpu->owner.kind == OWNER_GUEST && owner.kind == OWNER_IDLE)
        return;
    if (pcpu->owner.kind == OWNER_GUEST)
        plan_refuse(item, "pCPU %u is to be %s, but %s has it", pcpu->pcpu,
                    owner.kind == OWNER_BOOT ? "reserved" : "shared",
                    plan_owner(plan, pcpu->owner, text));
    if (partition)
        plan_refuse(item, "the shared pCPUs are to change, but partition %s runs on them",
                    partition->config.name);
}

/* Whether a partition has memory of this node below `end`. */
static bool taken_below(const struct snapshot_view *view, uint32_t node, uint64_t end)
{
    for (uint32_t i = 0; i < view->head->memory_count; i++)
        if (view->memory[i].node == node && view->memory[i].offset < end &&
            view->memory[i].owner.kind == OWNER_GUEST)
            return true;
    return false;
}

static uint64_t node_bytes(const struct snapshot_view *view, uint32_t node)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < view->head->memory_count; i++)
        if (view->memory[i].node == node)
            bytes += view->memory[i].bytes;
    return bytes;
}

static void check_memory(const struct plan *plan, struct plan_item *item)
{
    uint64_t left = (uint64_t)plan->proposal->host.reserved_memory_mib << 20;

    left = (left + GRAIN - 1) & ~(GRAIN - 1);
    for (uint32_t node = 0; node < PARCLOSE_MAX_NODES; node++) {
        uint64_t bytes = node_bytes(plan->view, node), here = left < bytes ? left : bytes;
        if (taken_below(plan->view, node, here))
            plan_refuse(item, "%llu MiB of node %u are to be reserved, but a partition has some",
                        (unsigned long long)(here >> 20), node);
        left -= here;
    }
    if (left)
        plan_refuse(item, "%u MiB are to be reserved: this host has less",
                    plan->proposal->host.reserved_memory_mib);
}

static void check_reserved(const struct plan *plan, struct plan_item *item)
{
    const struct host_config *host = &plan->proposal->host;

    if (host->reserved_pcpus + host->shared_pcpus > plan->view->head->pcpus_count)
        plan_refuse(item, "%u pCPUs are to be reserved and %u shared: this host has %u",
                    host->reserved_pcpus, host->shared_pcpus, plan->view->head->pcpus_count);
    for (uint32_t i = 0; i < plan->view->head->pcpus_count; i++)
        check_pcpu(plan, item, i);
    check_memory(plan, item);
}

/* ---- what is the host's own */

static void say_gate(struct plan_item *item, const struct gate_config *a,
                     const struct gate_config *b)
{
    char name[40];

    for (uint32_t i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "rung %u after-ms", i + 1);
        plan_say_number(item, name, a->wait_ms[i], b->wait_ms[i]);
        snprintf(name, sizeof(name), "rung %u budget", i + 1);
        plan_say_number(item, name, a->budget[i], b->budget[i]);
    }
}

static void plan_settings(struct plan *plan, const struct host_config *a,
                          const struct host_config *b)
{
    struct host_config cards = *b;

    cards.cards_count = a->cards_count;
    memcpy(cards.cards, a->cards, sizeof(cards.cards));
    if (!memcmp(a, &cards, sizeof(cards)))
        return;
    struct plan_item *item =
        plan_add(plan, PLAN_HOST, a->reserved_pcpus ? PLAN_CHANGE : PLAN_ADD, PLAN_AT_ONCE);
    plan_say_number(item, "reserved memory-mib", a->reserved_memory_mib, b->reserved_memory_mib);
    plan_say_number(item, "reserved pcpus", a->reserved_pcpus, b->reserved_pcpus);
    plan_say_number(item, "shared pcpus", a->shared_pcpus, b->shared_pcpus);
    plan_say_number(item, "watchdog timeout-ms", a->watchdog_ms, b->watchdog_ms);
    say_gate(item, &a->gate, &b->gate);
    plan_say_number(item, "audit segment-mib", a->audit.segment_mib, b->audit.segment_mib);
    plan_say_number(item, "audit keep", a->audit.keep, b->audit.keep);
    check_reserved(plan, item);
}

/* ---- cards */

/* A VF of this PF, from `first` on, that a partition has; NULL: none has one. */
static const struct snapshot_vf *used(const struct plan *plan, struct bdf pf, uint32_t first)
{
    for (uint32_t i = 0; i < plan->view->head->vfs_count; i++) {
        const struct snapshot_vf *vf = &plan->view->vfs[i];
        if (vf->observed.pf.value == pf.value && vf->observed.index >= first &&
            vf->owner.kind == OWNER_GUEST)
            return vf;
    }
    return NULL;
}

static void refuse_used(const struct plan *plan, struct plan_item *item,
                        const struct card_config *card, uint32_t first, const char *what)
{
    const struct snapshot_vf *vf = used(plan, card->bdf, first);
    char owner[64];

    if (vf)
        plan_refuse(item, "VF %u is in use by %s: %s; stop it first", vf->observed.index,
                    plan_owner(plan, vf->owner, owner), what);
}

static struct plan_item *add_card(struct plan *plan, const struct card_config *card,
                                  enum plan_change change)
{
    struct plan_item *item = plan_add(plan, PLAN_CARD, change, PLAN_AT_ONCE);

    memcpy(item->card, card->name, sizeof(item->card));
    return item;
}

/* A PF gets more VFs only once those that it has are destroyed. */
static void check_more_vfs(const struct plan *plan, struct plan_item *item,
                           const struct card_config *card)
{
    const struct snapshot_pf *pf = snapshot_view_card(plan->view, card->name);

    if (!pf)
        return;
    if (pf->observed.sriov.offset && card->vfs > pf->observed.sriov.total_vfs)
        plan_refuse(item, "it has at most %u VFs", pf->observed.sriov.total_vfs);
    if (!pf->observed.numvfs || card->vfs <= pf->observed.numvfs)
        return;
    refuse_used(plan, item, card, 0, "for more VFs all of them are made anew");
    plan_say(item,
             "its %u VFs are made anew by rung 1 of the gate's ladder, when a partition waits for "
             "it",
             pf->observed.numvfs);
}

static void change_card(struct plan *plan, const struct card_config *a, const struct card_config *b)
{
    char before[NAME_BDF_MAX], after[NAME_BDF_MAX];

    if (!memcmp(a, b, sizeof(*a)))
        return;
    struct plan_item *item = add_card(plan, b, PLAN_CHANGE);
    plan_say_text(item, "address", name_of_bdf(a->bdf, before), name_of_bdf(b->bdf, after));
    plan_say_text(item, "driver", a->driver, b->driver);
    plan_say_number(item, "vfs", a->vfs, b->vfs);
    plan_say_text(item, "link", name_of_card_link(a->link), name_of_card_link(b->link));
    if (a->bdf.value != b->bdf.value)
        refuse_used(plan, item, a, 0, "the card is to be another one");
    else if (strcmp(a->driver, b->driver) != 0)
        refuse_used(plan, item, a, 0, "its driver is to be another one");
    else if (b->vfs > a->vfs)
        check_more_vfs(plan, item, b);
    else
        refuse_used(plan, item, a, b->vfs, "it would be none of the card any more");
}

static void plan_cards(struct plan *plan, const struct host_config *a, const struct host_config *b)
{
    for (uint32_t i = 0; i < a->cards_count; i++)
        if (!host_config_card(b, a->cards[i].name))
            refuse_used(plan, add_card(plan, &a->cards[i], PLAN_REMOVE), &a->cards[i], 0,
                        "the card is to go");
    for (uint32_t i = 0; i < b->cards_count; i++) {
        const struct card_config *card = &b->cards[i], *old = host_config_card(a, card->name);
        char address[NAME_BDF_MAX];
        if (old)
            change_card(plan, old, card);
        else
            plan_say(add_card(plan, card, PLAN_ADD), "%s at %s, %u VFs", card->driver,
                     name_of_bdf(card->bdf, address), card->vfs);
    }
}

/* ---- definitions that are not proposed, and would name what is no more */

static bool proposed(const struct plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->proposal->partitions_count; i++)
        if (!strcmp(plan->proposal->partitions[i].name, name))
            return true;
    return false;
}

#define LEFT_BEHIND_MAX 16 /* that many are told of */

static void plan_left_behind(struct plan *plan)
{
    const struct snapshot_view *view = plan->view;
    char reason[PARCLOSE_REASON_MAX];
    unsigned told = 0;

    for (uint32_t i = 0; i < view->head->partitions_count && told < LEFT_BEHIND_MAX; i++) {
        const struct partition_config *config = &view->partitions[i].config;
        if (proposed(plan, config->name) ||
            !partition_config_check_cards(config, &plan->proposal->host, reason) ||
            partition_config_check_cards(config, &view->head->host, reason))
            continue;
        partition_config_check_cards(config, &plan->proposal->host, reason);
        struct plan_item *item = plan_add(plan, PLAN_PARTITION, PLAN_CHANGE, PLAN_AT_ONCE);
        memcpy(item->partition, config->name, sizeof(item->partition));
        plan_refuse(item, "its definition would be none: %.120s", reason);
        told++;
    }
}

void plan_make_host(struct plan *plan)
{
    const struct host_config *a = &plan->view->head->host, *b = &plan->proposal->host;

    if (!plan->proposal->host_given)
        return;
    plan_settings(plan, a, b);
    plan_cards(plan, a, b);
    if (a->reserved_pcpus)
        plan_left_behind(plan);
}
