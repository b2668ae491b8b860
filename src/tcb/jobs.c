/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions in children. One a PF at a time, in the order of their coming; different PFs overlap. A
 * child that is not done at the deadline is answered for and left behind: it may be in an
 * uninterruptible sleep, but we are not. Until it comes back everything else on its PF is refused,
 * because the next writer would only wait behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "log/log.h"
#include "names/names.h"
#include "tcb.h"

#ifndef DEADLINE_US /* tests are shorter */
#define DEADLINE_US 30000000
#endif
#define JOBS_MAX 4096

struct job {
    struct job *next;
    struct tcb *tcb;
    struct tcb_apply apply;
    pid_t pid;           /* 0: waits for its turn */
    uint32_t assignment; /* of its VF when it began */
    bool left_behind;    /* answered already */
    sd_event_source *done, *deadline;
};

static bool same(const struct tcb_apply *a, const struct tcb_apply *b)
{
    return a->action == b->action && a->pf.value == b->pf.value && a->index == b->index &&
           a->transaction == b->transaction;
}

static bool reads_only(const struct job *job)
{
    return job->apply.action == ACTION_NONE || job->apply.action == ACTION_LOOK;
}

void jobs_add(struct tcb *tcb, const struct tcb_apply *apply)
{
    struct job **last = &tcb->jobs;
    size_t count = 0;

    for (; *last; last = &(*last)->next, count++)
        if (same(&(*last)->apply, apply))
            return; /* sent again on a new link: its answer is still to come */
    struct job *job = count < JOBS_MAX ? calloc(1, sizeof(*job)) : NULL;
    if (!job) {
        log_error("too many actions: one is dropped");
        return;
    }
    job->tcb = tcb;
    job->apply = *apply;
    *last = job;
    sd_event_source_set_enabled(tcb->observe, SD_EVENT_ONESHOT);
}

static void job_free(struct job *job)
{
    struct job **at = &job->tcb->jobs;
    int in = job->done ? sd_event_source_get_io_fd(job->done) : -1;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    /* Out of epoll before the close: a sibling child may hold the pipe too, and epoll goes by the
     * pipe. */
    sd_event_source_disable_unref(job->done);
    if (in >= 0)
        close(in);
    sd_event_source_disable_unref(job->deadline);
    free(job);
}

/* What was read for one owner says nothing to the next. */
static void take_verified(struct tcb *tcb, struct tcb_pf_state *pf, const struct job *job,
                          const struct result *result)
{
    struct tcb_vf_state *vf = &pf->vfs[job->apply.index];

    if (job->apply.action != ACTION_NONE && job->apply.action != ACTION_VF_ACTIVATE &&
        job->apply.action != ACTION_VF_CONFIGURE && job->apply.action != ACTION_VF_RENEW)
        return;
    if (vf->assignment != job->assignment)
        picture_changed(tcb, pf, tcb_now_ns());
    else if (result->verified != VERIFIED_UNKNOWN) {
        vf->verified = result->verified;
        vf->recheck = false;
        if (job->apply.action == ACTION_VF_ACTIVATE && !result->error)
            vf->slept = false;
    }
    if (memcmp(&vf->seen, &result->seen, sizeof(vf->seen)) != 0)
        document_due(tcb);
    vf->seen = result->seen;
}

/* Of those that the child has tried. */
static void take_bound(struct tcb_pf_state *pf, const struct job *job, const struct result *result)
{
    uint32_t action = job->apply.action, index = job->apply.index;

    if (action == ACTION_VF_ACTIVATE)
        pf->vfs[index].bind_error = result->bind_errors[index];
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        if (action == ACTION_PF_CREATE_VFS || action == ACTION_PF_BIND_VFS)
            pf->vfs[i].bind_error = result->bind_errors[i];
}

static void answer(const struct job *job, const struct result *result)
{
    struct tcb_applied message = {
        .header = frame_header(TCB_APPLIED, sizeof(message), job->apply.header.id),
        .transaction = job->apply.transaction,
        .error = result->error,
        .writes = result->writes,
        .pf = job->apply.pf,
        .index = job->apply.index};

    memcpy(message.text, result->text, sizeof(message.text));
    if (job->apply.header.id && !job->left_behind)
        process_send(job->tcb->process, PROCESS_CONTROL, &message, NULL, 0);
}

/* What it did is observed before it is answered, so that the answer never comes before the fact. */
static void finish(struct job *job, const struct result *result)
{
    struct tcb *tcb = job->tcb;
    struct tcb_pf_state *pf = picture_pf(tcb, job->apply.pf);

    bool looked = job->apply.action == ACTION_LOOK; /* each second: most have no news */
    if (pf && job->pid) {
        pf->busy = 0;
        bool news = resets_take(pf, job->apply.action, result);
        if (!result->error &&
            (job->apply.action == ACTION_PF_RESTART || job->apply.action == ACTION_PF_RESET))
            errors_set(pf, RECOVERY_NONE);
        take_verified(tcb, pf, job, result);
        take_bound(pf, job, result);
        if (news || !looked) {
            pf->event_ns = tcb_now_ns();
            picture_observe(tcb, pf);
        }
    }
    answer(job, result);
    job_free(job);
    if (pf && !pf->named && !tcb->naming)
        picture_forget_unnamed(tcb);
}

static void finish_error(struct job *job, int error, const char *text)
{
    struct result result = {.error = error};

    snprintf(result.text, sizeof(result.text), "%s", text);
    finish(job, &result);
}

static int on_done(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct job *job = data;
    struct tcb *tcb = job->tcb;
    struct result result;
    (void)source;
    (void)events;

    if (read(fd, &result, sizeof(result)) != (ssize_t)sizeof(result))
        finish_error(job, -EIO, "the child that did it died");
    else
        finish(job, &result);
    jobs_run(tcb);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t time, void *data)
{
    struct job *job = data;
    char bdf[NAME_BDF_MAX];
    (void)source;
    (void)time;

    log_error("PF %s: action %s is not done in %d ms: its child %d is left behind",
              name_of_bdf(job->apply.pf, bdf), name_of_action(job->apply.action),
              DEADLINE_US / 1000, (int)job->pid);
    kill(job->pid, SIGKILL);
    answer(job, &(struct result){.error = -ETIMEDOUT,
                                 .text = "the kernel does not come back from the write"});
    job->left_behind = true;
    struct tcb_pf_state *pf = picture_pf(job->tcb, job->apply.pf);
    if (pf) /* what it has done up to here */
        picture_changed(job->tcb, pf, tcb_now_ns());
    jobs_run(job->tcb);
    return 0;
}

/* A child that is stuck must not keep our links and files open. */
static void close_all_but(int out)
{
    if (out > 3)
        close_range(3, (unsigned)out - 1, 0);
    close_range((unsigned)out + 1, ~0U, 0);
}

_Noreturn static void child(const struct job *job, struct tcb_pf_state *pf, int out)
{
    struct result result;

    close_all_but(out);
    action_run(pf, &job->apply, &result);
    _exit(write(out, &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : 1);
}

static int watch(struct job *job, int in)
{
    sd_event *event = process_event(job->tcb->process);
    int error = sd_event_add_io(event, &job->done, in, EPOLLIN, on_done, job);

    if (error < 0)
        close(in);
    else
        error = sd_event_add_time_relative(event, &job->deadline, CLOCK_MONOTONIC, DEADLINE_US, 0,
                                           on_deadline, job);
    return error;
}

static int begin(struct job *job, struct tcb_pf_state *pf)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        child(job, pf, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -EAGAIN;
    }
    job->pid = pid;
    job->assignment = pf->vfs[job->apply.index].assignment;
    pf->busy = reads_only(job) ? BUSY_VERIFY : job->apply.action;
    pf->busy_index = job->apply.index;
    int error = watch(job, ends[0]);
    if (error < 0) { /* nobody would ever hear how it went */
        kill(pid, SIGKILL);
        pf->busy = 0;
    }
    return error;
}

bool jobs_stuck(const struct tcb *tcb, struct bdf pf)
{
    for (const struct job *job = tcb->jobs; job; job = job->next)
        if (job->left_behind && job->apply.pf.value == pf.value)
            return true;
    return false;
}

/* True when the list has changed and must be looked at from its beginning again. */
static bool begin_next(struct tcb *tcb)
{
    for (struct job *job = tcb->jobs; job; job = job->next) {
        struct tcb_pf_state *pf = picture_pf(tcb, job->apply.pf);
        if (job->pid)
            continue;
#ifdef PARCLOSE_MUTANT_ANY_CARD /* it is not asked whether the card is managed */
        if (!pf)
            pf = picture_manage(
                tcb, &(struct card_config){.bdf = job->apply.pf, .vfs = 1, .driver = "igb"});
#endif
        if (pf && jobs_stuck(tcb, job->apply.pf)) {
            finish_error(job, -EBUSY, "an earlier write has not come back from the kernel");
            return true;
        }
        if (pf && (pf->busy || (!reads_only(job) && !tcb->holders_known)))
            continue;
        int error = pf ? begin(job, pf) : -ENODEV;
        if (error < 0)
            finish_error(job, error, pf ? "no child can be made" : "the card is not managed");
        return true;
    }
    return false;
}

void jobs_run(struct tcb *tcb)
{
    while (begin_next(tcb))
        ;
}
