/* SPDX-License-Identifier: Apache-2.0 */
#include "host_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* PCI base classes and the whole class of an NVMe controller (PCI Code and ID Assignment). */
#define BASE_CLASS_NETWORK 0x02
#define CLASS_NVME_IO      0x010802

/* Next number of each kind of name. */
struct numbers {
    unsigned net, nvme, other;
};

/* A number in a sysfs file; `otherwise` when it is not there. */
static unsigned long read_number(int device, const char *name, unsigned long otherwise)
{
    char text[32] = "";
    int fd = openat(device, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    return got > 0 ? strtoul(text, NULL, 0) : otherwise;
}

static void read_driver(int device, char *driver, size_t size)
{
    char path[256];
    ssize_t length = readlinkat(device, "driver", path, sizeof(path) - 1);

    driver[0] = '\0';
    if (length <= 0)
        return;
    path[length] = '\0';
    const char *slash = strrchr(path, '/');
    snprintf(driver, size, "%.*s", (int)size - 1, slash ? slash + 1 : path);
}

static void name_card(struct found_card *card, unsigned long class, struct numbers *numbers)
{
    if (class >> 16 == BASE_CLASS_NETWORK)
        snprintf(card->name, sizeof(card->name), "net%u", numbers->net++);
    else if (class == CLASS_NVME_IO)
        snprintf(card->name, sizeof(card->name), "nvme%u", numbers->nvme++);
    else
        snprintf(card->name, sizeof(card->name), "pf%u", numbers->other++);
}

static void look_at(struct host_scan *scan, int device, const char *address,
                    struct numbers *numbers)
{
    unsigned long offered = read_number(device, "sriov_totalvfs", 0);

    if (!offered || scan->count == HOST_MAX_CARDS ||
        strlen(address) >= sizeof(scan->cards[0].address))
        return;
    struct found_card *card = &scan->cards[scan->count++];
    strcpy(card->address, address);
    card->offered = (uint32_t)offered;
    card->vfs = offered < SCAN_VFS_MAX ? (uint32_t)offered : SCAN_VFS_MAX;
    read_driver(device, card->driver, sizeof(card->driver));
    name_card(card, read_number(device, "class", 0), numbers);
    snprintf(card->description, sizeof(card->description), "PCI device %04lx:%04lx",
             read_number(device, "vendor", 0), read_number(device, "device", 0));
}

/* A quarter of small hosts' memory and 2 GiB at most; a pCPU for each sixteen. */
static void reserve(struct host_scan *scan)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    long pcpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t mib = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size >> 20 : 4096;

    scan->reserved_memory_mib = mib / 4 < 2048 ? (uint32_t)(mib / 4) : 2048;
    scan->reserved_pcpus = pcpus > 16 ? (uint32_t)pcpus / 16 : 1;
}

static int ours(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int host_scan(struct host_scan *scan, const char *devices)
{
    struct numbers numbers = {0};
    struct dirent **entries;
    int count = scandir(devices, &entries, ours, alphasort);

    *scan = (struct host_scan){0};
    if (count < 0)
        return -errno;
    reserve(scan);
    int dir = open(devices, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < count; i++) {
        int device = openat(dir, entries[i]->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (device >= 0) {
            look_at(scan, device, entries[i]->d_name, &numbers);
            close(device);
        }
        free(entries[i]);
    }
    free(entries);
    if (dir >= 0)
        close(dir);
    return 0;
}
