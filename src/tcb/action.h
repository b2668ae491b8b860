/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of actions have of each other: actions.c (VFs), pf_actions.c, interlock.c. */
#pragma once

#include "tcb.h"

struct device_write;

/* The result's text, with the error's own at its end. The error. */
__attribute__((format(printf, 3, 4))) int action_fail(struct result *result, int error,
                                                      const char *format, ...);

/* A function's attribute in sysfs. */
void action_path(char *path, size_t size, struct bdf bdf, const char *name);
int action_read(struct bdf bdf, const char *name, char *text, size_t size);
int action_write(struct bdf bdf, const char *name, const char *value);
int action_write_bdf(const char *path, struct bdf bdf);

void action_look(struct tcb_pf_state *pf); /* at the PF, anew */

void action_controller(const struct tcb_pf_state *pf, char path[32]); /* NVMe: its device file */

/* One VF's attributes, as far as they are not as desired. */
int action_configure(struct tcb_pf_state *pf, uint32_t index, bool in_use, struct result *result);

/* --- bind.c */

/* -EBUSY: the host's driver has the VF. It is neither reset nor changed under it. */
int bind_check(const char *driver, struct result *result);

/* One VF to vfio-pci: nothing when it is. -EBUSY: the host's driver has it. */
int bind_vf(struct bdf bdf, const char *driver, uint32_t index, struct result *result);

/*
 * All configured VFs of the PF that have no driver and that nobody has: the error of the first that
 * is not bound then, with the number of the others in the result's text. Going on where another
 * child, which died, has stopped is the same.
 */
int bind_idle_vfs(struct tcb_pf_state *pf, struct result *result);

/* --- pf_actions.c: what is done to a PF, by enum device_action; -EINVAL: not such a one */
int action_pf(struct tcb_pf_state *pf, const struct tcb_apply *apply, struct result *result);

/* --- enumerate.c: a PF without a driver that forgot where its registers are is taken out and found
 * anew, which may give it a driver; nothing is done to one that did not. */
int action_enumerate(struct tcb_pf_state *pf, struct result *result);

/* --- resets.c: whether the PF was reset behind its driver's back, as far as its registers tell; as
 * far as anything does. Result's `reset` says it, too. */
bool action_registers_reset(const struct tcb_pf_state *pf, struct result *result);
bool action_was_reset(const struct tcb_pf_state *pf, struct result *result);

/* --- power.c */

/* Before anything is done to a PF or a VF of it: power/control on, which resumes it. 0, or why it
 * does not wake. */
int action_awake(struct tcb_pf_state *pf, struct result *result);

/* ACTION_PF_SLEEP. */
int action_sleep(struct tcb_pf_state *pf, struct result *result);

/* Its interface up or down. */
int action_link(struct tcb_pf_state *pf, bool up, struct result *result);

/* --- host_use.c: -EBUSY and how, when the host itself uses the PF */
int host_use_check(const struct tcb_pf_state *pf, struct result *result);

/* --- interlock.c */

/* By lead's word or the kernel's: root may have started something beside us. */
bool interlock_vf_in_use(const struct tcb_vf_state *vf);

/*
 * The one way to a write that takes all VFs of a PF away from whoever has them: its driver's
 * unbind, its reset, sriov_numvfs. Looks at each VF that there is, right before the write: -EBUSY
 * when one is open, or has a driver of the host. The last line of defence: it does not matter what
 * control or SR-PCIM take to be so. Nobody can ask us for another eswitch mode, which would take
 * them away, too: no action of ours sets it. When somebody else does, the kernel tells nobody
 * (net/devlink/dev.c, devlink_nl_eswitch_set_doit()): that alone is not noticed.
 */
int interlock_write(struct tcb_pf_state *pf, const char *name, const char *value,
                    struct result *result);

/* The same look alone. */
int interlock_check(const struct tcb_pf_state *pf, struct result *result);
