/* SPDX-License-Identifier: Apache-2.0 */
/* The PFs that control or the TCB spoke of. */
#include <stdlib.h>

#include "pcim.h"

struct pcim_pf *pcim_pf_find(struct pcim_pf *const *pfs, struct bdf bdf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (pfs[i] && pfs[i]->bdf.value == bdf.value)
            return pfs[i];
    return NULL;
}

static struct pcim_pf **place_for(struct pcim_pf **pfs)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (!pfs[i])
            return &pfs[i];
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (!pfs[i]->managed && !pfs[i]->present)
            return &pfs[i];
    return NULL;
}

struct pcim_pf *pcim_pf_get(struct pcim_pf **pfs, struct bdf bdf)
{
    struct pcim_pf *found = pcim_pf_find(pfs, bdf);
    struct pcim_pf **place = found ? NULL : place_for(pfs);

    if (!place)
        return found;
    free(*place);
    *place = calloc(1, sizeof(**place));
    if (*place)
        (*place)->bdf = bdf;
    return *place;
}
