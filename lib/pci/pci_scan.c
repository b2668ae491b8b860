/* SPDX-License-Identifier: Apache-2.0 */
#include "pci/pci_scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pci/config_space.h"
#include "pci/function.h"

static void read_serial(int folder, char serial[CARD_SERIAL_MAX])
{
    uint8_t config[CONFIG_SPACE_SIZE];
    int size = config_space_read(folder, 0, config, sizeof(config));

    config_space_serial(config, size > 0 ? (size_t)size : 0, serial);
}

/* False: no function of that name, or one without SR-IOV. */
static bool look(const char *root, const char *name, struct pci_scan_card *card)
{
    *card = (struct pci_scan_card){0};
    if (!function_parse(name, &card->bdf))
        return false;
    int folder = function_open(root, card->bdf);
    if (folder < 0)
        return false;
    card->totalvfs = function_number(folder, "sriov_totalvfs");
    card->vendor = (uint16_t)function_number(folder, "vendor");
    card->device = (uint16_t)function_number(folder, "device");
    card->class = function_class_of(function_number(folder, "class"));
    if (card->totalvfs) {
        function_link(folder, "driver", card->driver, sizeof(card->driver));
        read_serial(folder, card->serial);
    }
    close(folder);
    return card->totalvfs != 0;
}

int pci_scan(const char *root, struct pci_scan_card *cards, size_t max)
{
    struct dirent **names;
    char path[256];
    size_t found = 0;

    snprintf(path, sizeof(path), "%.200s/bus/pci/devices", root);
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        if (found < max && look(root, names[i]->d_name, &cards[found]))
            found++;
        free(names[i]);
    }
    free(names);
    return (int)found;
}
