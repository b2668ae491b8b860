/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include <string.h>
#include <unistd.h>

#include "descriptor.h"
#include "failover.h"
#include "freeze.h"
#include "gate.h"
#include "hotplug.h"
#include "ladder.h"
#include "lifecycle.h"
#include "log/log.h"
#include "outage.h"
#include "states.h"
#include "tell.h"
#include "transaction.h"

#define NS_PER_MS  UINT64_C(1000000)
#define OWN_STATES (STATES_BEFORE_GATE & ~STATE_BIT(STATE_CHANNEL_IMAGE))

uint64_t order_id(enum order order, uint64_t transaction)
{
    return transaction << 4 | (uint64_t)order;
}

static uint64_t order_transaction(const struct partition *partition, enum order order)
{
    if (order == ORDER_PROCESSORS)
        return partition->run.descriptor_generation;
    return order == ORDER_ATTACH || order == ORDER_DETACH ? partition->run.attach_transaction
                                                          : partition->run.start_transaction;
}

uint64_t drive_order_id(const struct partition *partition, enum order order)
{
    return order_id(order, order_transaction(partition, order));
}

static int send_stop(struct control *control, const struct partition *partition)
{
    const struct partition_run *run = &partition->run;
    uint64_t now = control_boottime(control);
    uint64_t forced_at = run->deadline_boottime_ns - STOP_GRACE_NS;
    struct lead_stop message = {
        .header =
            frame_header(LEAD_STOP, sizeof(message), order_id(ORDER_STOP, run->start_transaction)),
        .partition = partition->id,
        /* a guest that is not attached cannot see its power button */
        .force = run->attach != ATTACH_DONE || forced_at <= now,
    };

    if (!message.force)
        message.timeout_ms = (uint32_t)((forced_at - now) / NS_PER_MS);
    return control_send(control, PROCESS_LEAD, &message, NULL, 0);
}

static int send_vf(struct control *control, const struct partition *partition, enum order order)
{
    bool add = order == ORDER_VF_ADD;
    struct lead_vf message = {
        .header = frame_header(add ? LEAD_VF_ADD : LEAD_VF_REMOVE, sizeof(message),
                               order_id(order, partition->run.start_transaction)),
        .partition = partition->id,
        .vf = add ? partition->adding : partition->leaving,
        .timeout_ms = add ? 0 : hotplug_patience_ms(control->db, partition),
    };
    int file = descriptor_publish(control->db, partition);

    if (file < 0)
        return file;
    int error = control_send(control, PROCESS_LEAD, &message, &file, 1);
    close(file);
    return error;
}

static int send_order(struct control *control, const struct partition *partition, enum order order)
{
    static const uint16_t types[] = {[ORDER_CREATE] = LEAD_CREATE,
                                     [ORDER_CHANNELS] = LEAD_CHANNELS,
                                     [ORDER_ATTACH] = LEAD_ATTACH,
                                     [ORDER_DETACH] = LEAD_DETACH,
                                     [ORDER_PROCESSORS] = LEAD_PROCESSORS};
    struct lead_order message = {
        .header = frame_header(types[order], sizeof(message), drive_order_id(partition, order)),
        .partition = partition->id,
        .transaction = order_transaction(partition, order)};
    bool described = order == ORDER_CREATE || order == ORDER_CHANNELS || order == ORDER_PROCESSORS;
    int file = described ? descriptor_publish(control->db, partition) : -1;

    if (described && file < 0)
        return file;
    int error = control_send(control, PROCESS_LEAD, &message, &file, described ? 1 : 0);
    if (described)
        close(file);
    return error;
}

void drive_order(struct control *control, struct partition *partition, enum order order)
{
    uint32_t bit = UINT32_C(1) << order;

    if (!control->lead_up || (partition->ordered & bit))
        return;
    int error = order == ORDER_STOP     ? send_stop(control, partition)
                : order >= ORDER_VF_ADD ? send_vf(control, partition, order)
                                        : send_order(control, partition, order);
    if (!error)
        partition->ordered |= bit;
    else
        log_warning("partition %s: order %d is not sent: %s", partition->config.name, (int)order,
                    strerror(-error));
}

void drive_forget(struct partition *partition)
{
    partition->ordered = 0;
    partition->adding = partition->leaving = (struct bdf){0};
}

/* Its VFs are all active: a new descriptor that names them goes to its monitor. */
static void hand_channels(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;

    if (!run.channels) {
        run.channels = 1;
        run.descriptor_generation++;
        transaction_begin(control, AUDIT_CHANNELS, AUDIT_BEGUN, 0);
        transaction_run(control, partition, &run);
        if (transaction_commit(control, false))
            return;
        tell_wants(control, partition);
    }
    drive_order(control, partition, ORDER_CHANNELS);
}

static void begin_waiting(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;
    char text[PARCLOSE_REASON_MAX] = "";

    run.phase = PHASE_WAITING;
    ladder_wait(control, &run);
    gate_open(control->db, partition, text);
    transaction_begin(control, AUDIT_WAIT, AUDIT_BEGUN, 0);
    transaction_text(control, "%.150s", text);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return;
    log_notice("partition %s waits: %s", partition->config.name, text);
    control_arm(control);
}

/* An order that failed is tried again at a walking pace. */
static bool may_order(const struct control *control, const struct partition *partition)
{
    return partition->retry_boottime_ns <= control_boottime(control);
}

/* After control's restart the TCB's word comes when it comes. */
static bool vfs_known(struct db *db, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(db, wanted->card);
        if (failover_in_use(partition, i) && (!pf || !pf->vfs[wanted->index].present))
            return false;
    }
    return true;
}

/* CHANNELS was ordered and its answer may be lost; or it is its time. */
static bool channels_due(struct control *control, const struct partition *partition)
{
    char text[PARCLOSE_REASON_MAX];

    return partition->run.channels ? vfs_known(control->db, partition)
                                   : gate_vf_missing(control->db, partition, text) < 0;
}

static void before_gate(struct control *control, struct partition *partition)
{
    uint32_t states = partition_states(partition);

    if (may_order(control, partition) && gate_try(control, partition))
        return;
    if (!(states & STATE_BIT(STATE_CHANNEL_IMAGE)) && (states & STATE_BIT(STATE_ALIVE)) &&
        may_order(control, partition) && channels_due(control, partition))
        hand_channels(control, partition);
    if (may_order(control, partition))
        hotplug_drive(control, partition);
    if (partition->run.phase == PHASE_STARTING && (states & OWN_STATES) == OWN_STATES &&
        gate_blocked(control->db, partition))
        begin_waiting(control, partition);
}

void drive_processors(struct control *control, struct partition *partition)
{
    if (partition->processors_due && partition->monitor.present && control->lead_synced &&
        !partition_ending(partition) && may_order(control, partition))
        drive_order(control, partition, ORDER_PROCESSORS);
}

void drive_partition(struct control *control, struct partition *partition)
{
    const struct partition_run *run = &partition->run;

    if (!partition_started(partition) || !control->lead_synced || run->phase == PHASE_RELEASING)
        return;
    drive_processors(control, partition);
    failover_follow(control, partition);
    outage_follow(control, partition);
    freeze_follow(control, partition);
    if (may_order(control, partition))
        freeze_drive(control, partition);
    if (run->phase == PHASE_STOPPING)
        drive_order(control, partition, ORDER_STOP);
    else if (partition->monitor.present && run->attach == ATTACH_NONE)
        before_gate(control, partition);
    else if (!may_order(control, partition))
        return; /* its timer runs */
    else if (!partition->monitor.present)
        drive_order(control, partition, ORDER_CREATE);
    else if (run->attach == ATTACH_COMMITTED)
        drive_order(control, partition, ORDER_ATTACH);
    else if (run->attach == ATTACH_UNDOING)
        drive_order(control, partition, ORDER_DETACH);
    else
        hotplug_drive(control, partition);
}

/* A VF of it is the partition's, or is to be. */
static bool uses(struct db *db, const struct partition *partition, const struct pf *pf)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++)
        if (db_pf_of_card(db, partition->config.vfs[i].card) == pf)
            return true;
    for (uint32_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
        if (owner_equal(pf->vfs[v].owner, owner_guest(partition->id)))
            return true;
    return false;
}

void drive_users(struct control *control, const struct pf *pf)
{
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        struct partition *partition = &control->db->partitions[i];
        if (partition_started(partition) && uses(control->db, partition, pf))
            drive_partition(control, partition);
    }
}

void drive_all(struct control *control)
{
    for (size_t i = 0; i < control->db->partitions_end; i++)
        drive_partition(control, &control->db->partitions[i]);
}

/* Lead should have forced it by now: told so, and again after the same grace. */
static void force(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;

    run.deadline_boottime_ns = control_boottime(control) + STOP_GRACE_NS;
    transaction_begin(control, AUDIT_STOP, AUDIT_BEGUN, 0);
    transaction_text(control, "its time is over: forced");
    transaction_run(control, partition, &run);
    if (transaction_commit(control, false))
        return;
    partition->ordered &= ~(UINT32_C(1) << ORDER_STOP);
    drive_order(control, partition, ORDER_STOP);
}

/* Who waited for a PF that is given up now, waits no more. */
static void climb(struct control *control, struct partition *partition)
{
    ladder_climb(control, partition);
    if (partition->run.rung == RUNG_ERROR)
        drive_all(control);
    else
        drive_partition(control, partition); /* it may lose what its PF has lost */
}

void drive_deadline(struct control *control, struct partition *partition)
{
    uint64_t now = control_boottime(control);

    if (partition->retry_boottime_ns && partition->retry_boottime_ns <= now) {
        partition->retry_boottime_ns = 0;
        drive_partition(control, partition);
    }
    if (!partition->run.deadline_boottime_ns || partition->run.deadline_boottime_ns > now)
        return;
    if (partition->run.phase == PHASE_STOPPING)
        force(control, partition);
    else if (partition->run.calm)
        ladder_forget(control, partition);
    else if (now >= control->settled_boottime_ns &&
             (partition->run.phase == PHASE_WAITING || partition->run.phase == PHASE_FROZEN ||
              outage_is_for(partition)))
        climb(control, partition);
}
