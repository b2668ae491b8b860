/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness of a PF: a list of questions in order, the first "no" is the answer. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "names/names.h"
#include "pci/driver_table.h"
#include "pcim.h"

#define NOBODY "no partition has or wants a VF of it"

__attribute__((format(printf, 3, 4))) static bool
no(struct judgement *judgement, enum pf_readiness readiness, const char *format, ...)
{
    va_list arguments;

    judgement->readiness = readiness;
    va_start(arguments, format);
    vsnprintf(judgement->reason, sizeof(judgement->reason), format, arguments);
    va_end(arguments);
    return false;
}

/* It is ready, but. */
__attribute__((format(printf, 2, 3))) static void but(struct judgement *judgement,
                                                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(judgement->reason, sizeof(judgement->reason), format, arguments);
    va_end(arguments);
}

static bool is_there(const struct pcim_pf *pf, struct judgement *judgement)
{
    if (!pf->present || pf->observed.status == FUNCTION_ABSENT)
        return no(judgement, PF_ABSENT, "there is no such device");
    if (!pf->observed.answers)
        return no(judgement, PF_NO_ANSWER, "its configuration space does not answer");
    return true;
}

static bool has_driver(const struct pcim_pf *pf, struct judgement *judgement)
{
    if (!pf->observed.driver[0])
        return no(judgement, PF_DRIVER_UNBOUND, "driver %s is not bound", pf->card.driver);
    if (strcmp(pf->observed.driver, pf->card.driver) != 0)
        return no(judgement, PF_DRIVER_UNBOUND, "driver %s is bound to it, not %s",
                  pf->observed.driver, pf->card.driver);
    return true;
}

/* Of one that may sleep nobody reads more than its power: what is known of its VFs is of before. */
static bool is_awake(const struct pcim_pf *pf, struct judgement *judgement)
{
    const struct pf_observed *seen = &pf->observed;
    bool asleep = seen->power_status == POWER_ASLEEP;

    if (seen->power_status == POWER_ERROR)
        return no(judgement, PF_ASLEEP, "it slept, and does not come back");
    if (!asleep &&
        (seen->power_control != POWER_AUTO || seen->class != CLASS_NETWORK || seen->link_up))
        return true; /* what has a use of its own stays awake */
    if (!pcim_may_sleep(pf))
        return no(judgement, PF_ASLEEP,
                  asleep ? "it is asleep; it is being woken"
                         : "it was to sleep; it is being woken");
    return no(judgement, PF_ASLEEP, NOBODY "%s", asleep ? "" : ": it may sleep");
}

/* It may look well: a driver whose recovery failed has let go of its device, no more. */
static bool is_recovered(const struct pcim_pf *pf, struct judgement *judgement)
{
    const struct error_counts *errors = &pf->observed.errors;

    if (pf->observed.recovery == RECOVERY_NONE)
        return true;
    if (driver_stuck(&pf->observed, pf->observed.recovery))
        return no(judgement, PF_ERRORS,
                  "the kernel's recovery from an error failed, and driver %s does not stand to be "
                  "unbound then: restart the host",
                  pf->observed.driver);
    return no(judgement, PF_ERRORS,
              "an uncorrectable error (%llu fatal, %llu non-fatal of the PF itself): the kernel's "
              "recovery %s",
              (unsigned long long)errors->fatal, (unsigned long long)errors->nonfatal,
              pf->observed.recovery == RECOVERY_FAILED ? "failed" : "is under way");
}

static bool is_healthy(const struct pcim_pf *pf, struct judgement *judgement)
{
    return !pf->observed.health[0] ||
           no(judgement, PF_UNHEALTHY, "its driver's health reporter %s is in error",
              pf->observed.health);
}

static bool has_vfs(const struct pcim_pf *pf, struct judgement *judgement)
{
    const struct sriov_capability *sriov = &pf->observed.sriov;
    const uint16_t enabled = SRIOV_CTRL_VF_ENABLE | SRIOV_CTRL_VF_MSE;

    if (!sriov->offset)
        return no(judgement, PF_VFS_MISSING, "it has no SR-IOV capability");
    if ((sriov->control & enabled) != enabled || !sriov->num_vfs)
        return no(judgement, PF_VFS_MISSING, "its VFs are not enabled (%u are configured)",
                  pf->card.vfs);
    if (sriov->num_vfs < pf->card.vfs)
        return no(judgement, PF_VFS_MISSING, "it has %u VFs, %u are configured", sriov->num_vfs,
                  pf->card.vfs);
    return true;
}

static bool vfs_answer(const struct pcim_pf *pf, struct judgement *judgement)
{
    for (uint32_t i = 0; i < pf->card.vfs; i++)
        if (!pf->vfs[i].present || !pf->vfs[i].observed.answers)
            return no(judgement, PF_VF_NO_ANSWER, "its VF %u does not answer", i);
    return true;
}

static bool vfs_work(const struct pcim_pf *pf, struct judgement *judgement)
{
    if (pf->observed.reset)
        return no(judgement, PF_VF_RESET, "it was reset behind its driver's back");
    for (uint32_t i = 0; i < pf->card.vfs; i++)
        if (pf->vfs[i].reset)
            return no(judgement, PF_VF_RESET, "its VF %u was reset under its guest", i);
    return true;
}

static bool is_up(const struct pcim_pf *pf, struct judgement *judgement)
{
    bool carrier = pf->observed.class == CLASS_NETWORK && pf->card.link == CARD_LINK_CARRIER;

    if (pf->observed.link_up && (!carrier || pf->observed.carrier))
        return true;
    if (pf->observed.link_up)
        return no(judgement, PF_LINK_DOWN, "its interface has no carrier");
    if (pf->observed.class == CLASS_NETWORK && pf->observed.power_control == POWER_ON &&
        pcim_may_sleep(pf)) /* it would be taken down just after */
        return no(judgement, PF_ASLEEP, NOBODY ": it may sleep");
    return no(judgement, PF_LINK_DOWN,
              pf->observed.class == CLASS_NVME ? "its controller is not live"
                                               : "its interface is down");
}

bool pcim_vf_unbound(const struct pcim_vf *vf)
{
    return vf->present && !vf->observed.driver[0] && !vf->observed.for_host && !vf->observed.open;
}

/*
 * While guests have VFs of it, one beside them that is not bound is no reason to stop them; nor is
 * one that vfio-pci does not take to anybody who has another: it is told of, that is all.
 */
static bool vfs_bound(const struct pcim_pf *pf, struct judgement *judgement)
{
    uint32_t failed = 0, first = 0;

    for (uint32_t i = 0; i < pf->card.vfs; i++) {
        if (!pcim_vf_unbound(&pf->vfs[i]))
            continue;
        if (!pf->vfs[i].observed.bind_error && !pf->observed.open_vfs)
            return no(judgement, PF_VFS_UNBOUND, "its VF %u is not bound to vfio-pci yet", i);
        if (pf->vfs[i].observed.bind_error && !failed++)
            first = i;
    }
    const char *why = name_of_bind_error(pf->vfs[first].observed.bind_error);
    if (failed > 1)
        but(judgement, "its VF %u and %u more are not bound: %s", first, failed - 1, why);
    else if (failed)
        but(judgement, "its VF %u is not bound: %s", first, why);
    return true;
}

/* Who writes to sriov_numvfs, or unbinds a driver, waits in the kernel until the guest lets go; and
 * so does everybody who wants that driver's or that PF's lock. */
static void vfs_waited_for(const struct pcim_pf *pf, struct judgement *judgement)
{
    for (uint32_t i = 0; i < pf->card.vfs; i++) {
        if (!pf->vfs[i].present || !pf->vfs[i].requested)
            continue;
        but(judgement,
            "somebody on this host waits for its VF %u to be let go: a write to sriov_numvfs, "
            "or an unbind of its driver",
            i);
        return;
    }
}

/* Whatever else it is, ready or not: nothing can be done about it until that child ends. */
static void add_stuck(struct judgement *judgement, uint32_t pid)
{
    size_t length = strlen(judgement->reason);

    if (pid)
        snprintf(judgement->reason + length, sizeof(judgement->reason) - length,
                 "%sprocess %u has not come back from a write to it", length ? "; " : "", pid);
}

void judge_pf(const struct pcim_pf *pf, struct judgement *judgement)
{
    *judgement = (struct judgement){.readiness = PF_READY};
    if (pf->disabled)
        no(judgement, PF_DISABLED, "disabled by an administrator");
    else if (pf->proposal.id && pf->proposal.action == ACTION_PF_RESTART)
        no(judgement, PF_BUSY, "it is being restarted");
    else if (is_there(pf, judgement) && has_driver(pf, judgement) && is_awake(pf, judgement) &&
             is_recovered(pf, judgement) && is_healthy(pf, judgement) && has_vfs(pf, judgement) &&
             vfs_answer(pf, judgement) && vfs_work(pf, judgement) && is_up(pf, judgement) &&
             vfs_bound(pf, judgement))
        vfs_waited_for(pf, judgement);
    add_stuck(judgement, pf->observed.stuck_pid);
}
