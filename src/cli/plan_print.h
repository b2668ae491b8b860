/* SPDX-License-Identifier: Apache-2.0 */
/* A plan, as command makes it (src/command/plan_report.h), for people. */
#pragma once

#include "cli.h"

/* One or two lines an item; `restart`: restarts are allowed in it. */
void plan_print(const json_t *plan, bool restart);
