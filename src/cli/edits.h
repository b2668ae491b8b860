/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of devices.xml that the TCB refused: what it wrote beside each, in the folder "edit" beside
 * command's socket. */
#pragma once

#include "cli.h"

#define EDITS_SHOWN_MAX 64

/* [{"name": "office.xml.error", "time": RFC 3339, "text": why}], by name, at most EDITS_SHOWN_MAX;
 * empty when there are none or the folder cannot be read. NULL: no memory. */
json_t *edits_refused(const struct cli *cli);

/* A line for each; nothing without one. */
void edits_print(const json_t *edits);
