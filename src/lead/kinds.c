/* SPDX-License-Identifier: Apache-2.0 */
#include "kinds.h"

#include <errno.h>
#include <string.h>

const struct monitor_kind monitor_kinds[] = {
    {.name = "native", .executable = PARCLOSE_LIBEXEC "/parclose-monitor", .sessions = true},
    {.name = "qemu",
     .executable = PARCLOSE_LIBEXEC "/parclose-monitor-qemu",
     .program = {"/usr/bin/qemu-system-x86_64", "qemu-system-x86"},
     .firmware = {"/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"},
     .libraries = true,
     .threads = true,
     .tasks = 128,
     .memory_bytes = UINT64_C(512) << 20},
};
const size_t monitor_kinds_count = sizeof(monitor_kinds) / sizeof(monitor_kinds[0]);

int kind_find(const char *name)
{
    for (size_t i = 0; i < monitor_kinds_count; i++)
        if (!strcmp(monitor_kinds[i].name, name))
            return (int)i;
    return -ENOENT;
}
