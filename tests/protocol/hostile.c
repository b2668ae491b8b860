/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "parclose/msg_control_command.h"

#define FILES_MAX STAGE_FILES_MAX
#define FLOOD_MAX 80000 /* many more than socket and queue can hold */

static const struct attack *attack;
static const char *executable;
static unsigned attacks; /* so many were made, for the report */

/* One datagram, and what is to come of it. The header of `bytes` may be a lie, too. */
struct shot {
    const char *what, *row;
    enum process_kind from;
    size_t size;
    size_t files;
    int file; /* sent `files` times */
    enum verdict verdict;
    union {
        struct wire_header header;
        uint8_t bytes[2 * WIRE_MAX];
    };
};

/* ---- one shot */

static void fire(int socket, const struct shot *shot)
{
    assert_int_equal(stage_throw(socket, shot->bytes, shot->size, shot->file, shot->files), 0);
}

/* What the daemon did with it: reads all that it said to the peer. */
static enum verdict seen(int socket, uint64_t id)
{
    enum verdict verdict = NO_MATTER;
    struct frame frame;

    for (;;) {
        int got = frame_receive(socket, &frame);
        if (got == -EAGAIN)
            return verdict;
        if (got != 1)
            return LINK_ENDS;
        const struct control_result *result = (const void *)frame.bytes;
        if (frame.header.type == CONTROL_RESULT && frame.size == sizeof(*result) &&
            frame.header.id == id && result->error < 0)
            verdict = REQUEST_REFUSED;
        frame_clear(&frame);
    }
}

static const struct attack_peer *peer_of(enum process_kind kind)
{
    for (size_t i = 0; i < attack->peers_count; i++)
        if (attack->peers[i].kind == kind)
            return &attack->peers[i];
    fail_msg("no such peer");
    return NULL;
}

static void check_complaint(const struct stage *stage, const struct shot *shot, unsigned before)
{
    unsigned complaints = stage->complaints - before;
    const struct boot_complaint *complaint = &stage->complaint;

    if (complaints != (shot->verdict == LINK_ENDS && !peer_of(shot->from)->again))
        fail_msg("%s, %s: %u complaints", shot->row, shot->what, complaints);
    if (complaints && (complaint->peer != shot->from || complaint->error != -EBADMSG ||
                       complaint->generation != stage->generations[shot->from]))
        fail_msg("%s, %s: complains of %u, generation %u, error %d", shot->row, shot->what,
                 complaint->peer, complaint->generation, complaint->error);
}

static void shoot(struct stage *stage, const struct shot *shot)
{
    static const char *const names[] = {"link ends", "refused", "no matter"};
    unsigned before = stage->complaints;

    attacks++;
    fire(stage->links[shot->from], shot);
    stage_settle(stage, shot->from);
    enum verdict verdict = seen(stage->links[shot->from], shot->header.id);
    if (verdict != shot->verdict)
        fail_msg("%s, %s: %s, not: %s", shot->row, shot->what, names[verdict],
                 names[shot->verdict]);
    check_complaint(stage, shot, before);
    if (verdict == LINK_ENDS && peer_of(shot->from)->again)
        peer_of(shot->from)->again(stage);
    else if (verdict == LINK_ENDS)
        stage_link(stage, shot->from);
}

/* ---- the stage of each test */

int attack_setup(void **state)
{
    struct stage *stage = malloc(sizeof(*stage));

    *state = stage;
    stage_begin(stage, executable, attack->victim);
    attack->give(stage);
    for (size_t i = 0; i < attack->peers_count; i++)
        if (!attack->peers[i].again)
            stage_link(stage, attack->peers[i].kind);
    stage_start(stage);
    if (attack->live)
        attack->live(stage);
    for (size_t i = 0; i < attack->peers_count; i++)
        if (attack->peers[i].again)
            attack->peers[i].again(stage);
    stage_alive(stage);
    return 0;
}

int attack_teardown(void **state)
{
    struct stage *stage = *state;

    stage_alive(stage);
    stage_end(stage);
    free(stage);
    return 0;
}

/* A test as seen from one row of one peer's table. */
static void each_row(struct stage *stage,
                     void (*test)(struct stage *stage, const struct attack_row *row,
                                  struct shot *shot))
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    size_t files = stage_files(stage);

    for (size_t p = 0; p < attack->peers_count; p++)
        for (size_t r = 0; r < attack->peers[p].rows_count; r++) {
            const struct attack_row *row = &attack->peers[p].rows[r];
            struct shot shot = {.row = row->name,
                                .from = attack->peers[p].kind,
                                .size = row->size,
                                .files = row->files_min,
                                .file = file,
                                .header = frame_header(row->type, row->size, 7)};
            test(stage, row, &shot);
        }
    stage_alive(stage);
    assert_int_equal(stage_files(stage), files); /* none was kept of what came along */
    close(file);
}

/* ---- wrong forms */

static void try_sizes(struct stage *stage, const struct attack_row *row, struct shot *shot)
{
    const size_t sizes[] = {sizeof(struct wire_header), row->size - 1, row->size + 1, row->size + 8,
                            WIRE_MAX};

    shot->what = "wrong size";
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (sizes[i] == row->size || sizes[i] > WIRE_MAX)
            continue;
        shot->size = sizes[i];
        shot->header.size = (uint32_t)sizes[i];
        shoot(stage, shot);
    }
}

static void wrong_sizes(void **state)
{
    each_row(*state, try_sizes);
}

static void try_headers(struct stage *stage, const struct attack_row *row, struct shot *shot)
{
    const struct wire_header right = shot->header;
    const struct {
        const char *what;
        struct wire_header header;
        size_t size;
    } cases[] = {
        {"version 0", {0, right.type, right.size, 7}, row->size},
        {"the next version", {WIRE_VERSION + 1, right.type, right.size, 7}, row->size},
        {"header says more", {WIRE_VERSION, right.type, right.size + 8, 7}, row->size},
        {"header says 0", {WIRE_VERSION, right.type, 0, 7}, row->size},
        {"header says 4 GiB", {WIRE_VERSION, right.type, UINT32_MAX, 7}, row->size},
        {"half a header", right, sizeof(right) / 2},
        {"one byte", right, 1},
        {"a datagram too long", right, WIRE_MAX + 1},
        {"much too long", {WIRE_VERSION, right.type, 2 * WIRE_MAX, 7}, 2 * WIRE_MAX},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        shot->what = cases[i].what;
        shot->header = cases[i].header;
        shot->size = cases[i].size;
        shoot(stage, shot);
    }
}

static void wrong_headers(void **state)
{
    each_row(*state, try_headers);
}

static void try_files(struct stage *stage, const struct attack_row *row, struct shot *shot)
{
    const size_t counts[] = {row->files_max + 1u, WIRE_MAX_FDS, FILES_MAX};

    shot->what = "too many files";
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        shot->files = counts[i];
        if (counts[i] > row->files_max)
            shoot(stage, shot);
    }
    shot->what = "a file is missing";
    shot->files = row->files_min;
    if (shot->files--)
        shoot(stage, shot);
}

static void wrong_files(void **state)
{
    each_row(*state, try_files);
}

static bool may_come(const struct attack_peer *peer, uint16_t type)
{
    for (size_t i = 0; i < peer->rows_count; i++)
        if (peer->rows[i].type == type)
            return true;
    return false;
}

/* Of this link, in the other direction too, and of all others; as long as a right one, and bare. */
static void wrong_types_from(struct stage *stage, const struct attack_peer *peer)
{
    struct shot shot = {.what = "wrong type", .from = peer->kind};

    for (unsigned block = 0; block <= MSG_BASE_LEAD_MONITOR + 0x100; block += 0x100)
        for (unsigned type = block; type < block + 16; type++) {
            char name[16];
            if (may_come(peer, (uint16_t)type))
                continue;
            snprintf(name, sizeof(name), "type 0x%04x", type);
            shot.row = name;
            shot.size =
                type % 2 || !peer->rows_count ? sizeof(struct wire_header) : peer->rows[0].size;
            shot.header = frame_header((uint16_t)type, shot.size, 7);
            shoot(stage, &shot);
        }
    shot.row = "type 0xffff";
    shot.header.type = UINT16_MAX;
    shoot(stage, &shot);
}

static void wrong_types(void **state)
{
    for (size_t i = 0; i < attack->peers_count; i++)
        wrong_types_from(*state, &attack->peers[i]);
}

/* ---- wrong content */

static void try_garbage(struct stage *stage, const struct attack_row *row, struct shot *shot)
{
    shot->what = "garbage";
    shot->verdict = row->garbage;
    memset(shot->bytes + sizeof(shot->header), 0xff, row->size - sizeof(shot->header));
    shoot(stage, shot);
    shot->header.id = UINT64_MAX;
    shot->what = "garbage with a hostile id";
    shoot(stage, shot);
}

static void garbage(void **state)
{
    each_row(*state, try_garbage);
}

static void lies(void **state)
{
    struct stage *stage = *state;

    for (size_t i = 0; i < attack->lies_count; i++) {
        const struct attack_lie *lie = &attack->lies[i];
        const struct wire_header *header = lie->message;
        struct shot shot = {.what = lie->name,
                            .row = "lie",
                            .from = lie->from,
                            .size = header->size,
                            .files = lie->file ? 1 : 0,
                            .file = lie->file ? lie->file() : -1,
                            .verdict = lie->verdict};
        memcpy(shot.bytes, header, header->size);
        shoot(stage, &shot);
        if (shot.file >= 0)
            close(shot.file);
    }
}

/* Its answers fill the socket, then the queue; then it is cut off, and the daemon goes on. */
static void a_peer_that_does_not_read(void **state)
{
    struct stage *stage = *state;
    const struct attack_lie *flood = attack->flood;
    unsigned before = stage->complaints;
    int error = 0;

    for (int i = 0; i < FLOOD_MAX && !error; i++) {
        attacks++;
        error = frame_send(stage->links[flood->from], flood->message, NULL, 0);
        stage_settle(stage, flood->from);
    }
    assert_int_equal(error, -EPIPE);
    assert_int_equal(stage->complaints, before + 1);
    assert_int_equal(stage->complaint.peer, flood->from);
    assert_int_equal(stage->complaint.error, -ENOBUFS);
}

int attack_run(const struct attack *what, int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_sizes, attack_setup, attack_teardown),
        cmocka_unit_test_setup_teardown(wrong_headers, attack_setup, attack_teardown),
        cmocka_unit_test_setup_teardown(wrong_files, attack_setup, attack_teardown),
        cmocka_unit_test_setup_teardown(wrong_types, attack_setup, attack_teardown),
        cmocka_unit_test_setup_teardown(garbage, attack_setup, attack_teardown),
        cmocka_unit_test_setup_teardown(lies, attack_setup, attack_teardown),
    };
    const struct CMUnitTest floods[] = {
        cmocka_unit_test_setup_teardown(a_peer_that_does_not_read, attack_setup, attack_teardown),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    attack = what;
    executable = argv[1];
    int failed = cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
    if (what->flood)
        failed += cmocka_run_group_tests_name("flood", floods, NULL, NULL);
    print_message("%u hostile messages\n", attacks);
    return failed;
}
