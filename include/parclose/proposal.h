/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an administrator proposes: host.xml, partitions' definitions and edits of devices.xml, after
 * parsing, as one plain bounded structure in a sealed memfd. The CLI's locked-down child makes it
 * of the files; who receives it checks all of it again (config/proposal.h).
 */
#pragma once

#include "parclose/config.h"

#define PROPOSAL_MAGIC          UINT64_C(0x50434c50524f5053) /* "PCLPROPS" */
#define PROPOSAL_VERSION        1
#define PROPOSAL_PARTITIONS_MAX 24 /* before and after images of all fit into one audit entry */

/* Where the CLI lays an apply's files ready, under the configuration directory, and the file there
 * that has the request's id, 16 hexadecimal digits (src/command/staged.h). */
#define PROPOSAL_STAGED    ".apply"
#define PROPOSAL_STAGED_ID "request"

struct proposal {
    uint64_t magic;
    uint32_t version;
    uint32_t host_given; /* 1: host counts */
    uint32_t partitions_count;
    uint32_t edits_count;
    struct host_config host;
    struct partition_config partitions[PROPOSAL_PARTITIONS_MAX]; /* no name twice */
    struct vf_edit edits[PARCLOSE_EDIT_VFS_MAX];                 /* without `before` */
};
_Static_assert(sizeof(struct proposal) ==
                   24 + sizeof(struct host_config) +
                       PROPOSAL_PARTITIONS_MAX * sizeof(struct partition_config) +
                       PARCLOSE_EDIT_VFS_MAX * sizeof(struct vf_edit),
               "wire size");
