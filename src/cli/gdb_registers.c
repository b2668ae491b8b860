/* SPDX-License-Identifier: Apache-2.0 */
#include "gdb_registers.h"

#include <stdio.h>
#include <string.h>

#include "gdb_packet.h"

#define UNKNOWN SIZE_MAX

struct gdb_register {
    const char *name, *type;
    unsigned bits;
    size_t offset; /* in struct session_registers */
    size_t size;   /* bytes there; the rest is 0 */
};

#define REGS(member)     offsetof(struct session_registers, regs.member), 8
#define SREGS(member)    offsetof(struct session_registers, sregs.member), 8
#define SELECTOR(member) offsetof(struct session_registers, sregs.member.selector), 2
#define GENERAL(name)                                                                              \
    {                                                                                              \
#name, "int64", 64, REGS(name)                                                             \
    }
#define STACK(n)                                                                                   \
    {                                                                                              \
        "st" #n, "i387_ext", 80, UNKNOWN, 0                                                        \
    }
#define FLOAT(name)                                                                                \
    {                                                                                              \
        name, "int", 32, UNKNOWN, 0                                                                \
    }

static const struct gdb_register core[] = {
    GENERAL(rax),
    GENERAL(rbx),
    GENERAL(rcx),
    GENERAL(rdx),
    GENERAL(rsi),
    GENERAL(rdi),
    {"rbp", "data_ptr", 64, REGS(rbp)},
    {"rsp", "data_ptr", 64, REGS(rsp)},
    GENERAL(r8),
    GENERAL(r9),
    GENERAL(r10),
    GENERAL(r11),
    GENERAL(r12),
    GENERAL(r13),
    GENERAL(r14),
    GENERAL(r15),
    {"rip", "code_ptr", 64, REGS(rip)},
    {"eflags", "int32", 32, offsetof(struct session_registers, regs.rflags), 4},
    {"cs", "int32", 32, SELECTOR(cs)},
    {"ss", "int32", 32, SELECTOR(ss)},
    {"ds", "int32", 32, SELECTOR(ds)},
    {"es", "int32", 32, SELECTOR(es)},
    {"fs", "int32", 32, SELECTOR(fs)},
    {"gs", "int32", 32, SELECTOR(gs)},
    STACK(0),
    STACK(1),
    STACK(2),
    STACK(3),
    STACK(4),
    STACK(5),
    STACK(6),
    STACK(7),
    FLOAT("fctrl"),
    FLOAT("fstat"),
    FLOAT("ftag"),
    FLOAT("fiseg"),
    FLOAT("fioff"),
    FLOAT("foseg"),
    FLOAT("fooff"),
    FLOAT("fop"),
};
static const struct gdb_register segments[] = {
    {"fs_base", "int64", 64, SREGS(fs.base)},
    {"gs_base", "int64", 64, SREGS(gs.base)},
};
static const struct gdb_register control[] = {
    {"k_gs_base", "int64", 64, offsetof(struct session_registers, kernel_gs_base), 8},
    {"cr0", "int64", 64, SREGS(cr0)},
    {"cr2", "int64", 64, SREGS(cr2)},
    {"cr3", "int64", 64, SREGS(cr3)},
    {"cr4", "int64", 64, SREGS(cr4)},
    {"cr8", "int64", 64, SREGS(cr8)},
    {"efer", "int64", 64, SREGS(efer)},
};

static const struct {
    const char *name;
    const struct gdb_register *list;
    size_t count;
} features[] = {
    {"org.gnu.gdb.i386.core", core, sizeof(core) / sizeof(core[0])},
    {"org.gnu.gdb.i386.segments", segments, sizeof(segments) / sizeof(segments[0])},
    {"parclose.x86.control", control, sizeof(control) / sizeof(control[0])},
};
#define FEATURES (sizeof(features) / sizeof(features[0]))

/* By its place in the list of all; NULL: no such. */
static const struct gdb_register *find(uint64_t number)
{
    for (size_t f = 0; f < FEATURES; number -= features[f++].count)
        if (number < features[f].count)
            return &features[f].list[number];
    return NULL;
}

const char *gdb_registers_xml(size_t *size)
{
    static char *text;
    static size_t length;
    FILE *file = text ? NULL : open_memstream(&text, &length);

    if (file) {
        fputs("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
              "<architecture>i386:x86-64</architecture>",
              file);
        for (size_t f = 0; f < FEATURES; f++) {
            fprintf(file, "<feature name=\"%s\">", features[f].name);
            for (size_t i = 0; i < features[f].count; i++)
                fprintf(file, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>",
                        features[f].list[i].name, features[f].list[i].bits,
                        features[f].list[i].type);
            fputs("</feature>", file);
        }
        fputs("</target>", file);
        fclose(file);
    }
    *size = text ? length : 0;
    return text ? text : "";
}

static size_t put(const struct gdb_register *is, const struct session_registers *registers,
                  char *text)
{
    uint8_t bytes[8] = {0};
    size_t size = is->bits / 8;

    if (is->offset == UNKNOWN) {
        memset(text, 'x', size * 2);
    } else {
        memcpy(bytes, (const uint8_t *)registers + is->offset, is->size);
        gdb_put_bytes(text, bytes, size);
    }
    return size * 2;
}

size_t gdb_registers_put(const struct session_registers *registers, char text[GDB_REGISTERS_TEXT])
{
    const struct gdb_register *is;
    size_t size = 0;

    for (uint64_t i = 0; (is = find(i)); i++)
        size += put(is, registers, text + size);
    return size;
}

size_t gdb_register_put(const struct session_registers *registers, uint64_t number,
                        char text[GDB_REGISTERS_TEXT])
{
    const struct gdb_register *is = find(number);

    return is ? put(is, registers, text) : 0;
}

/* Those of struct kvm_regs can be set, and no others. */
static bool get(const struct gdb_register *is, struct kvm_regs *regs, const char *text)
{
    _Static_assert(offsetof(struct session_registers, regs) == 0, "layout");
    uint64_t value = 0;

    if (is->offset >= sizeof(*regs) || !gdb_get_bytes(text, &value, is->bits / 8))
        return false;
    memcpy((uint8_t *)regs + is->offset, &value, sizeof(value));
    return true;
}

bool gdb_registers_get(struct kvm_regs *regs, const char *text)
{
    const struct gdb_register *is;
    size_t left = strlen(text);

    for (uint64_t i = 0; (is = find(i)); i++) {
        size_t size = is->bits / 4;
        if (left < size || (is->offset < sizeof(*regs) && !get(is, regs, text)))
            return false;
        text += size;
        left -= size;
    }
    return left == 0;
}

bool gdb_register_get(struct kvm_regs *regs, uint64_t number, const char *text)
{
    const struct gdb_register *is = find(number);

    return is && strlen(text) == is->bits / 4 && get(is, regs, text);
}
