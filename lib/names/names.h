/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the numbers of the contracts are called, in reports, logs and JSON: one word each, stable
 * for scripts. A number that has no name is "unknown"; nothing returns NULL.
 */
#pragma once

#include <stddef.h>

#include "parclose/ids.h"

const char *name_of_state(uint32_t state);           /* enum partition_state: "Enabled" … */
const char *name_of_phase(uint32_t phase);           /* enum partition_phase: "defined" … */
const char *name_of_apply_state(uint32_t state);     /* enum apply_state: "trial" … */
const char *name_of_exit(uint32_t reason);           /* enum exit_reason: "power-off" … */
const char *name_of_readiness(uint32_t readiness);   /* enum pf_readiness: "ready" … */
const char *name_of_power_control(uint32_t control); /* enum power_control: "on", "auto" … */
const char *name_of_power_status(uint32_t status);   /* enum power_status: "awake", "asleep" … */
const char *name_of_card_link(uint32_t link);        /* enum card_link: "up", "carrier" */
const char *name_of_idle_power(uint32_t power);      /* enum idle_power: "on", "auto" */
const char *name_of_recovery(uint32_t recovery);     /* enum error_recovery */
const char *name_of_bind_error(uint32_t error);      /* vf_observed.bind_error, as people read it */
const char *name_of_status(uint32_t status);         /* enum function_status: "active" … */
const char *name_of_class(uint32_t class);           /* enum function_class: "network" … */
const char *name_of_class_code(uint32_t code);       /* 24 bits: "bridge"; PCI Code and ID 1 */
const char *name_of_channel_device(uint32_t kind);   /* enum channel_device: "block" … */
const char *name_of_channel_mode(uint32_t mode);     /* enum channel_mode: "confined" … */
const char *name_of_channel_state(uint32_t state);   /* enum channel_state: "operating" … */
const char *name_of_pages(uint32_t pages);           /* enum memory_pages: "2MiB" … */
const char *name_of_firmware(uint32_t firmware);     /* enum guest_firmware: "uefi" … */
const char *name_of_outage_policy(uint32_t policy);  /* enum outage_policy: "freeze" … */
const char *name_of_rung(uint32_t rung);             /* enum rung: "restart the PF" … */
const char *name_of_action(uint32_t action);         /* enum device_action: "pf-bind" … */
const char *name_of_order(uint32_t order);           /* enum device_order: "pf-restart" … */
const char *name_of_process(uint32_t kind);          /* enum process_kind: "control" … */
const char *name_of_health(uint32_t health);         /* enum process_health: "up" … */
const char *name_of_owner(uint32_t kind);            /* enum owner_kind: "available" … */
const char *name_of_vf_news(uint32_t marks);         /* VF_NEWS of them, for people; "": none */
const char *name_of_session(uint32_t kind);          /* enum session_kind: "dump" … */

#define NAME_BDF_MAX 16
/* "0000:01:00.0" into text; returns it. */
const char *name_of_bdf(struct bdf bdf, char text[NAME_BDF_MAX]);
