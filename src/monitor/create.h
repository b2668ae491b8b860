/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main's part before the gate: takes lead's files, builds the partition in one list of steps, takes
 * the VFs. Handlers of link.h: a negative errno refuses the message; a step that fails ends the
 * partition and says which it was.
 */
#pragma once

struct monitor;
struct inbox;

int create_file(struct monitor *monitor, struct inbox *inbox);
int create_partition(struct monitor *monitor, struct inbox *inbox);
int create_channels(struct monitor *monitor, struct inbox *inbox);

/* Once the VFs and the channels' servers are all there: the partition stands before the gate. */
void create_complete(struct monitor *monitor);

/* Narrows main's and the spawner's filters; again after each restart of main. */
void create_seal(struct monitor *monitor);
