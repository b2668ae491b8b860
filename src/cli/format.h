/* SPDX-License-Identifier: Apache-2.0 */
/* Members of command's reports as text for people. */
#pragma once

#include "cli.h"

/* A member's text; "" when it is no string. */
const char *text_of(const json_t *object, const char *key);
int64_t number_of(const json_t *object, const char *key);
bool true_of(const json_t *object, const char *key);

/* "errors: 1 fatal, 2 non-fatal, 7 correctable" of a PF or VF; "": none, or nobody counts. */
const char *errors_text(const json_t *function, char *text, size_t size);

/* "net0/0 nvme0/0". */
const char *vfs_text(const json_t *vfs, char *text, size_t size);

/* "0,2,3". */
const char *numbers_text(const json_t *numbers, char *text, size_t size);

/* What a partition waits for, with the next rung and the seconds until it; "" when it does not. */
const char *waiting_text(const json_t *partition, char *text, size_t size);

/* "12:34:56.789" of an RFC 3339 time, in the local time zone; "-". */
const char *clock_text(const char *rfc3339, char *text, size_t size);

/* The whole answer, indented, with a newline. */
void print_json(const json_t *answer);
