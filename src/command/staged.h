/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that an apply laid ready: CONFIG/.apply has the names and folders of CONFIG, and a file
 * `request` with the id of the apply that they belong to. The CLI writes them, as root, before it
 * asks; command reads them. They count, each in the place of CONFIG's own of that name, from the
 * instant at which control has committed the apply of that id until it is undone. So the whole
 * configuration becomes the new one at once, and the old one at once if it must be: no crash, of
 * whomever, leaves some files of the one and some of the other. Afterwards the CLI moves them to
 * their places, one by one; whoever looks into .apply first and into CONFIG second does not notice.
 *
 * If the CLI dies before that, they stay where they are, and count; the next apply moves them. If
 * it dies before control has committed, they stay and do not count; the next apply removes them.
 */
#pragma once

#include "parclose/snapshot.h"

/* The folder, if its files count; -1: they do not, or there are none. */
int staged_open(int config_dir, const struct snapshot_apply *apply);

/* The id of the apply that the files that are there belong to; 0: there are none. */
uint64_t staged_id(int config_dir);
