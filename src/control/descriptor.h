/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes a partition's descriptor (parclose/descriptor.h): its own resources and no other's.
 */
#pragma once

#include "db.h"

/* A sealed memfd of the partition's descriptor in its present generation, the caller's; or a
 * negative errno. VFs have their addresses once they are ordered to its monitor. */
int descriptor_publish(struct db *db, const struct partition *partition);
