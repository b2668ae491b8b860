/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that lie: each message with a wrong size, with each field beyond its range, with strings
 * that do not end; and rubbish at random. The map stands, nothing is committed, control lives.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/proposal.h"
#include "world.h"

static const struct {
    enum process_kind peer;
    const struct frame_row *rows;
    const size_t *count;
} tables[] = {{PROCESS_COMMAND, command_rows, &command_rows_count},
              {PROCESS_TCB, tcb_rows, &tcb_rows_count},
              {PROCESS_SR_PCIM, pcim_rows, &pcim_rows_count},
              {PROCESS_LEAD, lead_rows, &lead_rows_count}};

static void every_row_refuses_every_other_size(void **state)
{
    struct world *world = *state;

    for (size_t t = 0; t < 4; t++)
        for (size_t r = 0; r < *tables[t].count; r++)
            for (uint32_t size = sizeof(struct wire_header); size <= WIRE_MAX; size += 4) {
                _Alignas(8) uint8_t bytes[WIRE_MAX] = {0};
                struct wire_header header = frame_header(tables[t].rows[r].type, size, 1);
                if (size == tables[t].rows[r].size)
                    continue;
                memcpy(bytes, &header, sizeof(header));
                assert_int_equal(world_say(world, tables[t].peer, bytes), -EBADMSG);
            }
    assert_int_equal(audit_log_next(world->control->log), 2);
}

static void types_of_other_links_are_refused(void **state)
{
    struct world *world = *state;
    static const enum process_kind peers[] = {PROCESS_COMMAND, PROCESS_TCB, PROCESS_SR_PCIM,
                                              PROCESS_LEAD};
    static const uint16_t bases[] = {MSG_BASE_CONTROL_COMMAND, MSG_BASE_CONTROL_TCB,
                                     MSG_BASE_CONTROL_SR_PCIM, MSG_BASE_CONTROL_LEAD};

    for (size_t p = 0; p < 4; p++)
        for (uint32_t type = 0; type < 0x1000; type++) {
            struct control_plain message = {.header =
                                                frame_header((uint16_t)type, sizeof(message), 1)};
            if ((type & 0xff00) != bases[p])
                assert_int_equal(world_say(world, peers[p], &message), -EBADMSG);
        }
}

#define BAD(peer, message, field, value)                                                           \
    do {                                                                                           \
        __typeof__(message) bad_ = (message);                                                      \
        bad_.field = (value);                                                                      \
        assert_int_equal(world_say(world, peer, &bad_), -EBADMSG);                                 \
    } while (0)

#define ENDLESS(peer, message, field)                                                              \
    do {                                                                                           \
        __typeof__(message) bad_ = (message);                                                      \
        memset(bad_.field, 'x', sizeof(bad_.field));                                               \
        assert_int_equal(world_say(world, peer, &bad_), -EBADMSG);                                 \
    } while (0)

static void lies_of_the_tcb_end_its_session(void **state)
{
    struct world *world = *state;
    struct tcb_pf pf = {.header = frame_header(TCB_PF, sizeof(pf), 0), .pf.bdf = NET0};
    struct tcb_vf vf = {.header = frame_header(TCB_VF, sizeof(vf), 0),
                        .vf = {.bdf = {0x180}, .pf = NET0}};
    struct tcb_function function = {.header = frame_header(TCB_FUNCTION, sizeof(function), 0),
                                    .present = 1,
                                    .function.bdf = {0xf8}};
    struct tcb_applied applied = {.header = frame_header(TCB_APPLIED, sizeof(applied), 1)};
    struct tcb_edit edit = {.header = frame_header(TCB_EDIT, sizeof(edit), 1), .vfs_count = 1};

    BAD(PROCESS_TCB, pf, pf.bdf.value, 0);
    BAD(PROCESS_TCB, pf, pf.class, 3);
    BAD(PROCESS_TCB, pf, pf.status, 4);
    BAD(PROCESS_TCB, pf, pf.answers, 2);
    BAD(PROCESS_TCB, pf, pf.link_up, 2);
    BAD(PROCESS_TCB, pf, pf.open_vfs, PARCLOSE_MAX_VFS_PER_PF + 1);
    BAD(PROCESS_TCB, pf, pf.stuck_pid, PARCLOSE_PID_MAX + 1);
    ENDLESS(PROCESS_TCB, pf, pf.driver);
    ENDLESS(PROCESS_TCB, pf, pf.netdev);
    ENDLESS(PROCESS_TCB, pf, pf.serial);
    BAD(PROCESS_TCB, vf, vf.bdf.value, 0);
    BAD(PROCESS_TCB, vf, vf.pf.value, 0);
    BAD(PROCESS_TCB, vf, vf.index, PARCLOSE_MAX_VFS_PER_PF);
    BAD(PROCESS_TCB, vf, vf.index, UINT32_MAX);
    BAD(PROCESS_TCB, vf, vf.status, 4);
    BAD(PROCESS_TCB, vf, vf.answers, 2);
    BAD(PROCESS_TCB, vf, vf.attributes_set, 2);
    BAD(PROCESS_TCB, vf, vf.open, 2);
    BAD(PROCESS_TCB, vf, vf.for_host, 2);
    BAD(PROCESS_TCB, vf, vf.bind_error, 4096);
    BAD(PROCESS_TCB, vf, vf.bind_error, UINT32_MAX);
    ENDLESS(PROCESS_TCB, vf, vf.driver);
    BAD(PROCESS_TCB, function, present, 2);
    BAD(PROCESS_TCB, function, function.class_code, 1 << 24);
    ENDLESS(PROCESS_TCB, function, function.driver);
    BAD(PROCESS_TCB, applied, error, 1);
    ENDLESS(PROCESS_TCB, applied, text);
    BAD(PROCESS_TCB, edit, header.id, 0);
    BAD(PROCESS_TCB, edit, vfs_count, PARCLOSE_EDIT_VFS_MAX + 1);
    BAD(PROCESS_TCB, edit, vfs_count, UINT32_MAX);
    BAD(PROCESS_TCB, edit, pf.value, NET0.value); /* without a state */
    BAD(PROCESS_TCB, edit, pf_state, PF_STATE_DISABLED);
    edit.pf = NET0;
    BAD(PROCESS_TCB, edit, pf_state, PF_STATES);
    BAD(PROCESS_TCB, edit, pf_state, PF_STATE_DISABLED); /* with a VF */
    edit.pf = (struct bdf){0};
    ENDLESS(PROCESS_TCB, edit, name);
}

static void lies_of_sr_pcim_end_its_session(void **state)
{
    struct world *world = *state;
    struct pcim_readiness readiness = {.header = frame_header(PCIM_READINESS, sizeof(readiness), 0),
                                       .pf = NET0};
    struct pcim_propose propose = {.header = frame_header(PCIM_PROPOSE, sizeof(propose), 1),
                                   .action = ACTION_PF_BIND,
                                   .pf = NET0};

    BAD(PROCESS_SR_PCIM, readiness, readiness, PF_READINESS_KINDS);
    BAD(PROCESS_SR_PCIM, readiness, readiness, UINT32_MAX);
    ENDLESS(PROCESS_SR_PCIM, readiness, reason);
    BAD(PROCESS_SR_PCIM, propose, header.id, 0);
    BAD(PROCESS_SR_PCIM, propose, action, ACTION_NONE);
    BAD(PROCESS_SR_PCIM, propose, action, DEVICE_ACTIONS);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    /* of a PF that nobody manages: no matter */
    readiness.pf.value = 0xffff;
    readiness.readiness = PF_READY;
    assert_int_equal(world_say(world, PROCESS_SR_PCIM, &readiness), 0);
}

static void lies_of_lead_end_its_session(void **state)
{
    struct world *world = *state;
    struct lead_monitor monitor = {.header = frame_header(LEAD_MONITOR, sizeof(monitor), 0),
                                   .partition = {1}};
    struct lead_result result = {.header = frame_header(LEAD_RESULT, sizeof(result), 1),
                                 .partition = {1}};

    BAD(PROCESS_LEAD, monitor, partition.value, 0);
    BAD(PROCESS_LEAD, monitor, partition.value, PARCLOSE_MAX_PARTITIONS + 1);
    BAD(PROCESS_LEAD, monitor, partition.value, UINT32_MAX);
    BAD(PROCESS_LEAD, monitor, present, 2);
    BAD(PROCESS_LEAD, monitor, frozen, 2);
    BAD(PROCESS_LEAD, monitor, states, STATE_BIT(PARTITION_STATES));
    BAD(PROCESS_LEAD, monitor, exit, EXIT_REASONS);
    BAD(PROCESS_LEAD, monitor, vcpus_count, PARCLOSE_MAX_VCPUS + 1);
    BAD(PROCESS_LEAD, monitor, attached, UINT32_C(1) << PARCLOSE_MAX_CHANNELS);
    BAD(PROCESS_LEAD, monitor, vfs[PARCLOSE_MAX_PARTITION_VFS - 1].marks, VF_MARKS + 1);
    ENDLESS(PROCESS_LEAD, monitor, text);
    BAD(PROCESS_LEAD, result, partition.value, 0);
    BAD(PROCESS_LEAD, result, partition.value, PARCLOSE_MAX_PARTITIONS + 1);
    BAD(PROCESS_LEAD, result, error, 1);
    BAD(PROCESS_LEAD, result, header.id, 0);
    BAD(PROCESS_LEAD, result, header.id, 15);
    ENDLESS(PROCESS_LEAD, result, text);
}

/* Command speaks for people: what is wrong with a request's content is answered, not punished; what
 * no person could have caused ends the session. */
static void lies_of_command_end_its_session(void **state)
{
    struct world *world = *state;
    struct control_partition_start start = {
        .header = frame_header(CONTROL_PARTITION_START, sizeof(start), 9), .name = "web"};
    struct control_host_set host = {.header = frame_header(CONTROL_HOST_SET, sizeof(host), 9)};
    struct control_partition_name console = {
        .header = frame_header(CONTROL_CONSOLE_OPEN, sizeof(console), 9)};
    struct control_plain plain = {.header = frame_header(CONTROL_SHUTDOWN, sizeof(plain), 9)};

    BAD(PROCESS_COMMAND, start, header.id, 0);
    BAD(PROCESS_COMMAND, host, header.id, 0);
    BAD(PROCESS_COMMAND, plain, header.id, 0);
    ENDLESS(PROCESS_COMMAND, start, requester.reason);
    ENDLESS(PROCESS_COMMAND, host, requester.reason);
    ENDLESS(PROCESS_COMMAND, plain, requester.reason);
    ENDLESS(PROCESS_COMMAND, console, requester.reason);
    ENDLESS(PROCESS_COMMAND, console, name);
    struct control_session session = {.header =
                                          frame_header(CONTROL_SESSION_OPEN, sizeof(session), 9)};
    session.kind = SESSION_DUMP;
    ENDLESS(PROCESS_COMMAND, session, name);
    BAD(PROCESS_COMMAND, session, kind, SESSION_NONE);
    BAD(PROCESS_COMMAND, session, kind, SESSION_KINDS);
    struct control_order order = {.header = frame_header(CONTROL_ORDER, sizeof(order), 9),
                                  .order = DEVICE_ORDER_PF_RESET,
                                  .pf = NET0};
    BAD(PROCESS_COMMAND, order, header.id, 0);
    ENDLESS(PROCESS_COMMAND, order, requester.reason);
    BAD(PROCESS_COMMAND, order, order, DEVICE_ORDER_NONE);
    BAD(PROCESS_COMMAND, order, order, DEVICE_ORDERS);
    BAD(PROCESS_COMMAND, order, order, DEVICE_ORDER_SR_PCIM_RESET); /* it is of no PF */
    BAD(PROCESS_COMMAND, order, pf.value, 0);
    BAD(PROCESS_COMMAND, order, force, 2);
    assert_int_equal(world->control->db->control.shutting_down, 0);
}

static void wrong_requests_are_answered(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);
    struct partition_config bad;
    struct host_config host = world_host();
    uint64_t next = audit_log_next(world->control->log);

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        bad = config;                                                                              \
        bad.field = (value);                                                                       \
        assert_int_not_equal(world_define(world, &bad), 0);                                        \
    } while (0)
    REFUSED(vcpus, 0);
    REFUSED(vcpus, UINT32_MAX);
    REFUSED(memory_mib, 0);
    REFUSED(memory_mib, 63);
    REFUSED(memory_mib, UINT32_MAX);
    REFUSED(memory_mib, 513);
    REFUSED(autostart, 2);
    REFUSED(vfs_count, UINT32_MAX);
    REFUSED(vfs_count, PARCLOSE_MAX_PARTITION_VFS + 1);
    REFUSED(vfs[0].index, UINT32_MAX);
    REFUSED(vfs[0].attributes.vlan, 4095);
    REFUSED(vfs[0].attributes.trust, 2);
    REFUSED(name[0], 0);
    REFUSED(name[0], '/');
    REFUSED(kernel[0], 'k');
    bad = config;
    memset(bad.name, 'a', sizeof(bad.name));
    assert_int_not_equal(world_define(world, &bad), 0);
    memset(bad.vfs[0].card, 'a', sizeof(bad.vfs[0].card));
    assert_int_not_equal(world_define(world, &bad), 0);
    host.cards_count = UINT32_MAX;
    assert_int_not_equal(world_host_set(world, &host), 0);
    host = world_host();
    host.cards[0].vfs = 0;
    assert_int_not_equal(world_host_set(world, &host), 0);
    host = world_host();
    host.reserved_memory_mib = 9000;
    assert_int_not_equal(world_host_set(world, &host), 0);
    host = world_host();
    host.reserved_pcpus = 9;
    assert_int_not_equal(world_host_set(world, &host), 0);
    host.reserved_pcpus = 0;
    assert_int_not_equal(world_host_set(world, &host), 0);
    assert_int_equal(audit_log_next(world->control->log), next);
}

static void lies_of_command_about_a_proposal_end_its_session(void **state)
{
    struct world *world = *state;
    struct proposal *proposal = world_proposal();
    int good = proposal_seal(proposal), bad;

    proposal->partitions_count = 1;
    bad = proposal_seal(proposal); /* of a partition that has no name */
    const struct control_apply apply = {.header = frame_header(CONTROL_APPLY, sizeof(apply), 9)};
    assert_int_equal(world_say_file(world, PROCESS_COMMAND, &apply, bad), -EBADMSG);
    assert_int_equal(world_say_file(world, PROCESS_COMMAND, &apply, world->state), -EBADMSG);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &apply), -EBADMSG);
#define BAD_APPLY(field, value)                                                                    \
    do {                                                                                           \
        struct control_apply bad_ = apply;                                                         \
        bad_.field = (value);                                                                      \
        assert_int_equal(world_say_file(world, PROCESS_COMMAND, &bad_, good), -EBADMSG);           \
    } while (0)
    BAD_APPLY(header.id, 0);
    BAD_APPLY(added, 1); /* there is none of this number */
    BAD_APPLY(running, UINT32_C(1) << 31);
    BAD_APPLY(left, 1);
    BAD_APPLY(restarted, 1);
    struct control_apply endless = apply;
    memset(endless.requester.reason, 'x', sizeof(endless.requester.reason));
    assert_int_equal(world_say_file(world, PROCESS_COMMAND, &endless, good), -EBADMSG);
    proposal->partitions[0] = world_partition("mail", 1, NULL);
    close(bad);
    bad = proposal_seal(proposal);
    struct control_apply both = apply;
    both.added = both.running = 1;
    assert_int_equal(world_say_file(world, PROCESS_COMMAND, &both, bad), -EBADMSG);
    both.running = 0;
    both.restarted = 1;
    assert_int_equal(world_say_file(world, PROCESS_COMMAND, &both, bad), -EBADMSG);
    both.restarted = 0;
    both.left = 1;
    assert_int_equal(world_say_file(world, PROCESS_COMMAND, &both, bad), -EBADMSG);
    assert_int_equal(world->control->db->apply.id, 0);
    close(good);
    close(bad);
}

/* ---- every word of every message */

/* -1: none goes with it. */
static int good_file(const struct frame_row *row)
{
    struct proposal *proposal = world_proposal();

    proposal->partitions_count = 1;
    proposal->partitions[0] = world_partition("mail", 1, "net1", 0, NULL);
    return row->files_min ? proposal_seal(proposal) : -1;
}

static int say_row(struct world *world, enum process_kind peer, const struct frame_row *row,
                   const void *bytes)
{
    int file = good_file(row);
    int error = world_say_file(world, peer, bytes, file);

    if (file >= 0)
        close(file);
    return error;
}

#define HEADER(type, structure) .header = frame_header(type, sizeof(struct structure), 7)

/* One good message for each row of each table. A row that has none here fails the test. */
static const void *good_message(uint16_t type)
{
    static union {
        struct wire_header header;
        struct control_host_set host;
        struct control_partition_define define;
        struct control_partition_name name;
        struct control_partition_start start;
        struct control_partition_stop stop;
        struct control_plain plain;
        struct control_session session;
        struct control_apply apply;
        struct control_channel channel;
        struct control_channel_sync channel_sync;
        struct control_order order;
        struct tcb_pf pf;
        struct tcb_vf vf;
        struct tcb_gone gone;
        struct tcb_function function;
        struct tcb_sync tcb_sync;
        struct tcb_applied applied;
        struct tcb_edit edit;
        struct pcim_readiness readiness;
        struct pcim_propose propose;
        struct lead_result result;
        struct lead_monitor monitor;
        struct lead_sync lead_sync;
        struct lead_online online;
        _Alignas(8) uint8_t bytes[WIRE_MAX];
    } good;

    memset(&good, 0, sizeof(good));
    switch (type) {
    case CONTROL_HOST_SET:
        good.host = (struct control_host_set){HEADER(type, control_host_set), .host = world_host()};
        break;
    case CONTROL_PARTITION_DEFINE:
        good.define = (struct control_partition_define){
            HEADER(type, control_partition_define),
            .config = world_partition("mail", 1, "net1", 0, NULL)};
        break;
    case CONTROL_PARTITION_UNDEFINE:
    case CONTROL_CONSOLE_OPEN:
        good.name =
            (struct control_partition_name){HEADER(type, control_partition_name), .name = "mail"};
        break;
    case CONTROL_PARTITION_START:
        good.start = (struct control_partition_start){
            HEADER(type, control_partition_start), .name = "mail", .pcpus_count = 1, .pcpus = {5}};
        break;
    case CONTROL_PARTITION_STOP:
        good.stop =
            (struct control_partition_stop){HEADER(type, control_partition_stop), .name = "web"};
        break;
    case CONTROL_AUDIT_OPEN:
    case CONTROL_CHECK:
    case CONTROL_SHUTDOWN:
        good.plain = (struct control_plain){HEADER(type, control_plain)};
        break;
    case CONTROL_SESSION_OPEN:
        good.session = (struct control_session){HEADER(type, control_session), .name = "mail",
                                                .kind = SESSION_DUMP};
        break;
    case CONTROL_ORDER:
        good.order = (struct control_order){HEADER(type, control_order),
                                            .order = DEVICE_ORDER_PF_RESET, .pf = NET1};
        break;
    case CONTROL_APPLY:
        good.apply = (struct control_apply){HEADER(type, control_apply), .added = 1};
        break;
    case CONTROL_CHANNEL_HELD:
    case CONTROL_CHANNEL_DETACHED:
        good.channel = (struct control_channel){HEADER(type, control_channel), .name = "web"};
        break;
    case CONTROL_CHANNEL_SYNC:
        good.channel_sync = (struct control_channel_sync){HEADER(type, control_channel_sync)};
        break;
    case TCB_PF:
        good.pf = (struct tcb_pf){HEADER(type, tcb_pf), .pf = {.bdf = NET0, .answers = 1}};
        break;
    case TCB_VF:
        good.vf = (struct tcb_vf){HEADER(type, tcb_vf), .vf = {.bdf = {0x180}, .pf = NET0}};
        break;
    case TCB_GONE:
        good.gone = (struct tcb_gone){HEADER(type, tcb_gone), .bdf = {0x180}};
        break;
    case TCB_FUNCTION:
        good.function =
            (struct tcb_function){HEADER(type, tcb_function), .present = 1, .function.bdf = {0xf8}};
        break;
    case TCB_SYNC:
        good.tcb_sync = (struct tcb_sync){HEADER(type, tcb_sync)};
        break;
    case TCB_APPLIED:
        good.applied = (struct tcb_applied){HEADER(type, tcb_applied), .transaction = 2};
        break;
    case TCB_EDIT:
        good.edit =
            (struct tcb_edit){HEADER(type, tcb_edit), .name = "x.xml", .vfs_count = 1,
                              .vfs = {{NET0, 0, {0}, {.present = VF_ATTR_VLAN, .vlan = 9}}}};
        break;
    case PCIM_READINESS:
        good.readiness = (struct pcim_readiness){HEADER(type, pcim_readiness), .pf = NET0,
                                                 .readiness = PF_READY};
        break;
    case PCIM_PROPOSE:
        good.propose = (struct pcim_propose){HEADER(type, pcim_propose),
                                             .action = ACTION_PF_LINK_UP, .pf = NET0};
        break;
    case LEAD_RESULT:
        good.result = (struct lead_result){HEADER(type, lead_result), .partition = {1}};
        good.header.id = order_id(ORDER_CREATE, 3);
        break;
    case LEAD_MONITOR:
        good.monitor = (struct lead_monitor){HEADER(type, lead_monitor), .partition = {1},
                                             .present = 1, .frozen = 1};
        break;
    case LEAD_SYNC:
        good.lead_sync = (struct lead_sync){HEADER(type, lead_sync)};
        break;
    case LEAD_ONLINE:
        good.online = (struct lead_online){HEADER(type, lead_online), .online = {{0xff}}};
        break;
    default:
        fail_msg("message 0x%x has no good example here", type);
    }
    return &good;
}

static void say_with(struct world *world, enum process_kind peer, const struct frame_row *row,
                     uint32_t word, uint32_t value)
{
    _Alignas(8) uint8_t bytes[WIRE_MAX];

    memcpy(bytes, good_message(row->type), row->size);
    memcpy(bytes + word, &value, sizeof(value));
    int error = say_row(world, peer, row, bytes);
    if (error != 0 && error != -EBADMSG)
        fail_msg("message 0x%x, word at %u = 0x%x: %s", row->type, word, value, strerror(-error));
    world_forget_sent(world);
}

static void every_word_of_every_row_is_doubted(void **state)
{
    static const uint32_t values[] = {0,          1,          2,          0x7fffffff,
                                      0x80000000, 0xfffffff0, 0xffffffff, 0x78787878};
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world->control->check_each_commit = false; /* once a row is enough */
    world->busy = true;
    for (size_t t = 0; t < 4; t++)
        for (size_t r = 0; r < *tables[t].count; r++) {
            world_check(world);
            const struct frame_row *row = &tables[t].rows[r];
            assert_int_equal(((const struct wire_header *)good_message(row->type))->size,
                             row->size);
            for (uint32_t word = sizeof(struct wire_header); word < row->size; word += 4)
                for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
                    say_with(world, tables[t].peer, row, word, values[v]);
        }
}

/* Requests before there is anything: no host, no partition, no peer. */
static void nothing_is_done_before_its_time(void **state)
{
    struct world *world = *state;

    world_links_up(world);
    for (size_t r = 0; r < command_rows_count; r++) {
        const struct frame_row *row = &command_rows[r];
        if (row->type == CONTROL_HOST_SET || row->type == CONTROL_PARTITION_DEFINE ||
            row->type == CONTROL_AUDIT_OPEN || row->type == CONTROL_CHECK ||
            row->type == CONTROL_SHUTDOWN ||
            (row->type >= CONTROL_CHANNEL_HELD && row->type <= CONTROL_CHANNEL_DETACHED))
            continue; /* they need nothing; channels have no answer */
        assert_int_equal(say_row(world, PROCESS_COMMAND, row, good_message(row->type)), 0);
        assert_int_not_equal(world_result(world, 7), 0);
    }
    assert_int_equal(audit_log_next(world->control->log), 1);
}

/* Rubbish of the right type and size, half of it only a few bytes off; seeds are fixed. */
static void rubbish_leaves_the_map_right(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);
    uint32_t seed = 1;

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    for (int round = 0; round < 20000; round++) {
        size_t t = (size_t)rand_r((unsigned *)&seed) % 4;
        const struct frame_row *row =
            &tables[t].rows[(size_t)rand_r((unsigned *)&seed) % *tables[t].count];
        _Alignas(8) uint8_t bytes[WIRE_MAX] = {0};
        uint32_t touched = round % 2 ? row->size : 24;
        for (uint32_t i = sizeof(struct wire_header); i < row->size && touched; i++, touched--)
            bytes[i] = (uint8_t)(rand_r((unsigned *)&seed) % (round % 3 ? 4 : 256));
        struct wire_header header =
            frame_header(row->type, row->size, (uint64_t)rand_r((unsigned *)&seed) % 64);
        memcpy(bytes, &header, sizeof(header));
        int error = say_row(world, tables[t].peer, row, bytes);
        assert_true(error == 0 || error == -EBADMSG);
        if (world->sent_count > SENT_MAX / 2)
            world_forget_sent(world);
        if (round % 1000 == 0)
            world_check(world);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_row_refuses_every_other_size),
        TEST(types_of_other_links_are_refused),
        TEST(lies_of_the_tcb_end_its_session),
        TEST(lies_of_sr_pcim_end_its_session),
        TEST(lies_of_lead_end_its_session),
        TEST(lies_of_command_end_its_session),
        TEST(lies_of_command_about_a_proposal_end_its_session),
        TEST(wrong_requests_are_answered),
        TEST(every_word_of_every_row_is_doubted),
        cmocka_unit_test_setup_teardown(nothing_is_done_before_its_time, world_setup_bare,
                                        world_teardown),
        TEST(rubbish_leaves_the_map_right),
    };
    return cmocka_run_group_tests_name("control-hostile", tests, NULL, NULL);
}
