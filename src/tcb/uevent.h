/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of the kernel's uevents (lib/kobject_uevent.c): "ACTION@PATH", then "KEY=VALUE" strings, each
 * with its NUL. PCI error recovery says ERROR_EVENT (drivers/pci/pci-driver.c, pci_uevent_ers).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "parclose/ids.h"

struct uevent {
    const char *action;
    const char *path;  /* of the device, below /sys */
    const char *error; /* BEGIN_RECOVERY, SUCCESSFUL_RECOVERY, FAILED_RECOVERY; "": none */
};

/* Whether it is the PCI function's own: not of its network device or its disks, which come and go
 * with its driver. */
bool uevent_is_of(const struct uevent *event, struct bdf bdf);

/* Takes `size` bytes apart where they are; bytes[size] is there, too. False: it is no uevent. */
bool uevent_parse(char *bytes, size_t size, struct uevent *event);
