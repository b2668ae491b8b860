/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded lines of text without a C library behind them: for the monitor's log (standard error)
 * and the reason in its last message. What does not fit is cut off; always NUL-terminated.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct text {
    char line[160];
    size_t length;
};

struct text *text_add(struct text *text, const char *string);
struct text *text_number(struct text *text, int64_t value);
struct text *text_hex(struct text *text, uint64_t value, unsigned digits);

/* A negative errno in words, as far as the monitor's steps can meet it. */
struct text *text_error(struct text *text, int64_t error);

/* One line on standard error; what cannot be written is lost, nobody waits. */
void text_log(const char *what, int64_t error); /* error 0: what alone */
void text_log_line(const struct text *text);

/* A line that a guest can cause as often as it likes: the first TEXT_GUEST_LINES are logged. */
#define TEXT_GUEST_LINES 32
void text_log_guest(const char *what, int64_t error);
