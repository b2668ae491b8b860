/* SPDX-License-Identifier: Apache-2.0 */
#include "ladder.h"

#include <stdio.h>
#include <string.h>

#include "counts.h"
#include "failover.h"
#include "gate.h"
#include "log/log.h"
#include "names/names.h"
#include "orders.h"
#include "outage.h"
#include "parclose/msg_control_sr_pcim.h"
#include "transaction.h"

#define NS_PER_MS UINT64_C(1000000)

/* Of a wait that begins: before the rung that comes, whatever was taken in one before. */
static uint64_t next_wait_ms(const struct gate_config *gate, const struct partition_run *run)
{
    return gate->wait_ms[run->rung ? run->rung : ladder_next(gate, run) - 1];
}

void ladder_wait(struct control *control, struct partition_run *run)
{
    const struct gate_config *gate = &control->db->host.gate;

    run->calm = 0;
    run->deadline_boottime_ns =
        run->rung >= RUNG_ERROR ? 0
                                : control_boottime(control) + next_wait_ms(gate, run) * NS_PER_MS;
}

void ladder_void(struct partition_run *run)
{
    memset(run->rungs_taken, 0, sizeof(run->rungs_taken));
    run->skipped = 0;
    if (run->calm)
        run->deadline_boottime_ns = 0;
    run->calm = 0;
}

static uint64_t all_waits_ns(const struct gate_config *gate)
{
    uint64_t ms = 0;

    for (size_t i = 0; i < RUNG_ERROR; i++)
        ms += gate->wait_ms[i];
    return ms * NS_PER_MS;
}

void ladder_rest(struct control *control, struct partition_run *run)
{
    run->rung = RUNG_WAIT;
    run->rungs_taken[RUNG_RESTART_PF - 1] -= run->skipped;
    run->skipped = 0;
    run->calm = 0;
    for (size_t i = 0; i < RUNG_ERROR; i++)
        run->calm |= run->rungs_taken[i] != 0;
    run->deadline_boottime_ns =
        run->calm ? control_boottime(control) + all_waits_ns(&control->db->host.gate) : 0;
}

void ladder_forget(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;

    ladder_void(&run);
    transaction_begin(control, AUDIT_RUNG, AUDIT_APPLIED, run.start_transaction);
    transaction_text(control, "partition %s ran undisturbed: what was taken is forgotten",
                     partition->config.name);
    transaction_run(control, partition, &run);
    transaction_commit(control, false);
}

enum rung ladder_next(const struct gate_config *gate, const struct partition_run *run)
{
    uint32_t rung = run->rung > RUNG_RESTART_PF ? run->rung : RUNG_RESTART_PF;

    while (rung < RUNG_ERROR && run->rungs_taken[rung - 1] >= gate->budget[rung - 1])
        rung++;
    return (enum rung)rung;
}

/* The PFs that a partition waits for: not ready, or ready without its VF being active. Of one that
 * runs: not ready. */
static bool waits_for(struct db *db, const struct partition *partition, uint32_t number,
                      struct pf **pf)
{
    struct partition one = {.config = partition->config, .run = partition->run};

    one.config.vfs_count = 1;
    one.config.standby_of[0] = 0;
    one.run.standbys = 0;
    one.config.vfs[0] = partition->config.vfs[number];
    *pf = db_pf_of_card(db, one.config.vfs[0].card);
    if (!failover_in_use(partition, number))
        return false;
    for (uint32_t i = 0; i < number; i++)
        if (failover_in_use(partition, i) &&
            db_pf_of_card(db, partition->config.vfs[i].card) == *pf)
            return false; /* said already */
    if (*pf && (*pf)->image.disabled)
        return false; /* for an administrator, whom no rung replaces */
    if (outage_is_for(partition))
        return outage_pf(db, &one) != NULL;
    return *pf && ((*pf)->readiness != PF_READY || gate_blocked(db, &one));
}

/* One that runs: only what was judged and is not ready; what its guest has goes on. One that waits:
 * for more than PFs that are disabled. */
static bool lacks(struct db *db, const struct partition *partition)
{
    struct pf *pf;

    if (outage_is_for(partition))
        return outage_pf(db, partition) != NULL;
    for (uint32_t i = 0; i < partition->config.vfs_count; i++)
        if (!db_pf_of_card(db, partition->config.vfs[i].card) || waits_for(db, partition, i, &pf))
            return gate_blocked(db, partition);
    return false;
}

static void recover(struct control *control, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        struct pf *pf;
        if (!waits_for(control->db, partition, i, &pf))
            continue;
        struct pcim_recover message = {.header = frame_header(PCIM_RECOVER, sizeof(message), 0),
                                       .pf = pf->bdf,
                                       .rung = RUNG_RESTART_PF};
        control_send(control, PROCESS_SR_PCIM, &message, NULL, 0);
    }
}

void ladder_resend(struct control *control)
{
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        const struct partition *partition = &control->db->partitions[i];
        if (partition_started(partition) && partition->run.rung == RUNG_RESTART_PF &&
            partition->run.attach == ATTACH_NONE)
            recover(control, partition);
    }
}

/* One that was ordered just now serves all that wait. */
static bool is_served(const struct control *control, enum rung rung)
{
    return control_boottime(control) < control->restart_serves_ns[rung - 1];
}

static void restart(struct control *control, enum rung rung, const char *reason)
{
    uint64_t now = control_boottime(control), *serves = &control->restart_serves_ns[rung - 1];
    struct boot_restart message = {.header = frame_header(BOOT_RESTART, sizeof(message), 0),
                                   .rung = rung};

    if (is_served(control, rung))
        return;
    *serves = now + control->db->host.gate.wait_ms[rung - 1] * NS_PER_MS / 2;
    snprintf(message.reason, sizeof(message.reason), "%s", reason);
    control_send(control, PROCESS_BOOT, &message, NULL, 0);
}

static void mark_pfs(struct control *control, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        struct pf *pf;
        if (!waits_for(control->db, partition, i, &pf) || pf->image.in_error)
            continue;
        struct pf_image image = pf->image;
        image.in_error = 1;
        transaction_change(control, RESOURCE_PF, pf->bdf.value, 0, &image);
    }
}

/* One that is skipped is spent: the next one is due after the same time. */
static int commit_rung(struct control *control, struct partition *partition, enum rung rung,
                       const char *refusal, const char *reason)
{
    const struct gate_config *gate = &control->db->host.gate;
    struct partition_run run = partition->run;

    run.rung = rung;
    if (refusal)
        run.skipped = (uint16_t)(gate->budget[rung - 1] - run.rungs_taken[rung - 1]);
    run.rungs_taken[rung - 1] += refusal ? run.skipped : 1;
    ladder_wait(control, &run);
    transaction_begin(control, AUDIT_RUNG, refusal ? AUDIT_UNDONE : AUDIT_BEGUN, 0);
    if (refusal)
        transaction_text(control, "%s: skipped: %s", name_of_rung(rung), refusal);
    else
        transaction_text(control, "%s: %.100s", name_of_rung(rung), reason);
    transaction_run(control, partition, &run);
    if (rung == RUNG_ERROR)
        mark_pfs(control, partition);
    if (rung == RUNG_RESTART_ISP && !is_served(control, rung))
        orders_add_resets(control);
    return transaction_commit(control, true);
}

/* Whether a PF of it is disabled: then there is no deadline until that changes. */
static bool needs_disabled(struct db *db, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct pf *pf = db_pf_of_card(db, partition->config.vfs[i].card);
        if (pf && pf->image.disabled)
            return true;
    }
    return false;
}

static void wait_on(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;

    ladder_wait(control, &run);
    if (needs_disabled(control->db, partition))
        run.deadline_boottime_ns = 0;
    transaction_begin(control, AUDIT_WAIT, AUDIT_BEGUN, 0);
    transaction_run(control, partition, &run);
    transaction_commit(control, false);
}

static void count(struct control *control, const struct partition *partition, enum rung rung)
{
    struct pf *pf;

    for (uint32_t i = 0; i < partition->config.vfs_count; i++)
        if (waits_for(control->db, partition, i, &pf) && pf)
            counts_rung(pf, rung);
}

static void take(struct control *control, const struct partition *partition, enum rung rung,
                 const char *reason)
{
    if (rung == RUNG_RESTART_PF)
        recover(control, partition);
    else if (rung != RUNG_ERROR)
        restart(control, rung, reason);
}

void ladder_resume(struct control *control)
{
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        const struct partition *partition = &control->db->partitions[i];
        struct partition_run run = partition->run;
        if (!partition_started(partition) || run.deadline_boottime_ns ||
            (run.phase != PHASE_WAITING && run.phase != PHASE_FROZEN))
            continue;
        ladder_wait(control, &run);
        if (run.deadline_boottime_ns)
            transaction_run(control, partition, &run);
    }
}

void ladder_climb(struct control *control, struct partition *partition)
{
    char reason[PARCLOSE_REASON_MAX] = "";
    uint64_t number = transaction_number(control);
    enum rung rung = ladder_next(&control->db->host.gate, &partition->run);
    const char *refusal = rung == RUNG_RESTART_PF ? outage_refusal(control, partition) : NULL;

    if (!lacks(control->db, partition)) {
        wait_on(control, partition);
        return;
    }
    if (!outage_text(control, partition, reason))
        gate_open(control->db, partition, reason);
    if (commit_rung(control, partition, rung, refusal, reason))
        return;
    log_warning("partition %s: rung %s%s%s: %s", partition->config.name, name_of_rung(rung),
                refusal ? ": skipped: " : "", refusal ? refusal : "", reason);
    orders_tell(control, number);
    if (refusal)
        return;
    count(control, partition, rung);
    take(control, partition, rung, reason);
}
