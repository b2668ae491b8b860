/* SPDX-License-Identifier: Apache-2.0 */
/* The devices' part of the reports (report.h): each function returns a new object. */
#pragma once

#include <jansson.h>

#include "snapshot_view.h"

struct command;

/* A PF with its VFs. */
json_t *report_pf(const struct command *command, const struct snapshot_pf *pf);

/* A function that is neither a managed PF nor a VF of one. */
json_t *report_function(const struct command *command, const struct snapshot_function *function);

/* A PF's address, driver, status and readiness. */
json_t *report_pf_brief(const struct snapshot_pf *pf);

json_t *report_vf(const struct command *command, const struct snapshot_vf *vf);

/* Only those that are set. */
json_t *report_attributes(const struct vf_attributes *attributes);
