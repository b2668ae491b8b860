/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observing a PCI function through sysfs (Documentation/ABI/testing/sysfs-bus-pci). Reads only, and
 * only files that take no device lock: sriov_numvfs is not among them, because while a writer of it
 * is blocked every reader hangs. `root` is "/sys", or a test's own tree.
 */
#pragma once

#include <stddef.h>

#include "parclose/device.h"

/* The function's folder, O_PATH; -ENOENT when it is not there. */
int function_open(const char *root, struct bdf bdf);

/* One line of a small file, without its newline. Length, or a negative errno. */
int function_read(int folder, const char *name, char *text, size_t size);

/* The last component of a link: driver, iommu_group, virtfnN. */
int function_link(int folder, const char *name, char *text, size_t size);

/* A number in a file; 0 when it is not there. */
uint32_t function_number(int folder, const char *name);

/* The 24 bits of a class code -> enum function_class. */
uint32_t function_class_of(uint32_t class_code);

/* Whether an NVMe controller or an interface, by its name in pf->netdev, is up now. */
bool function_link_up(const char *root, const struct pf_observed *pf);

/* "0000:01:00.0" -> bdf; false: not one. */
bool function_parse(const char *text, struct bdf *bdf);

/*
 * A function whose base address registers do not hold what the kernel has put there: it was reset,
 * and nobody has restored its configuration space. A driver that binds it finds no registers; the
 * kernel writes them anew only when it enumerates it.
 */
bool function_forgot(const char *root, struct bdf bdf);

/* Power/control and power/runtime_status, which wakes nothing. */
void function_power(int folder, struct pf_observed *pf);

/* Whether it may sleep, so that who reads its configuration space, or its VFs', disturbs it: its
 * power/control is auto, and it is not known that a VF of it is open. */
bool function_may_sleep(const struct pf_observed *pf);

/*
 * Fills everything but status, open_vfs and event_ns; with `bdf` alone and answers 0 when the
 * function is not there. Of one that may sleep by its power and pf->open_vfs, what configuration
 * space said stays as it is in *pf, if it was read and neither driver nor VFs are others now.
 */
void function_observe_pf(const char *root, struct bdf bdf, struct pf_observed *pf);

/* Fills everything but status, attributes_set, open, bind_error and event_ns. 0 or -ENOENT: no such
 * VF. `quietly`: no configuration space is read, `answers` stays as it is in *vf. Else one that
 * vfio-pci lets sleep in D3hot answers without being woken. */
int function_observe_vf(const char *root, struct bdf pf, uint32_t index, bool quietly,
                        struct vf_observed *vf);

/* Any function, whatever it is. 0 or -ENOENT: it is not there. */
int function_observe(const char *root, struct bdf bdf, struct function_observed *function);
