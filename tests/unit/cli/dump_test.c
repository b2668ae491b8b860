/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's core: read back as ELF, byte by byte; and what a monitor may answer that is its guest's
 * by now. The session is the test's own.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dump_take.h"

#define MIB       ((uint64_t)1 << 20)
#define LOW       (8 * MIB)
#define HIGH      (4 * MIB)
#define HIGH_AT   (UINT64_C(4) << 30)
#define NOTE_PAGE (3 * MIB + 4096)

/* The guest: two pieces of RAM. */
static uint8_t memory[LOW + HIGH];
static struct session_info info;
static bool stopped, closed;
static unsigned reads_running, reads_stopped;
static struct dump dump;
static char path[64];

/* What is wrong with the answers of this monitor. */
static enum { NOTHING, TOO_MANY_ZEROS, NO_PROGRESS, HALF_A_PAGE, ODD_ZEROS, GOES_AWAY } wrong;

uint64_t cli_now_ms(void)
{
    return 0;
}

void session_close(struct session *session)
{
    session->socket = -1;
    closed = true;
}

int session_wait_stop(struct session *session, struct session_answer *stop, uint64_t deadline_ms)
{
    (void)session, (void)stop, (void)deadline_ms;
    return stopped ? 0 : -ETIMEDOUT;
}

static const uint8_t *at(uint64_t gpa)
{
    return gpa >= HIGH_AT ? memory + LOW + (gpa - HIGH_AT) : memory + gpa;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static long read_memory(const struct session_request *r, struct session_answer *answer, void *out)
{
    uint64_t end = r->address >= HIGH_AT ? HIGH_AT + HIGH : LOW;
    size_t size = (size_t)r->size;

    assert_true(r->size <= SESSION_DATA_MAX && r->address + r->size <= end);
    stopped ? reads_stopped++ : reads_running++;
    while (r->address + answer->zeros + size <= end &&
           all_zero(at(r->address + answer->zeros), size))
        answer->zeros += size;
    if (r->address + answer->zeros + size > end)
        size = (size_t)(end - r->address - answer->zeros);
    memcpy(out, at(r->address + answer->zeros), size);
    if (wrong == TOO_MANY_ZEROS)
        answer->zeros = UINT64_MAX - 4095;
    if (wrong == ODD_ZEROS)
        answer->zeros = 512;
    if (wrong == NO_PROGRESS)
        answer->zeros = size = 0;
    if (wrong == HALF_A_PAGE)
        size = 2048;
    return wrong == GOES_AWAY && stopped ? -EPIPE : (long)size;
}

static void fill_registers(uint32_t vcpu, struct session_registers *registers)
{
    memset(registers, 0, sizeof(*registers));
    registers->regs.rip = 0xffffffff81000000 + vcpu;
    registers->regs.rsp = 0x1111 + vcpu;
    registers->regs.r15 = 0x1515;
    registers->sregs.cr3 = 0x2000 + vcpu;
    registers->sregs.cs.selector = 0x10;
}

long session_ask(struct session *session, struct session_request *request, const void *data,
                 size_t data_size, struct session_answer *answer, void *out, size_t size,
                 uint64_t deadline_ms)
{
    (void)session, (void)data, (void)data_size, (void)deadline_ms;
    *answer = (struct session_answer){.header = request->header};
    switch (request->header.type) {
    case SESSION_INFO:
        memcpy(out, &info, sizeof(info));
        return sizeof(info);
    case SESSION_STOP:
        stopped = true;
        return 0;
    case SESSION_REGISTERS:
        assert_true(stopped && size >= sizeof(struct session_registers));
        fill_registers(request->vcpu, out);
        return sizeof(struct session_registers);
    case SESSION_READ:
        return read_memory(request, answer, out);
    default:
        return -EBADMSG;
    }
}

/* ---- the guest ---- */

static void put_vmcoreinfo(uint32_t text_size)
{
    Elf64_Nhdr header = {11, text_size, 0};
    uint8_t *page = memory + NOTE_PAGE;

    memcpy(page, &header, sizeof(header));
    memcpy(page + 12, "VMCOREINFO", 11);
    memset(page + 24, 'x', text_size < 4000 ? text_size : 4000);
    memcpy(page + 24, "OSRELEASE=6.12\n", 15);
}

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memset(&dump, 0, sizeof(dump));
    stopped = closed = false;
    wrong = NOTHING;
    reads_running = reads_stopped = 0;
    info = (struct session_info){.vcpus_count = 2, .extents = {{0, LOW}, {HIGH_AT, HIGH}}};
    strcpy(path, "/tmp/dump-test.XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    unlink(path);
    dump.memory_bytes = LOW + HIGH;
    memcpy(memory + 4096, "first page but one", 18);
    memcpy(memory + LOW - 8, "the end", 8);
    memcpy(memory + LOW + MIB, "high", 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static uint8_t core[LOW + HIGH + 65536];

/* Takes one to the file; its size. */
static size_t take(void)
{
    assert_int_equal(dump_file_open(&dump.file, path), 0);
    assert_int_equal(dump_take(&dump), 0);
    assert_true(closed);
    assert_int_equal(dump_file_close(&dump.file, false), 0);
    int fd = open(path, O_RDONLY);
    ssize_t size = read(fd, core, sizeof(core));
    close(fd);
    assert_true(size > 0);
    return (size_t)size;
}

static const Elf64_Phdr *segment(unsigned index)
{
    const Elf64_Ehdr *elf = (const void *)core;

    return (const Elf64_Phdr *)(const void *)(core + elf->e_phoff) + index;
}

static const Elf64_Nhdr *next_note(const Elf64_Nhdr *note)
{
    return (const Elf64_Nhdr *)(const void *)((const uint8_t *)(note + 1) +
                                              ((note->n_namesz + 3) & ~3u) +
                                              ((note->n_descsz + 3) & ~3u));
}

static const void *contents(const Elf64_Nhdr *note)
{
    return (const uint8_t *)(note + 1) + ((note->n_namesz + 3) & ~3u);
}

/* ---- tests ---- */

static void memory_is_all_there(void **state)
{
    const Elf64_Ehdr *elf = (const void *)core;

    (void)state;
    size_t size = take();
    assert_memory_equal(elf->e_ident, ELFMAG, SELFMAG);
    assert_int_equal(elf->e_type, ET_CORE);
    assert_int_equal(elf->e_phnum, 3);
    assert_int_equal(segment(1)->p_type, PT_LOAD);
    assert_int_equal(segment(1)->p_paddr, 0);
    assert_int_equal(segment(2)->p_paddr, HIGH_AT);
    assert_int_equal(size, segment(2)->p_offset + HIGH);
    assert_memory_equal(core + segment(1)->p_offset, memory, LOW);
    assert_memory_equal(core + segment(2)->p_offset, memory + LOW, HIGH);
}

/* crash, netdump.c: it is a kdump by p_align 0, and its notes are read with the headers. */
static void crash_finds_the_notes(void **state)
{
    (void)state;
    take();
    assert_int_equal(segment(0)->p_type, PT_NOTE);
    assert_int_equal(segment(1)->p_align, 0);
    assert_true(segment(0)->p_offset + segment(0)->p_filesz <= segment(1)->p_offset);
}

static void registers_are_where_gdb_looks(void **state)
{
    const struct elf_prstatus *status;
    const uint64_t *qemu;

    (void)state;
    take();
    const Elf64_Nhdr *note = (const void *)(core + segment(0)->p_offset);
    for (uint32_t vcpu = 0; vcpu < 2; vcpu++, note = next_note(note)) {
        assert_int_equal(note->n_type, NT_PRSTATUS);
        status = contents(note);
        assert_int_equal(status->pr_pid, vcpu + 1);
        assert_int_equal(status->pr_reg[0], 0x1515);
        assert_true(status->pr_reg[16] == 0xffffffff81000000 + vcpu);
        assert_int_equal(status->pr_reg[17], 0x10);
        assert_int_equal(status->pr_reg[19], 0x1111 + vcpu);
    }
    for (uint32_t vcpu = 0; vcpu < 2; vcpu++, note = next_note(note)) {
        assert_string_equal((const char *)(note + 1), "QEMU");
        qemu = contents(note);
        assert_int_equal(note->n_descsz, 440);
        assert_int_equal(qemu[392 / 8 + 3], 0x2000 + vcpu); /* cr[3] */
    }
    assert_ptr_equal(note, core + segment(0)->p_offset + segment(0)->p_filesz);
}

static void the_kernels_note_is_found(void **state)
{
    (void)state;
    put_vmcoreinfo(101);
    take();
    const Elf64_Nhdr *note = (const void *)(core + segment(0)->p_offset);
    for (int i = 0; i < 4; i++)
        note = next_note(note);
    assert_memory_equal(note, memory + NOTE_PAGE, 24 + 101);
    assert_ptr_equal(next_note(note), core + segment(0)->p_offset + segment(0)->p_filesz);
}

/* What only looks like one, or says that it is longer than its page, is memory like any other. */
static void a_note_that_lies_is_none(void **state)
{
    static const uint32_t sizes[] = {0, 3, 4073, 0x7fffffff, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put_vmcoreinfo(sizes[i]);
        take();
        assert_int_equal(dump.core.vmcoreinfo_size, 0);
        unlink(path);
    }
    put_vmcoreinfo(4072); /* the whole page */
    take();
    assert_int_equal(dump.core.vmcoreinfo_size, 4096);
}

/* It is looked for while the guest runs, and no further than it is. */
static void looking_stops_nobody(void **state)
{
    (void)state;
    put_vmcoreinfo(101);
    take();
    assert_true(reads_running > 0 && reads_running < reads_stopped);
}

static void zeros_are_holes(void **state)
{
    struct stat status;

    (void)state;
    take();
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true((uint64_t)status.st_blocks * 512 < LOW);
    assert_true(dump.file.written < MIB);
}

static void a_pipe_gets_the_same(void **state)
{
    static uint8_t other[sizeof(core)];
    size_t size = take(), got = 0;

    (void)state;
    unlink(path);
    stopped = false;
    FILE *file = tmpfile(); /* not sought in: as a pipe that takes everything */
    dump.file = (struct dump_file){.fd = dup(fileno(file)), .path = "-"};
    assert_int_equal(dump_take(&dump), 0);
    assert_int_equal(dump_file_close(&dump.file, false), 0);
    rewind(file);
    got = fread(other, 1, sizeof(other), file);
    fclose(file);
    assert_int_equal(got, size);
    assert_memory_equal(other, core, size);
}

static void nothing_is_overwritten(void **state)
{
    FILE *file = fopen(path, "w");

    (void)state;
    fputs("mine", file);
    fclose(file);
    assert_int_equal(dump_file_open(&dump.file, path), -EEXIST);
}

static void fails(int error)
{
    stopped = closed = false;
    assert_int_equal(dump_file_open(&dump.file, path), 0);
    assert_int_equal(dump_take(&dump), error);
    assert_true(closed);
    assert_int_equal(dump_file_close(&dump.file, true), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void an_answer_that_is_none_leaves_no_file(void **state)
{
    (void)state;
    for (wrong = TOO_MANY_ZEROS; wrong < GOES_AWAY; wrong++)
        fails(-EBADMSG);
    fails(-EPIPE);
}

static void memory_that_the_partition_has_not_is_refused(void **state)
{
    static const struct session_info wrongs[] = {
        {.vcpus_count = 2, .extents = {{0, LOW}, {0, 0}}},
        {.vcpus_count = 2, .extents = {{0, LOW}, {HIGH_AT, UINT64_MAX - LOW + 1}}},
        {.vcpus_count = 2, .extents = {{0, LOW + HIGH + 4096}, {HIGH_AT, UINT64_MAX - 4095}}},
    };
    static const struct session_info odd[] = {
        {.vcpus_count = 0, .extents = {{0, LOW}, {HIGH_AT, HIGH}}},
        {.vcpus_count = PARCLOSE_MAX_VCPUS + 1, .extents = {{0, LOW}, {HIGH_AT, HIGH}}},
        {.vcpus_count = 2, .extents = {{0, LOW}, {4096, HIGH}}},
        {.vcpus_count = 2, .extents = {{HIGH_AT, LOW}, {0, HIGH}}},
        {.vcpus_count = 2, .extents = {{0, LOW - 1}, {HIGH_AT, HIGH + 1}}},
        {.vcpus_count = 2, .extents = {{0, LOW}, {UINT64_MAX - 4095, HIGH}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        info = wrongs[i];
        fails(-EBADMSG);
    }
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        info = odd[i];
        fails(-EINVAL);
    }
}

static void an_interrupt_leaves_no_file(void **state)
{
    (void)state;
    dump.interrupted = 1;
    fails(-EINTR);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(memory_is_all_there),
        TEST(crash_finds_the_notes),
        TEST(registers_are_where_gdb_looks),
        TEST(the_kernels_note_is_found),
        TEST(a_note_that_lies_is_none),
        TEST(looking_stops_nobody),
        TEST(zeros_are_holes),
        TEST(a_pipe_gets_the_same),
        TEST(nothing_is_overwritten),
        TEST(an_answer_that_is_none_leaves_no_file),
        TEST(memory_that_the_partition_has_not_is_refused),
        TEST(an_interrupt_leaves_no_file),
    };

    return cmocka_run_group_tests_name("cli-dump", tests, NULL, NULL);
}
