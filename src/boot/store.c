/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "log/log.h"

static struct stored *find(struct boot *boot, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < boot->stored_count; i++)
        if (boot->stored[i].kind == kind && !strcmp(boot->stored[i].name, name))
            return &boot->stored[i];
    return NULL;
}

int store_find(const struct boot *boot, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < boot->stored_count; i++)
        if (boot->stored[i].kind == kind && !strcmp(boot->stored[i].name, name))
            return boot->stored[i].file;
    return -1;
}

static void full_name(char text[KEPT_NAME_MAX], const struct stored *stored)
{
    kept_name(text, "s.%u.%" PRIu64 ".%s", stored->kind, stored->sequence, stored->name);
}

static void forget(const struct stored *stored)
{
    char text[KEPT_NAME_MAX];

    full_name(text, stored);
    kept_remove(text);
    close(stored->file);
}

/* No kind takes the TCB's place: it could not act on any device then. */
static bool full(const struct boot *boot, uint32_t kind)
{
    bool tcb = kind == PROCESS_TCB;
    size_t count = 0;

    for (size_t i = 0; i < boot->stored_count; i++)
        count += (boot->stored[i].kind == PROCESS_TCB) == tcb;
    return count >= (tcb ? STORE_TCB : STORE_MAX - STORE_TCB);
}

/* In the place of one with the same name; `old` is what has to go then. */
static int insert(struct boot *boot, const struct stored *new, struct stored *old)
{
    struct stored *place = find(boot, new->kind, new->name);

    old->file = -1;
    if (place)
        *old = *place;
    else if (full(boot, new->kind))
        return -ENOSPC;
    else
        place = &boot->stored[boot->stored_count++];
    *place = *new;
    return 0;
}

int store_put(struct boot *boot, uint32_t kind, const char *name, int file)
{
    struct stored new = {.kind = kind, .sequence = ++boot->kept->sequence, .file = file};
    struct stored old = {.file = -1};
    const struct stored *there = find(boot, kind, name);
    int same = there ? kept_same(there->file, file) : 0;
    char text[KEPT_NAME_MAX];

    snprintf(new.name, sizeof(new.name), "%s", name);
    int error = same == 1 ? 0 : insert(boot, &new, &old);
    if (error || same == 1) {
        close(file);
        return error;
    }
    if (same < 0 && old.file >= 0) /* the same would not be added beside itself */
        forget(&old);
    full_name(text, &new);
    kept_add(text, file);
    if (same == 0 && old.file >= 0)
        forget(&old);
    return 0;
}

void store_drop(struct boot *boot, uint32_t kind, const char *name)
{
    struct stored *stored = find(boot, kind, name);

    if (!stored)
        return;
    forget(stored);
    *stored = boot->stored[--boot->stored_count];
}

int store_adopt(struct boot *boot, uint32_t kind, uint64_t sequence, const char *name, int file)
{
    struct stored *there = find(boot, kind, name);
    struct stored new = {.kind = kind, .sequence = sequence, .file = file}, old;

    snprintf(new.name, sizeof(new.name), "%s", name);
    if (there && there->sequence > sequence) {
        forget(&new);
        return 0;
    }
    int error = insert(boot, &new, &old);
    if (error)
        close(file);
    else if (old.file >= 0)
        forget(&old);
    return error;
}

int store_give(struct child *child)
{
    struct boot *boot = child->boot;

    for (size_t i = 0; i < boot->stored_count; i++) {
        const struct stored *stored = &boot->stored[i];
        struct boot_store message = {.header = frame_header(BOOT_STORED, sizeof(message), 0)};
        if (stored->kind != child->kind->kind)
            continue;
        memcpy(message.name, stored->name, sizeof(message.name));
        int error = child_send(child, &message, stored->file);
        if (error)
            return error;
    }
    return 0;
}
