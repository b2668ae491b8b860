/* SPDX-License-Identifier: Apache-2.0 */
#include "hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/config_check.h"
#include "failover.h"
#include "freeze.h"
#include "gate.h"
#include "lifecycle.h"
#include "log/log.h"
#include "names/names.h"
#include "outage.h"
#include "replies.h"
#include "tell.h"
#include "transaction.h"
#include "wire/monitor_word.h"

/* ---- what is */

/* The VF of a definition; NULL: it has none of that card and index. */
static const struct partition_vf *named_by(const struct partition_config *config, const char *card,
                                           uint32_t index)
{
    for (uint32_t i = 0; i < config->vfs_count; i++)
        if (config->vfs[i].index == index && !strcmp(config->vfs[i].card, card))
            return &config->vfs[i];
    return NULL;
}

static bool seated(const struct partition *partition, struct bdf vf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (partition->monitor.vfs[i].marks && partition->monitor.vfs[i].vf.value == vf.value)
            return true;
    return false;
}

/* Its monitor is complete, and has said what it has. */
static bool said(const struct partition *partition)
{
    return partition->said && partition->monitor.present &&
           (partition->monitor.states & STATE_BIT(STATE_CHANNEL_IMAGE));
}

static bool runs(const struct partition *partition)
{
    return partition->run.phase == PHASE_RUNNING && partition->run.attach == ATTACH_DONE &&
           said(partition);
}

/* Before the gate, and nothing but the gate, or a VF that was taken from it, is left. */
static bool stands(const struct partition *partition)
{
    return partition->run.channels && partition->run.attach == ATTACH_NONE &&
           !partition_ending(partition) && said(partition);
}

/* The host's kernel wants it back, its PF's driver being unbound, say: it waits until it is let go.
 * A guest that has not begun with it does not miss it, and would begin with a PF that nobody
 * serves. */
static bool wanted_back(const struct partition *partition, struct bdf vf)
{
    uint32_t marks = monitor_vf_marks(partition->monitor.vfs, vf);
    bool not_begun = stands(partition) && partition->run.phase != PHASE_FROZEN;
    bool idle = (stands(partition) || runs(partition)) && (marks & VF_IDLE);

    return (not_begun || idle) && (marks & VF_REQUESTED);
}

/* Its monitor has it, or gets it just now. */
static bool held(const struct partition *partition, struct bdf vf)
{
    return seated(partition, vf) || (vf.value && partition->adding.value == vf.value);
}

bool hotplug_pending(struct db *db, const struct partition *partition, const struct pf *pf,
                     uint32_t index)
{
    return !held(partition, db_vf_bdf(pf, index)) &&
           (runs(partition) || stands(partition) || failover_idle(db, partition, &pf->vfs[index]));
}

const struct partition_vf *hotplug_missing(struct db *db, const struct partition *partition)
{
    for (uint32_t i = 0; stands(partition) && i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(db, wanted->card);
        if (failover_in_use(partition, i) &&
            (!pf || !seated(partition, db_vf_bdf(pf, wanted->index)) ||
             wanted_back(partition, db_vf_bdf(pf, wanted->index))))
            return wanted;
    }
    return NULL;
}

bool hotplug_going(struct db *db, const struct partition *partition, const struct pf *pf,
                   uint32_t index)
{
    return held(partition, db_vf_bdf(pf, index)) && failover_idle(db, partition, &pf->vfs[index]);
}

uint32_t hotplug_patience_ms(struct db *db, const struct partition *partition)
{
    const struct vf *vf = db_vf_by_bdf(db, partition->leaving);

    bool at_once = wanted_back(partition, partition->leaving) || (vf && !vf->observed.answers);

    return at_once ? 1 : HOTPLUG_REMOVE_MS;
}

static void leaving_of(struct db *db, const struct partition *partition, const struct pf *pf,
                       struct hotplug_vfs *leaving)
{
    const struct card_config *card = db_card(db, pf->bdf);

    for (uint32_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
        if (owner_equal(pf->vfs[v].owner, owner_guest(partition->id)) &&
            !(card && named_by(&partition->config, card->name, v)) &&
            leaving->count < sizeof(leaving->vfs) / sizeof(leaving->vfs[0])) {
            leaving->vfs[leaving->count].pf = pf;
            leaving->vfs[leaving->count++].index = v;
        }
}

struct hotplug_vfs hotplug_leaving(struct db *db, const struct partition *partition)
{
    struct hotplug_vfs leaving = {.count = 0};

    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (db->pfs[i])
            leaving_of(db, partition, db->pfs[i], &leaving);
    return leaving;
}

void hotplug_tell(struct control *control, const struct partition *partition,
                  const struct hotplug_vfs *vfs)
{
    const struct vf_attributes none = {0};

    for (uint32_t i = 0; i < vfs->count; i++) {
        tell_assign(control, vfs->vfs[i].pf, vfs->vfs[i].index, &none);
        tell_want(control, partition, vfs->vfs[i].pf, vfs->vfs[i].index, &none);
    }
}

/* ---- a new definition */

/* One that stays must stay as it is; one that comes must be free. */
static int check_vf(struct control *control, const struct partition *partition,
                    const struct partition_vf *wanted, char *text)
{
    const struct partition_vf *has = named_by(&partition->config, wanted->card, wanted->index);
    const struct pf *pf = db_pf_of_card(control->db, wanted->card);

    if (has && memcmp(&has->attributes, &wanted->attributes, sizeof(has->attributes)) != 0)
        return refuse(text, -EBUSY,
                      "VF %u of card %s: stop partition %s before you change its attributes",
                      wanted->index, wanted->card, partition->config.name);
    if (has)
        return 0;
    if (pf && owner_equal(pf->vfs[wanted->index].owner, owner_guest(partition->id)))
        return refuse(text, -EAGAIN,
                      "VF %u of card %s is being given up: try again when it is gone",
                      wanted->index, wanted->card);
    return lifecycle_vf_free(control, partition, wanted, text);
}

int hotplug_judge(struct control *control, const struct partition *partition,
                  const struct partition_config *config, char text[PARCLOSE_REASON_MAX])
{
    int error = partition_config_check(config, text);

    if (!error)
        error = partition_config_check_cards(config, &control->db->host, text);
    if (error)
        return error;
    if (!partition_config_live_apart(&partition->config, config))
        return refuse(text, -EBUSY,
                      "partition %s is started: stop it before you change its "
                      "definition (but for its VFs and on-outage)",
                      config->name);
    if (partition->run.phase != PHASE_RUNNING || partition->run.attach != ATTACH_DONE)
        return refuse(text, -EBUSY,
                      "partition %s does not run: its VFs change while it does, or "
                      "is stopped",
                      config->name);
    if (strcmp(config->monitor, "native") != 0)
        return refuse(text, -EOPNOTSUPP,
                      "partition %s: its monitor takes no VF and gives none up while it runs: "
                      "stop it first",
                      config->name);
    for (uint32_t i = 0; i < config->vfs_count && !error; i++)
        error = check_vf(control, partition, &config->vfs[i], text);
    return error;
}

/* Those that `config` has and `old` has not. What the TCB said of them is of another life. */
static struct hotplug_vfs coming(struct control *control, const struct partition_config *config,
                                 const struct partition_config *old)
{
    struct hotplug_vfs vfs = {.count = 0};

    for (uint32_t i = 0; i < config->vfs_count; i++) {
        const struct partition_vf *wanted = &config->vfs[i];
        if (named_by(old, wanted->card, wanted->index))
            continue;
        vfs.vfs[vfs.count].pf = db_pf_of_card(control->db, wanted->card);
        vfs.vfs[vfs.count++].index = wanted->index;
    }
    return vfs;
}

/* Of all that are wanted, or are not any more: those are not mended either. */
static void tell(struct control *control, const struct partition *partition,
                 const struct hotplug_vfs *news, const struct hotplug_vfs *leaving)
{
    const struct vf_attributes none = {0};

    for (uint32_t i = 0; i < news->count; i++)
        db_pf(control->db, news->vfs[i].pf->bdf)->vfs[news->vfs[i].index].observed.attributes_set =
            0;
    tell_assigns(control, partition);
    tell_wants(control, partition);
    for (uint32_t i = 0; i < leaving->count; i++) {
        db_pf(control->db, leaving->vfs[i].pf->bdf)->vfs[leaving->vfs[i].index].reset_boottime_ns =
            0;
        tell_want(control, partition, leaving->vfs[i].pf, leaving->vfs[i].index, &none);
    }
}

void hotplug_change(struct control *control, const struct partition *partition,
                    const struct partition_config *config)
{
    struct hotplug_vfs news = coming(control, config, &partition->config);
    struct partition_run run = partition->run;

    run.standbys = failover_kept(partition, config);
    run.descriptor_generation++;
    transaction_change(control, RESOURCE_PARTITION, partition->id.value, 0, config);
    for (uint32_t i = 0; i < news.count; i++)
        if (!owner_equal(news.vfs[i].pf->vfs[news.vfs[i].index].owner, owner_guest(partition->id)))
            transaction_vf(control, news.vfs[i].pf, news.vfs[i].index, owner_guest(partition->id));
    transaction_run(control, partition, &run);
}

void hotplug_changed(struct control *control, struct partition *partition,
                     const struct partition_config *old)
{
    struct hotplug_vfs news = coming(control, &partition->config, old);
    struct hotplug_vfs leaving = hotplug_leaving(control->db, partition);

    tell(control, partition, &news, &leaving);
    drive_partition(control, partition);
}

int hotplug_define(struct control *control, struct partition *partition,
                   const struct control_partition_define *request, char text[PARCLOSE_REASON_MAX])
{
    const struct partition_config old = partition->config;
    int error = hotplug_judge(control, partition, &request->config, text);

    if (error)
        return error;
    transaction_begin(control, AUDIT_DEFINE, AUDIT_BEGUN, partition->run.start_transaction);
    transaction_who(control, PROCESS_COMMAND, &request->requester);
    transaction_request(control, &request->header);
    transaction_text(control, "partition %s: its VFs, while it runs", old.name);
    hotplug_change(control, partition, &request->config);
    error = commit_or_say(control, text);
    if (!error)
        hotplug_changed(control, partition, &old);
    return error;
}

/* ---- what is due */

/* Lead has no order about it to answer, and its monitor has not got it. */
static bool gone(const struct partition *partition, struct bdf vf)
{
    return vf.value && !held(partition, vf) && partition->leaving.value != vf.value;
}

static void give_back(struct control *control, struct partition *partition,
                      const struct hotplug_vfs *leaving)
{
    struct hotplug_vfs one = {.count = 1};

    for (uint32_t i = 0; i < leaving->count; i++) {
        const struct card_config *card = db_card(control->db, leaving->vfs[i].pf->bdf);
        if (!gone(partition, db_vf_bdf(leaving->vfs[i].pf, leaving->vfs[i].index)))
            continue;
        one.vfs[0] = leaving->vfs[i];
        transaction_begin(control, AUDIT_RELEASE, AUDIT_BEGUN, partition->run.start_transaction);
        transaction_text(control, "partition %s: VF %u of card %s", partition->config.name,
                         one.vfs[0].index, card ? card->name : "?");
        transaction_vf(control, one.vfs[0].pf, one.vfs[0].index, owner_of_kind(OWNER_INTERCONNECT));
        if (transaction_commit(control, true))
            return;
        hotplug_tell(control, partition, &one);
        control_changed(control);
    }
}

/* One that cannot be sent now is tried again at the next event. */
static void order_vf(struct control *control, struct partition *partition, enum order order,
                     struct bdf *place, struct bdf vf)
{
    *place = vf;
    drive_order(control, partition, order);
    if (!(partition->ordered & UINT32_C(1) << order))
        place->value = 0;
}

/* Those that were in use, are lost, or are wanted back, and are named by its definition still. */
static void add_replaced(struct db *db, const struct partition *partition,
                         struct hotplug_vfs *leaving)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(db, wanted->card);
        if (!pf ||
            (failover_in_use(partition, i) &&
             !outage_takes(partition, pf, &pf->vfs[wanted->index]) &&
             !wanted_back(partition, db_vf_bdf(pf, wanted->index))) ||
            leaving->count == sizeof(leaving->vfs) / sizeof(leaving->vfs[0]))
            continue;
        leaving->vfs[leaving->count].pf = pf;
        leaving->vfs[leaving->count++].index = wanted->index;
    }
}

static void take_one(struct control *control, struct partition *partition,
                     const struct hotplug_vfs *leaving)
{
    for (uint32_t i = 0; !partition->leaving.value && i < leaving->count; i++) {
        const struct vf *vf = &leaving->vfs[i].pf->vfs[leaving->vfs[i].index];
        struct bdf bdf = db_vf_bdf(leaving->vfs[i].pf, leaving->vfs[i].index);
        if (!bdf.value || !seated(partition, bdf))
            continue;
        if (freeze_stands(partition) && vf->observed.answers)
            continue; /* its guest could not give it up */
        order_vf(control, partition, ORDER_VF_REMOVE, &partition->leaving, bdf);
    }
}

/* Two with one MAC address would be one too many for a guest. */
static bool follows(struct db *db, const struct partition *partition, uint32_t number)
{
    const struct partition_vf *other = failover_mate(partition, number);
    const struct pf *pf = other ? db_pf_of_card(db, other->card) : NULL;

    return pf && seated(partition, db_vf_bdf(pf, other->index));
}

static void hand_one(struct control *control, struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count && !partition->adding.value; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(control->db, wanted->card);
        if (!pf || !failover_in_use(partition, i) || follows(control->db, partition, i) ||
            !hotplug_pending(control->db, partition, pf, wanted->index) ||
            gate_vf_trouble(control->db, wanted))
            continue;
        order_vf(control, partition, ORDER_VF_ADD, &partition->adding,
                 pf->vfs[wanted->index].observed.bdf);
    }
}

void hotplug_drive(struct control *control, struct partition *partition)
{
    struct hotplug_vfs leaving;

    if (!runs(partition) && !stands(partition))
        return;
    leaving = hotplug_leaving(control->db, partition);
    give_back(control, partition, &leaving);
    add_replaced(control->db, partition, &leaving);
    take_one(control, partition, &leaving);
    hand_one(control, partition);
}

/* What lead's answer stands for, by what its monitor has now: a late answer is another VF's. */
static bool done(const struct partition *partition, enum order order, struct bdf vf)
{
    return vf.value && seated(partition, vf) == (order == ORDER_VF_ADD);
}

static void note(struct control *control, const struct partition *partition, enum order order,
                 struct bdf vf, const char *how)
{
    const char *what = order == ORDER_VF_ADD ? "is on the guest's bus" : "has left the guest's bus";
    struct partition_run run = partition->run;
    char name[NAME_BDF_MAX];

    name_of_bdf(vf, name);
    transaction_begin(control, AUDIT_CHANNELS, AUDIT_APPLIED, run.start_transaction);
    transaction_text(control, "partition %s: VF %s %s%s%.60s", partition->config.name, name, what,
                     how[0] ? ": " : "", how);
    if (how[0]) {
        snprintf(run.reason, sizeof(run.reason), "VF %s was taken: %.100s", name, how);
        transaction_run(control, partition, &run);
    }
    if (transaction_commit(control, false))
        return;
    if (how[0])
        log_warning("partition %s: VF %s %s: %s", partition->config.name, name, what, how);
    else
        log_notice("partition %s: VF %s %s", partition->config.name, name, what);
}

void hotplug_result(struct control *control, struct partition *partition, enum order order,
                    const struct lead_result *message)
{
    struct bdf *place = order == ORDER_VF_ADD ? &partition->adding : &partition->leaving;
    struct bdf vf = *place;

    place->value = 0;
    snprintf(partition->trouble, sizeof(partition->trouble), "%s",
             message->error ? message->text : "");
    if (!message->error && done(partition, order, vf))
        note(control, partition, order, vf, message->text);
}

/* ---- what it waits for */

static bool coming_text(struct db *db, const struct partition *partition,
                        const struct partition_vf *wanted, char *text)
{
    const struct pf *pf = db_pf_of_card(db, wanted->card);
    const char *trouble = gate_vf_trouble(db, wanted);

    if (pf && seated(partition, db_vf_bdf(pf, wanted->index)))
        return false;
    if (pf && pf->readiness != PF_READY && pf->reason[0])
        trouble = pf->reason;
    if (!trouble)
        trouble = partition->trouble[0] ? partition->trouble : "its monitor takes it up";
    snprintf(text, PARCLOSE_REASON_MAX, "VF %u of card %s: %.100s", wanted->index, wanted->card,
             trouble);
    return true;
}

static void going_text(const struct partition_vf *vf, char *text)
{
    snprintf(text, PARCLOSE_REASON_MAX, "VF %u of card %s: its guest to give it up", vf->index,
             vf->card);
}

static uint32_t still_to_come(struct db *db, const struct partition *partition,
                              const struct partition_config *from,
                              const struct partition_config *to, char *text)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < to->vfs_count; i++)
        if (!named_by(from, to->vfs[i].card, to->vfs[i].index) && failover_in_use(partition, i))
            count += coming_text(db, partition, &to->vfs[i], text);
    return count;
}

static uint32_t still_to_go(struct db *db, const struct partition *partition,
                            const struct partition_config *from, const struct partition_config *to,
                            char *text)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < from->vfs_count; i++) {
        const struct partition_vf *vf = &from->vfs[i];
        const struct pf *pf = db_pf_of_card(db, vf->card);
        if (!pf || named_by(to, vf->card, vf->index) ||
            !owner_equal(pf->vfs[vf->index].owner, owner_guest(partition->id)))
            continue;
        going_text(vf, text);
        count++;
    }
    return count;
}

uint32_t hotplug_moving(struct db *db, const struct partition *partition,
                        const struct partition_config *from, const struct partition_config *to,
                        char text[PARCLOSE_REASON_MAX])
{
    text[0] = 0;
    if (partition->run.phase != PHASE_RUNNING || partition->run.attach != ATTACH_DONE)
        return 0;
    if (!runs(partition)) { /* lead is back, and has not spoken of it yet */
        snprintf(text, PARCLOSE_REASON_MAX, "the lead monitor's word of partition %s",
                 partition->config.name);
        return 1;
    }
    return still_to_go(db, partition, from, to, text) +
           still_to_come(db, partition, from, to, text);
}

void hotplug_waiting(struct db *db, const struct partition *partition,
                     char text[PARCLOSE_REASON_MAX])
{
    const struct hotplug_vfs leaving = hotplug_leaving(db, partition);

    text[0] = 0;
    if (!runs(partition))
        return;
    for (uint32_t i = 0; i < partition->config.vfs_count; i++)
        if (failover_in_use(partition, i) &&
            coming_text(db, partition, &partition->config.vfs[i], text))
            return;
    if (leaving.count) {
        const struct card_config *card = db_card(db, leaving.vfs[0].pf->bdf);
        snprintf(text, PARCLOSE_REASON_MAX, "VF %u of card %s: its guest to give it up",
                 leaving.vfs[0].index, card ? card->name : "?");
    }
}
