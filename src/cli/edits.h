/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of devices.xml that the TCB refused: what it wrote beside each, in the folder "edit" beside
 * command's socket. */
#pragma once

#include "cli.h"

#define EDITS_SHOWN_MAX 64
#define EDITS_TEXT      512
#define EDITS_PATH      4096

/* The path of a file beside command's socket: the folder, and devices.xml itself. */
void edits_beside(const struct cli *cli, const char *name, char path[EDITS_PATH]);

/* The folder; -1 with errno. */
int edits_open_folder(const struct cli *cli);

/* The first line of an answer, printable ASCII, and when it was written; false: there is none. */
bool edits_read_answer(int folder, const char *name, char text[EDITS_TEXT], char when[32]);

/* [{"name": "office.xml.error", "time": RFC 3339, "text": why}], by name, at most EDITS_SHOWN_MAX;
 * empty when there are none or the folder cannot be read. NULL: no memory. */
json_t *edits_refused(const struct cli *cli);

/* A line for each; nothing without one. */
void edits_print(const json_t *edits);
