/* SPDX-License-Identifier: Apache-2.0 */
#include "kinds.h"

#include <linux/capability.h>

#define CAP(name) (UINT64_C(1) << CAP_##name)

/* Lead: the user, limits, cgroup and namespaces of a monitor; cgroup files of any owner. SYS_NICE:
 * Linux before 6.6 asks for it when the cpuset controller is switched on over other users'
 * processes. */
#define LEAD_CAPABILITIES                                                                          \
    (CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) | CAP(SYS_RESOURCE) | CAP(CHOWN) | CAP(SYS_ADMIN) |  \
     CAP(DAC_OVERRIDE) | CAP(KILL) | CAP(SYS_NICE))

static const struct kind kinds[] = {
    {.kind = PROCESS_CONTROL,
     .name = "control",
     .user = "parclose-control",
     .cgroup = "control",
     .state = "/var/lib/parclose/control",
     .sys = SYS_ABSENT,
     .files = KIND_FILE_INVENTORY | KIND_FILE_STATE,
     .rank = 0},
    {.kind = PROCESS_TCB,
     .name = "tcb",
     .cgroup = "tcb",
     .state = "/run/parclose",
     .capabilities = CAP(SYS_ADMIN) | CAP(NET_ADMIN),
     .sys = SYS_WRITABLE,
     .network = true,
     .files = KIND_FILE_STATE,
     .rank = 1},
    {.kind = PROCESS_SR_PCIM,
     .name = "sr-pcim",
     .user = "parclose-pcim",
     .cgroup = "interconnect", /* the interconnect service partition */
     .sys = SYS_ABSENT,
     .rank = 4},
    {.kind = PROCESS_LEAD,
     .name = "lead",
     .cgroup = "lead",
     .capabilities = LEAD_CAPABILITIES,
     .sys = SYS_READ_ONLY,
     .locks_memory = true,
     .rank = 2},
    {.kind = PROCESS_COMMAND,
     .name = "command",
     .user = "parclose-command",
     .cgroup = "command",
     .sys = SYS_ABSENT,
     .files = KIND_FILE_LISTEN | KIND_FILE_CONFIG,
     .rank = 3},
};

static const struct kind_link links[] = {
    {{PROCESS_CONTROL, PROCESS_TCB}},  {{PROCESS_CONTROL, PROCESS_SR_PCIM}},
    {{PROCESS_CONTROL, PROCESS_LEAD}}, {{PROCESS_CONTROL, PROCESS_COMMAND}},
    {{PROCESS_TCB, PROCESS_SR_PCIM}},  {{PROCESS_TCB, PROCESS_LEAD}},
};

const struct layout host_layout = {
    .libexec = PARCLOSE_LIBEXEC,
    .run = "/run/parclose",
    .config = "/etc/parclose",
    .group = "parclose",
    .modules = true,
    .kinds = kinds,
    .kinds_count = sizeof(kinds) / sizeof(kinds[0]),
    .links = links,
    .links_count = sizeof(links) / sizeof(links[0]),
};
