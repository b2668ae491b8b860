/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a PF. Each looks first, and writes nothing when all is so already. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "action.h"
#include "pci/driver_table.h"
#include "pci/function.h"

static void name_bdf(struct bdf bdf, char text[16])
{
    snprintf(text, 16, "%04x:%02x:%02x.%x", bdf.value >> 16, bdf.value >> 8 & 0xff,
             bdf.value >> 3 & 0x1f, bdf.value & 7);
}

static bool is_bound(const struct tcb_pf_state *pf)
{
    return !strcmp(pf->observed.driver, pf->card.driver);
}

/* Where the kernel, or somebody else, is faster, it is bound as well. */
static int bind_driver(struct tcb_pf_state *pf, struct result *result)
{
    char path[128];
    int error = pf->observed.driver[0] ? 0 : action_enumerate(pf, result);

    if (error || is_bound(pf))
        return error;
    if (pf->observed.driver[0])
        return action_fail(result, -EBUSY, "driver %s is bound to it", pf->observed.driver);
    snprintf(path, sizeof(path), SYSFS_ROOT "/bus/pci/drivers/%s/bind", pf->card.driver);
    error = action_write_bdf(path, pf->card.bdf);
    if (error)
        action_look(pf);
    return error && !is_bound(pf)
               ? action_fail(result, error, "driver %s does not bind", pf->card.driver)
               : 0;
}

static int unbind_driver(struct tcb_pf_state *pf, struct result *result)
{
    char bdf[16];

    if (!pf->observed.driver[0])
        return 0;
    name_bdf(pf->card.bdf, bdf);
    return interlock_write(pf, "driver/unbind", bdf, result);
}

static int restart(struct tcb_pf_state *pf, struct result *result)
{
    int error = unbind_driver(pf, result);
    if (error)
        return error;
    action_look(pf);
    return bind_driver(pf, result);
}

/* Without a driver the kernel has nobody to ask for it: then the VFs stay. */
static int destroy_vfs(struct tcb_pf_state *pf, struct result *result)
{
    if (!pf->observed.numvfs || !pf->observed.driver[0])
        return 0;
    return interlock_write(pf, "sriov_numvfs", "0", result);
}

/* As after power-on, but for what the card keeps over a function-level reset: its driver begins
 * anew, its VFs are to be created anew. */
static int reset(struct tcb_pf_state *pf, struct result *result)
{
    char path[128];
    int error = destroy_vfs(pf, result);

    if (!error)
        error = unbind_driver(pf, result);
    if (error)
        return error;
    action_path(path, sizeof(path), pf->card.bdf, "reset");
    bool resets = !access(path, F_OK);
    int failed = resets ? interlock_write(pf, "reset", "1", result) : 0;
    action_look(pf);
    error = bind_driver(pf, result); /* a reset that failed is no reason to be without it */
    if (!error)
        error = failed;
    if (!error && !resets)
        snprintf(result->text, sizeof(result->text),
                 "the kernel knows no way to reset it: its driver was bound anew");
    return error;
}

/* Somebody else's driver is not taken from it either. */
static int spare_host(const struct tcb_pf_state *pf, const struct tcb_apply *apply,
                      struct result *result)
{
    if (!(apply->vfs & ACTION_SPARE_HOST))
        return 0;
    if (pf->observed.driver[0] && strcmp(pf->observed.driver, pf->card.driver) != 0)
        return action_fail(result, -EBUSY, "driver %s is bound to it", pf->observed.driver);
    return host_use_check(pf, result);
}

static int disable(struct tcb_pf_state *pf, struct result *result)
{
    int error = destroy_vfs(pf, result);
    return error ? error : unbind_driver(pf, result);
}

static int enable_vfs(struct tcb_pf_state *pf, uint32_t count, struct result *result)
{
    char text[16], probe[16];

    if (pf->observed.numvfs)
        return action_fail(result, -EEXIST, "it has %u VFs already", pf->observed.numvfs);
    if (action_read(pf->card.bdf, "sriov_drivers_autoprobe", probe, sizeof(probe)) < 0)
        return action_fail(result, -ENODEV, "it has no SR-IOV");
    int error = interlock_check(pf, result);
    if (!error && probe[0] != '0' &&
        (error = action_write(pf->card.bdf, "sriov_drivers_autoprobe", "0")))
        return action_fail(result, error, "%u VFs are not created", count);
    snprintf(text, sizeof(text), "%u", count);
    return error ? error : interlock_write(pf, "sriov_numvfs", text, result);
}

/* One that is not bound is told of, and bound by an action of its own later: they are there. */
static int create_vfs(struct tcb_pf_state *pf, uint32_t count, struct result *result)
{
    if (count == 0 || count > PARCLOSE_MAX_VFS_PER_PF)
        return action_fail(result, -EINVAL, "%u VFs", count);
    if (pf->observed.numvfs != count || pf->observed.sriov.num_vfs != count) {
        int error = enable_vfs(pf, count, result);
        if (error)
            return error;
    }
    bind_idle_vfs(pf, result);
    return 0;
}

static int bring_up(struct tcb_pf_state *pf, struct result *result)
{
    if (pf->observed.class != CLASS_NETWORK || !pf->observed.netdev[0])
        return action_fail(result, -ENODEV, "it has no interface");
    return pf->observed.link_up ? 0 : action_link(pf, true, result);
}

/* ---- after a reset behind our back */

/* Whoever asks: nobody whose VF works is disturbed, and what nobody uses needs no renewing, unless
 * the PF itself says that it was reset: its registers are for all its VFs, and of secondary
 * controllers those that are online are left alone. */
static int check_reset(const struct tcb_pf_state *pf, struct result *result)
{
    uint32_t used = 0;

    if (action_was_reset(pf, result))
        return 0;
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        const struct tcb_vf_state *vf = &pf->vfs[i];
        if (!vf->present || !interlock_vf_in_use(vf))
            continue;
        if (reset_vf_works(vf->observed.bdf))
            return action_fail(result, -EBUSY, "its VF %u works", i);
        used++;
    }
    return used ? 0
                : action_fail(result, -ENOENT,
                              "no VF of it is in use, and nothing tells that it was reset");
}

static int configure_all(struct tcb_pf_state *pf, struct result *result)
{
    int error = 0;

    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        const struct tcb_vf_state *vf = &pf->vfs[i];
        if (!vf->present || vf->owner.kind != OWNER_GUEST)
            continue;
        int failed = action_configure(pf, i, interlock_vf_in_use(vf), result);
        error = error ? error : failed;
    }
    return error;
}

static int renew(struct tcb_pf_state *pf, struct result *result)
{
    int error = check_reset(pf, result);

    if (!error && !pf->observed.netdev[0])
        error = action_fail(result, -EAGAIN, "its driver is not ready");
    if (!error &&
        driver_facts(pf->observed.driver, sizeof(pf->observed.driver))->renew == RENEW_LINK) {
        error = action_link(pf, false, result);
        if (!error)
            error = action_link(pf, true, result);
    }
    if (!error)
        error = configure_all(pf, result);
    if (!error)
        action_was_reset(pf, result); /* is it over? */
    return error;
}

/* A function that is a VF itself is nobody's card: its "driver" is what a monitor has open. */
static bool is_vf(struct bdf bdf)
{
    struct function_observed function;

    return !function_observe(SYSFS_ROOT, bdf, &function) && function.pf.value;
}

static bool takes_vfs(uint32_t action)
{
    return action == ACTION_PF_RESTART || action == ACTION_PF_RESET || action == ACTION_PF_DISABLE;
}

static int perform(struct tcb_pf_state *pf, const struct tcb_apply *apply, struct result *result)
{
    switch (apply->action) {
    case ACTION_PF_BIND:
        return bind_driver(pf, result);
    case ACTION_PF_CREATE_VFS:
        return create_vfs(pf, apply->vfs, result);
    case ACTION_PF_BIND_VFS:
        return bind_idle_vfs(pf, result);
    case ACTION_PF_LINK_UP:
        return bring_up(pf, result);
    case ACTION_PF_RESTART:
        return restart(pf, result);
    case ACTION_PF_RESET:
        return reset(pf, result);
    case ACTION_PF_DISABLE:
        return disable(pf, result);
    case ACTION_PF_RENEW:
        return renew(pf, result);
    case ACTION_PF_WAKE:
        return 0; /* it is awake */
    default:
        return action_fail(result, -EINVAL, "action %u", apply->action);
    }
}

/* Whoever took its driver from it would hang, and the host's network with him. */
static int check_stuck(const struct tcb_pf_state *pf, struct result *result)
{
    return driver_stuck(&pf->observed, pf->recovery)
               ? action_fail(result, -ENOTRECOVERABLE,
                             "driver %s hangs when it is unbound after an error that the kernel "
                             "could not mend: restart the host",
                             pf->observed.driver)
               : 0;
}

/* One that does not wake may still be helped by taking its driver from it. */
int action_pf(struct tcb_pf_state *pf, const struct tcb_apply *apply, struct result *result)
{
    int error = 0;

    if (is_vf(pf->card.bdf))
        return action_fail(result, -EPERM, "it is a VF");
    if (!pf->observed.vendor)
        return action_fail(result, -ENODEV, "there is no such device");
    if (apply->action == ACTION_PF_SLEEP)
        return action_sleep(pf, result);
    if (takes_vfs(apply->action) || apply->action == ACTION_PF_RENEW)
        error = check_stuck(pf, result);
    if (!error && takes_vfs(apply->action))
        error = spare_host(pf, apply, result);
    if (error)
        return error;
    error = action_awake(pf, result);
    if (error && !takes_vfs(apply->action))
        return error;
    memset(result->text, 0, sizeof(result->text));
    return perform(pf, apply, result);
}
