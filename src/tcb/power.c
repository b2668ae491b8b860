/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PF that nobody uses may sleep: the kernel's runtime power management (Documentation/power/
 * pci.rst, drivers/base/power/sysfs.c). power/control "auto" lets the driver suspend the device
 * when it sees no use of it; "on" resumes it at once, in the write. What that means for SR-IOV:
 *
 * - A VF is no child of its PF in the device model: nothing in the kernel keeps a PF awake for
 *   the sake of a VF in use. So a PF of which a VF is in use, or about to be, is always "on".
 * - A network driver (igb, igc, e1000e: their runtime_idle) sees a use in a link: as long as the
 *   interface has one it stays awake. So the interface is taken down, unless the host uses it.
 * - The nvme driver takes no part: with "auto" its device stays awake.
 * - Configuration space is read through sysfs without waking what is in D3hot, but each read
 *   cancels a suspend that is due (drivers/pci/pci.c, pci_config_pm_runtime_get), and wakes what
 *   is in D3cold. So nothing is read of one that may sleep but its power/control and
 *   power/runtime_status (picture_quiet()).
 */
#include <errno.h>
#include <string.h>

#include "action.h"
#include "device_write.h"
#include "pci/function.h"

int action_link(struct tcb_pf_state *pf, bool up, struct result *result)
{
    const struct device_write w = {.way = up ? WAY_LINK_UP : WAY_LINK_DOWN,
                                   .where = pf->observed.netdev};
    int error = device_write(&w);

    return error ? action_fail(result, error, "interface %s does not go %s", pf->observed.netdev,
                               up ? "up" : "down")
                 : 0;
}

static bool control_is(const struct tcb_pf_state *pf, const char *word)
{
    char text[16] = "";

    return action_read(pf->card.bdf, "power/control", text, sizeof(text)) > 0 &&
           !strcmp(text, word);
}

static bool is_awake(const struct tcb_pf_state *pf, char status[16])
{
    strcpy(status, "");
    action_read(pf->card.bdf, "power/runtime_status", status, 16);
    return !status[0] || !strcmp(status, "active") || !strcmp(status, "unsupported");
}

/* The write is a success whether or not the device comes back. An unbound one is on, whatever its
 * status says: nobody suspended it. */
int action_awake(struct tcb_pf_state *pf, struct result *result)
{
    char status[16];
    int error = 0;

    if (control_is(pf, "auto"))
        error = action_write(pf->card.bdf, "power/control", "on");
    if (error)
        return action_fail(result, error, "power/control <- on");
    if (pf->observed.driver[0] && !is_awake(pf, status))
        return action_fail(result, -EIO, "it does not wake: it is %s", status);
    return 0;
}

static int check_idle(const struct tcb_pf_state *pf, struct result *result)
{
    if (pf->idle_power != IDLE_POWER_AUTO)
        return action_fail(result, -EPERM, "it is to be kept awake");
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        if (pf->vfs[i].owner.kind == OWNER_GUEST)
            return action_fail(result, -EBUSY, "its VF %u is a partition's", i);
    return interlock_check(pf, result);
}

/* What the host itself uses stays up: its driver sees that, and keeps it awake. */
int action_sleep(struct tcb_pf_state *pf, struct result *result)
{
    struct result used = {0};
    int error = check_idle(pf, result);

    if (error || control_is(pf, "auto"))
        return error;
    if (pf->observed.class == CLASS_NETWORK && pf->observed.link_up && !host_use_check(pf, &used))
        error = action_link(pf, false, result);
    if (error)
        return error;
    error = action_write(pf->card.bdf, "power/control", "auto");
    return error ? action_fail(result, error, "power/control <- auto") : 0;
}
