/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory: nodes, and pCPUs that are there, online or not, from /sys/devices/system. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"
#include "parclose/msg_boot.h"

#define SYSTEM "/sys/devices/system"

static int read_text(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    ssize_t got = read(file, text, size - 1);
    int error = got < 0 ? -errno : 0;
    close(file);
    text[got > 0 ? got : 0] = 0;
    return error;
}

/* Calls `each` for every number of a kernel list: "0-3,8". */
static int for_list(const char *list, int (*each)(void *context, uint32_t number), void *context)
{
    while (isdigit((unsigned char)*list)) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (; first <= last; first++) {
            int error = each(context, (uint32_t)first);
            if (error)
                return error;
        }
        list = *end == ',' ? end + 1 : end;
    }
    return 0;
}

/* The node that has the pCPU; the first where the kernel knows no nodes. */
static uint32_t node_of(const struct inventory *inventory, uint32_t pcpu)
{
    char path[128];

    for (uint32_t i = 0; i < inventory->nodes_count; i++) {
        snprintf(path, sizeof(path), SYSTEM "/node/node%u/cpu%u", inventory->nodes[i].node, pcpu);
        if (access(path, F_OK) == 0)
            return inventory->nodes[i].node;
    }
    return inventory->nodes[0].node;
}

static int add_pcpu(void *context, uint32_t pcpu)
{
    struct inventory *inventory = context;

    if (inventory->pcpus_count == PARCLOSE_MAX_PCPUS)
        return -E2BIG;
    inventory->pcpus[inventory->pcpus_count++] =
        (struct inventory_pcpu){.pcpu = pcpu, .node = node_of(inventory, pcpu)};
    return 0;
}

/* "Node 0 MemTotal:  16 kB", or "MemTotal: 16 kB" where the kernel knows no nodes. */
static int node_memory(const char *path, uint64_t *bytes)
{
    char text[4096] = "";
    int error = read_text(path, text, sizeof(text));
    if (error)
        return error;
    const char *total = strstr(text, "MemTotal:");
    if (!total)
        return -ENODATA;
    *bytes = strtoull(total + strlen("MemTotal:"), NULL, 10) * 1024;
    return 0;
}

static int add_node_of(struct inventory *inventory, uint32_t node, const char *memory)
{
    uint64_t bytes;

    if (inventory->nodes_count == PARCLOSE_MAX_NODES)
        return -E2BIG;
    int error = node_memory(memory, &bytes);
    if (error)
        return error;
    inventory->nodes[inventory->nodes_count++] =
        (struct inventory_node){.node = node, .memory_bytes = bytes};
    return 0;
}

static int add_node(void *context, uint32_t node)
{
    char memory[128];

    snprintf(memory, sizeof(memory), SYSTEM "/node/node%u/meminfo", node);
    return add_node_of(context, node, memory);
}

static int by_pcpu(const void *one, const void *other)
{
    const struct inventory_pcpu *a = one, *b = other;
    return a->pcpu < b->pcpu ? -1 : a->pcpu > b->pcpu;
}

struct nodes_seen {
    uint32_t count;
    uint32_t last;
};

static int see_node(void *context, uint32_t node)
{
    struct nodes_seen *seen = context;

    seen->count++;
    seen->last = node;
    return 0;
}

/*
 * With one node all memory is its own, and /proc/meminfo says how much: a kernel was seen (6.18 in
 * a micro virtual machine) whose node file counts a fifth of it.
 */
static int find_nodes(struct inventory *inventory)
{
    char nodes[4096] = "";
    struct nodes_seen seen = {0};

    if (read_text(SYSTEM "/node/online", nodes, sizeof(nodes)) == 0)
        for_list(nodes, see_node, &seen);
    if (seen.count > 1)
        return for_list(nodes, add_node, inventory);
    return add_node_of(inventory, seen.last, "/proc/meminfo");
}

static int find_pcpus(struct inventory *inventory)
{
    char pcpus[4096] = "";
    int error = read_text(SYSTEM "/cpu/present", pcpus, sizeof(pcpus));

    return error ? error : for_list(pcpus, add_pcpu, inventory);
}

static int boot_id(uint8_t id[16])
{
    char text[64] = "";
    size_t digits = 0;
    int error = read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text));

    for (const char *c = text; !error && *c && digits < 32; c++) {
        if (!isxdigit((unsigned char)*c))
            continue;
        unsigned digit =
            isdigit((unsigned char)*c) ? (unsigned)(*c - '0') : (unsigned)(tolower(*c) - 'a' + 10);
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
        digits++;
    }
    return error ? error : digits == 32 ? 0 : -ENODATA;
}

static int seal(const struct inventory *inventory)
{
    int file = memfd_create("inventory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return -errno;
    ssize_t done = write(file, inventory, sizeof(*inventory));
    int error = done < 0 ? -errno : done != sizeof(*inventory) ? -EIO : 0;
    if (!error &&
        fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        error = -errno;
    if (!error)
        return file;
    close(file);
    return error;
}

int host_inventory(void)
{
    struct inventory *inventory = calloc(1, sizeof(*inventory));
    if (!inventory)
        return -ENOMEM;
    inventory->magic = INVENTORY_MAGIC;
    int result = boot_id(inventory->boot_id);
    if (!result)
        result = find_nodes(inventory);
    if (!result)
        result = find_pcpus(inventory);
    qsort(inventory->pcpus, inventory->pcpus_count, sizeof(inventory->pcpus[0]), by_pcpu);
    if (!result)
        result = seal(inventory);
    free(inventory);
    return result;
}
