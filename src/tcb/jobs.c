/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions in children. One a PF at a time, in the order of their coming; different PFs overlap. A
 * child that is not done at the deadline is given up: it may be in an uninterruptible sleep, but we
 * are not.
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
#include "tcb.h"

#define DEADLINE_US 30000000
#define JOBS_MAX    4096

struct job {
    struct job *next;
    struct tcb *tcb;
    struct tcb_apply apply;
    pid_t pid; /* 0: waits for its turn */
    sd_event_source *done, *deadline;
};

static bool same(const struct tcb_apply *a, const struct tcb_apply *b)
{
    return a->action == b->action && a->pf.value == b->pf.value && a->index == b->index &&
           a->transaction == b->transaction;
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

static void take_verified(struct tcb_pf_state *pf, const struct tcb_apply *apply,
                          const struct result *result)
{
    bool of_vf = apply->action == ACTION_NONE || apply->action == ACTION_VF_ACTIVATE;

    if (of_vf && result->verified != VERIFIED_UNKNOWN)
        pf->vfs[apply->index].verified = result->verified;
}

/* What it did is observed before it is answered, so that the answer never comes before the fact. */
static void finish(struct job *job, const struct result *result)
{
    struct tcb *tcb = job->tcb;
    struct tcb_pf_state *pf = picture_pf(tcb, job->apply.pf);
    struct tcb_applied message = {
        .header = frame_header(TCB_APPLIED, sizeof(message), job->apply.header.id),
        .transaction = job->apply.transaction,
        .error = result->error,
        .writes = result->writes};

    memcpy(message.text, result->text, sizeof(message.text));
    if (pf) {
        pf->busy = false;
        take_verified(pf, &job->apply, result);
        pf->event_ns = tcb_now_ns();
        picture_observe(tcb, pf);
    }
    if (job->apply.action != ACTION_NONE)
        process_send(tcb->process, PROCESS_CONTROL, &message, NULL, 0);
    job_free(job);
    jobs_run(tcb);
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
    struct result result;
    (void)source;
    (void)events;

    if (read(fd, &result, sizeof(result)) != (ssize_t)sizeof(result))
        finish_error(job, -EIO, "the child that did it died");
    else
        finish(job, &result);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t time, void *data)
{
    struct job *job = data;
    (void)source;
    (void)time;

    log_error("action %u is not done in %d s: its child %d is left behind", job->apply.action,
              DEADLINE_US / 1000000, (int)job->pid);
    kill(job->pid, SIGKILL);
    finish_error(job, -ETIMEDOUT, "the kernel does not come back from the write");
    return 0;
}

_Noreturn static void child(struct job *job, struct tcb_pf_state *pf, int out)
{
    struct result result;

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
    pf->busy = true;
    return watch(job, ends[0]);
}

/* True when the list has changed and must be looked at from its beginning again. */
static bool begin_next(struct tcb *tcb)
{
    for (struct job *job = tcb->jobs; job; job = job->next) {
        struct tcb_pf_state *pf = picture_pf(tcb, job->apply.pf);
        if (job->pid || (pf && pf->busy))
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
