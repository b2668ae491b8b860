/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's proposal, planned anew and, if nothing of it is refused, handed on to control as one
 * request: what is to be done by way of a partition's next start is left to its file.
 * The answer tells that it is committed; what becomes of it is in the snapshot.
 *
 * Control refuses what was planned from a snapshot that is old by now. It is planned again, from
 * the newest, and asked again if that is the same plan: then nothing that matters has changed.
 */
#pragma once

#include "client.h"
#include "parclose/msg_control_command.h"
#include "parclose/proposal.h"

/* Partitions that the client has stopped for it, and starts again. */
struct apply_restarted {
    uint32_t count;
    char names[PROPOSAL_PARTITIONS_MAX][PARCLOSE_NAME_MAX];
};

/* Answers the client, now or later. Takes `proposal`, a checked copy of the client's file. `plan`:
 * the digest that it must have; 0: any. */
void apply_ask(struct client *client, uint64_t id, const struct requester *requester, uint64_t plan,
               const struct apply_restarted *restarted, struct proposal *proposal);

/* A new snapshot is there. */
void apply_snapshot(struct client *client);

/* The client goes away; what it asked for may be done all the same. */
void apply_forget(struct client *client);
