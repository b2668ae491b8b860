/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as JSON; its members are an interface, documented in parclose(1). */
#pragma once

#include <jansson.h>

#include "plan.h"

/* "ok", "plan" (its digest), "refused" and "items". */
json_t *plan_report(const struct plan *plan);
