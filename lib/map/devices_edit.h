/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An edited devices.xml against the one that it was copied from: the attributes that it wants
 * changed, as a plain bounded structure. Both documents are walked side by side, node by node, in
 * time linear in their size and in memory that does not grow with it; whatever differs and is not
 * an attribute of a VF's <desired/>, or one PF's state or idle-power alone, refuses the edit, with
 * its line.
 *
 * The edited file is hostile: it must be printable ASCII without DOCTYPE, CDATA or processing
 * instructions before libxml2 sees it, so no entity can be declared and no encoding chosen.
 * For the TCB's locked-down child; what it hands back is checked again by devices_edit_check(),
 * which needs no libxml2.
 */
#pragma once

#include <stddef.h>

#include "parclose/device.h"

#define DEVICES_EDIT_SIZE_MAX (32u << 20) /* bytes: 64 PFs of 256 VFs take about 13 MiB */
#define DEVICES_EDIT_DEPTH    16

enum devices_edit_verdict {
    EDIT_ACCEPTED = 1,
    EDIT_STALE = 2,   /* of another generation */
    EDIT_REFUSED = 3, /* text and line say why */
    EDIT_FAILED = 4,  /* could not be judged: out of memory, the original is damaged */
};

struct devices_edit {
    uint32_t verdict;    /* enum devices_edit_verdict */
    uint32_t line;       /* of the edited file; 0: none in particular */
    uint64_t generation; /* that it names */
    uint32_t vfs_count;
    uint32_t pf_state; /* enum pf_state: of `pf`, and then of nothing else */
    struct bdf pf;
    uint32_t reserved;
    char text[PARCLOSE_REASON_MAX];
    struct vf_edit vfs[PARCLOSE_EDIT_VFS_MAX]; /* without `before` */
};
_Static_assert(sizeof(struct devices_edit) == 32 + 160 + 64 * PARCLOSE_EDIT_VFS_MAX, "one write");

/* `schema`: an xmlSchema of schema/devices.xsd; NULL: not checked (a fuzzer). */
void devices_edit_read(const char *original, size_t original_size, const char *edited,
                       size_t edited_size, void *schema, struct devices_edit *edit);

/* Whether it is a structure that devices_edit_read() can make: ranges, ends of strings, no VF
 * twice. 0 or -EBADMSG. */
int devices_edit_check(const struct devices_edit *edit);
