/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of schema/host.xsd and schema/partition.xsd, compiled in by schema/embed.py. */
#pragma once

extern const char schema_host[];
extern const char schema_partition[];
