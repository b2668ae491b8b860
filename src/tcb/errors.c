/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AER errors. The kernel counts them for each function before it does anything about them; then, of
 * an uncorrectable one, it has the drivers of all functions below the port recover together
 * (drivers/pci/pcie/err.c), and says how that went:
 *
 *   counts of the PF or a VF rise     →  RECOVERY_UNDER_WAY; the kernel's BEGIN_RECOVERY says the
 *                                        same, but not for each driver, nor in each version
 *   SUCCESSFUL_RECOVERY of the PF     →  RECOVERY_NONE, for all that was counted up to then
 *   FAILED_RECOVERY of the PF, or of  →  RECOVERY_FAILED: the PF's driver has let go of its device,
 *   a bridge above it; or nothing        and nothing else shows it; one function without a driver
 *   for 90 s                             below the port is enough for that
 *   its driver is bound anew          →  RECOVERY_NONE
 *
 * So an error of a VF is one of its PF, too, until the recovery is over. Neither the counts nor the
 * events take the device lock.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pci/function.h"
#include "tcb.h"

#define UNDER_WAY_TICKS_MAX 90

/* Whether uncorrectable ones came since the last look; the first look at a function sees none. */
static bool look(struct error_counts *counted, struct bdf bdf)
{
    struct error_counts now = {0};
    int folder = function_open(SYSFS_ROOT, bdf);

    if (folder >= 0) {
        aer_counts_read(folder, &now);
        close(folder);
    }
    bool more = counted->known && now.known &&
                (now.nonfatal > counted->nonfatal || now.fatal > counted->fatal);
    *counted = now;
    return more;
}

bool errors_look(struct tcb_pf_state *pf, bool all)
{
    bool more = look(&pf->errors, pf->card.bdf);

    for (size_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        struct tcb_vf_state *vf = &pf->vfs[i];
        if (vf->present && vf->capabilities.aer_offset && (all || vf->holder.value))
            more |= look(&vf->errors, vf->observed.bdf);
    }
    if (more)
        errors_set(pf, RECOVERY_UNDER_WAY);
    return more;
}

void errors_set(struct tcb_pf_state *pf, enum error_recovery recovery)
{
    pf->recovery = recovery;
    pf->recovery_ticks = 0;
}

bool errors_tick(struct tcb_pf_state *pf)
{
    bool changed = errors_look(pf, false);
    bool more = pf->errors.correctable != pf->observed.errors.correctable;

    if (pf->recovery == RECOVERY_UNDER_WAY && ++pf->recovery_ticks >= UNDER_WAY_TICKS_MAX) {
        errors_set(pf, RECOVERY_FAILED);
        changed = true;
    }
    pf->correctable_ticks = more ? pf->correctable_ticks + 1 : 0;
    return changed || pf->correctable_ticks >= CORRECTABLE_TICKS;
}

/* By where the PF is in the tree of devices: its name in /sys/bus/pci/devices is a link there. */
static bool is_below(struct bdf pf, struct bdf bridge)
{
    char path[128], target[512], part[16];

    snprintf(path, sizeof(path), SYSFS_ROOT "/bus/pci/devices/%04x:%02x:%02x.%x", pf.value >> 16,
             pf.value >> 8 & 0xff, pf.value >> 3 & 0x1f, pf.value & 7);
    ssize_t got = readlink(path, target, sizeof(target) - 1);
    if (got < 0)
        return false;
    target[got] = 0;
    snprintf(part, sizeof(part), "/%04x:%02x:%02x.%x/", bridge.value >> 16,
             bridge.value >> 8 & 0xff, bridge.value >> 3 & 0x1f, bridge.value & 7);
    return strstr(target, part) != NULL;
}

/* What was counted before it is known now, so that it is not taken for news later. */
static void recovery_said(struct tcb *tcb, struct tcb_pf_state *pf, enum error_recovery recovery)
{
    errors_look(pf, true);
    errors_set(pf, recovery);
    picture_changed(tcb, pf, tcb_now_ns());
}

void errors_event(struct tcb *tcb, struct bdf bdf, const char *error)
{
    bool failed = !strcmp(error, "FAILED_RECOVERY");

    for (size_t i = 0; i < HOST_MAX_CARDS; i++) {
        struct tcb_pf_state *pf = tcb->pfs[i];
        bool itself = pf && pf->card.bdf.value == bdf.value;
        if (itself && !strcmp(error, "SUCCESSFUL_RECOVERY"))
            recovery_said(tcb, pf, RECOVERY_NONE);
        else if (itself && !strcmp(error, "BEGIN_RECOVERY"))
            recovery_said(tcb, pf, RECOVERY_UNDER_WAY);
        else if (pf && failed && (itself || is_below(pf->card.bdf, bdf)))
            recovery_said(tcb, pf, RECOVERY_FAILED);
    }
}
