/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words for an audit entry: what happened, to which resource, from what to what. One line each, for
 * people and for JSON strings; fills the caller's buffer, always NUL-terminated, cut when too long.
 */
#pragma once

#include "store/audit_entry.h"

#define AUDIT_TEXT_MAX 512

/* "start", "attach", …; "begun", "applied", "undone". Never NULL. */
const char *audit_kind_name(uint32_t kind);
const char *audit_phase_name(uint32_t phase);
/* "applied", "undone", …; "unknown" */
const char *audit_edit_state_name(uint32_t state);
const char *audit_order_state_name(uint32_t state);

/* "partition 3", "pCPU 2", "VF 0000:01:00.0/0", "memory node 0 at 512 MiB", … */
void audit_resource_text(const struct audit_change *change, char *text, size_t size);

/* The image of a kind of resource in one line; "-" for NULL. */
void audit_image_text(uint32_t kind, const void *image, char *text, size_t size);
