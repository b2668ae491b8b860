/* SPDX-License-Identifier: Apache-2.0 */
#include "ladder.h"

#include <stdio.h>
#include <string.h>

#include "gate.h"
#include "log/log.h"
#include "names/names.h"
#include "parclose/msg_control_sr_pcim.h"
#include "transaction.h"

#define NS_PER_MS UINT64_C(1000000)

void ladder_wait(struct control *control, struct partition_run *run)
{
    const struct gate_config *gate = &control->db->host.gate;

    run->deadline_boottime_ns =
        run->rung >= RUNG_ERROR ? 0
                                : control_boottime(control) + gate->wait_ms[run->rung] * NS_PER_MS;
}

enum rung ladder_next(const struct gate_config *gate, const struct partition_run *run)
{
    uint32_t rung = run->rung > RUNG_RESTART_PF ? run->rung : RUNG_RESTART_PF;

    while (rung < RUNG_ERROR && run->rungs_taken[rung - 1] >= gate->budget[rung - 1])
        rung++;
    return (enum rung)rung;
}

/* The PFs that a partition waits for: not ready, or ready without its VF being active. */
static bool waits_for(struct db *db, const struct partition *partition, uint32_t number,
                      struct pf **pf)
{
    struct partition one = {.config = partition->config, .run = partition->run};

    one.config.vfs_count = 1;
    one.config.vfs[0] = partition->config.vfs[number];
    *pf = db_pf_of_card(db, one.config.vfs[0].card);
    for (uint32_t i = 0; i < number; i++)
        if (db_pf_of_card(db, partition->config.vfs[i].card) == *pf)
            return false; /* said already */
    return *pf && ((*pf)->readiness != PF_READY || gate_blocked(db, &one));
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

static void restart(struct control *control, enum rung rung, const char *reason)
{
    struct boot_restart message = {.header = frame_header(BOOT_RESTART, sizeof(message), 0),
                                   .rung = rung};

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

static int commit_rung(struct control *control, struct partition *partition, enum rung rung,
                       const char *reason)
{
    struct partition_run run = partition->run;

    run.rung = rung;
    run.rungs_taken[rung - 1]++;
    ladder_wait(control, &run);
    transaction_begin(control, AUDIT_RUNG, AUDIT_BEGUN, 0);
    transaction_text(control, "%s: %.100s", name_of_rung(rung), reason);
    transaction_run(control, partition, &run);
    if (rung == RUNG_ERROR)
        mark_pfs(control, partition);
    return transaction_commit(control, true);
}

static void wait_on(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;

    ladder_wait(control, &run);
    transaction_begin(control, AUDIT_WAIT, AUDIT_BEGUN, 0);
    transaction_run(control, partition, &run);
    transaction_commit(control, false);
}

void ladder_climb(struct control *control, struct partition *partition)
{
    char reason[PARCLOSE_REASON_MAX] = "";
    enum rung rung = ladder_next(&control->db->host.gate, &partition->run);

    if (!gate_blocked(control->db, partition)) {
        wait_on(control, partition);
        return;
    }
    gate_open(control->db, partition, reason);
    if (commit_rung(control, partition, rung, reason))
        return;
    log_warning("partition %s: rung %s: %s", partition->config.name, name_of_rung(rung), reason);
    if (rung == RUNG_RESTART_PF)
        recover(control, partition);
    else if (rung != RUNG_ERROR)
        restart(control, rung, reason);
}
