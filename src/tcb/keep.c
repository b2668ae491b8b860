/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that outlive the TCB: one that does not come back from the kernel hears no SIGKILL, and
 * the next TCB must not send another one after it. Boot keeps the pidfd of each from before it
 * begins until it is done, under a name that says what the next TCB has to know of it:
 *
 *   child.0000-01-00.0.ACTION.INDEX.DEADLINE   enum device_action, 0: it only reads; VF;
 *                                              microseconds of CLOCK_MONOTONIC
 *
 *   child waits; BOOT_STORE to boot; our word to the child, which writes, and is stuck. We die.
 *   BOOT_STORED to the next TCB: it watches the child; until DEADLINE actions on the PF wait for
 *   it, then they are refused, and status says so. The child ends: BOOT_STORE_DROP; the next action
 *   begins.
 *
 * A TCB that dies before its word has left a child that ends without having touched anything.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "process/pidfd.h"
#include "tcb.h"

#define PREFIX "child."

static void name_of(const struct kept_child *child, char name[BOOT_STORE_NAME_MAX])
{
    uint32_t pf = child->pf.value;

    snprintf(name, BOOT_STORE_NAME_MAX, PREFIX "%04x-%02x-%02x.%x.%u.%u.%" PRIu64, pf >> 16,
             pf >> 8 & 0xff, pf >> 3 & 0x1f, pf & 7, child->action, child->index,
             child->deadline_us);
}

/* A number, and past the character after it. */
static uint64_t number(const char **at, int base)
{
    char *end;
    uint64_t value = strtoull(*at, &end, base);

    *at = *end ? end + 1 : end;
    return value;
}

/* A name that we would not give is none of ours. */
static bool parse(const char *name, struct kept_child *child)
{
    const char *at = name + strlen(PREFIX);
    char ours[BOOT_STORE_NAME_MAX];

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return false;
    child->pf.value = (uint32_t)number(&at, 16) << 16;
    child->pf.value |= (uint32_t)number(&at, 16) << 8;
    child->pf.value |= (uint32_t)number(&at, 16) << 3;
    child->pf.value |= (uint32_t)number(&at, 16);
    child->action = (uint32_t)number(&at, 10);
    child->index = (uint32_t)number(&at, 10);
    child->deadline_us = number(&at, 10);
    name_of(child, ours);
    return !strcmp(name, ours) && child->action < DEVICE_ACTIONS &&
           child->index < PARCLOSE_MAX_VFS_PER_PF;
}

int keep_child(struct tcb *tcb, const struct kept_child *child, int pidfd)
{
#ifdef PARCLOSE_MUTANT_FORGETS_CHILDREN
    return 0;
#endif
    char name[BOOT_STORE_NAME_MAX];

    name_of(child, name);
    return process_store(tcb->process, name, pidfd);
}

void keep_drop(struct tcb *tcb, const struct kept_child *child)
{
    char name[BOOT_STORE_NAME_MAX];

    name_of(child, name);
    process_store_drop(tcb->process, name);
}

static int adopt(struct tcb *tcb, const char *name, int fd)
{
    struct kept_child child;

    if (!parse(name, &child))
        return -EBADMSG;
    int32_t pid = pidfd_pid(fd);
    return pid > 0 ? jobs_adopt(tcb, &child, (uint32_t)pid, fd) : -ESRCH;
}

int keep_stored(void *context, const char *name, int fd)
{
    struct tcb *tcb = context;
    int error = adopt(tcb, name, fd);

    if (!error)
        return 0;
    if (error != -ESRCH) /* it ended while there was no TCB */
        log_warning("boot kept %s, which is of no use: %s", name, strerror(-error));
    close(fd);
    process_store_drop(tcb->process, name);
    return error == -ESRCH || error == -EEXIST || error == -EBADMSG ? 0 : error;
}
