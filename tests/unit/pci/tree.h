/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that looks like /sys to lib/pci: one igb PF at 0000:01:00.0 and its VFs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parclose/device.h"

#define TREE_PF    ((struct bdf){0x0100})
#define TREE_SRIOV 0x160
#define TREE_BAR   0xfe000000 /* where its BAR 0 is */

/* Makes the tree in `root` ("…/sys"): a PF of driver igb, interface pf0 that is up, no VF. */
void tree_make(const char *root);
/* Another PF of the same kind. */
void tree_make_pf(const char *root, struct bdf bdf, const char *interface);

/* What writing sriov_numvfs does in a kernel: VFs of offset 128, stride 2. */
void tree_create_vfs(const char *root, unsigned count);

/* What a reset that nobody knows of does to a base address register. */
void tree_forget(const char *root, struct bdf bdf, unsigned bar);

/* The function is pulled out. */
void tree_pull(const char *root, struct bdf bdf);

/* A file or a link below the function's folder. */
void tree_write(const char *root, struct bdf bdf, const char *name, const void *bytes, size_t size);
void tree_text(const char *root, struct bdf bdf, const char *name, const char *text);
void tree_link(const char *root, struct bdf bdf, const char *name, const char *target);
void tree_unlink(const char *root, struct bdf bdf, const char *name);
void tree_read(const char *root, struct bdf bdf, const char *name, char *text, size_t size);

/* A VF's MSI-X Enable, in a capability that it gets. */
void tree_msix(const char *root, unsigned vf, bool on);

struct bdf tree_vf(unsigned index);
void tree_remove(const char *root);
