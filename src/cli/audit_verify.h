/* SPDX-License-Identifier: Apache-2.0 */
/* `parclose audit --verify`: the whole chain, over all segments and snapshots. */
#pragma once

#include "audit_source.h"

/* `expected`: the head that the journal has of some entry, 64 hexadecimal digits; NULL: none is
 * asked for. Exit code; all is said, `quiet`: only what is wrong. */
int audit_verify(const struct audit_source *source, const char *expected, bool quiet);
