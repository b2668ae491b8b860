/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gdb's remote protocol, from both sides: what a gdb says and gets, what one says that is none, and
 * a monitor that stops when it likes. The session is the test's own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gdb.h"
#include "gdb_registers.h"

static struct gdb gdb;
static char *said; /* by us to gdb */
static size_t said_size;

/* The guest. */
static uint8_t memory[4096]; /* at 0x1000 */
static struct session_registers registers[2];
static struct session_request last; /* that came, of the kinds below */
static bool standing;
static unsigned resumes, steps;
static long error; /* that the monitor gives */

uint64_t cli_now_ms(void)
{
    return 0;
}

int session_wait_stop(struct session *session, struct session_answer *stop, uint64_t deadline_ms)
{
    (void)deadline_ms;
    if (!session->stopped)
        return -ETIMEDOUT;
    *stop = session->stop;
    session->stopped = false;
    return 0;
}

static void hits(uint32_t vcpu, enum session_reason reason, uint64_t address)
{
    standing = gdb.session.stopped = true;
    gdb.session.stop = (struct session_answer){.error = reason, .vcpu = vcpu, .address = address};
}

static long memory_of(const struct session_request *r, const void *data, size_t size, void *out)
{
    assert_true(r->flags & SESSION_VIRTUAL);
    if (r->address < 0x1000 || r->address >= 0x2000)
        return -EFAULT;
    if (data)
        memcpy(memory + r->address - 0x1000, data, size);
    if (size > 0x2000 - r->address)
        size = 0x2000 - r->address;
    if (out)
        memcpy(out, memory + r->address - 0x1000, size);
    return out ? (long)size : 0;
}

static long serve(const struct session_request *r, const void *data, size_t data_size, void *out)
{
    switch (r->header.type) {
    case SESSION_INFO:
        memcpy(out, &(struct session_info){.vcpus_count = 2, .extents = {{0, 4096}}},
               sizeof(struct session_info));
        return sizeof(struct session_info);
    case SESSION_STOP:
        hits(0, SESSION_ASKED, 0);
        return 0;
    case SESSION_RESUME:
        standing = false;
        r->flags &SESSION_STEP ? steps++ : resumes++;
        return 0;
    case SESSION_REGISTERS:
        memcpy(out, &registers[r->vcpu], sizeof(registers[0]));
        return sizeof(registers[0]);
    case SESSION_REGISTERS_SET:
        assert_int_equal(data_size, sizeof(struct kvm_regs));
        memcpy(&registers[r->vcpu].regs, data, data_size);
        return 0;
    case SESSION_READ:
        return memory_of(r, NULL, (size_t)r->size, out);
    case SESSION_WRITE:
        return memory_of(r, data, data_size, NULL);
    default:
        return 0;
    }
}

long session_ask(struct session *session, struct session_request *request, const void *data,
                 size_t data_size, struct session_answer *answer, void *out, size_t size,
                 uint64_t deadline_ms)
{
    (void)session, (void)answer, (void)size, (void)deadline_ms;
    assert_true(request->vcpu < 2);
    last = *request;
    return error ? error : serve(request, data, data_size, out);
}

static int setup(void **state)
{
    (void)state;
    memset(&gdb, 0, sizeof(gdb));
    memset(registers, 0, sizeof(registers));
    registers[0].regs.rip = 0xffffffff81000010;
    registers[1].regs.rip = 0xffffffff81000020;
    registers[1].sregs.cs.selector = 0x10;
    for (size_t i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)i;
    resumes = steps = 0;
    error = 0;
    gdb.out = open_memstream(&said, &said_size);
    return gdb_begin(&gdb);
}

static int teardown(void **state)
{
    (void)state;
    fclose(gdb.out);
    free(said);
    return 0;
}

static int hear(const char *bytes, size_t size)
{
    rewind(gdb.out);
    return gdb_hear(&gdb, (const uint8_t *)bytes, size);
}

/* Sends a packet; what was said to it, without the frame, whose sum is looked at. */
static const char *ask_bytes(const char *packet, size_t size)
{
    static char frame[GDB_PACKET_MAX * 2], answer[GDB_PACKET_MAX + 8];
    uint8_t sum = 0, count = 0;
    bool acks = !gdb.no_ack;

    assert_int_equal(hear(frame, gdb_frame(packet, size, frame)), 0);
    fflush(gdb.out);
    const char *from = said;
    if (acks && said_size)
        assert_int_equal(*from++, '+');
    size_t left = said_size - (size_t)(from - said);
    if (!left)
        return NULL;
    assert_true(from[0] == '$' && from[left - 3] == '#');
    for (size_t i = 1; i < left - 3; i++)
        count = (uint8_t)(count + (uint8_t)from[i]);
    assert_true(gdb_get_bytes(from + left - 2, &sum, 1));
    assert_int_equal(sum, count);
    memcpy(answer, from + 1, left - 4);
    answer[left - 4] = '\0';
    return answer;
}

static const char *ask(const char *packet)
{
    return ask_bytes(packet, strlen(packet));
}

#define GETS(packet, answer) assert_string_equal(ask(packet), answer)

static void stops(uint32_t vcpu, enum session_reason reason, uint64_t address, const char *answer)
{
    hits(vcpu, reason, address);
    rewind(gdb.out);
    assert_int_equal(gdb_stopped(&gdb), 0);
    fflush(gdb.out);
    assert_non_null(strstr(said, answer));
}

/* ---- tests ---- */

static void gdb_gets_to_know_us(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("qSupported:multiprocess+;swbreak+"), "PacketSize=4000;"));
    GETS("QStartNoAckMode", "OK");
    GETS("?", "T02thread:1;");
    GETS("qfThreadInfo", "m1,2");
    GETS("qsThreadInfo", "l");
    GETS("qThreadExtraInfo,2", "764350552031"); /* vCPU 1 */
    GETS("qAttached", "1");
    GETS("qC", "QC1");
    GETS("T2", "OK");
    GETS("T3", "E16");
    GETS("Hg2", "OK");
    GETS("qC", "QC2");
    GETS("Hg0", "OK");
    GETS("Hc-1", "OK");
    GETS("Hg3", "E16");
    GETS("qCRC:1,2", "");
    GETS("vMustReplyEmpty", "");
    GETS("qSymbol::", "");
    GETS("", "");
}

static void the_description_comes_in_pieces(void **state)
{
    static char whole[16384], request[64];
    const char *piece;
    size_t size, have = 0;
    const char *xml = gdb_registers_xml(&size);

    (void)state;
    do {
        snprintf(request, sizeof(request), "qXfer:features:read:target.xml:%zx,1ff", have);
        piece = ask(request);
        assert_true(strlen(piece) <= 0x200 && have + strlen(piece) < sizeof(whole));
        strcpy(whole + have, piece + 1);
        have += strlen(piece) - 1;
    } while (*piece == 'm');
    assert_int_equal(*piece, 'l');
    assert_string_equal(whole, xml);
    assert_null(strpbrk(xml, "$#}*")); /* nothing to be escaped */
    GETS("qXfer:features:read:target.xml:ffffffffffffffff,10", "l");
    GETS("qXfer:features:read:target.xml:0", "E16");
}

static void registers_are_read_and_set(void **state)
{
    (void)state;
    GETS("Hg2", "OK");
    GETS("p10", "20000081ffffffff"); /* rip */
    GETS("p12", "10000000");         /* cs */
    GETS("p18", "xxxxxxxxxxxxxxxxxxxx");
    GETS("pffff", "E16");
    GETS("P10=4000000000000000", "OK");
    assert_int_equal(registers[1].regs.rip, 0x40);
    GETS("P11=46020000", "OK");
    assert_int_equal(registers[1].regs.rflags, 0x246);
    GETS("P12=11000000", "E16"); /* not to be set */
    GETS("P10=40", "E16");
    GETS("P10=400000000000000g", "E16");
    char *all = strdup(ask("g"));
    assert_memory_equal(all + 16 * 16, "4000000000000000", 16);
    char *set = malloc(strlen(all) + 2);
    sprintf(set, "G%s", all);
    memcpy(set + 1, "0102030405060708", 16);
    GETS(set, "OK");
    assert_true(registers[1].regs.rax == 0x0807060504030201);
    assert_int_equal(registers[1].regs.rip, 0x40);
    set[strlen(set) - 1] = '\0';
    GETS(set, "E16");
    free(set);
    free(all);
}

static void memory_is_read_and_written(void **state)
{
    (void)state;
    GETS("m1010,4", "10111213");
    GETS("m1ffe,8", "feff"); /* as far as it goes */
    GETS("m3000,4", "E0e");
    GETS("m1000,ffffffff", "E16");
    GETS("m1000", "E16");
    GETS("M1010,2:aabb", "OK");
    assert_memory_equal(memory + 0x10, "\xaa\xbb\x12", 3);
    GETS("M1010,2:aa", "E16");
    GETS("M1010,1:zz", "E16");
    GETS("X1020,0:", "OK");
    assert_string_equal(ask_bytes("X1020,4:\0}\x03\0\0", 13), "OK"); /* "}\x03" is '#' */
    assert_memory_equal(memory + 0x20, "\0#\0\0", 4);
    GETS("X1020,4:ab", "E16");
}

static void a_breakpoint_is_told_by_its_kind(void **state)
{
    (void)state;
    GETS("Z0,1010,1", "OK");
    assert_int_equal(last.flags, SESSION_AT_CODE);
    GETS("Z1,1020,1", "OK");
    GETS("Z2,1030,8", "OK");
    assert_int_equal(last.size, 8);
    GETS("Z3,1030,8", ""); /* the processor cannot */
    GETS("Z4,1040,4", "OK");
    assert_null(ask("vCont;c"));
    stops(1, SESSION_BROKE, 0x1010, "$T05thread:2;swbreak:;#");
    assert_null(ask("vCont;c:1"));
    stops(0, SESSION_BROKE, 0x1020, "$T05thread:1;hwbreak:;#");
    assert_null(ask("c"));
    stops(0, SESSION_BROKE, 0x1030, "$T05thread:1;watch:1030;#");
    assert_null(ask("c"));
    stops(0, SESSION_BROKE, 0x1040, "$T05thread:1;awatch:1040;#");
    GETS("z2,1030,8", "OK");
    GETS("z2,1030,8", "E02");
    GETS("Z7,1030,8", "");
    assert_int_equal(resumes, 4);
}

/* The monitor counts its debug registers itself; gdb's software and hardware breakpoints share one.
 */
static void two_kinds_at_one_place_are_one(void **state)
{
    char packet[32];

    (void)state;
    GETS("Z0,1010,1", "OK");
    GETS("Z1,1010,1", "OK");
    last.header.type = 0;
    GETS("z0,1010,1", "OK");
    assert_int_equal(last.header.type, 0); /* the other one is still there */
    GETS("z1,1010,1", "OK");
    assert_int_equal(last.header.type, SESSION_UNBREAK);
    error = -ENOSPC;
    GETS("Z0,1020,1", "E1c");
    error = 0;
    GETS("z0,1020,1", "E02");
    for (unsigned i = 0; i < GDB_WATCHES; i++) {
        snprintf(packet, sizeof(packet), "Z0,%x,1", 0x1000 + i);
        GETS(packet, "OK");
    }
    GETS("Z0,1000,1", "OK"); /* the same one */
    GETS("Z0,1fff,1", "E1c");
}

static void a_step_is_one_vcpus(void **state)
{
    (void)state;
    assert_null(ask("vCont;s:2;c"));
    assert_int_equal(last.vcpu, 1);
    stops(1, SESSION_STEPPED, 0, "$T05thread:2;#");
    assert_null(ask("vCont;c:1;s:2"));
    assert_int_equal(steps, 2);
    stops(1, SESSION_STEPPED, 0, "T05");
    GETS("vCont?", "vCont;c;C;s;S");
    GETS("vCont;t", "E16");
    GETS("vCont;s:9", "E16");
    GETS("vCont", "E16");
    GETS("vCont;", "E16");
}

/* While it runs gdb has one thing to say. */
static void an_interrupt_stops_it(void **state)
{
    (void)state;
    assert_null(ask("c"));
    assert_null(ask("g"));
    assert_int_equal(hear("\x03", 1), 0);
    assert_int_equal(last.header.type, SESSION_STOP);
    rewind(gdb.out);
    assert_int_equal(gdb_stopped(&gdb), 0);
    fflush(gdb.out);
    assert_non_null(strstr(said, "$T02thread:1;#"));
    last.header.type = 0;
    assert_int_equal(hear("\x03", 1), 0); /* it stands already */
    assert_int_equal(last.header.type, 0);
}

/* The same stop once more: gdb has it, and looks at another vCPU by now. */
static void a_stop_that_nobody_waits_for_changes_nothing(void **state)
{
    (void)state;
    GETS("Hg2", "OK");
    hits(0, SESSION_ASKED, 0);
    rewind(gdb.out);
    assert_int_equal(gdb_stopped(&gdb), 0);
    GETS("qC", "QC2");
}

static void a_wrong_sum_is_asked_for_again(void **state)
{
    (void)state;
    assert_int_equal(hear("$?#00", 5), 0);
    fflush(gdb.out);
    assert_memory_equal(said, "-", 1);
    GETS("?", "T02thread:1;");
    assert_int_equal(hear("-", 1), 0);
    fflush(gdb.out);
    assert_memory_equal(said, "$T02thread:1;#", 14);
}

static void a_packet_without_end_is_wrong(void **state)
{
    static char packet[GDB_PACKET_MAX + 2];

    (void)state;
    memset(packet, 'g', sizeof(packet));
    assert_int_equal(hear("$", 1), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(hear(packet, sizeof(packet)), 0);
    assert_int_equal(hear("#00", 3), 0);
    fflush(gdb.out);
    assert_memory_equal(said, "-", 1);
}

static void gdb_that_goes_lets_go(void **state)
{
    (void)state;
    GETS("D", "OK");
    assert_true(gdb.over);
    gdb.over = false;
    assert_null(ask("k"));
    assert_true(gdb.over);
}

/* What the monitor refuses gdb is told; a monitor that has gone ends all. */
static void a_monitor_that_has_gone_ends_it(void **state)
{
    (void)state;
    error = -EFAULT;
    GETS("g", "E0e");
    GETS("m1000,4", "E0e");
    GETS("Z0,1000,1", "E0e");
    GETS("c", "E0e");
    error = -EPIPE;
    assert_int_equal(hear("$g#67", 5), -EPIPE);
    error = -ETIMEDOUT;
    assert_int_equal(hear("$g#67", 5), -ETIMEDOUT);
    gdb.running = true;
    gdb.session.stopped = false;
    assert_int_equal(gdb_stopped(&gdb), -ETIMEDOUT);
    hits(2, SESSION_ASKED, 0); /* there are two */
    assert_int_equal(gdb_stopped(&gdb), -EBADMSG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(gdb_gets_to_know_us),
        TEST(the_description_comes_in_pieces),
        TEST(registers_are_read_and_set),
        TEST(memory_is_read_and_written),
        TEST(a_breakpoint_is_told_by_its_kind),
        TEST(two_kinds_at_one_place_are_one),
        TEST(a_step_is_one_vcpus),
        TEST(an_interrupt_stops_it),
        TEST(a_stop_that_nobody_waits_for_changes_nothing),
        TEST(a_wrong_sum_is_asked_for_again),
        TEST(a_packet_without_end_is_wrong),
        TEST(gdb_that_goes_lets_go),
        TEST(a_monitor_that_has_gone_ends_it),
    };

    return cmocka_run_group_tests_name("cli-gdb", tests, NULL, NULL);
}
