/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What drives a started partition to the gate, and to its end: from what is committed and what is
 * observed follows at most one order to lead, which is sent once a link. Called at every event;
 * calling it once more never does harm.
 */
#pragma once

#include "control.h"

/* Lowest four bits of an order's id; the rest is the number of the transaction it belongs to. The
 * same order has the same id however often control or lead dies. */
enum order {
    ORDER_CREATE = 1,
    ORDER_CHANNELS = 2,
    ORDER_ATTACH = 3,
    ORDER_DETACH = 4,
    ORDER_STOP = 5,
    ORDER_CONSOLE = 6,
    ORDER_PROCESSORS = 7, /* belongs to a generation of the descriptor, not to a transaction */
    ORDER_SESSION = 8,
    ORDER_VF_ADD = 9,
    ORDER_VF_REMOVE = 10,
    ORDERS
};

uint64_t order_id(enum order order, uint64_t transaction);

/* The id that an order of the partition has now. */
uint64_t drive_order_id(const struct partition *partition, enum order order);

/* Sends an order unless it was sent on this link and not answered. */
void drive_order(struct control *control, struct partition *partition, enum order order);

/* No order is under way any more: a new link to lead, or a new life of the partition. */
void drive_forget(struct partition *partition);

/* Does what is due for one partition, for those that use a PF, for all. */
void drive_partition(struct control *control, struct partition *partition);
void drive_users(struct control *control, const struct pf *pf);
void drive_all(struct control *control);

/* Only that: lead is to have the latest descriptor, and its vCPUs other pCPUs. */
void drive_processors(struct control *control, struct partition *partition);

/* The timer went off: does what is due of a retry, a rung of the ladder, a forced stop. */
void drive_deadline(struct control *control, struct partition *partition);
