/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions, gate and recovery, checked by spin (./dev prove).
 *
 * Control is not modelled: its real core is asked what it does (ask.h, core.c). Here is everybody
 * else, as hostile in their timing as they can be: SR-PCIM, the TCB, lead with its queue of orders
 * and its queue of words, the kernel that freezes and thaws when it likes, monitors, command; and
 * deaths: of control at any point (KILL: what was appended is in the log; CUT: what was not synced
 * is not), of lead, of SR-PCIM, of monitors. FAULTS of these in one history, in any order, at any
 * moment; losses of readiness without limit.
 *
 * Proven, in every state that can be reached:
 *   gate    an attach is committed only while the latest readiness event that control processed for
 *           each PF behind the partition is "ready"
 *   durable ATTACH leaves only when its entry is synced
 *   loss    a loss processed between the commit and lead's acknowledgement: that attach is never
 *           counted as done, and the partition is frozen when all is quiet
 *   again   after the death of control or lead, a committed attach is ordered again only if every PF
 *           is ready; else it is undone
 *   truth   when all is quiet, a guest runs if and only if its attach is done (or it is stopping)
 *   kept    a START that command heard of is there after every death; none is half there
 *   owner   no two partitions have a monitor with the same VF and pCPU; that each resource has just
 *           one owner in the map is checked by core.c in every state
 *   live    from every state: once no more deaths and losses come, every partition that is to run
 *           runs (no deadlock, no endless loop)
 *
 * Bounds: the scenes of core.c (one or two partitions, one or two PFs), FAULTS deaths or orders that
 * fail, two starts and one stop in a history, three words of lead that control has not heard. FAULTS
 * and the scene's PARTITIONS, PFS, CONTEND, CUTS, AT_GATE come from tests/prove/run. A power cut of
 * the whole host ends everybody here: for what is on disk then see tests/unit/store.
 */
c_decl {
\#define ASK_CLIENT
\#include "ask.h"
}

#define P1 (PARTITIONS > 1)
#define ALL_READY (ready[0] && (PFS == 1 || ready[1]))

/* what control did: (what, partition) pairs, in order */
#define COMMIT 1
#define BEGUN 2
#define SYNCED 3
#define CREATE 4
#define CHANNELS 5
#define ATTACH 6
#define DETACH 7
#define STOP 8
#define STARTED 9

/* enum partition_phase, enum attach_state */
#define DEFINED 0
#define RUNNING 3
#define STOPPING 4
#define FAILED 5
#define COMMITTED 1
#define DONE 2

/* of a monitor, as lead and the kernel know it */
#define NONE 0
#define SPAWNING 1
#define SPAWNED 2 /* nothing reached yet */
#define OWN 3     /* all its own states */
#define WHOLE 4   /* and its VFs' */

int core; /* state of the real core */
byte what[12], whose[12];
byte phase[2], attach[2], was[2]; /* of control; `was`: attach before the step */
bool ready[2];                    /* the latest that control processed; none since a judge's death */
bool pcim_up = true, lead_up = true, vfs_known = true;

byte monitor[2];
bool handed[2]; /* it has the VFs' files */
bool frozen[2] = true, freeze[2] = true; /* what is; what the kernel was asked for */
bool sync_due;                          /* lead must say all that it has */
bool ending[2];                          /* told to stop */
byte waiting[2], waiting_id[2];          /* ATTACH or DETACH that lead has not answered, its id */

chan orders = [6] of { byte, byte, byte };      /* to lead: what, partition, id */
chan words = [8] of { byte, byte, byte, byte }; /* to control: event, partition, b, id */
#define W_MONITOR 1
#define W_GONE 2
#define W_SYNC 3
#define W_RESULT 4

/* ids of attaches (1..3, in turn) and of lives (0, 1); what is on disk of them */
byte id[2], disk_id[2];
bool life[2], disk_life[2];
bool lost[2], disk_lost[2]; /* a loss was processed before this attach was acknowledged */
bool told[2];               /* command heard that it is started */

byte faults;
byte starts, stops;
byte group; /* of control's transactions: 0 none, 1 open, 2 full: it must end first */
bool tick;  /* control waits for a second to pass */
bool calm, done;
byte n, w_kind, w_p, w_b, w_id; /* scratch */

c_code {
static void say(unsigned kind, unsigned a, unsigned b)
{
    const struct answer *answer = ask(now.core, kind, a, b);

    if (answer->to <= 0) {
        printf("event %u %u %u cannot happen\n", kind, a, b);
        abort();
    }
    if (getenv("PROVE_TELL"))
        ask_print(now.core, kind, a, b, answer);
    now.core = answer->to - 1;
    now.group = answer->group;
    now.tick = answer->tick;
    for (int i = 0; i < ASK_OUTPUTS_MAX; i++) {
        unsigned output = answer->outputs[i];
        unsigned past = output > OUT_SYNC ? output - OUT_CREATE : output - OUT_COMMIT;
        now.what[i] = !output ? 0 : output == OUT_SYNC ? 3
                      : (output > OUT_SYNC ? 4 : 1) + past / ASK_PARTITIONS;
        now.whose[i] = output ? past % ASK_PARTITIONS : 0;
    }
    for (int p = 0; p < ASK_PARTITIONS; p++) {
        now.was[p] = now.attach[p];
        now.phase[p] = answer->phase[p];
        now.attach[p] = answer->attach[p];
    }
}
}

#define SAY(kind, a, b) c_code { say(kind, a, b); }; effects()

inline to_lead(order)
{
    assert(nfull(orders));
    if
    :: order == ATTACH || order == DETACH -> orders!order, w_p, id[w_p]
    :: else -> orders!order, w_p, life[w_p]
    fi
}

inline commit_attach()
{
    /* gate */
    assert(ALL_READY);
    id[w_p] = id[w_p] % 3 + 1;
    lost[w_p] = false
}

inline synced()
{
    disk_id[0] = id[0]; disk_id[1] = id[1];
    disk_life[0] = life[0]; disk_life[1] = life[1];
    disk_lost[0] = lost[0]; disk_lost[1] = lost[1]
}

inline check(p)
{
    /* loss */
    assert(!lost[p] || phase[p] == STOPPING || (attach[p] != COMMITTED && (attach[p] != DONE || was[p] == DONE)));
    /* kept */
    if
    :: phase[p] == DEFINED || phase[p] == FAILED ->
        assert(!told[p] || monitor[p] < SPAWNED);
        told[p] = false
    :: else
    fi
}

/* What control did goes its way. */
inline effects()
{
    n = 0;
    do
    :: n < 12 && what[n] ->
        w_p = whose[n];
        if
        :: what[n] == COMMIT -> commit_attach()
        :: what[n] == BEGUN -> life[w_p] = !life[w_p]; lost[w_p] = false
        :: what[n] == SYNCED -> synced()
        :: what[n] == STARTED -> told[w_p] = true
        :: what[n] == ATTACH ->
            assert(disk_id[w_p] == id[w_p]); /* durable */
            to_lead(ATTACH)
        :: else -> to_lead(what[n])
        fi;
        what[n] = 0; whose[n] = 0;
        n++
    :: else -> break
    od;
    check(0); check(1);
    was[0] = 0; was[1] = 0;
    n = 0; w_p = 0
}

/* Readiness of PF f is lost, and control hears it: from now on no attach may be counted as done
 * that was committed and not acknowledged. */
inline lose(p, f)
{
    if
    :: attach[p] == COMMITTED && phase[p] != STOPPING -> lost[p] = true
    :: else
    fi
}

inline tell(p)
{
    assert(nfull(words));
    words!W_MONITOR, p, (frozen[p] -> 1 : 0) + 2 * (monitor[p] - SPAWNED), 0
}

inline result(order, p, error, tag)
{
    assert(nfull(words));
    words!W_RESULT, p, error + 2 * (order - CREATE + 1), tag
}

/* ---- lead, the kernel, and a monitor */

inline lead_follows(order, p, tag)
{
    if
    :: order == CREATE && monitor[p] == NONE ->
        monitor[p] = SPAWNING; frozen[p] = true; freeze[p] = true
    :: order == CREATE && monitor[p] == SPAWNING
    :: order == CREATE && monitor[p] >= SPAWNED -> result(CREATE, p, 0, tag)
    :: order == STOP && monitor[p] == NONE -> result(STOP, p, 1, tag)
    :: order == STOP && monitor[p] != NONE -> ending[p] = true; result(STOP, p, 0, tag)
    :: order == CHANNELS && monitor[p] < SPAWNED -> result(CHANNELS, p, 1, tag)
    :: order == CHANNELS && monitor[p] >= SPAWNED -> handed[p] = true; result(CHANNELS, p, 0, tag)
    :: (order == ATTACH || order == DETACH) && monitor[p] == NONE -> result(order, p, 1, tag)
    :: (order == ATTACH || order == DETACH) && monitor[p] != NONE ->
        freeze[p] = (order == DETACH); waiting[p] = order; waiting_id[p] = tag
    fi
}

/* An order that cannot be followed. */
inline lead_fails(order, p, tag)
{
    if
    :: order == ATTACH -> waiting[p] = 0; waiting_id[p] = 0
    :: else
    fi;
    result(order, p, 1, tag)
}
#define MAY_FAIL(order, p) ((order == CREATE && monitor[p] == NONE) || \
    (order == CHANNELS && monitor[p] >= SPAWNED && !handed[p]) || \
    (order == ATTACH && monitor[p] != NONE))

inline kernel(p)
{
    frozen[p] = freeze[p];
    if
    :: lead_up && waiting[p] -> result(waiting[p], p, 0, waiting_id[p])
    :: else
    fi;
    waiting[p] = 0; waiting_id[p] = 0;
    if
    :: lead_up -> tell(p)
    :: else
    fi
}

inline no_monitor(p)
{
    monitor[p] = NONE; handed[p] = false; ending[p] = false;
    frozen[p] = true; freeze[p] = true; waiting[p] = 0; waiting_id[p] = 0
}

/* ---- deaths */

inline links_cut()
{
    do
    :: nempty(orders) -> orders?_, _, _
    :: nempty(words) -> words?_, _, _, _
    :: empty(orders) && empty(words) -> break
    od
}

inline control_dies()
{
    faults--;
    links_cut();
    lead_up = false; pcim_up = false; vfs_known = false;
    ready[0] = false; ready[1] = false;
}

inline kept()
{
    assert(!told[0] || (phase[0] != DEFINED && phase[0] != FAILED));
    assert(!told[1] || (phase[1] != DEFINED && phase[1] != FAILED))
}

inline lead_dies()
{
    faults--;
    links_cut();
    lead_up = false;
    waiting[0] = 0; waiting_id[0] = 0; waiting[1] = 0; waiting_id[1] = 0;
    if :: monitor[0] == SPAWNING -> no_monitor(0) :: else fi;
    if :: monitor[1] == SPAWNING -> no_monitor(1) :: else fi;
    SAY(E_LEAD_DOWN, 0, 0)
}

inline lead_returns()
{
    lead_up = true;
    sync_due = true;
    SAY(E_LEAD_UP, 0, 0)
}

/* All monitors, then SYNC; not while one is being made. */
inline lead_syncs()
{
    sync_due = false;
    if :: monitor[0] >= SPAWNED -> tell(0) :: else fi;
    if :: monitor[1] >= SPAWNED -> tell(1) :: else fi;
    words!W_SYNC, 0, 0, 0
}

/* Lead has said all: an attach stands that was committed before a death, and of which the guest is
 * still frozen, only if every PF is ready now. */
inline recovered(p)
{
    assert(attach[p] != COMMITTED || phase[p] == STOPPING || ALL_READY)
}

/* An answer is about an attach or a life that still is, or about nothing: core.c checks that such a
 * one changes nothing. */
#define STALE (w_kind == W_RESULT && w_id != \
    ((w_b / 2 == 3 || w_b / 2 == 4) -> id[w_p] : life[w_p]))

inline hear()
{
    if
    :: w_kind == W_RESULT && STALE
    :: w_kind == W_RESULT && !STALE -> SAY(E_RESULT, now.w_p, now.w_b)
    :: w_kind == W_MONITOR -> SAY(E_MONITOR, now.w_p, now.w_b)
    :: w_kind == W_GONE -> SAY(E_GONE, now.w_p, 0)
    :: w_kind == W_SYNC -> SAY(E_SYNC, 0, 0); recovered(0); recovered(1)
    fi;
    w_kind = 0; w_p = 0; w_b = 0; w_id = 0
}

#define QUIET_OF(p) (frozen[p] == freeze[p] && !waiting[p] && monitor[p] != SPAWNING)
#define QUIET (lead_up && !sync_due && empty(orders) && empty(words) && QUIET_OF(0) && QUIET_OF(1) && \
    !group && !tick)
#define TRUE_OF(p) ((!frozen[p]) == (attach[p] == DONE) || phase[p] == STOPPING)

/* Lead goes on when control has heard what it said but for so many words. */
#define ROOM (len(words) < 3)

#define PARTITION(p) \
    :: d_step { monitor[p] == SPAWNING && lead_up && ROOM -> \
        monitor[p] = SPAWNED; result(CREATE, p, 0, life[p]); tell(p) } \
    :: d_step { monitor[p] == SPAWNED && lead_up && ROOM -> monitor[p] = OWN; tell(p) } \
    :: d_step { monitor[p] == OWN && handed[p] && lead_up && ROOM -> monitor[p] = WHOLE; tell(p) } \
    :: d_step { ROOM && (frozen[p] != freeze[p] || (waiting[p] && lead_up)) -> kernel(p) } \
    :: d_step { monitor[p] >= SPAWNED && lead_up && ROOM && (ending[p] || (faults && !AT_GATE)) -> \
        if :: ending[p] :: !ending[p] -> faults-- fi; \
        no_monitor(p); words!W_GONE, p, 0, 0 } \
    :: d_step { (phase[p] == DEFINED || phase[p] == FAILED) && (starts || calm) && \
        (!CONTEND || !calm || phase[1 - p] == DEFINED || phase[1 - p] == FAILED) && \
        group < 2 -> \
        if :: starts -> starts-- :: else fi; \
        vfs_known = false; SAY(E_START, p, 0) } \
    :: d_step { stops && phase[p] != DEFINED && phase[p] != FAILED && phase[p] != STOPPING && group < 2 -> stops--; SAY(E_STOP, p, 0) }

#define PF(f) \
    :: d_step { pcim_up && !ready[f] && group < 2 -> ready[f] = true; SAY(E_READY, f, 0) } \
    :: d_step { pcim_up && ready[f] && !calm && !CONTEND && group < 2 -> \
        ready[f] = false; lose(0, f); lose(1, f); SAY(E_LOST, f, 0) }

init {
    faults = FAULTS; starts = 2; stops = 1;
#if AT_GATE
    starts = 0; stops = 0;
    monitor[0] = WHOLE; handed[0] = true; told[0] = true; phase[0] = 2;
    monitor[1] = WHOLE; handed[1] = true; told[1] = true; phase[1] = 2;
#endif
    do
    PF(0)
#if PFS > 1
    PF(1)
#endif
    PARTITION(0)
#if PARTITIONS > 1
    PARTITION(1)
#endif
    :: d_step { lead_up && nempty(orders) && ROOM ->
        orders?w_kind, w_p, w_id; lead_follows(w_kind, w_p, w_id); w_kind = 0; w_p = 0; w_id = 0 }
    :: d_step { lead_up && nempty(orders) && ROOM && faults ->
        orders?<w_kind, w_p, w_id>;
        if
        :: MAY_FAIL(w_kind, w_p) ->
            orders?w_kind, w_p, w_id; faults--; lead_fails(w_kind, w_p, w_id)
        :: else
        fi;
        w_kind = 0; w_p = 0; w_id = 0 }
    :: d_step { nempty(words) && group < 2 -> words?w_kind, w_p, w_b, w_id; hear() }
    :: d_step { !vfs_known && group < 2 -> vfs_known = true; SAY(E_VFS, 0, 0) }
    :: d_step { group -> SAY(E_SETTLE, 0, 0) }
    :: d_step { tick && group < 2 -> SAY(E_TICK, 0, 0) }
    :: d_step { !pcim_up && group < 2 -> pcim_up = true; SAY(E_PCIM_UP, 0, 0) }
    :: d_step { pcim_up && faults && !CONTEND && group < 2 ->
        faults--; pcim_up = false; ready[0] = false; ready[1] = false; SAY(E_PCIM_DOWN, 0, 0) }
    :: d_step { !lead_up && group < 2 -> lead_returns() }
    :: d_step { lead_up && ROOM && sync_due && monitor[0] != SPAWNING && monitor[1] != SPAWNING ->
        lead_syncs() }
    :: d_step { lead_up && faults && !AT_GATE && group < 2 -> lead_dies() }
    :: d_step { faults -> control_dies(); SAY(E_KILL, 0, 0); kept() }
#if CUTS
    :: d_step { faults -> id[0] = disk_id[0]; life[0] = disk_life[0]; lost[0] = disk_lost[0];
        id[1] = disk_id[1]; life[1] = disk_life[1]; lost[1] = disk_lost[1]; control_dies();
        SAY(E_CUT, 0, 0); kept() }
#endif
    :: d_step { !calm -> calm = true; faults = 0; starts = 0; stops = 0 }
    :: done -> break
    :: d_step { QUIET && !(TRUE_OF(0) && TRUE_OF(1)) -> assert(false) } /* truth */
    :: d_step { calm && QUIET && vfs_known && phase[0] == RUNNING && (!P1 || CONTEND || phase[1] == RUNNING) -> done = true }
#if CONTEND
    :: d_step { calm && QUIET && vfs_known && phase[1] == RUNNING -> done = true }
    :: d_step { handed[0] && handed[1] -> assert(false) } /* owner */
#endif
    od
}

ltl live { [] (calm -> <> done) }
