/* SPDX-License-Identifier: Apache-2.0 */
#include <net/if.h> /* before the kernel's headers */
#include <stdio.h>
#include <string.h>

#include <linux/if_link.h>

#include "config/config_check.h"
#include "names/names.h"
#include "plan.h"

#define REMOVE_MAX_MS 30000 /* HOTPLUG_REMOVE_MS of control: for the guest to give a VF up */

static const struct partition_vf *named_by(const struct partition_config *config,
                                           const struct partition_vf *vf)
{
    for (uint32_t i = 0; i < config->vfs_count; i++)
        if (config->vfs[i].index == vf->index && !strcmp(config->vfs[i].card, vf->card))
            return &config->vfs[i];
    return NULL;
}

/* "net0/0"; "": that VF of the definition stands by for none. */
static void first_text(const struct partition_config *config, const struct partition_vf *vf,
                       char text[64])
{
    uint8_t of = vf ? config->standby_of[vf - config->vfs] : 0;

    text[0] = '\0';
    if (of)
        snprintf(text, 64, "%s/%u", config->vfs[of - 1].card, config->vfs[of - 1].index);
}

static struct plan_item *add_vf(struct plan *plan, const char *partition, const char *card,
                                uint32_t index, enum plan_change change, enum plan_way way)
{
    struct plan_item *item = plan_add(plan, PLAN_VF, change, way);

    snprintf(item->partition, sizeof(item->partition), "%s", partition);
    snprintf(item->card, sizeof(item->card), "%s", card);
    item->index = index;
    return item;
}

/* ---- attributes */

static const char *mac_text(const struct vf_attributes *a, char text[18])
{
    const uint8_t *m = a->mac;

    text[0] = '\0';
    if (a->present & VF_ATTR_MAC)
        snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    return text;
}

/* An attribute that is not given is left to the driver. */
static const char *switch_text(const struct vf_attributes *a, uint32_t bit, uint8_t value)
{
    if (!(a->present & bit))
        return "";
    return value ? "on" : "off";
}

static const char *link_text(const struct vf_attributes *a)
{
    if (!(a->present & VF_ATTR_LINK))
        return "";
    if (a->link_state == IFLA_VF_LINK_STATE_AUTO)
        return "auto";
    return a->link_state == IFLA_VF_LINK_STATE_ENABLE ? "enable" : "disable";
}

static void say_attributes(struct plan_item *item, const struct vf_attributes *a,
                           const struct vf_attributes *b)
{
    char before[18], after[18];

    plan_say_text(item, "mac", mac_text(a, before), mac_text(b, after));
    plan_say_number(item, "vlan", a->vlan, b->vlan);
    plan_say_number(item, "qos", a->qos, b->qos);
    plan_say_text(item, "trust", switch_text(a, VF_ATTR_TRUST, a->trust),
                  switch_text(b, VF_ATTR_TRUST, b->trust));
    plan_say_text(item, "spoofchk", switch_text(a, VF_ATTR_SPOOFCHK, a->spoofchk),
                  switch_text(b, VF_ATTR_SPOOFCHK, b->spoofchk));
    plan_say_text(item, "link", link_text(a), link_text(b));
    plan_say_number(item, "min-tx-rate", a->min_tx_rate, b->min_tx_rate);
    plan_say_number(item, "max-tx-rate", a->max_tx_rate, b->max_tx_rate);
    plan_say_number(item, "queues", a->nvme_queues, b->nvme_queues);
    plan_say_number(item, "vectors", a->nvme_vectors, b->nvme_vectors);
}

/* ---- VFs of a definition */

static bool proposed_twice(const struct plan *plan, const char *partition,
                           const struct partition_vf *wanted)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_item *item = &plan->items[i];
        if (item->object == PLAN_VF && item->change == PLAN_ADD && item->way == PLAN_HOT_PLUG &&
            item->index == wanted->index && !strcmp(item->card, wanted->card) &&
            strcmp(item->partition, partition) != 0)
            return true;
    }
    return false;
}

/* What host.xml would make of the card takes more than the transaction: the PF is to be managed. */
static bool in_force(const struct plan *plan, const struct partition_vf *wanted)
{
    const struct card_config *card = host_config_card(&plan->view->head->host, wanted->card);
    return card && wanted->index < card->vfs;
}

static void plan_coming(struct plan *plan, const struct partition_config *config,
                        const struct partition_vf *wanted, enum plan_way way)
{
    const char *partition = config->name;
    const struct snapshot_pf *pf = snapshot_view_card(plan->view, wanted->card);
    const struct snapshot_vf *vf = plan_vf(plan, wanted->card, wanted->index);
    bool twice = way == PLAN_HOT_PLUG && proposed_twice(plan, partition, wanted);
    struct plan_item *item = add_vf(plan, partition, wanted->card, wanted->index, PLAN_ADD, way);
    char owner[64], first[64];

    first_text(config, wanted, first);
    plan_say_text(item, "stand-by of", "", first);
    if (way != PLAN_HOT_PLUG)
        return;
    if (twice)
        plan_refuse(item, "another partition of this proposal is to have it, too");
    if (!in_force(plan, wanted))
        plan_refuse(item, "the host has no such VF yet: apply host.xml first");
    if (vf && vf->owner.kind != OWNER_INTERCONNECT)
        plan_refuse(item, "%s has it", plan_owner(plan, vf->owner, owner));
    if (!first[0] && (!pf || pf->readiness != PF_READY))
        plan_say(item, "comes when its PF is ready (%s%s%s)",
                 pf ? name_of_readiness(pf->readiness) : "unknown", pf && pf->reason[0] ? ": " : "",
                 pf ? pf->reason : "");
}

static void plan_going(struct plan *plan, const struct snapshot_partition *known,
                       const struct partition_vf *old, enum plan_way way)
{
    const struct partition_config *config = &known->config;
    struct plan_item *item = add_vf(plan, config->name, old->card, old->index, PLAN_REMOVE, way);
    bool has = partition_vf_in_use(config, known->standbys, (uint32_t)(old - config->vfs));

    if (way == PLAN_HOT_PLUG && has)
        item->outage = (struct plan_outage){.for_good = true, .stop_max_ms = REMOVE_MAX_MS};
}

static void plan_staying(struct plan *plan, const struct snapshot_partition *known,
                         const struct partition_config *config, const struct partition_vf *has,
                         const struct partition_vf *wanted, enum plan_way way)
{
    char before[64], after[64];

    first_text(&known->config, has, before);
    first_text(config, wanted, after);
    if (!strcmp(before, after) &&
        !memcmp(&has->attributes, &wanted->attributes, sizeof(has->attributes)))
        return;
    struct plan_item *item =
        add_vf(plan, config->name, wanted->card, wanted->index, PLAN_CHANGE, way);
    plan_say_text(item, "stand-by of", before, after);
    say_attributes(item, &has->attributes, &wanted->attributes);
}

void plan_make_vfs(struct plan *plan, const struct snapshot_partition *known,
                   const struct partition_config *config, enum plan_way way)
{
    for (uint32_t i = 0; i < known->config.vfs_count; i++)
        if (!named_by(config, &known->config.vfs[i]))
            plan_going(plan, known, &known->config.vfs[i], way);
    for (uint32_t i = 0; i < config->vfs_count; i++) {
        const struct partition_vf *wanted = &config->vfs[i];
        const struct partition_vf *has = named_by(&known->config, wanted);
        if (!has)
            plan_coming(plan, config, wanted, way);
        else
            plan_staying(plan, known, config, has, wanted, way);
    }
}

/* ---- edits of devices.xml */

/* MAC and NVMe resources cannot change under a driver that has read them. */
static bool needs_closed(const struct vf_attributes *a, const struct vf_attributes *b)
{
    return ((a->present ^ b->present) & VF_ATTR_MAC) ||
           memcmp(a->mac, b->mac, sizeof(a->mac)) != 0 || a->nvme_queues != b->nvme_queues ||
           a->nvme_vectors != b->nvme_vectors;
}

static const char *card_of(const struct plan *plan, struct bdf pf)
{
    for (uint32_t i = 0; i < plan->view->head->pfs_count; i++)
        if (plan->view->pfs[i].observed.bdf.value == pf.value)
            return plan->view->pfs[i].card;
    return "";
}

static bool redefined(const struct plan *plan, const struct snapshot_partition *user)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].object == PLAN_PARTITION &&
            !strcmp(plan->items[i].partition, user->config.name))
            return true;
    return false;
}

static void plan_edit(struct plan *plan, const struct vf_edit *edit)
{
    const struct snapshot_vf *vf = snapshot_view_vf(plan->view, edit->pf, edit->index);
    const struct snapshot_partition *user =
        vf && vf->owner.kind == OWNER_GUEST
            ? snapshot_view_partition_id(plan->view, vf->owner.partition)
            : NULL;

    if (user && !memcmp(&vf->desired, &edit->after, sizeof(vf->desired)))
        return;
    struct plan_item *item = add_vf(plan, user ? user->config.name : "", card_of(plan, edit->pf),
                                    edit->index, PLAN_CHANGE, PLAN_AT_ONCE);
    if (!user) {
        plan_refuse(item, "no partition has it");
        return;
    }
    say_attributes(item, &vf->desired, &edit->after);
    if (redefined(plan, user))
        plan_refuse(item, "its partition gets another definition: apply one after the other");
    if (snapshot_partition_stopped(user) || user->phase == PHASE_STOPPING ||
        user->phase == PHASE_RELEASING)
        plan_refuse(item, "its partition is stopping");
    if (vf->observed.open && needs_closed(&vf->desired, &edit->after))
        plan_refuse(item, "it is in use: its MAC and NVMe resources can change when the partition "
                          "is stopped");
}

void plan_make_edits(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->proposal->edits_count; i++)
        plan_edit(plan, &plan->proposal->edits[i]);
}
