/* SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include <errno.h>
#include <string.h>

#include "drive.h"
#include "edit.h"
#include "host.h"
#include "hotplug.h"
#include "lifecycle.h"
#include "log/log.h"
#include "replies.h"
#include "transaction.h"

/* One that is being made. */
struct making {
    struct control *control;
    const struct control_apply *request;
    const struct proposal *proposal;
    const struct host_config *host; /* the one that is in force after it */
    bool sets_host;
    struct tcb_edit edit; /* vfs_count 0: none */
    char *text;
};

static bool has(uint32_t set, uint32_t number)
{
    return set & UINT32_C(1) << number;
}

/* ---- judging: the map is as the plan's snapshot said, and takes all of it */

static int too_old(const struct making *making)
{
    return refuse(making->text, -ESTALE, "the plan is too old: plan again");
}

static int stale(const struct making *making, uint64_t changed, const char *what, const char *name)
{
    if (!since_stale(making->control, making->request->generation, changed))
        return 0;
    return refuse(making->text, -ESTALE, "%s%s has changed since, in transaction %llu: plan again",
                  what, name, (unsigned long long)changed);
}

static int judge_host(struct making *making)
{
    const struct host_config *host = &making->proposal->host;

    if (!making->sets_host)
        return 0;
    int error = stale(making, making->control->since.host, "the host's configuration", "");
    return error ? error : host_judge(making->control, host, making->text);
}

/* What it was planned as: to be added, stopped, running. */
static int judge_kind(const struct making *making, uint32_t number,
                      const struct partition *partition)
{
    const char *name = making->proposal->partitions[number].name;

    if (has(making->request->added, number) != !partition)
        return refuse(making->text, -ESTALE, "partition %s was %s meanwhile: plan again", name,
                      partition ? "defined" : "removed");
    if (!partition)
        return 0;
    if (has(making->request->running, number) != partition_started(partition))
        return refuse(making->text, -ESTALE, "partition %s was %s meanwhile: plan again", name,
                      partition_started(partition) ? "started" : "stopped");
    return stale(making, since_definition(making->control, partition), "partition ", name);
}

/* Two that run cannot both get a VF that is free. */
static int judge_twice(const struct making *making, uint32_t number)
{
    const struct partition_config *a = &making->proposal->partitions[number];

    for (uint32_t i = 0; i < number; i++) {
        const struct partition_config *b = &making->proposal->partitions[i];
        for (uint32_t v = 0; has(making->request->running, i) && v < b->vfs_count; v++)
            for (uint32_t w = 0; w < a->vfs_count; w++)
                if (b->vfs[v].index == a->vfs[w].index && !strcmp(b->vfs[v].card, a->vfs[w].card))
                    return refuse(making->text, -EINVAL, "VF %u of card %s: both %s and %s want it",
                                  a->vfs[w].index, a->vfs[w].card, b->name, a->name);
    }
    return 0;
}

static int judge_running(const struct making *making, uint32_t number,
                         const struct partition *partition)
{
    const struct partition_config *config = &making->proposal->partitions[number];
    int error = hotplug_judge(making->control, partition, config, making->text);

    if (!error && making->sets_host)
        error = host_keeps_vfs(making->control, making->host, config, making->text);
    return error ? error : judge_twice(making, number);
}

static bool differs(const struct partition *partition, const struct partition_config *config)
{
    return !partition || memcmp(&partition->config, config, sizeof(*config)) != 0;
}

static int judge_partitions(const struct making *making)
{
    uint32_t added = making->control->db->partitions_end;
    int error = 0;

    for (size_t i = 0; i < making->control->db->partitions_end; i++)
        added -= !making->control->db->partitions[i].defined;
    for (uint32_t i = 0; i < making->proposal->partitions_count && !error; i++) {
        const struct partition_config *config = &making->proposal->partitions[i];
        const struct partition *partition = db_partition_named(making->control->db, config->name);
        if (has(making->request->left, i))
            continue;
        error = judge_kind(making, i, partition);
        if (!error && !partition && ++added > PARCLOSE_MAX_PARTITIONS)
            error = refuse(making->text, -ENOSPC, "%d partitions are defined already",
                           PARCLOSE_MAX_PARTITIONS);
        if (error || !differs(partition, config))
            continue;
        error = has(making->request->running, i)
                    ? judge_running(making, i, partition)
                    : lifecycle_judge(making->control, making->host, config, making->text);
    }
    return error;
}

/* A partition gets its new definition by one way. */
static int judge_edited(const struct making *making, const struct partition *user)
{
    for (uint32_t i = 0; i < making->proposal->partitions_count; i++)
        if (!has(making->request->left, i) &&
            !strcmp(making->proposal->partitions[i].name, user->config.name) &&
            differs(user, &making->proposal->partitions[i]))
            return refuse(
                making->text, -EINVAL,
                "partition %s: its definition and an edit of its VFs: one after the other",
                user->config.name);
    return stale(making, since_definition(making->control, user), "partition ", user->config.name);
}

/* Those that change something, with what they change it from. */
static int make_edit(struct making *making)
{
    struct tcb_edit *edit = &making->edit;

    *edit = (struct tcb_edit){.header =
                                  frame_header(TCB_EDIT, sizeof(*edit), making->request->header.id),
                              .uid = making->request->requester.uid,
                              .name = "apply"};
    for (uint32_t i = 0; i < making->proposal->edits_count; i++) {
        const struct vf_edit *proposed = &making->proposal->edits[i];
        const struct partition *user;
        const struct partition_vf *wanted =
            edit_wanted(making->control->db, proposed->pf, proposed->index, &user);
        struct vf_edit vf = *proposed;
        vf.before = wanted ? wanted->attributes : (struct vf_attributes){0};
        if (wanted && !memcmp(&vf.before, &vf.after, sizeof(vf.before)))
            continue;
        int error = wanted ? judge_edited(making, user) : 0;
        if (error)
            return error;
        edit->vfs[edit->vfs_count++] = vf;
    }
    return edit->vfs_count ? edit_judge(making->control, edit, making->text) : 0;
}

static int judge(struct making *making)
{
    if (making->request->requester.uid)
        return refuse(making->text, -EPERM, "only root may apply");
    if (making->control->db->control.shutting_down)
        return refuse(making->text, -ESHUTDOWN, "the host is shutting down");
    if (apply_under_way(making->control->db))
        return refuse(making->text, -EBUSY,
                      "the apply of transaction %llu is under way: try again when it is over",
                      (unsigned long long)making->control->db->apply.begun);
    if (!since_known(making->control, making->request->generation))
        return too_old(making);
    int error = judge_host(making);
    if (!error)
        error = judge_partitions(making);
    return error ? error : make_edit(making);
}

/* ---- one transaction */

/* The next place that no definition has, from *id on. */
static uint32_t place(const struct db *db, uint32_t *id)
{
    while (*id <= db->partitions_end && db->partitions[*id - 1].defined)
        ++*id;
    return (*id)++;
}

/* One that was stopped for it begins anew, however it ended. */
static struct partition_run run_stopped(const struct partition *partition)
{
    return (struct partition_run){.phase = PHASE_DEFINED,
                                  .exit = EXIT_STOPPED,
                                  .descriptor_generation = partition->run.descriptor_generation,
                                  .enabled = partition->run.enabled};
}

static void change_partition(const struct making *making, uint32_t number, uint32_t *free)
{
    struct control *control = making->control;
    const struct partition_config *config = &making->proposal->partitions[number];
    const struct partition *partition = db_partition_named(control->db, config->name);

    if (partition && has(making->request->running, number)) {
        hotplug_change(control, partition, config);
        return;
    }
    const struct partition_run run =
        partition
            ? run_stopped(partition)
            : (struct partition_run){.phase = PHASE_DEFINED, .enabled = lifecycle_now(control)};
    uint32_t id = partition ? partition->id.value : place(control->db, free);
    transaction_change(control, RESOURCE_PARTITION, id, 0, config);
    if (!partition || has(making->request->restarted, number))
        transaction_change(control, RESOURCE_RUN, id, 0, &run);
}

/* It is in the entry: in the order of their numbers. */
static bool is_changed(const struct making *making, uint32_t number)
{
    const struct partition_config *config = &making->proposal->partitions[number];

    return !has(making->request->left, number) &&
           differs(db_partition_named(making->control->db, config->name), config);
}

static void change_partitions(const struct making *making)
{
    uint32_t free = 1;

    for (uint32_t i = 0; i < making->proposal->partitions_count; i++)
        if (is_changed(making, i))
            change_partition(making, i, &free);
}

/* By their numbers in the entry. */
static uint32_t restarted(const struct making *making)
{
    uint32_t set = 0, number = 0;

    for (uint32_t i = 0; i < making->proposal->partitions_count; i++)
        if (is_changed(making, i))
            set |= (uint32_t)has(making->request->restarted, i) << number++;
    return set;
}

/* A gate that is shut for a start takes its time. */
static uint64_t time_for_gate(const struct making *making)
{
    uint64_t ms = 0;

    for (int rung = 0; rung < 4; rung++)
        ms += making->host->gate.wait_ms[rung];
    return ms * 1000000;
}

static uint64_t time_for_trial(const struct making *making)
{
    uint64_t going = 0;
    bool some = making->edit.vfs_count != 0;

    for (uint32_t i = 0; i < making->proposal->partitions_count; i++) {
        const struct partition *partition =
            db_partition_named(making->control->db, making->proposal->partitions[i].name);
        if (!partition || !has(making->request->running, i) || !is_changed(making, i))
            continue;
        some = true;
        going += partition->config.vfs_count;
    }
    if (restarted(making))
        return APPLY_COME_NS + going * APPLY_GO_NS + time_for_gate(making);
    return some ? APPLY_COME_NS + going * APPLY_GO_NS : 0;
}

static int commit(struct making *making)
{
    struct control *control = making->control;
    const uint64_t time = time_for_trial(making);
    const struct apply_image image = {.id = making->request->header.id,
                                      .begun = transaction_number(control),
                                      .deadline_boottime_ns =
                                          time ? control_boottime(control) + time : 0,
                                      .state = time ? APPLY_TRIAL : APPLY_DONE,
                                      .uid = making->request->requester.uid,
                                      .restarted = restarted(making)};
    int error = 0;

    transaction_begin(control, AUDIT_APPLY, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &making->request->requester);
    transaction_request(control, &making->request->header);
    transaction_text(control, "plan %016llx", (unsigned long long)making->request->plan);
    transaction_change(control, RESOURCE_APPLY, 0, 0, &image);
    if (making->sets_host)
        error = host_change(control, making->host, making->text);
    change_partitions(making);
    if (making->edit.vfs_count)
        edit_change(control, &making->edit);
    return error ? error : commit_or_say(control, making->text);
}

int apply_begin(struct control *control, const struct control_apply *request,
                const struct proposal *proposal, char text[PARCLOSE_REASON_MAX])
{
    struct making making = {.control = control,
                            .request = request,
                            .proposal = proposal,
                            .host = proposal->host_given ? &proposal->host : &control->db->host,
                            .text = text};

    making.sets_host = proposal->host_given &&
                       (!control->db->host_set ||
                        memcmp(&proposal->host, &control->db->host, sizeof(proposal->host)) != 0);
    int error = judge(&making);
    if (!error)
        error = commit(&making);
    if (error)
        return error;
    log_notice("plan %016llx is applied%s", (unsigned long long)request->plan,
               apply_under_way(control->db) ? ": on trial" : "");
    apply_changed(control, making.sets_host, making.edit.vfs_count != 0);
    return 0;
}
