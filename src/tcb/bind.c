/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding VFs to vfio-pci. They have it from their making on, not only from when a partition takes
 * them: an error of their PF is recovered by the kernel only if each function below the port has a
 * driver that is told of it (drivers/pci/pcie/err.c). Who is merely bound is not in use: nobody has
 * opened its group, whose node /dev/vfio/N is root's alone; it is reset when it is opened.
 *
 * What root's driver_override names is what root wants with a VF: one that is to have another
 * driver is left alone, and is bound only when a partition whose definition has it takes it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "action.h"
#include "pci/function.h"

#define VFIO_PCI "vfio-pci"

/* For the test that proves the tests: what root means for the host is bound, too. */
#ifdef PARCLOSE_MUTANT_BINDS_HOSTS_VF
#define TAKES_FROM_HOST true
#else
#define TAKES_FROM_HOST false
#endif

/* Asked, because the kernel takes the order to probe as done when it has found no driver. */
static int check_bound(struct bdf bdf)
{
    char driver[DRIVER_NAME_MAX] = "";
    int folder = function_open(SYSFS_ROOT, bdf);

    if (folder < 0)
        return folder;
    function_link(folder, "driver", driver, sizeof(driver));
    close(folder);
    if (!strcmp(driver, VFIO_PCI))
        return 0;
    return access(SYSFS_ROOT "/bus/pci/drivers/" VFIO_PCI, F_OK) ? -ENOENT : -EIO;
}

static int bind_now(struct bdf bdf)
{
    char text[DRIVER_NAME_MAX];
    int error = 0;

    if (action_read(bdf, "driver_override", text, sizeof(text)) < 0 || strcmp(text, VFIO_PCI) != 0)
        error = action_write(bdf, "driver_override", VFIO_PCI);
    if (!error)
        error = action_write_bdf(SYSFS_ROOT "/bus/pci/drivers_probe", bdf);
    return error ? error : check_bound(bdf);
}

int bind_check(const char *driver, struct result *result)
{
    return driver[0] && strcmp(driver, VFIO_PCI) != 0
               ? action_fail(result, -EBUSY, "the host's driver %s has it", driver)
               : 0;
}

int bind_vf(struct bdf bdf, const char *driver, uint32_t index, struct result *result)
{
    int error = bind_check(driver, result);

    if (error || driver[0])
        return error;
    error = bind_now(bdf);
    result->bind_errors[index] = (uint16_t)-error;
    return error ? action_fail(result, error, "VF %u does not bind to vfio-pci", index) : 0;
}

/* As it is now, not as the picture has it. */
static bool is_idle(const struct tcb_pf_state *pf, uint32_t index, struct vf_observed *now)
{
    return !pf->vfs[index].holder.value &&
           !function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, false, now) && !now->driver[0] &&
           (TAKES_FROM_HOST || !now->for_host);
}

int bind_idle_vfs(struct tcb_pf_state *pf, struct result *result)
{
    struct vf_observed now;
    uint32_t failed = 0, first = 0;
    int error = 0;

    for (uint32_t i = 0; i < pf->card.vfs; i++)
        if (is_idle(pf, i, &now)) {
            int one = bind_vf(now.bdf, now.driver, i, result);
            first = failed ? first : i;
            error = error ? error : one;
            failed += one != 0;
        }
    if (failed > 1)
        action_fail(result, error, "VF %u and %u more do not bind to vfio-pci", first, failed - 1);
    return error;
}
