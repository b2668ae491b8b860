/* SPDX-License-Identifier: Apache-2.0 */
/* Boot as it is, with a table of three small daemons; everything below $BOOT_TEST_DIR. */
#include <stdio.h>
#include <stdlib.h>

#include "supervise.h"

static const struct kind kinds[] = {
    {.kind = PROCESS_CONTROL,
     .name = "control",
     .user = "nobody",
     .cgroup = "control",
     .sys = SYS_ABSENT,
     .files = KIND_FILE_INVENTORY,
     .rank = 0},
    {.kind = PROCESS_TCB,
     .name = "tcb",
     .cgroup = "tcb",
     .capabilities = UINT64_C(1) << 21,
     .sys = SYS_WRITABLE,
     .network = true,
     .rank = 1},
    {.kind = PROCESS_SR_PCIM,
     .name = "sr-pcim",
     .user = "nobody",
     .cgroup = "interconnect",
     .sys = SYS_ABSENT,
     .files = KIND_FILE_LISTEN | KIND_FILE_CONFIG,
     .rank = 4},
};

static const struct kind_link links[] = {
    {{PROCESS_CONTROL, PROCESS_TCB}},
    {{PROCESS_CONTROL, PROCESS_SR_PCIM}},
    {{PROCESS_TCB, PROCESS_SR_PCIM}},
};

int main(void)
{
    static char run[256];
    const char *directory = getenv("BOOT_TEST_DIR");

    if (!directory)
        return 1;
    snprintf(run, sizeof(run), "%s/run", directory);
    const struct layout layout = {
        .libexec = directory,
        .run = run,
        .config = directory,
        .kinds = kinds,
        .kinds_count = sizeof(kinds) / sizeof(kinds[0]),
        .links = links,
        .links_count = sizeof(links) / sizeof(links[0]),
    };
    return supervise(&layout);
}
