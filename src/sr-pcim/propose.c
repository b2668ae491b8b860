/* SPDX-License-Identifier: Apache-2.0 */
/* What would bring a function nearer to what is desired. Nothing when it is there. */
#include <errno.h>
#include <string.h>

#include "pci/driver_table.h"
#include "pcim.h"

#define SECOND_NS      UINT64_C(1000000000)
#define BACK_OFF_MAX_S 30

static bool driver_bound(const struct pcim_pf *pf)
{
    return pf->present && pf->observed.answers && !strcmp(pf->observed.driver, pf->card.driver);
}

static bool vfs_exist(const struct pcim_pf *pf)
{
    return (pf->observed.sriov.control & SRIOV_CTRL_VF_ENABLE) || pf->observed.sriov.num_vfs ||
           pf->observed.numvfs;
}

/* What its driver did for its VFs is lost. */
static bool was_reset(const struct pcim_pf *pf)
{
    if (pf->observed.reset)
        return true;
    for (uint32_t i = 0; i < pf->card.vfs; i++)
        if (pf->vfs[i].reset)
            return true;
    return false;
}

/* Whether a VF is to be bound; `untried`: one that no try has failed for. */
static bool any_vf_unbound(const struct pcim_pf *pf, bool untried)
{
    for (uint32_t i = 0; i < pf->card.vfs; i++)
        if (pcim_vf_unbound(&pf->vfs[i]) && pf->vfs[i].observed.answers &&
            !(untried && pf->vfs[i].observed.bind_error))
            return true;
    return false;
}

/* Its driver has to begin anew, and nobody would lose a VF by that. */
static bool broken(const struct pcim_pf *pf)
{
    return pf->observed.recovery == RECOVERY_FAILED && !pf->observed.open_vfs;
}

bool pcim_may_sleep(const struct pcim_pf *pf)
{
    bool used = pf->observed.open_vfs != 0;

    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        used |= pf->vfs[i].wanted || pf->vfs[i].in_use ||
                (pf->vfs[i].present && pf->vfs[i].observed.open);
    return pf->idle_power == IDLE_POWER_AUTO && !pf->disabled && !used;
}

/* Nothing of it is missing, and the host's drivers have none of its VFs: the kernel would not keep
 * it awake for them. */
static bool sleeps_well(const struct pcim_pf *pf)
{
    if (pf->observed.sriov.num_vfs < pf->card.vfs || pf->observed.recovery != RECOVERY_NONE)
        return false;
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        const struct pcim_vf *vf = &pf->vfs[i];
        if (i < pf->card.vfs && (!vf->present || !vf->observed.answers))
            return false;
        if (vf->present && vf->observed.driver[0] && strcmp(vf->observed.driver, "vfio-pci") != 0)
            return false;
    }
    return true;
}

/*
 * An unbound PF is left alone until the ladder orders rung 1: whoever unbound it may be about to
 * bind it. A PF with fewer VFs than configured needs 0 first, which kills the others: not ours to
 * propose. VFs that do not bind are tried again, but do not keep the PF from coming up.
 */
uint32_t next_for_pf(const struct pcim_pf *pf)
{
    if (!pf->managed || !pf->present || pf->disabled || !pf->observed.vendor)
        return ACTION_NONE; /* one that was pulled out has no vendor */
    if (driver_stuck(&pf->observed, pf->observed.recovery))
        return ACTION_NONE;
    if (pf->recover)
        return pf->observed.driver[0] ? ACTION_PF_RESTART : ACTION_PF_BIND;
    if (!driver_bound(pf))
        return ACTION_NONE;
    if (pf->observed.power_control == POWER_AUTO)
        return pcim_may_sleep(pf) ? ACTION_NONE : ACTION_PF_WAKE;
    if (broken(pf))
        return ACTION_PF_RESTART;
    if (pf->observed.sriov.offset && !vfs_exist(pf) && !pf->observed.open_vfs)
        return ACTION_PF_CREATE_VFS;
    /* else the kernel is at its functions: it panics when igb is opened just then */
    bool still = pf->observed.recovery == RECOVERY_NONE;
    if (still && was_reset(pf))
        return ACTION_PF_RENEW;
    if (still && any_vf_unbound(pf, true))
        return ACTION_PF_BIND_VFS;
    if (pcim_may_sleep(pf) && pf->observed.power_control == POWER_ON && sleeps_well(pf))
        return ACTION_PF_SLEEP;
    if (still && pf->observed.class == CLASS_NETWORK && pf->observed.netdev[0] &&
        !pf->observed.link_up)
        return ACTION_PF_LINK_UP;
    return still && any_vf_unbound(pf, false) ? ACTION_PF_BIND_VFS : ACTION_NONE;
}

/* Attributes are set through the PF: its interface, or its live controller. */
static bool pf_can_configure(const struct pcim_pf *pf)
{
    if (!driver_bound(pf) || pf->observed.power_control == POWER_AUTO ||
        pf->observed.power_status == POWER_ASLEEP)
        return false;
    if (pf->observed.class == CLASS_NVME)
        return pf->observed.link_up;
    return pf->observed.class != CLASS_NETWORK || pf->observed.netdev[0];
}

/* In use, and its PF has forgotten what was set: its driver was reloaded, say. */
static bool forgotten(const struct pcim_vf *vf)
{
    return vf->wanted && vf->in_use && vf->observed.open && !vf->observed.attributes_set &&
           !vf->reset; /* renewing its PF does it all */
}

/* The kernel could not recover it, and who has it open is to be rid of it without a wait. Once: the
 * last thing that was done about this VF is remembered in its proposal. */
static bool lost(const struct pcim_pf *pf, const struct pcim_vf *vf)
{
    const struct proposal *last = &vf->proposal;
    bool done = last->action == ACTION_VF_ABANDON && !last->id && !last->failures;

    return pf->observed.recovery == RECOVERY_FAILED && vf->observed.open && !vf->observed.answers &&
           !done;
}

uint32_t next_for_vf(const struct pcim_pf *pf, uint32_t index)
{
    const struct pcim_vf *vf = &pf->vfs[index];

    if (!pf->managed || pf->disabled || index >= pf->card.vfs || !vf->present)
        return ACTION_NONE;
    if (lost(pf, vf))
        return ACTION_VF_ABANDON;
    if (forgotten(vf) && pf_can_configure(pf))
        return ACTION_VF_RENEW;
    if (!vf->wanted || vf->in_use)
        return ACTION_NONE;
    if (vf->observed.open || vf->observed.status == FUNCTION_ACTIVE || !pf_can_configure(pf))
        return ACTION_NONE;
    return ACTION_VF_ACTIVATE;
}

bool proposal_due(const struct proposal *proposal, uint32_t action, uint64_t now_ns)
{
    if (action == ACTION_NONE || proposal->id)
        return false;
    /* Another action than the last one has not been tried yet: no reason to wait. */
    return action != proposal->action || now_ns >= proposal->not_before;
}

void proposal_done(struct proposal *proposal, int error, uint64_t now_ns)
{
    uint64_t wait_s = 1;

    proposal->id = 0;
    proposal->failures = error ? proposal->failures + 1 : 0;
    for (uint32_t i = 1; i < proposal->failures && wait_s < BACK_OFF_MAX_S; i++)
        wait_s *= 2;
    if (wait_s > BACK_OFF_MAX_S)
        wait_s = BACK_OFF_MAX_S;
    proposal->not_before = now_ns + wait_s * SECOND_NS;
}
