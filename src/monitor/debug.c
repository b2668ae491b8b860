/* SPDX-License-Identifier: Apache-2.0 */
#include "debug.h"

#include <errno.h>

#include "monitor.h"
#include "pause.h"
#include "sys.h"

#define NOBODY     (SESSIONS_MOST + 1) /* as owner: while it ends */
#define VECTOR_DB  1
#define DR6_HITS   0xfu
#define DR7_ALWAYS 0x600u /* exact, and the reserved bit 10 */
#define AT_KINDS   (SESSION_AT_CODE | SESSION_AT_WRITE | SESSION_AT_ACCESS)

static uint32_t bit_of(uint32_t vcpu)
{
    return UINT32_C(1) << vcpu;
}

bool debug_caught(const struct monitor *m, uint32_t vcpu)
{
    return m->debugger.caught & bit_of(vcpu);
}

/* ---- the processor's debugging, as KVM sets it (KVM API, 4.87) ---- */

static unsigned length_bits(uint32_t size)
{
    return size == 8 ? 2 : size - 1;
}

static void add_break(struct kvm_guest_debug *debug, const struct debug_break *b, unsigned n)
{
    unsigned type = b->kind == SESSION_AT_WRITE ? 1 : b->kind == SESSION_AT_ACCESS ? 3 : 0;
    unsigned length = type ? length_bits(b->size) : 0;

    debug->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
    debug->arch.debugreg[n] = b->address;
    debug->arch.debugreg[7] |= DR7_ALWAYS | 2u << n * 2 | (type | length << 2) << (16 + n * 4);
}

static void fill(const struct debugger *d, struct kvm_guest_debug *debug)
{
    for (unsigned i = 0; i < SESSION_BREAKS_MAX; i++)
        if (d->breaks[i].kind)
            add_break(debug, &d->breaks[i], i);
}

/* The vCPU is not in the guest. */
static int apply(struct monitor *m, uint32_t vcpu)
{
    struct debugger *d = &m->debugger;
    struct kvm_guest_debug debug = {.control = 0};
    int fd = m->vm.vcpus[vcpu];
    long rc;

    fill(d, &debug);
    if (d->stepping == vcpu + 1)
        debug.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ;
    if (!debug.control && !(d->set & bit_of(vcpu)))
        return 0;
    d->set |= bit_of(vcpu);
    rc = sys_ioctl_ptr(fd, KVM_SET_GUEST_DEBUG, &debug);
    if (rc == -EINVAL && (debug.control & KVM_GUESTDBG_BLOCKIRQ)) { /* before Linux 5.15 */
        debug.control &= ~(uint32_t)KVM_GUESTDBG_BLOCKIRQ;
        rc = sys_ioctl_ptr(fd, KVM_SET_GUEST_DEBUG, &debug);
    }
    if (rc >= 0 && !(debug.control & KVM_GUESTDBG_ENABLE))
        d->set &= ~bit_of(vcpu);
    return rc < 0 ? (int)rc : 0;
}

/* ---- breakpoints ---- */

static struct debug_break *find(struct debugger *d, uint32_t kind, uint64_t address)
{
    for (unsigned i = 0; i < SESSION_BREAKS_MAX; i++)
        if (d->breaks[i].kind == kind && (!kind || d->breaks[i].address == address))
            return &d->breaks[i];
    return NULL;
}

static bool one_kind(uint32_t flags)
{
    return (flags & AT_KINDS) == flags && flags && (flags & (flags - 1)) == 0;
}

static bool place_ok(const struct session_request *r)
{
    bool size_ok = r->size == 1 ||
                   (r->flags != SESSION_AT_CODE && (r->size == 2 || r->size == 4 || r->size == 8));

    return size_ok && r->address % r->size == 0;
}

int debug_break(struct monitor *m, const struct session_request *r)
{
    struct debugger *d = &m->debugger;
    struct debug_break *b;

    if (!one_kind(r->flags) || !place_ok(r))
        return -EINVAL;
    if (find(d, r->flags, r->address))
        return 0;
    b = find(d, 0, 0);
    if (!b)
        return -ENOSPC;
    *b = (struct debug_break){.address = r->address, .kind = r->flags, .size = (uint32_t)r->size};
    return 0;
}

int debug_unbreak(struct monitor *m, const struct session_request *r)
{
    struct debug_break *b = one_kind(r->flags) ? find(&m->debugger, r->flags, r->address) : NULL;

    if (!b)
        return -ENOENT;
    b->kind = 0;
    return 0;
}

/* ---- what a vCPU met ---- */

static void stop(struct monitor *m, uint32_t vcpu, enum session_reason reason, uint64_t address)
{
    struct debugger *d = &m->debugger;

    d->vcpu = vcpu;
    d->reason = reason;
    d->address = address;
    d->state = DEBUGGER_STOPPING;
    pause_all(m);
}

static void stop_at_hit(struct monitor *m, uint32_t vcpu, const struct kvm_debug_exit_arch *arch)
{
    const struct debug_break *b = NULL;

    for (unsigned n = 0; n < SESSION_BREAKS_MAX && !b; n++)
        if (arch->exception == VECTOR_DB && (arch->dr6 & DR6_HITS & 1u << n) &&
            m->debugger.breaks[n].kind)
            b = &m->debugger.breaks[n];
    if (b)
        stop(m, vcpu, SESSION_BROKE, b->address);
    else
        stop(m, vcpu, SESSION_STEPPED, arch->pc);
}

void debug_exit(struct monitor *m, uint32_t vcpu)
{
    struct debugger *d = &m->debugger;

    if (!d->owner || d->state == DEBUGGER_ENDING)
        return; /* it comes too late */
    d->caught |= bit_of(vcpu);
    if (d->state == DEBUGGER_RUNNING)
        stop_at_hit(m, vcpu, &m->vm.runs[vcpu]->debug.arch);
}

/* ---- stop and go ---- */

static void let_go(struct monitor *m, uint32_t vcpu)
{
    struct exit_slot *slot = &m->slots[vcpu];

    if (debug_caught(m, vcpu)) {
        m->debugger.caught &= ~bit_of(vcpu); /* first: the next exit may be another one */
        atomic_store_explicit(&slot->state, SLOT_DONE, memory_order_release);
        (void)sys_futex_wake(&slot->state);
    }
    pause_release(m, vcpu);
}

static void let_all_go(struct monitor *m)
{
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++)
        let_go(m, i);
}

int debug_stop(struct monitor *m, uint32_t session)
{
    struct debugger *d = &m->debugger;

    if (m->phase != PHASE_ATTACHED)
        return -EAGAIN;
    if (d->owner && d->owner != session + 1)
        return -EBUSY;
    d->owner = session + 1;
    if (d->state == DEBUGGER_RUNNING)
        stop(m, d->vcpu, SESSION_ASKED, 0);
    else
        d->state = DEBUGGER_STOPPING; /* it is told again */
    return 0;
}

int debug_resume(struct monitor *m, const struct session_request *r)
{
    struct debugger *d = &m->debugger;
    bool step = r->flags & SESSION_STEP;
    int rc = 0;

    d->stepping = step ? r->vcpu + 1 : 0;
    for (uint32_t i = 0; i < m->vm.vcpus_count && rc == 0; i++)
        rc = apply(m, i);
    if (rc < 0)
        return rc;
    d->state = DEBUGGER_RUNNING;
    if (step)
        let_go(m, r->vcpu);
    else
        let_all_go(m);
    m->states.dirty = true;
    return 0;
}

/* As if nobody had ever looked. */
static void finish(struct monitor *m)
{
    struct debugger *d = &m->debugger;

    for (unsigned i = 0; i < SESSION_BREAKS_MAX; i++)
        d->breaks[i].kind = 0;
    d->stepping = 0;
    for (uint32_t i = 0; i < m->vm.vcpus_count && d->set; i++)
        (void)apply(m, i);
    d->set = 0;
    let_all_go(m);
    d->state = DEBUGGER_RUNNING;
    d->owner = 0;
    m->states.dirty = true;
}

static bool untouched(const struct debugger *d)
{
    bool any = d->set;

    for (unsigned i = 0; i < SESSION_BREAKS_MAX; i++)
        any |= d->breaks[i].kind != 0;
    return !any;
}

void debug_end(struct monitor *m)
{
    struct debugger *d = &m->debugger;

    if (!d->owner)
        return;
    if (untouched(d)) {
        finish(m);
        return;
    }
    d->owner = NOBODY;
    d->state = DEBUGGER_ENDING;
    pause_all(m);
}

void debug_begin(struct monitor *m)
{
    struct debugger *d = &m->debugger;

    if (!d->owner)
        return;
    if (d->state == DEBUGGER_RUNNING) {
        d->caught = 0; /* perhaps the last main was about to stop: the exit is looked at again */
        return;
    }
    if (d->state == DEBUGGER_STOPPED)
        d->state = DEBUGGER_STOPPING; /* perhaps it was not told */
    pause_all(m);
}

bool debug_step(struct monitor *m)
{
    struct debugger *d = &m->debugger;

    if ((d->state != DEBUGGER_STOPPING && d->state != DEBUGGER_ENDING) || !pause_standing(m))
        return false;
    if (d->state == DEBUGGER_ENDING) {
        finish(m);
        return false;
    }
    d->state = DEBUGGER_STOPPED;
    m->states.dirty = true;
    return true;
}
