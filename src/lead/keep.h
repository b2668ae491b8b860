/* SPDX-License-Identifier: Apache-2.0 */
/* What boot keeps for lead's successor, and taking it up again. */
#pragma once

#include "lead.h"

/* Gives boot the partition's file of that kind (again). */
void keep_file(struct partition *partition, enum kept_file kind);

/* Boot need not keep that one any longer. */
void keep_drop_file(struct partition *partition, enum kept_file kind);

/* Boot need keep nothing of it any longer. */
void keep_drop(struct partition *partition);

/* process_config.stored: takes a file that the predecessor kept. */
int keep_stored(void *context, const char *name, int fd);

/* Once all is handed over: partitions that are whole live on, the rest is dropped. */
void keep_adopt(struct lead *lead);
