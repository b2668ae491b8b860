/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libxml2 on a short lead, and what the two readers ask of a document that its schema has passed.
 * For lib/config only.
 */
#pragma once

#include <libxml/tree.h>
#include <libxml/xmlschemas.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_error.h"

/* Which file is being read, and where the first error goes. */
struct xml_source {
    const char *file;
    struct config_error *error;
};

/* Compiles a schema from its text; NULL: no memory, or the text is no schema. */
xmlSchema *xml_schema_new(const char *text);

/* Scans, parses, validates. The caller frees *document with xmlFreeDoc(). 0, -EINVAL, -ENOMEM. */
int xml_document_parse(const struct xml_source *source, const char *text, size_t size,
                       xmlSchema *schema, xmlDoc **document);

/* Sets the error to "FILE:LINE: <node …>: …" and returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int xml_refuse(const struct xml_source *source,
                                                     const xmlNode *node, const char *format, ...);

/* An attribute: 1 and its value, 0 when it is absent (*value is left alone), or -EINVAL. */
int xml_attribute_number(const struct xml_source *source, const xmlNode *node, const char *name,
                         uint32_t min, uint32_t max, uint32_t *value);
int xml_attribute_text(const struct xml_source *source, const xmlNode *node, const char *name,
                       char *value, size_t size);
/* One of `choices`, NULL-terminated: *value is its place. */
int xml_attribute_choice(const struct xml_source *source, const xmlNode *node, const char *name,
                         const char *const *choices, uint32_t *value);

/* The text in an element, white space at its ends removed and runs of it made one blank. */
int xml_content(const struct xml_source *source, const xmlNode *node, char *value, size_t size);

/* `digits` hexadecimal digits, then `end`; where it goes on behind them, or NULL. */
const char *xml_hex(const char *text, int digits, char end, uint32_t *value);

/* The element's first child element, an element's next: of that name; NULL: no more. */
const xmlNode *xml_child(const xmlNode *node, const char *name);
const xmlNode *xml_next(const xmlNode *node, const char *name);
