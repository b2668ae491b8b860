/* SPDX-License-Identifier: Apache-2.0 */
#include "host_scan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "names/names.h"
#include "pci/pci_scan.h"

/* Next number of each kind of name. */
struct numbers {
    unsigned net, nvme, other;
};

static void name_card(struct found_card *card, uint32_t class, struct numbers *numbers)
{
    if (class == CLASS_NETWORK)
        snprintf(card->name, sizeof(card->name), "net%u", numbers->net++);
    else if (class == CLASS_NVME)
        snprintf(card->name, sizeof(card->name), "nvme%u", numbers->nvme++);
    else
        snprintf(card->name, sizeof(card->name), "pf%u", numbers->other++);
}

static void take(struct host_scan *scan, const struct pci_scan_card *found, struct numbers *numbers)
{
    struct found_card *card = &scan->cards[scan->count++];

    name_of_bdf(found->bdf, card->address);
    card->offered = found->totalvfs;
    card->vfs = found->totalvfs < SCAN_VFS_MAX ? found->totalvfs : SCAN_VFS_MAX;
    memcpy(card->driver, found->driver, sizeof(card->driver));
    name_card(card, found->class, numbers);
    snprintf(card->description, sizeof(card->description), "PCI device %04x:%04x%s%s",
             found->vendor, found->device, found->serial[0] ? ", serial " : "", found->serial);
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

int host_scan(struct host_scan *scan, const char *root)
{
    struct pci_scan_card found[HOST_MAX_CARDS];
    struct numbers numbers = {0};
    int count = pci_scan(root, found, HOST_MAX_CARDS);

    *scan = (struct host_scan){0};
    if (count < 0)
        return count;
    reserve(scan);
    for (int i = 0; i < count; i++)
        take(scan, &found[i], &numbers);
    return 0;
}
