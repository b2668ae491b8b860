/* SPDX-License-Identifier: Apache-2.0 */
/* parclose-command with a hostile control; its clients are in tests/unit/command. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile.h"
#include "parclose/msg_control_command.h"
#include "parclose/snapshot.h"

static const struct attack_row from_control[] = {
    ATTACK_ROW(CONTROL_RESULT, 0, WIRE_MAX_FDS, control_result, LINK_ENDS),
    ATTACK_ROW(CONTROL_SNAPSHOT, 1, 1, control_snapshot, LINK_ENDS),
};
static const struct attack_peer peers[] = {{PROCESS_CONTROL, from_control, 2}};

/* ---- snapshots: two partitions, a pCPU, two VFs; each lie changes a word of a good one */

struct picture {
    _Alignas(8) struct snapshot head;
    struct snapshot_partition partitions[2];
    struct snapshot_pcpu pcpu;
    struct snapshot_vf vfs[2];
};
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#define PARTITION(number, text)                                                                    \
    {                                                                                              \
        .id = {number}, .config = {                                                                \
            .name = text,                                                                          \
            .vcpus = 1,                                                                            \
            .memory_mib = 64,                                                                      \
            .monitor = "native",                                                                   \
            .kernel = "/k"                                                                         \
        }                                                                                          \
    }

static const struct picture good = {
    .head = {.magic = SNAPSHOT_MAGIC,
             .version = SNAPSHOT_VERSION,
             .size = sizeof(struct picture),
             .generation = 1,
             .partitions_count = 2,
             .pcpus_count = 1,
             .vfs_count = 2},
    .partitions = {PARTITION(1, "one"), PARTITION(3, "three")},
    .pcpu = {.owner = {.kind = OWNER_IDLE}},
    .vfs = {{.observed = {.pf = {0x100}, .index = 1}}, {.observed = {.pf = {0x200}}}}};

static int picture_file(const struct picture *picture, size_t size, int seals)
{
    int file = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(write(file, picture, size), size);
    assert_int_equal(fcntl(file, F_ADD_SEALS, seals), 0);
    return file;
}

static int good_file(void)
{
    return picture_file(&good, sizeof(good), SEALS);
}

#define BAD_FILE(name, field, value)                                                               \
    static int name(void)                                                                          \
    {                                                                                              \
        struct picture picture = good;                                                             \
        picture.field = (value);                                                                   \
        return picture_file(&picture, sizeof(picture), SEALS);                                     \
    }
BAD_FILE(bad_magic, head.magic, 0)
BAD_FILE(bad_version, head.version, SNAPSHOT_VERSION + 1)
BAD_FILE(bad_size, head.size, UINT64_MAX)
BAD_FILE(many_partitions, head.partitions_count, UINT32_MAX)
BAD_FILE(a_missing_partition, head.partitions_count, 3)
BAD_FILE(partitions_out_of_order, partitions[0].id.value, 4)
BAD_FILE(two_of_one_id, partitions[1].id.value, 1)
BAD_FILE(vfs_out_of_order, vfs[0].observed.pf.value, 0x300)
BAD_FILE(a_vf_twice, vfs[1].observed, good.vfs[0].observed)
BAD_FILE(many_pcpus, head.pcpus_count, UINT32_MAX)
BAD_FILE(many_extents, head.memory_count, UINT32_MAX)
BAD_FILE(many_pfs, head.pfs_count, UINT32_MAX)
BAD_FILE(many_vfs, head.vfs_count, UINT32_MAX)
BAD_FILE(many_processes, head.processes_count, UINT32_MAX)
BAD_FILE(many_cards, head.host, ((struct host_config){.reserved_pcpus = 1, .cards_count = 99}))
BAD_FILE(no_such_owner, pcpu.owner.kind, OWNER_KINDS)
BAD_FILE(no_such_apply, head.apply.state, APPLY_STATES)
BAD_FILE(an_apply_that_failed_in_no_way, head.apply.error, 1)
BAD_FILE(no_such_guest, pcpu.owner, ((struct owner){OWNER_GUEST, {PARCLOSE_MAX_PARTITIONS + 1}}))

static int an_endless_text(void)
{
    struct picture picture = good;

    memset(picture.head.apply.text, 'x', sizeof(picture.head.apply.text));
    return picture_file(&picture, sizeof(picture), SEALS);
}

static int unsealed_file(void)
{
    return picture_file(&good, sizeof(good), F_SEAL_GROW | F_SEAL_SHRINK);
}

static int short_file(void)
{
    return picture_file(&good, sizeof(good) - 8, SEALS);
}

static int empty_file(void)
{
    return picture_file(&good, 0, SEALS);
}

static int huge_file(void)
{
    int file = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(file, INT64_C(1) << 40), 0);
    assert_int_equal(fcntl(file, F_ADD_SEALS, SEALS), 0);
    return file;
}

static int directory_file(void)
{
    return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- lies */

#define RESULT(...)                                                                                \
    PROCESS_CONTROL, &(const struct control_result)                                                \
    {                                                                                              \
        LIE_HEADER(CONTROL_RESULT, control_result, 100), __VA_ARGS__                               \
    }
#define SNAPSHOT(generation_, size_)                                                               \
    PROCESS_CONTROL, &(const struct control_snapshot)                                              \
    {                                                                                              \
        LIE_HEADER(CONTROL_SNAPSHOT, control_snapshot, 0), .generation = (generation_),            \
                                                           .size = (size_)                         \
    }
#define AS_SAID SNAPSHOT(1, sizeof(struct picture))

static const struct attack_lie lies[] = {
    {"a result nobody waits for", RESULT(.error = 0), NO_MATTER},
    {"a result that is no error", RESULT(.error = 1), LINK_ENDS},
    {"a result beyond all errors", RESULT(.error = INT32_MIN), LINK_ENDS},
    {"a result without end", RESULT(.text = ENDLESS(PARCLOSE_REASON_MAX)), LINK_ENDS},

    {"a good snapshot", AS_SAID, NO_MATTER,
     good_file}, /* so that the others are bad for a reason */
    {"another generation", SNAPSHOT(2, sizeof(struct picture)), LINK_ENDS, good_file},
    {"another size", SNAPSHOT(1, sizeof(struct picture) + 8), LINK_ENDS, good_file},
    {"not sealed", AS_SAID, LINK_ENDS, unsealed_file},
    {"too short", AS_SAID, LINK_ENDS, short_file},
    {"empty", AS_SAID, LINK_ENDS, empty_file},
    {"a terabyte", AS_SAID, LINK_ENDS, huge_file},
    {"a directory", AS_SAID, LINK_ENDS, directory_file},
    {"not magic", AS_SAID, LINK_ENDS, bad_magic},
    {"the next version", AS_SAID, LINK_ENDS, bad_version},
    {"another size within", AS_SAID, LINK_ENDS, bad_size},
    {"4 G partitions", AS_SAID, LINK_ENDS, many_partitions},
    {"a partition that is not there", AS_SAID, LINK_ENDS, a_missing_partition},
    {"4 G pCPUs", AS_SAID, LINK_ENDS, many_pcpus},
    {"4 G extents", AS_SAID, LINK_ENDS, many_extents},
    {"4 G PFs", AS_SAID, LINK_ENDS, many_pfs},
    {"4 G VFs", AS_SAID, LINK_ENDS, many_vfs},
    {"4 G processes", AS_SAID, LINK_ENDS, many_processes},
    {"99 cards", AS_SAID, LINK_ENDS, many_cards},
    {"an owner of no kind", AS_SAID, LINK_ENDS, no_such_owner},
    {"a guest beyond all", AS_SAID, LINK_ENDS, no_such_guest},
    {"an apply in no state", AS_SAID, LINK_ENDS, no_such_apply},
    {"an apply with an error that is none", AS_SAID, LINK_ENDS, an_apply_that_failed_in_no_way},
    {"an apply's text without end", AS_SAID, LINK_ENDS, an_endless_text},
    {"partitions out of order", AS_SAID, LINK_ENDS, partitions_out_of_order},
    {"two partitions of one id", AS_SAID, LINK_ENDS, two_of_one_id},
    {"VFs out of order", AS_SAID, LINK_ENDS, vfs_out_of_order},
    {"a VF twice", AS_SAID, LINK_ENDS, a_vf_twice},
    {"a good snapshot again", AS_SAID, NO_MATTER, good_file},
};

/* ---- boot's usual part */

static int listen_file(const struct stage *stage)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", stage->folder);
    assert_int_equal(bind(file, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(file, 4), 0);
    return file;
}

static void give(struct stage *stage)
{
    stage_give(stage, "config", open(stage->folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    stage_give(stage, "listen", listen_file(stage));
}

int main(int argc, char **argv)
{
    static const struct attack attack = {
        .victim = PROCESS_COMMAND,
        .peers = peers,
        .peers_count = 1,
        .lies = lies,
        .lies_count = sizeof(lies) / sizeof(lies[0]),
        .give = give,
    };
    return attack_run(&attack, argc, argv);
}
