/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions that were under way when control, lead or the TCB died.
 *
 * The replay brings back every transaction that was committed, whether or not its messages went.
 * What became of their effects is asked of those who know: on each new link lead says every monitor
 * that it has, then SYNC; a partition of which nothing was said has no monitor. The TCB is told all
 * owners and every action without an answer. So each transaction is either completed, because its
 * effect is whole or can be made so by the same order with the same id; or it is undone.
 *
 *   committed          lead: monitor, frozen    monitor, thawed       no monitor
 *   START              CREATE was done: noted   cannot be: no attach  CREATE again, by id; after a
 *                                              was durable           first start of the service:
 *                                                                    undone, resources back
 *   START, CREATE      goes on                 as above              failed, resources back
 *   was done
 *   CHANNELS           image there: whole;      as frozen             failed, resources back
 *                      else CHANNELS again, by id, when the TCB has named the VFs
 *   ATTACH             gate open: ATTACH again  whole: completed      failed, resources back
 *                      by id; shut: undone
 *   ATTACH, UNDONE     DETACH again, by id      DETACH again          failed, resources back
 *   ATTACH, APPLIED    ATTACH again, by id      whole                 failed, resources back
 *   FREEZE             whole                    DETACH, by id        failed, resources back
 *   FAILOVER           as DEFINE of one that runs; before the gate the TCB, SR-PCIM and CHANNELS
 *                      are told of the other VF; one whose monitor begins anew: STOP again
 *   FREEZE, APPLIED    ATTACH again, by id      whole                failed, resources back
 *   PCPU               PROCESSORS again, when lead has an older descriptor; else whole
 *   DEFINE of one      cannot be: it ran       VF_ADD, VF_REMOVE     failed, resources back
 *   that runs                                  of what its seats are
 *                                              not yet (hotplug.h)
 *   STOP, SHUTDOWN     STOP again, by id        STOP again            whole: resources back
 *   RELEASE            a stray: stopped         stopped               whole
 *
 *   committed          the TCB and SR-PCIM, on a new link
 *   START, RELEASE     ASSIGN and WANT of all started partitions; others' VFs are nobody's
 *   ACTION             APPLY again, by transaction: the TCB looks before it writes, so one that is
 *                      done costs nothing. An error undoes it. A bind, a reset or VFs that were
 *                      made cannot be taken back: SR-PCIM sees what is and proposes again
 *   HOST_SET           all cards; one that is not named is managed no more
 *   EDIT               ASSIGN as above, then APPLY of each VF that was not answered. When all are,
 *                      it is whole; an error of one undoes it: ASSIGN and APPLY of what was before.
 *                      The TCB asks for the outcome by the edit's id
 *
 *   committed          command, on a new link (channels.h)
 *   CHANNEL, RELEASE   what command does not hold is detached; what waited for that is released
 *
 *   committed          nobody is asked
 *   DEFINE (stopped), UNDEFINE, WAIT, RECOVERED, RESET   they are whole with their entry
 *   OUTAGE             its deadline is there; over when SR-PCIM says that all its PFs are ready
 *   RUNG               restart of the PF: RECOVER again to a new SR-PCIM. Restarts by boot are not
 *                      said again: whether they were done is not known, and the deadline of the
 *                      next rung runs. PF in error: whole with its entry
 *   RUNG, APPLIED      what was taken is forgotten: whole; until then its deadline is there
 *
 * Example: ATTACH 830 is durable, control dies before LEAD_ATTACH goes. The successor replays 830:
 * the partition is ATTACH_COMMITTED. Lead says its monitor, frozen, and SYNC. SR-PCIM has not
 * spoken, so the gate is shut: 830 is undone (entry 831), the guest has not run. When every PF is
 * ready again, ATTACH 832 goes the usual way.
 */
#pragma once

#include "control.h"

/* Lead has said all its monitors: brings together what is committed and what is. */
void recovery_from_lead(struct control *control);
