/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the structures of parclose/config.h hold what they may: for the reader of the XML files,
 * and for every process that receives them. Needs no libxml2.
 *
 * Each returns 0, or -EINVAL with one line in `reason` that names the member, its value and what
 * was expected. Never trusts a string to be terminated.
 */
#pragma once

#include "parclose/config.h"

#define CONFIG_MEMORY_MIB_MIN 64
#define CONFIG_MEMORY_MIB_MAX (1u << 24)
#define CONFIG_RESERVED_MAX   (1u << 24) /* MiB */
#define CONFIG_WEIGHT_MAX     10000      /* as cpu.weight of cgroup v2 */
#define CONFIG_WEIGHT_DEFAULT 100
#define CONFIG_WAIT_MS_MIN    100
#define CONFIG_WAIT_MS_MAX    3600000
#define CONFIG_BUDGET_MAX     100
#define CONFIG_WATCHDOG_MIN   1000
#define CONFIG_WATCHDOG_MAX   600000
#define CONFIG_SEGMENT_MAX    4096 /* MiB */
#define CONFIG_KEEP_MIN       2    /* segments */
#define CONFIG_KEEP_MAX       1000
#define CONFIG_VLAN_MAX       4094
#define CONFIG_QOS_MAX        7
#define CONFIG_MTU_MIN        68
#define CONFIG_MTU_MAX        65535

/* What host.xml need not say: time-outs, budgets, watchdog, reservations, the audit log's size; no
 * cards. */
void host_config_defaults(struct host_config *host);

/* Ranges, names, addresses; no two cards of one name or address. */
int host_config_check(const struct host_config *host, char reason[PARCLOSE_REASON_MAX]);

/* The partition by itself: ranges, paths, attributes; no VF twice. */
/* One of its channels; those before it are good. */
int partition_channel_check(const struct partition_config *partition, uint32_t number,
                            char reason[PARCLOSE_REASON_MAX]);

int partition_config_check(const struct partition_config *partition,
                           char reason[PARCLOSE_REASON_MAX]);

/* Its VFs against the host's cards; both have passed their own check. */
int partition_config_check_cards(const struct partition_config *partition,
                                 const struct host_config *host, char reason[PARCLOSE_REASON_MAX]);

/* Whether they are the same but for what changes while a partition runs: its VFs, which come and
 * go, and what an outage of a PF means to it. */
bool partition_config_live_apart(const struct partition_config *a,
                                 const struct partition_config *b);

/* Whether its VF of that number is one that its guest has, or is to have: a first, or one that took
 * over. `standbys`: 1 << number of each first whose stand-by has taken over. */
bool partition_vf_in_use(const struct partition_config *partition, uint32_t standbys,
                         uint32_t number);

/* The other one of a VF and its stand-by; -1: it has none, and is none. */
int partition_vf_mate(const struct partition_config *partition, uint32_t number);

/* One of its stand-bys; the VFs before it are good. */
int partition_standby_check(const struct partition_config *partition, uint32_t number,
                            char reason[PARCLOSE_REASON_MAX]);

/* One VF against the host's cards. */
int partition_vf_check_card(const struct partition_vf *vf, const struct host_config *host,
                            char reason[PARCLOSE_REASON_MAX]);

/* Attributes by themselves: ranges, a MAC that a function can have. */
int vf_attributes_check(const struct vf_attributes *attributes, char reason[PARCLOSE_REASON_MAX]);

/* [a-z][a-z0-9-]*, terminated within PARCLOSE_NAME_MAX bytes. */
bool config_name_ok(const char name[PARCLOSE_NAME_MAX]);

/* The card of that name; NULL when there is none. */
const struct card_config *host_config_card(const struct host_config *host, const char *name);
