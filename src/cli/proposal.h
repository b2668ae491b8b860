/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that an administrator proposes (host.xml, devices.xml, NAME.xml of a partition; the name of
 * a file, without its folders, says which it is) as a proposal (parclose/proposal.h). They are
 * hostile: they are read here, and parsed by a child that has no file, no capability and next to no
 * call.
 */
#pragma once

#include "cli.h"
#include "parclose/proposal.h"

#define PROPOSAL_FILES_MAX (PROPOSAL_PARTITIONS_MAX + 2)

/* Fills in `proposal` from the files. CLI_OK; CLI_USAGE, CLI_FAILED: what is wrong was said, one
 * line a file (as JSON with --json). */
int proposal_read(const struct cli *cli, char *const *files, int count, struct proposal *proposal);

/* The same, sealed: its descriptor in *memfd, on CLI_OK. */
int proposal_files(const struct cli *cli, char *const *files, int count, int *memfd);
