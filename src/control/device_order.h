/* SPDX-License-Identifier: Apache-2.0 */
/* An administrator's order about a device (enum device_order): where it is kept, what kind it is,
 * and whether it may be begun. What becomes of it: orders.h. */
#pragma once

#include "control.h"

/* The latest about a managed PF, or (0) about SR-PCIM. NULL: there can be none. */
struct order_image *device_order_of(struct db *db, struct bdf bdf);

/* The `number`th that there may be, 0 to PARCLOSE_MAX_PFS: the PFs', then SR-PCIM's. NULL: none of
 * this number. */
struct order_image *device_order_at(struct db *db, size_t number);

bool device_order_under_way(const struct order_image *order);

/* The bit of a PF's card in an order; 0: it is of none. */
uint64_t device_order_card(const struct db *db, struct bdf pf);

/* Disables or enables a PF; sets its idle power. */
bool device_order_sets_state(uint32_t order);
bool device_order_sets_idle_power(uint32_t order);

/* A PF is as it is to be, used or not. */
bool device_order_settled(const struct pf *pf);

/* Why an action that takes the VFs of a PF (NULL: there is none) away is not to be begun, and in
 * `text`; 0: it may. */
int device_order_pf_refusal(struct control *control, const struct pf *pf,
                            char text[PARCLOSE_REASON_MAX]);

/* The same of an order. -EALREADY: what it asks for is so. */
int device_order_judge(struct control *control, const struct control_order *request,
                       char text[PARCLOSE_REASON_MAX]);
