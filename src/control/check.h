/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of the map that change nothing: on files, for `parclose db check --files`, and at
 * command's request (CONTROL_CHECK).
 */
#pragma once

#include "control.h"

/*
 * `parclose-control --check DIRECTORY`: reads the newest whole snapshot and all entries of the log
 * in a directory, opened for reading only, builds the map from them as a start would, and proves
 * its invariants. What it finds goes to standard output, a line each, for the command line:
 *
 *   snapshot 81920            the map was loaded from it; missing: there is none
 *   entries 1712              of the log that were applied to it
 *   last 83631                the number of the last entry
 *   partitions 12             that are defined
 *   wrong TEXT                what does not hold
 *
 * An exit status: EXIT_SUCCESS, or EXIT_FAILURE after a "wrong".
 */
int check_files(const char *path);

/* CONTROL_CHECK, a row of command's table. */
int on_check(void *control, struct frame *frame);
