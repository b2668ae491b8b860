/* SPDX-License-Identifier: Apache-2.0 */
#include "spawner.h"

#include <errno.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "link.h"
#include "model.h"
#include "monitor.h"
#include "sandbox.h"
#include "sys.h"
#include "text.h"

#define BUDGET_MOST      32                  /* deaths of one process at once … */
#define BUDGET_REFILL_NS UINT64_C(200000000) /* … and one more after each such time */
#define MAIN             PARCLOSE_MAX_VCPUS  /* index of main among the children */
#define CHILDREN         (PARCLOSE_MAX_VCPUS + 1)

struct budget {
    uint32_t left;
    uint64_t refilled_ns;
};

struct child {
    int pid; /* 0: none */
    int pidfd;
    struct birth_place place;
    struct budget budget;
};

/* The spawner's own; nobody else looks. */
static struct {
    struct child children[CHILDREN];
    bool sealed;
} own;

static struct monitor *shared; /* for the functions that children begin with */

/* ---- main's side ---- */

void spawner_ask(struct spawner_desk *desk, enum spawner_order order)
{
    atomic_store_explicit(&desk->order, order, memory_order_release);
    sys_event_signal(desk->event);
}

int spawner_wait(struct spawner_desk *desk)
{
    uint32_t order;

    while ((order = atomic_load_explicit(&desk->order, memory_order_acquire)) != ORDER_NONE)
        (void)sys_futex_wait(&desk->order, order);
    return desk->result;
}

int spawner_order(struct spawner_desk *desk, enum spawner_order order)
{
    spawner_ask(desk, order);
    return spawner_wait(desk);
}

/* ---- what a child does first ---- */

static void begin_child(enum sandbox_filter filter)
{
    (void)sys_call3(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
    if (sys_call3(SYS_getppid, 0, 0, 0) != (long)shared->spawner_pid)
        sys_exit(1); /* the spawner died before it could be noticed */
    if (sandbox_enter(filter) < 0)
        sys_exit(1);
}

static void begin_vcpu(void *vcpu)
{
    begin_child(SANDBOX_VCPU);
    vcpu_run(vcpu);
}

/* It will narrow its filter once more. */
static void begin_main(void *unused)
{
    (void)unused;
    begin_child(SANDBOX_MAIN_BUILD);
    model_run(shared);
}

/* ---- births ---- */

static int spawn(uint32_t index, int cgroup, void (*function)(void *), void *argument)
{
    struct child *child = &own.children[index];
    int rc = child->place.stack ? 0 : birth_prepare(&child->place);
    long pid = rc < 0 ? rc : birth(&child->place, cgroup, function, argument, &child->pidfd);

    if (pid < 0)
        return (int)pid;
    child->pid = (int)pid;
    return 0;
}

static int spawn_main(void)
{
    return spawn(MAIN, -1, begin_main, NULL);
}

static int spawn_vcpu(struct monitor *m, uint32_t index)
{
    int rc = spawn(index, m->files.cgroups[index], begin_vcpu, &m->vcpus[index]);

    if (rc == 0)
        atomic_store(&m->vcpu_pids[index], (uint32_t)own.children[index].pid);
    return rc;
}

/* ---- orders ---- */

static int make_vm(struct monitor *m)
{
    int rc = vm_create(&m->vm, true);

    return rc < 0 ? rc : vm_prime(&m->vm);
}

static int make_vcpus(struct monitor *m)
{
    int rc = 0;

    for (uint32_t i = 0; i < m->vm.vcpus_count && rc == 0; i++) {
        m->vm.runs[i]->exit_reason = SLOT_RUNNING;
        m->vcpus[i] =
            (struct vcpu){m->vm.vcpus[i], m->work, m->vm.runs[i], &m->slots[i], &m->line_status};
        rc = spawn_vcpu(m, i);
    }
    return rc;
}

static int seal(void)
{
    int rc = own.sealed ? 0 : sandbox_enter(SANDBOX_SPAWNER);

    own.sealed = own.sealed || rc == 0;
    return rc;
}

/* A stop ends KVM_RUN; nothing remains of it. */
static int kick(const struct monitor *m)
{
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++) {
        if (!own.children[i].pid)
            continue;
        (void)sys_call3(SYS_kill, own.children[i].pid, SIGSTOP, 0);
        (void)sys_call3(SYS_kill, own.children[i].pid, SIGCONT, 0);
    }
    return 0;
}

static void carry_out(struct monitor *m)
{
    uint32_t order = atomic_load_explicit(&m->desk.order, memory_order_acquire);

    sys_event_clear(m->desk.event);
    if (order == ORDER_CREATE_VM)
        m->desk.result = make_vm(m);
    else if (order == ORDER_VCPUS)
        m->desk.result = make_vcpus(m);
    else if (order == ORDER_SEAL)
        m->desk.result = seal();
    else if (order == ORDER_KICK)
        m->desk.result = kick(m);
    atomic_store_explicit(&m->desk.order, ORDER_NONE, memory_order_release);
    (void)sys_futex_wake(&m->desk.order);
}

/* ---- deaths ---- */

static bool budget_take(struct budget *budget)
{
    uint64_t now = sys_clock_ns(CLOCK_MONOTONIC);

    while (budget->left < BUDGET_MOST && now - budget->refilled_ns >= BUDGET_REFILL_NS) {
        budget->left++;
        budget->refilled_ns += BUDGET_REFILL_NS;
    }
    if (budget->left == BUDGET_MOST)
        budget->refilled_ns = now;
    if (budget->left == 0)
        return false;
    budget->left--;
    return true;
}

static void reap(struct child *child)
{
    (void)sys_call6(SYS_waitid, P_PID, child->pid, 0, WEXITED, 0, 0);
    (void)sys_close(child->pidfd);
    child->pid = 0;
}

static void log_index(const char *what, uint32_t index)
{
    struct text text = {.length = 0};

    text_log_line(text_number(text_add(&text, what), index));
}

static void replace_vcpu(struct monitor *m, uint32_t index)
{
    int rc = -EAGAIN;

    atomic_fetch_add(&m->vcpu_restarts, 1);
    atomic_fetch_add(&m->vcpu_deaths[index], 1);
    if (budget_take(&own.children[index].budget))
        rc = spawn_vcpu(m, index);
    if (rc < 0)
        monitor_end(m, EXIT_MONITOR_ERROR, "one vCPU's process dies too often", rc);
    else
        log_index("vCPU process replaced: ", index);
    atomic_fetch_add(&m->deaths, 1);
    sys_event_signal(m->work);
}

/* True when there is a main again. */
static bool replace_main(struct monitor *m)
{
    bool building = m->phase == PHASE_BUILD;
    int rc = -EAGAIN;

    if (m->end.reason)
        return false; /* it has said the end */
    atomic_fetch_add(&m->main_restarts, 1);
    atomic_fetch_add(&m->deaths, 1);
    if (!building && budget_take(&own.children[MAIN].budget))
        rc = spawn_main();
    if (rc < 0)
        monitor_end(m, EXIT_MONITOR_ERROR,
                    building ? "main died while it built the partition" : "main dies too often",
                    rc);
    else
        text_log("main replaced", 0);
    return rc == 0;
}

static _Noreturn void end_all(struct monitor *m)
{
    for (uint32_t i = 0; i < CHILDREN; i++)
        if (own.children[i].pid)
            (void)sys_call3(SYS_kill, own.children[i].pid, SIGKILL, 0);
    for (uint32_t i = 0; i < CHILDREN; i++)
        if (own.children[i].pid)
            reap(&own.children[i]);
    if (!m->end.reason)
        monitor_end(m, EXIT_MONITOR_ERROR, "the spawner gave up", 0);
    link_say_exit(m);
    sys_exit(m->end.reason == EXIT_MONITOR_ERROR);
}

/* ---- the loop ---- */

static void wait_news(struct monitor *m, struct pollfd *fds)
{
    fds[CHILDREN] = (struct pollfd){.fd = m->desk.event, .events = POLLIN};
    for (uint32_t i = 0; i < CHILDREN; i++)
        fds[i] = (struct pollfd){.fd = own.children[i].pid ? own.children[i].pidfd : -1,
                                 .events = POLLIN};
    if (sys_poll(fds, CHILDREN + 1, 0) < 0)
        for (uint32_t i = 0; i <= CHILDREN; i++)
            fds[i].revents = 0; /* a signal: look again */
}

static int begin(struct monitor *m)
{
    int rc = sandbox_enter(SANDBOX_SPAWNER_BUILD);

    shared = m;
    for (uint32_t i = 0; i < CHILDREN; i++)
        own.children[i].budget.left = BUDGET_MOST;
    return rc < 0 ? rc : spawn_main();
}

_Noreturn void spawner_run(struct monitor *m)
{
    struct pollfd fds[CHILDREN + 1];
    int rc = begin(m);

    if (rc < 0) {
        monitor_end(m, EXIT_MONITOR_ERROR, "spawner", rc);
        end_all(m);
    }
    for (;;) {
        wait_news(m, fds);
        if (fds[CHILDREN].revents)
            carry_out(m);
        for (uint32_t i = 0; i < m->vm.vcpus_count; i++) {
            if (!fds[i].revents)
                continue;
            reap(&own.children[i]);
            replace_vcpu(m, i);
        }
        if (fds[MAIN].revents) {
            reap(&own.children[MAIN]);
            if (!replace_main(m))
                end_all(m);
        }
    }
}
