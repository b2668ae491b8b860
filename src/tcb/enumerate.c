/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PF that has no driver and was reset: by the kernel, after a fatal error of its link
 * (drivers/pci/pcie/err.c), or by somebody else. A driver would have restored its configuration
 * space; without one its base addresses are gone, and no driver finds its registers behind them,
 * nor does another reset help, which restores what is there. The kernel writes them when it
 * enumerates a function: this one is removed, and looked for anew.
 */
#include <errno.h>
#include <stdio.h>

#include "action.h"
#include "device_write.h"
#include "pci/function.h"

/* Of its bus, which stays when it goes. */
static int rescan(struct bdf bdf)
{
    char path[128];

    snprintf(path, sizeof(path), SYSFS_ROOT "/class/pci_bus/%04x:%02x/rescan", bdf.value >> 16,
             bdf.value >> 8 & 0xff);
    const struct device_write w = {.way = WAY_SYSFS, .where = path, .value = "1"};
    return device_write(&w);
}

int action_enumerate(struct tcb_pf_state *pf, struct result *result)
{
    if (!function_forgot(SYSFS_ROOT, pf->card.bdf))
        return 0;
    if (pf->observed.numvfs) /* their PF would be another than the kernel has for them */
        return action_fail(result, -EBUSY,
                           "it was reset without a driver, and its %u VFs keep it from being "
                           "enumerated anew",
                           pf->observed.numvfs);
    int error = interlock_write(pf, "remove", "1", result);
    if (error)
        return error;
    error = rescan(pf->card.bdf);
    if (error)
        return action_fail(result, error, "it was removed, and its bus is not looked at again");
    action_look(pf);
    return pf->observed.vendor
               ? 0
               : action_fail(result, -ENODEV, "it was removed, and is not found on its bus again");
}
