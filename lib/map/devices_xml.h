/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.xml (R-MAP-1, R-MAP-2; schema/devices.xsd): hardware device -> PF and driver -> SR-IOV
 * capability -> VFs -> partition, as observed, with what is desired beside it. Only printing:
 * nobody in the TCB parses it.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "parclose/config.h"

struct map_vf {
    const struct vf_observed *observed;
    struct owner owner;
    const struct vf_attributes *desired; /* NULL: nobody asked for any */
};

struct map_pf {
    const struct card_config *card; /* NULL: not a managed card */
    const struct pf_observed *observed;
    const uint8_t *config; /* raw configuration space, for capabilities; may be short or NULL */
    size_t config_size;
    const struct map_vf *vfs;
    size_t vfs_count;
};

/* Writes the whole document. 0, or -EIO when `out` reports an error. */
int devices_xml_print(FILE *out, uint64_t generation, const struct map_pf *pfs, size_t pfs_count);
