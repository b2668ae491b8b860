/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.xml (R-MAP-1, R-MAP-2; schema/devices.xsd): hardware device -> PF and driver -> SR-IOV
 * capability -> VFs -> partition, as observed, with what is desired beside it. Only printing;
 * edited files are read by map/devices_edit.h.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "parclose/config.h"
#include "pci/capabilities.h"

struct map_vf {
    const struct vf_observed *observed;
    struct owner owner;
    const struct vf_attributes *desired; /* NULL: nobody asked for any */
    const struct vf_attributes *seen;    /* as the PF's driver reports them; NULL: not known */
    const struct function_capabilities *capabilities; /* NULL: not known */
    bool requested;                                   /* the host's kernel asks its guest for it */
    struct error_counts aer;                          /* as last looked at */
};

struct map_pf {
    const struct card_config *card; /* NULL: not a managed card */
    bool disabled;                  /* an administrator wants no VFs of it */
    uint32_t idle_power;            /* enum idle_power */
    const struct pf_observed *observed;
    const uint8_t *config; /* raw configuration space, for capabilities; may be short or NULL */
    size_t config_size;
    const struct map_vf *vfs;
    size_t vfs_count;
    const struct function_capabilities *capabilities; /* NULL: not known */
    struct error_counts aer;
};

/* Writes the whole document. 0, or -EIO when `out` reports an error. */
int devices_xml_print(FILE *out, uint64_t generation, const struct map_pf *pfs, size_t pfs_count);
