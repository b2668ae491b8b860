/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a resource's images, one by one, before and after: what `parclose audit` shows as
 * a difference, and exports. A new member of an image needs a row here (a test looks at each byte).
 */
#pragma once

#include "audit_names.h"

#define AUDIT_VALUE_MAX (PARCLOSE_CMDLINE_MAX + 16)
#define AUDIT_FIELD_MAX 48

struct audit_value {
    bool there;  /* the image, or this element of a list in it, exists */
    bool number; /* its text is a decimal number */
    char text[AUDIT_VALUE_MAX];
};

struct audit_field {
    char name[AUDIT_FIELD_MAX]; /* "vcpus", "vfs[0].index" */
    struct audit_value before, after;
};

/* `field` is valid during the call. */
typedef void audit_field_visit(void *context, const struct audit_field *field);

/*
 * Visits the fields of a kind of resource, in order. before or after may be NULL. `all` false: only
 * those that differ, and of an image that is alone those that are not 0 or "".
 */
void audit_fields(const struct audit_names *names, uint32_t kind, const void *before,
                  const void *after, bool all, audit_field_visit *visit, void *context);
