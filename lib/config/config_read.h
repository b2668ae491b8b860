/* SPDX-License-Identifier: Apache-2.0 */
/* The two readers' way from a valid document to a structure. For lib/config only. */
#pragma once

#include "config/config.h"
#include "config/config_xml.h"

int host_document_read(const struct xml_source *source, const xmlNode *root,
                       struct host_config *host);

/* `host` NULL: cards are not checked. */
int partition_document_read(const struct xml_source *source, const xmlNode *root, const char *name,
                            const struct host_config *host, struct partition_config *partition);
