/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reset of a PF that its driver does not learn of (sysfs "reset", by whoever): carrier stays up,
 * and each of its VFs is dead. Where a guest has armed its VF's interrupts that VF tells, as a
 * reset takes them, too (its monitor notices). Where none has, while guests begin, say, only the PF
 * tells: its registers, when it is known where to look, or its secondary controllers. A guest that
 * begins after the reset arms its VF's interrupts all the same: they tell nothing until the PF was
 * seen to live after that.
 */
#include <errno.h>
#include <unistd.h>

#include "action.h"
#include "nvme.h"
#include "pci/config_space.h"
#include "pci/driver_table.h"
#include "pci/function.h"
#include "registers.h"

/* Nothing tells of one without MSI-X: taken to work. */
bool reset_vf_works(struct bdf bdf)
{
    uint8_t config[256];
    int folder = function_open(SYSFS_ROOT, bdf);
    int got = folder < 0 ? folder : config_space_read(folder, 0, config, sizeof(config));

    if (folder >= 0)
        close(folder);
    uint32_t at = got < 0 ? 0 : config_space_capability(config, (size_t)got, CAPABILITY_MSIX);
    return !at || (config[at + MSIX_CONTROL + 1] << 8 & MSIX_ENABLE);
}

static const struct driver_facts *facts_of(const struct tcb_pf_state *pf)
{
    return driver_facts(pf->observed.driver, sizeof(pf->observed.driver));
}

static bool tells(const struct tcb_pf_state *pf)
{
    const struct driver_facts *facts = facts_of(pf);

    return !pf->sign_lies &&
           ((facts->renew == RENEW_LINK && facts->up.mask) || facts->renew == RENEW_CONTROLLERS);
}

static bool is_up(const struct tcb_pf_state *pf)
{
    return function_link_up(SYSFS_ROOT, &pf->observed);
}

static uint32_t by_registers(const struct tcb_pf_state *pf)
{
    int up = is_up(pf) ? registers_up(pf->observed.netdev, &facts_of(pf)->up) : -ENETDOWN;

    if (up == 0 && !is_up(pf)) /* it went down before it was read */
        up = -ENETDOWN;
    return up < 0 ? RESET_UNKNOWN : up ? RESET_NO : RESET_YES;
}

/* A reset takes all secondary controllers offline: one that was activated, or is open, is
 * online else. */
static uint32_t by_controllers(const struct tcb_pf_state *pf)
{
    struct nvme_secondary now;
    char path[32];

    if (!pf->observed.link_up)
        return RESET_UNKNOWN;
    action_controller(pf, path);
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        const struct tcb_vf_state *vf = &pf->vfs[i];
        if (!vf->present || vf->owner.kind != OWNER_GUEST ||
            (vf->verified != VERIFIED_YES && !vf->holder.value))
            continue;
        if (nvme_read(path, i, &now))
            return RESET_UNKNOWN;
        if (!now.online)
            return RESET_YES;
    }
    return RESET_NO;
}

bool action_registers_reset(const struct tcb_pf_state *pf, struct result *result)
{
    if (facts_of(pf)->renew != RENEW_LINK)
        return false;
    result->reset = by_registers(pf);
    return result->reset == RESET_YES && !pf->sign_lies;
}

bool action_was_reset(const struct tcb_pf_state *pf, struct result *result)
{
    if (facts_of(pf)->renew != RENEW_CONTROLLERS)
        return action_registers_reset(pf, result);
    result->reset = by_controllers(pf);
    return result->reset == RESET_YES && !pf->sign_lies;
}

/* A guest has a VF of it, or is to have one, and none tells that all is well. */
static bool may_be_reset(const struct tcb_pf_state *pf)
{
    bool any = false;

    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        const struct tcb_vf_state *vf = &pf->vfs[i];
        if (!vf->present || vf->owner.kind != OWNER_GUEST)
            continue;
        if (vf->tells)
            return false;
        any = true;
    }
    return any;
}

static bool due(const struct tcb_pf_state *pf)
{
    bool can = tells(pf) && !pf->busy && pf->observed.link_up &&
               !function_may_sleep(&pf->observed) && pf->recovery == RECOVERY_NONE;

    return can && (pf->reset || may_be_reset(pf));
}

static bool is_armed(const struct tcb_vf_state *vf)
{
    return vf->present && vf->holder.value && reset_vf_works(vf->observed.bdf);
}

/* While a child may be reading the registers none becomes armed: it read them before, perhaps. */
bool resets_tick(struct tcb_pf_state *pf)
{
    if (!tells(pf) || function_may_sleep(&pf->observed))
        return false;
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        struct tcb_vf_state *vf = &pf->vfs[i];
        vf->armed = is_armed(vf) && (vf->armed || !pf->busy);
#ifdef PARCLOSE_MUTANT_ARMED_TELLS /* whoever is armed works */
        vf->tells = vf->armed;
#else
        vf->tells &= vf->armed;
#endif
    }
    return due(pf);
}

/* A reset may have taken their interrupts since the tick that saw them armed. */
static void lives(struct tcb_pf_state *pf)
{
    pf->sign_true = true;
    pf->sign_lies = false;
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        pf->vfs[i].tells = pf->vfs[i].armed && is_armed(&pf->vfs[i]);
}

/* One that has just been renewed and is still as after a reset, and never was otherwise, is another
 * card than we know. */
bool resets_take(struct tcb_pf_state *pf, uint32_t action, const struct result *result)
{
    bool before = pf->reset;

    if (result->reset == RESET_UNKNOWN || (action == ACTION_LOOK && !due(pf)))
        return false; /* it was looked at for its health */
    if (result->reset == RESET_NO)
        lives(pf);
    else if (action == ACTION_PF_RENEW && !result->error && !pf->sign_true)
        pf->sign_lies = true;
    pf->reset = result->reset == RESET_YES && !pf->sign_lies;
    return pf->reset != before;
}
