/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot as JSON, for people's tools: the members are an interface, documented in
 * parclose(1). Times are RFC 3339 in UTC ("at") and nanoseconds of CLOCK_BOOTTIME ("boottime_ns").
 *
 * Each returns a new object with "ok": true, or a refusal while there is no snapshot; NULL: no
 * memory, or (report_show) no such partition.
 */
#pragma once

#include <jansson.h>

struct command;

json_t *report_list(const struct command *command);
json_t *report_show(const struct command *command, const char *name);
json_t *report_devices(const struct command *command);

/* A string of any bytes: what is no UTF-8 becomes '?'. */
json_t *report_text(const char *text);
