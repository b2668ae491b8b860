/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions in children. One a PF at a time, in the order of their coming; different PFs overlap. A
 * child that is not done at the deadline is answered for and left behind: it may be in an
 * uninterruptible sleep, but we are not. Until it comes back everything else on its PF is refused,
 * because the next writer would only wait behind it. One that outlives its TCB is the next one's,
 * with the same deadline (keep.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
#include "names/names.h"
#include "tcb.h"

#ifndef DEADLINE_US /* tests are shorter */
#define DEADLINE_US 30000000
#endif
#ifndef DEADLINE_SIGNAL /* tests have children that hear none */
#define DEADLINE_SIGNAL SIGKILL
#endif
#define JOBS_MAX 4096

struct job {
    struct job *next;
    struct tcb *tcb;
    struct tcb_apply apply;
    pid_t pid;            /* 0: waits for its turn */
    int pidfd;            /* -1: it waits */
    int socket;           /* to the child; -1: it waits, or the child is of a TCB before us */
    uint64_t deadline_us; /* CLOCK_MONOTONIC */
    bool kept;            /* by boot */
    uint32_t assignment;  /* of its VF when it began */
    bool left_behind;     /* answered already */
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

/* NULL: there are too many. */
static struct job *job_new(struct tcb *tcb, const struct tcb_apply *apply)
{
    struct job **last = &tcb->jobs;
    size_t count = 0;

    for (; *last; last = &(*last)->next)
        count++;
    struct job *job = count < JOBS_MAX ? calloc(1, sizeof(*job)) : NULL;
    if (!job)
        return NULL;
    *job = (struct job){.tcb = tcb, .apply = *apply, .pidfd = -1, .socket = -1};
    *last = job;
    return job;
}

void jobs_add(struct tcb *tcb, const struct tcb_apply *apply)
{
    for (const struct job *job = tcb->jobs; job; job = job->next)
        if (same(&job->apply, apply) && !job->left_behind)
            return; /* sent again on a new link: its answer is still to come */
    if (!job_new(tcb, apply))
        log_error("too many actions: one is dropped");
    else
        sd_event_source_set_enabled(tcb->observe, SD_EVENT_ONESHOT);
}

static struct kept_child kept_of(const struct job *job)
{
    return (struct kept_child){.pf = job->apply.pf,
                               .action = reads_only(job) ? ACTION_NONE : job->apply.action,
                               .index = job->apply.index,
                               .deadline_us = job->deadline_us};
}

static void job_free(struct job *job)
{
    struct job **at = &job->tcb->jobs;
    const struct kept_child kept = kept_of(job);

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    /* Out of epoll before the close: a sibling child may hold the socket too, and epoll goes by the
     * socket. */
    sd_event_source_disable_unref(job->done);
    sd_event_source_disable_unref(job->deadline);
    if (job->socket >= 0)
        close(job->socket);
    if (job->pidfd >= 0)
        close(job->pidfd);
    if (job->kept)
        keep_drop(job->tcb, &kept);
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
        if (job->apply.action != ACTION_NONE && result->verified == VERIFIED_YES)
            vf->prepared = true;
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

/* True: one is in error, or no one is any more. */
static bool take_health(struct tcb_pf_state *pf, const struct result *result)
{
    if (!result->looked)
        return false;
    pf->health = result->health;
    pf->health_due = false;
    return health_bad(&pf->health) || pf->observed.health[0];
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
    if (job->apply.header.id)
        process_send(job->tcb->process, PROCESS_CONTROL, &message, NULL, 0);
}

/* What it did is observed before it is answered, so that the answer never comes before the fact. */
static void finish(struct job *job, const struct result *result)
{
    struct tcb *tcb = job->tcb;
    struct tcb_pf_state *pf = picture_pf(tcb, job->apply.pf);

    /* a look comes each second: most have no news */
    bool back = job->left_behind, quiet = job->apply.action == ACTION_LOOK && !back;
    job->left_behind = false;
    if (pf && job->pid) {
        pf->busy = 0;
        bool news = resets_take(pf, job->apply.action, result);
        news |= take_health(pf, result);
        if (!result->error &&
            (job->apply.action == ACTION_PF_RESTART || job->apply.action == ACTION_PF_RESET))
            errors_set(pf, RECOVERY_NONE);
        take_verified(tcb, pf, job, result);
        take_bound(pf, job, result);
        if (news || !quiet) {
            pf->event_ns = tcb_now_ns();
            picture_observe(tcb, pf);
        }
        if (back) /* VFs that could not be verified meanwhile are, now */
            picture_changed(tcb, pf, tcb_now_ns());
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

/* Of a TCB before us: what it did, it told nobody. */
static int on_gone(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct job *job = data;
    struct tcb *tcb = job->tcb;
    (void)source;
    (void)fd;
    (void)events;

    finish_error(job, -EIO, "");
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
    pidfd_send_signal(job->pidfd, DEADLINE_SIGNAL, NULL, 0);
    job->left_behind = true;
    struct tcb_pf_state *pf = picture_pf(job->tcb, job->apply.pf);
    if (pf) { /* and what it has done up to here */
        pf->event_ns = tcb_now_ns();
        picture_observe(job->tcb, pf);
    }
    answer(job, &(struct result){.error = -ETIMEDOUT,
                                 .text = "the kernel does not come back from the write"});
    job->apply.header.id = 0;
    jobs_run(job->tcb);
    return 0;
}

/* A child that is stuck must not keep our links and files open. */
static void close_all_but(int socket)
{
    if (socket > 3)
        close_range(3, (unsigned)socket - 1, 0);
    close_range((unsigned)socket + 1, ~0U, 0);
}

_Noreturn static void child(const struct job *job, struct tcb_pf_state *pf, int socket)
{
    struct result result;
    char go;

    close_all_but(socket);
    if (read(socket, &go, 1) != 1)
        _exit(1); /* nobody would know of us */
    action_run(pf, &job->apply, &result);
    _exit(write(socket, &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : 1);
}

static int watch_deadline(struct job *job)
{
    return sd_event_add_time(process_event(job->tcb->process), &job->deadline, CLOCK_MONOTONIC,
                             job->deadline_us, 0, on_deadline, job);
}

static int watch(struct job *job)
{
    sd_event *event = process_event(job->tcb->process);
    int error = sd_event_add_io(event, &job->done, job->socket, EPOLLIN, on_done, job);

    return error < 0 ? error : watch_deadline(job);
}

/* The child, which waits for our word. Its pidfd is that of no other: it ends on our word only. */
static int make_child(struct job *job, struct tcb_pf_state *pf)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        child(job, pf, ends[1]);
    close(ends[1]);
    job->socket = ends[0];
    if (pid < 0)
        return -EAGAIN;
    job->pidfd = pidfd_open(pid, 0);
    if (job->pidfd < 0)
        return -errno;
    job->pid = pid;
    return 0;
}

static int keep(struct job *job)
{
    const struct kept_child kept = kept_of(job);
    int error = keep_child(job->tcb, &kept, job->pidfd);

    job->kept = !error;
    return error;
}

static int begin(struct job *job, struct tcb_pf_state *pf)
{
    job->deadline_us = tcb_now_ns() / 1000 + DEADLINE_US;
    int error = make_child(job, pf);
    if (error >= 0)
        error = watch(job);
    if (error >= 0)
        error = keep(job);
    if (error >= 0 && write(job->socket, "", 1) != 1)
        error = -errno;
    if (error < 0) { /* the child ends by itself */
        job->pid = 0;
        return error;
    }
    job->assignment = pf->vfs[job->apply.index].assignment;
    pf->busy = reads_only(job) ? BUSY_VERIFY : job->apply.action;
    pf->busy_index = job->apply.index;
    return 0;
}

static const struct job *child_of(const struct tcb *tcb, struct bdf pf)
{
    for (const struct job *job = tcb->jobs; job; job = job->next)
        if (job->pid && job->apply.pf.value == pf.value)
            return job;
    return NULL;
}

uint32_t jobs_stuck(const struct tcb *tcb, struct bdf pf)
{
    const struct job *job = child_of(tcb, pf);

    return job && job->left_behind ? (uint32_t)job->pid : 0;
}

static int watch_adopted(struct job *job, int pidfd)
{
    sd_event *event = process_event(job->tcb->process);
    int error = sd_event_add_io(event, &job->done, pidfd, EPOLLIN, on_gone, job);

    return error < 0 || job->left_behind ? error : watch_deadline(job);
}

int jobs_adopt(struct tcb *tcb, const struct kept_child *kept, uint32_t pid, int pidfd)
{
    const struct tcb_apply apply = {.action = kept->action, .pf = kept->pf, .index = kept->index};
    uint64_t now_us = tcb_now_ns() / 1000;
    char bdf[NAME_BDF_MAX];

    if (kept->deadline_us > now_us + DEADLINE_US)
        return -EBADMSG;
    if (child_of(tcb, kept->pf))
        return -EEXIST;
    struct job *job = job_new(tcb, &apply);
    if (!job)
        return -ENOMEM;
    job->pid = (pid_t)pid;
    job->deadline_us = kept->deadline_us;
    job->left_behind = kept->deadline_us <= now_us;
    int error = watch_adopted(job, pidfd);
    if (error < 0) {
        job_free(job);
        return error;
    }
    job->pidfd = pidfd;
    job->kept = true;
    log_warning("PF %s: child %u of a TCB before this one has not come back from action %s",
                name_of_bdf(kept->pf, bdf), pid, name_of_action(kept->action));
    return 0;
}

void jobs_take_up(const struct tcb *tcb, struct tcb_pf_state *pf)
{
    const struct job *job = child_of(tcb, pf->card.bdf);

    if (!job)
        return;
    pf->busy = reads_only(job) ? BUSY_VERIFY : job->apply.action;
    pf->busy_index = job->apply.index;
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
