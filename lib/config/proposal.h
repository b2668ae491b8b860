/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receives a proposal (parclose/proposal.h) from somebody who is not trusted. Needs no libxml2.
 */
#pragma once

#include "parclose/proposal.h"

/* A sealed memfd of it, for who sends it; a negative errno. */
int proposal_seal(const struct proposal *proposal);

/*
 * Copies it out of the memfd, which stays the caller's; reading it cannot block. -EPERM: it is not
 * sealed, -EBADMSG: it is no proposal, -EINVAL: a configuration in it is not what it may be, with
 * one line in `reason`. `proposal` is undefined then.
 */
int proposal_open(int fd, struct proposal *proposal, char reason[PARCLOSE_REASON_MAX]);

/* The same of one that is in memory. */
int proposal_check(const struct proposal *proposal, char reason[PARCLOSE_REASON_MAX]);
