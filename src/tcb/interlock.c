/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "action.h"
#include "pci/function.h"

bool interlock_vf_in_use(const struct tcb_vf_state *vf)
{
    return vf->holder.value ||
           (!strcmp(vf->observed.driver, "vfio-pci") && vfio_group_held(vf->observed.iommu_group));
}

/* A VF as it is now: it may have come, or got a driver, after the last look at the picture. */
static int check_vf(const struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct tcb_vf_state now = {.holder = pf->vfs[index].holder};

    if (function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, false, &now.observed) &&
        !now.holder.value)
        return 0;
    if (interlock_vf_in_use(&now))
        return action_fail(result, -EBUSY, "its VF %u is in use", index);
    if (now.observed.driver[0] && strcmp(now.observed.driver, "vfio-pci") != 0)
        return action_fail(result, -EBUSY, "its VF %u has the host's driver %s", index,
                           now.observed.driver);
    return 0;
}

int interlock_check(const struct tcb_pf_state *pf, struct result *result)
{
    int error = 0;

    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF && !error; i++)
        error = check_vf(pf, i, result);
    return error;
}

int interlock_write(struct tcb_pf_state *pf, const char *name, const char *value,
                    struct result *result)
{
    int error = interlock_check(pf, result);

    if (error)
        return error;
    error = action_write(pf->card.bdf, name, value);
    return error ? action_fail(result, error, "%s <- %s", name, value) : 0;
}
