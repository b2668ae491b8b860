/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the schemas, compiled in by schema/embed.py. */
#pragma once

extern const char schema_host[];
extern const char schema_partition[];
extern const char schema_devices[]; /* in lib/map */
