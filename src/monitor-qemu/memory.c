/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parclose/config.h"

static int make_file(uint64_t size, uint32_t pages)
{
    static const unsigned flags[MEMORY_PAGES] = {
        [PAGES_2MIB] = MFD_HUGETLB | MFD_HUGE_2MB,
        [PAGES_1GIB] = MFD_HUGETLB | MFD_HUGE_1GB,
    };
    int file = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags[pages]);

    if (file < 0)
        return -errno;
    if (ftruncate(file, (off_t)size) < 0 ||
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = -errno;
        close(file);
        return error;
    }
    return file;
}

/* The policy of a shared mapping is the file's (set_mempolicy(2)): it stays for QEMU's. */
static int bind_node(void *base, uint64_t size, uint32_t node)
{
    if (node == UINT32_MAX)
        return 0;
    unsigned long nodes = 1UL << node % 64;
    return syscall(SYS_mbind, base, size, MPOL_BIND, &nodes, sizeof(nodes) * 8, 0) < 0 ? -errno : 0;
}

/* A huge page that is missing would be a SIGBUS later. */
static int prepare(int file, uint64_t size, uint32_t node, uint32_t pages)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);

    if (base == MAP_FAILED)
        return -errno;
    int error = bind_node(base, size, node);
    if (!error && pages != PAGES_ORDINARY && madvise(base, size, MADV_POPULATE_WRITE) < 0)
        error = -errno;
    munmap(base, size);
    return error;
}

int memory_make(uint64_t size, uint32_t node, uint32_t pages)
{
    int file = make_file(size, pages);
    int error = file < 0 ? file : prepare(file, size, node, pages);

    if (error < 0 && file >= 0)
        close(file);
    return error < 0 ? error : file;
}
