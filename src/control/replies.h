/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to command. */
#pragma once

#include "control.h"

/* The RESULT of a request. `text`: what is wrong and what to do; "" on success. */
void reply_command(struct control *control, uint64_t id, int error, uint64_t transaction,
                   const char *text, const int *files, size_t files_count);

/* Writes the text of a refusal; returns `error`. */
__attribute__((format(printf, 3, 4))) int refuse(char text[PARCLOSE_REASON_MAX], int error,
                                                 const char *format, ...);

/* Commits durably; on failure says in `text` why it could not be saved. */
int commit_or_say(struct control *control, char text[PARCLOSE_REASON_MAX]);

/* Adds to a text that has room for `size` bytes. */
__attribute__((format(printf, 3, 4))) void append_text(char *text, size_t size, const char *format,
                                                       ...);
