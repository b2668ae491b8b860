/* SPDX-License-Identifier: Apache-2.0 */
#include "gdb_guest.h"

#include <errno.h>
#include <string.h>

#include "gdb_registers.h"

#define MEMORY_MOST (GDB_PACKET_MAX / 2) /* bytes of one "m" */

/* ---- registers ---- */

static long read_registers(struct gdb *gdb, struct session_registers *registers)
{
    struct session_request request = {.header.type = SESSION_REGISTERS, .vcpu = gdb->vcpu};
    long got = gdb_ask(gdb, &request, NULL, 0, registers, sizeof(*registers));

    return got < 0 || got == (long)sizeof(*registers) ? got : -EBADMSG;
}

static long write_registers(struct gdb *gdb, const struct kvm_regs *regs)
{
    struct session_request request = {.header.type = SESSION_REGISTERS_SET, .vcpu = gdb->vcpu};

    return gdb_ask(gdb, &request, regs, sizeof(*regs), NULL, 0);
}

long gdb_on_registers(struct gdb *gdb, const char *at)
{
    struct session_registers registers;
    long rc = read_registers(gdb, &registers);

    (void)at;
    if (rc < 0)
        gdb_say_error(gdb, rc);
    else
        gdb->size = gdb_registers_put(&registers, gdb->answer);
    return rc;
}

long gdb_on_register(struct gdb *gdb, const char *at)
{
    struct session_registers registers;
    uint64_t number;
    bool good = gdb_take_hex(&at, &number) && !*at;
    long rc = good ? read_registers(gdb, &registers) : -EINVAL;

    if (rc >= 0)
        gdb->size = gdb_register_put(&registers, number, gdb->answer);
    if (!gdb->size)
        gdb_say_error(gdb, rc < 0 ? rc : -EINVAL);
    return rc;
}

long gdb_on_registers_set(struct gdb *gdb, const char *at)
{
    struct session_registers registers;
    long rc = read_registers(gdb, &registers);

    if (rc >= 0)
        rc = gdb_registers_get(&registers.regs, at) ? write_registers(gdb, &registers.regs)
                                                    : -EINVAL;
    gdb_say_done(gdb, rc);
    return rc;
}

long gdb_on_register_set(struct gdb *gdb, const char *at)
{
    struct session_registers registers;
    uint64_t number;
    bool good = gdb_take_hex(&at, &number) && *at++ == '=';
    long rc = good ? read_registers(gdb, &registers) : -EINVAL;

    if (rc >= 0)
        rc = gdb_register_get(&registers.regs, number, at) ? write_registers(gdb, &registers.regs)
                                                           : -EINVAL;
    gdb_say_done(gdb, rc);
    return rc;
}

static bool take_range(const char **at, uint64_t *address, uint64_t *size)
{
    return gdb_take_hex(at, address) && *(*at)++ == ',' && gdb_take_hex(at, size) &&
           *size <= MEMORY_MOST;
}

long gdb_on_read(struct gdb *gdb, const char *at)
{
    static uint8_t bytes[SESSION_DATA_MAX];
    struct session_request request = {
        .header.type = SESSION_READ, .vcpu = gdb->vcpu, .flags = SESSION_VIRTUAL};
    bool good = take_range(&at, &request.address, &request.size) && !*at;
    long rc = good ? gdb_ask(gdb, &request, NULL, 0, bytes, sizeof(bytes)) : -EINVAL;

    if (rc > (long)request.size)
        rc = -EBADMSG;
    if (rc < 0) {
        gdb_say_error(gdb, rc);
        return rc;
    }
    gdb_put_bytes(gdb->answer, bytes, (size_t)rc);
    gdb->size = (size_t)rc * 2;
    return 0;
}

static long write_memory(struct gdb *gdb, uint64_t address, const void *bytes, uint64_t size)
{
    struct session_request request = {.header.type = SESSION_WRITE,
                                      .vcpu = gdb->vcpu,
                                      .flags = SESSION_VIRTUAL,
                                      .address = address};
    long rc = size ? gdb_ask(gdb, &request, bytes, size, NULL, 0) : 0;

    gdb_say_done(gdb, rc);
    return rc;
}

long gdb_on_write(struct gdb *gdb, const char *at)
{
    static uint8_t bytes[MEMORY_MOST];
    uint64_t address, size;

    if (take_range(&at, &address, &size) && *at++ == ':' && strlen(at) == size * 2 &&
        gdb_get_bytes(at, bytes, size))
        return write_memory(gdb, address, bytes, size);
    gdb_say_error(gdb, -EINVAL);
    return 0;
}

/* The bytes as they are; there may be a NUL among them. */
long gdb_on_write_binary(struct gdb *gdb, const char *at)
{
    uint64_t address, size;

    if (take_range(&at, &address, &size) && *at++ == ':' &&
        (size_t)(gdb->input.bytes + gdb->input.size - at) == size)
        return write_memory(gdb, address, at, size);
    gdb_say_error(gdb, -EINVAL);
    return 0;
}

/* ---- breakpoints: software ones are in debug registers, too ---- */

static const uint32_t break_kinds[] = {SESSION_AT_CODE, SESSION_AT_CODE, SESSION_AT_WRITE, 0,
                                       SESSION_AT_ACCESS};

/* TYPE,ADDRESS,KIND. False: what the processor does not have, which an empty answer tells. */
static bool take_break(const char *at, struct gdb_watch *watch, uint64_t *size)
{
    uint64_t type;

    if (!gdb_take_hex(&at, &type) || type >= sizeof(break_kinds) / sizeof(break_kinds[0]) ||
        !break_kinds[type] || *at++ != ',' || !take_range(&at, &watch->address, size))
        return false;
    if (type <= 1)
        *size = 1;
    watch->type = (uint32_t)type + 1;
    return true;
}

static bool same_place(const struct gdb_watch *a, const struct gdb_watch *b)
{
    return a->type && b->type && a->address == b->address &&
           break_kinds[a->type - 1] == break_kinds[b->type - 1];
}

/* The one of this type there, or (type 0) a free one. */
static struct gdb_watch *watch_find(struct gdb *gdb, const struct gdb_watch *like)
{
    for (unsigned i = 0; i < GDB_WATCHES; i++)
        if (gdb->watches[i].type == like->type &&
            (!like->type || gdb->watches[i].address == like->address))
            return &gdb->watches[i];
    return NULL;
}

static bool is_shared(const struct gdb *gdb, const struct gdb_watch *watch)
{
    unsigned count = 0;

    for (unsigned i = 0; i < GDB_WATCHES; i++)
        count += same_place(&gdb->watches[i], watch);
    return count > 1;
}

long gdb_on_break(struct gdb *gdb, const char *at)
{
    struct gdb_watch watch;
    uint64_t size;

    if (!take_break(at, &watch, &size))
        return 0;
    struct gdb_watch *place = watch_find(gdb, &watch);
    if (!place)
        place = watch_find(gdb, &(struct gdb_watch){.type = 0});
    long rc =
        place ? gdb_ask_plain(gdb, SESSION_BREAK, break_kinds[watch.type - 1], watch.address, size)
              : -ENOSPC;
    if (rc >= 0)
        *place = watch;
    gdb_say_done(gdb, rc);
    return rc;
}

long gdb_on_unbreak(struct gdb *gdb, const char *at)
{
    struct gdb_watch watch;
    uint64_t size;
    long rc = 0;

    if (!take_break(at, &watch, &size))
        return 0;
    struct gdb_watch *place = watch_find(gdb, &watch);
    if (!place)
        rc = -ENOENT;
    else if (!is_shared(gdb, place))
        rc = gdb_ask_plain(gdb, SESSION_UNBREAK, break_kinds[watch.type - 1], watch.address, size);
    if (rc >= 0)
        place->type = 0;
    gdb_say_done(gdb, rc);
    return rc;
}
