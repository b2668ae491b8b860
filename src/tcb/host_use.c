/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the host itself uses a PF, asked of the kernel right before its driver is taken from it:
 * an interface with an address (its own link-local one does not count), or that belongs to a
 * bridge, a bond, a VLAN; a namespace that is claimed. A mount, swap, dm and md all claim the block
 * device exclusively, so one more exclusive open (block/bdev.c, bd_prepare_to_claim) tells of any
 * of them, in whatever mount namespace; /proc/mounts would tell of ours only. Nothing is written.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "action.h"
#include "netlink.h"

#ifndef DEV_ROOT /* tests have a folder of their own */
#define DEV_ROOT "/dev"
#endif

/* Calls `visit` for each name in a folder (no folder: for none) until one returns not 0. */
static int each_name(const char *path, int (*visit)(const char *name, void *context), void *context)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    int got = 0;

    if (!folder)
        return 0;
    while (!got && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            got = visit(entry->d_name, context);
    closedir(folder);
    return got;
}

struct look {
    const char *path; /* of the folder that is walked */
    struct result *result;
    const char *whose;
};

static int fail_upper(const char *name, void *context)
{
    const struct look *look = context;

    if (strcmp(name, "master") != 0 && strncmp(name, "upper_", 6) != 0)
        return 0;
    return action_fail(look->result, -EBUSY, "the host uses it: interface %.15s belongs to another",
                       look->whose);
}

static int check_interface(const char *name, void *context)
{
    struct look *look = context;
    char path[256];

    snprintf(path, sizeof(path), "%.150s/%.15s", look->path, name);
    struct look upper = {.result = look->result, .whose = name};
    int error = each_name(path, fail_upper, &upper);
    if (error)
        return error;
    int has = netlink_has_address(name);
    if (has < 0 && has != -ENODEV)
        return action_fail(look->result, has, "interface %.15s cannot be asked for addresses",
                           name);
    return has <= 0 ? 0
                    : action_fail(look->result, -EBUSY,
                                  "the host uses it: interface %.15s has an address", name);
}

/* "nvme0c1n1", a path of "nvme0n1", stands for the latter. */
static void head_name(const char *name, char head[32])
{
    const char *path = strchr(name + 4, 'c');
    const char *rest = path ? strchr(path, 'n') : NULL;

    if (rest)
        snprintf(head, 32, "%.*s%.15s", (int)(path - name < 15 ? path - name : 15), name, rest);
    else
        snprintf(head, 32, "%.31s", name);
}

static int fail_holder(const char *name, void *context)
{
    const struct look *look = context;
    return action_fail(look->result, -EBUSY, "the host uses it: %.31s is part of %.31s",
                       look->whose, name);
}

static int check_namespace(const char *name, void *context)
{
    const struct look *look = context;
    char head[32], path[128];

    if (strncmp(name, "nvme", 4) != 0)
        return 0;
    head_name(name, head);
    snprintf(path, sizeof(path), SYSFS_ROOT "/block/%s/holders", head);
    struct look holders = {.result = look->result, .whose = head};
    int error = each_name(path, fail_holder, &holders);
    if (error)
        return error;
    snprintf(path, sizeof(path), DEV_ROOT "/%s", head);
    int file = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
    if (file >= 0) {
        close(file);
        return 0;
    }
    if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
        return 0;
    if (errno != EBUSY)
        return action_fail(look->result, -errno, "%s cannot be asked whether the host uses it",
                           head);
    return action_fail(look->result, -EBUSY, "the host uses it: %s is mounted, or otherwise taken",
                       head);
}

static int check_controller(const char *name, void *context)
{
    const struct look *look = context;
    char path[256];

    snprintf(path, sizeof(path), "%.150s/%.31s", look->path, name);
    struct look below = {.path = path, .result = look->result};
    return each_name(path, check_namespace, &below);
}

int host_use_check(const struct tcb_pf_state *pf, struct result *result)
{
    char path[160];
    struct look look = {.path = path, .result = result};

    action_path(path, sizeof(path), pf->card.bdf, "net");
    int error = each_name(path, check_interface, &look);
    action_path(path, sizeof(path), pf->card.bdf, "nvme");
    return error ? error : each_name(path, check_controller, &look);
}
