/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel images through the whole of boot_load, into guest memory that ends where it ends: what is
 * accepted has its entry in memory that the file filled, what is refused says at which step. The
 * first bytes of the input: memory, sizes, command line; the rest is the file's begin.
 */
#include <string.h>
#include <sys/mman.h>

#include "boot.h"
#include "fake_kernel.h"
#include "layout.h"
#include "monitor.h"

#define HEAD      8
#define MEMORY    (UINT64_C(80) << 20) /* most */
#define FILE_MOST (UINT64_C(1) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void monitor_end(struct monitor *monitor, enum exit_reason reason, const char *text, int64_t error)
{
    (void)monitor;
    (void)reason;
    (void)text;
    (void)error;
}

static uint8_t *memory_base(void)
{
    static uint8_t *base;

    if (!base)
        base = fake_memory(MEMORY);
    (void)madvise(base, MEMORY, MADV_DONTNEED); /* zeros again */
    return base;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char cmdline[4096];
    struct guest_memory memory = {.fd = -1, .base = memory_base()};
    struct boot_config config = {.kernel = FAKE_FILE, .initrd = -1, .cmdline = cmdline};
    struct boot_entry entry = {.info = 0};
    const char *what = NULL;

    if (size < HEAD)
        return 0;
    /* it ends at its page: what is written beyond is noticed */
    memory.size = MEMORY - (uint64_t)(data[0] & 7) * (2 << 20);
    memory.base += MEMORY - memory.size;
    config.vcpus = 1 + data[1] % 32;
    config.initrd = data[2] & 1 ? FAKE_FILE : -1;
    memset(cmdline, 'a', sizeof(cmdline));
    cmdline[(data[3] | (unsigned)data[4] << 8) % sizeof(cmdline)] = 0;
    cmdline[sizeof(cmdline) - 1] = 0;
    fake.file = data + HEAD;
    fake.file_bytes = size - HEAD;
    fake.file_size = fake.file_bytes + (data[5] | (uint64_t)data[6] << 8) * 16;
    if (fake.file_size > FILE_MOST)
        fake.file_size = FILE_MOST;
    if (boot_load(&config, &memory, &entry, &what) < 0) {
        fake_check(what != NULL);
        return 0;
    }
    fake_check(memory_at(&memory, (struct gpa){entry.rip}, 1) && entry.info == LAYOUT_ZERO_PAGE);
    fake_check(entry.rip >= LAYOUT_HIGH_START);
    return 0;
}
