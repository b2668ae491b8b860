/* SPDX-License-Identifier: Apache-2.0 */
/* Control's orders and the TCB's answers: the tables of the two links, and what completes them. */
#pragma once

#include "lead.h"

extern const struct frame_row order_rows[];
extern const size_t order_rows_count;
extern const struct frame_row vfio_rows[];
extern const size_t vfio_rows_count;

void control_up(void *context);
void tcb_up(void *context);
void tcb_down(void *context);

/* Answers an order for a partition that has no monitor. */
void order_refuse(struct lead *lead, const struct lead_order *order, int error, const char *text);

/* The partition's descriptor is that one from now on, and is kept; takes the file. */
void descriptor_changed(struct partition *partition, const struct partition_descriptor *descriptor,
                        int file);

/* cgroup.events changed: completes ATTACH or DETACH. */
void order_frozen(struct partition *partition);

/* The helper's answer to a CREATE. Takes pidfd. */
void order_spawned(struct partition *partition, int error, int pidfd);

/* Timer: monitors that were asked after a restart have had their time. */
int order_on_patience(sd_event_source *source, uint64_t time, void *data);
