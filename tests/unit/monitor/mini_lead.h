/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of mini-lead have of each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parclose/msg_lead_monitor.h"

/* mini_lead.c */
extern int link_fd, pid; /* of the monitor: its link, its spawner */
extern struct monitor_state last;
extern bool ended;

uint64_t now_ns(void);
__attribute__((format(printf, 1, 2))) void tell(const char *format, ...);
__attribute__((noreturn)) void fail(const char *what);
void send_files(const void *message, size_t size, const int *fds, unsigned count);
struct wire_header header(uint16_t type, size_t size);
void receive(void);
void look(void); /* a message, if one comes within a moment, and the console */
uint32_t parse_bdf(const char *text);
int open_group(const char *vf);
int main_pid(void);

/* mini_vf.c */
bool vf_order(const char *what); /* false: not one of its own */
void vf_seats(const struct monitor_state *state);
void vf_result(const struct monitor_vf_result *result);
