/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that an administrator proposes (host.xml, devices.xml, NAME.xml of a partition; the name of
 * a file, without its folders, says which it is) as a proposal (parclose/proposal.h). They are
 * hostile: they are read here, and parsed by a child that has no file, no capability and next to no
 * call.
 */
#pragma once

#include "cli.h"
#include "config/config_text.h"
#include "parclose/proposal.h"

#define PROPOSAL_FILES_MAX (PROPOSAL_PARTITIONS_MAX + 2)

/* What the files were, byte by byte, where they belong in the configuration directory: host.xml,
 * partitions/NAME.xml. devices.xml has no place there. */
struct proposal_texts {
    size_t count;
    struct {
        char path[PARCLOSE_NAME_MAX + 16];
        struct config_text text;
    } files[PROPOSAL_FILES_MAX];
};
void proposal_texts_clear(struct proposal_texts *texts);

/* Fills in `proposal` from the files. CLI_OK; CLI_USAGE, CLI_FAILED: what is wrong was said, one
 * line a file (as JSON with --json). On CLI_OK `texts` (NULL: not wanted) is to be cleared. */
int proposal_read(const struct cli *cli, char *const *files, int count, struct proposal *proposal,
                  struct proposal_texts *texts);

/* The same, sealed: its descriptor in *memfd, on CLI_OK. */
int proposal_files(const struct cli *cli, char *const *files, int count, int *memfd,
                   struct proposal_texts *texts);
