/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-lead between a hostile control, a hostile TCB, and the monitor of a guest that has
 * broken out of it. Beside it there is always another partition, whose monitor is honest: nothing
 * is to happen to that. The test is the spawning helper and both monitors, too (lead_played.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile.h"
#include "lead_played.h"
#include "parclose/descriptor.h"
#include "parclose/msg_control_lead.h"
#include "parclose/msg_lead_monitor.h"
#include "parclose/msg_tcb_lead.h"
#include "spawn.h"

#define DEADLINE_MS 20000
#define VCPUS       2
#define NOBODY      9      /* a partition that is not there */
#define FIRST_VF    0x0180 /* of two that the hostile one has */
#define SEALS       (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct guest {
    uint32_t id;
    const char *name;
    int link; /* the monitor's end; the hostile one's is the stage's */
    int died; /* an eventfd in the place of its spawner's pidfd */
};
static struct guest hostile = {1, "hostile", -1, -1}, other = {2, "other", -1, -1};
static int spawner; /* our end of what lead takes for its helper */

/* What the hostile one said before it was hostile. */
static struct monitor_state honest = {
    .header = {.version = WIRE_VERSION,
               .type = MONITOR_STATE,
               .size = sizeof(struct monitor_state)},
    .states = STATE_BIT(STATE_ALIVE) | STATE_BIT(STATE_MEMORY_IMAGE),
    .vcpus_count = VCPUS,
    .vcpu_restarts = 3,
    .vcpu_pids = {70, 71},
    .vfs = {{{FIRST_VF}, VF_PRESENT}, {{FIRST_VF + 1}, VF_PRESENT}},
    .channels_count = 1,
    .frozen = 1,
};

/* ---- boot's, control's and the helper's usual part */

static void kernel_path(const struct stage *stage, char path[PARCLOSE_PATH_MAX])
{
    snprintf(path, PARCLOSE_PATH_MAX, "%s/kernel", stage->folder);
}

static void give(struct stage *stage)
{
    char path[PARCLOSE_PATH_MAX];

    kernel_path(stage, path);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static char folder_now[64]; /* of the stage that is; for files of lies, which are made late */

static struct partition_descriptor describe(const struct guest *guest)
{
    struct partition_descriptor d = {.magic = DESCRIPTOR_MAGIC,
                                     .version = DESCRIPTOR_VERSION,
                                     .size = sizeof(d),
                                     .generation = 1,
                                     .partition = {guest->id},
                                     .uid = 0x70000000u + guest->id,
                                     .vcpus_count = VCPUS,
                                     .vfs_count = guest == &hostile ? 2 : 0,
                                     .memory_bytes = UINT64_C(64) << 20,
                                     .monitor = "native",
                                     .vcpus = {{2, 0}, {3, 0}}};

    snprintf(d.name, sizeof(d.name), "%s", guest->name);
    snprintf(d.kernel, sizeof(d.kernel), "%s/kernel", folder_now);
    for (uint32_t i = 0; i < d.vfs_count; i++)
        d.vfs[i].bdf.value = FIRST_VF + i;
    return d;
}

static int sealed(const struct partition_descriptor *descriptor, size_t size, int seals)
{
    int file = memfd_create("descriptor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(write(file, descriptor, size), size);
    assert_int_equal(fcntl(file, F_ADD_SEALS, seals), 0);
    return file;
}

static int good_file(void)
{
    const struct partition_descriptor d = describe(&hostile);
    return sealed(&d, sizeof(d), SEALS);
}

/* The next message; waits for it. */
static void hear(int socket, struct frame *frame)
{
    struct pollfd wait = {.fd = socket, .events = POLLIN};

    assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
    assert_int_equal(frame_receive(socket, frame), 1);
    frame_clear(frame);
}

static void hear_until(int socket, uint16_t type, struct frame *frame)
{
    do
        hear(socket, frame);
    while (frame->header.type != type);
}

static void order(const struct stage *stage, const void *message, int file)
{
    assert_int_equal(frame_send(stage->links[PROCESS_CONTROL], message, &file, file >= 0), 0);
    if (file >= 0)
        close(file);
}

static void order_plain(const struct stage *stage, uint16_t type, uint64_t id, uint32_t partition,
                        int file)
{
    const struct lead_order message = {.header = frame_header(type, sizeof(message), id),
                                       .partition = {partition}};
    order(stage, &message, file);
}

/* Up to the helper's being asked. */
static void conceive(struct stage *stage, struct guest *guest)
{
    const struct partition_descriptor d = describe(guest);
    struct pollfd wait = {.fd = spawner, .events = POLLIN};
    struct frame frame;

    order_plain(stage, LEAD_CREATE, 0x11, guest->id, sealed(&d, sizeof(d), SEALS));
    assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
    assert_int_equal(frame_receive(spawner, &frame), 1);
    assert_int_equal(frame.header.type, SPAWN_REQUEST);
    assert_int_equal(frame.files_count, 2);
    guest->link = frame_take(&frame, 0);
    guest->died = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    frame_clear(&frame);
}

static void bear(struct stage *stage, struct guest *guest)
{
    const struct spawn_answer answer = {.header = frame_header(SPAWN_ANSWER, sizeof(answer), 0),
                                        .partition = {guest->id}};
    struct frame frame;

    assert_int_equal(frame_send(spawner, &answer, &guest->died, 1), 0);
    hear_until(guest->link, MONITOR_CREATE, &frame);
    hear_until(stage->links[PROCESS_CONTROL], LEAD_RESULT, &frame);
    assert_int_equal(((const struct lead_result *)frame.bytes)->error, 0);
    hear_until(stage->links[PROCESS_CONTROL], LEAD_MONITOR, &frame);
}

/* ---- what lead made of it */

static struct played_cgroup cgroup_of(const struct stage *stage, const struct guest *guest)
{
    struct played_cgroup is = {0};
    char path[128];

    snprintf(path, sizeof(path), "%s/%s" PLAYED_CGROUP, stage->folder, guest->name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(read(file, &is, sizeof(is)), sizeof(is));
    close(file);
    return is;
}

/* Its monitor has its link, lives, and was told nothing. */
static void assert_undisturbed(const struct stage *stage)
{
    struct pollfd still = {.fd = other.link, .events = POLLIN};

    assert_int_equal(cgroup_of(stage, &other).killed, '0');
    assert_int_equal(poll(&still, 1, 0), 0);
}

/* Control hears of it what it said while it was honest, and of the other one nothing new. */
static void assert_honest(const struct lead_monitor *message)
{
    static const struct monitor_state nothing;
    const struct monitor_state *said = message->partition.value == hostile.id ? &honest : &nothing;

    if (message->partition.value == hostile.id && !message->states)
        said = &nothing; /* it was just born */
    assert_int_equal(message->states, said->states);
    assert_int_equal(message->vcpus_count, said->vcpus_count);
    assert_int_equal(message->vcpu_restarts, said->vcpu_restarts);
    assert_int_equal(message->main_restarts, said->main_restarts);
    assert_int_equal(message->session, said->session);
    assert_int_equal(message->stopped, said->stopped);
    assert_memory_equal(message->times, said->times, sizeof(said->times));
    assert_memory_equal(message->vcpu_pids, said->vcpu_pids, sizeof(said->vcpu_pids));
    assert_memory_equal(message->vfs, said->vfs, sizeof(said->vfs));
    assert_memory_equal(message->channels, said->channels, sizeof(said->channels));
    if (message->partition.value == other.id)
        assert_true(message->present && !message->exit && !message->text[0]);
}

/* All that control is told until it hears of the hostile one's end: no answer to what it did not
 * ask, nothing of the other. */
static void hear_end(const struct stage *stage, struct lead_monitor *end)
{
    struct frame frame;

    do {
        hear(stage->links[PROCESS_CONTROL], &frame);
        if (frame.header.type == LEAD_ONLINE || frame.header.type == LEAD_SYNC)
            continue;
        assert_int_equal(frame.header.type, LEAD_MONITOR);
        memcpy(end, frame.bytes, sizeof(*end));
        assert_honest(end);
    } while (frame.header.type != LEAD_MONITOR || end->present);
    assert_int_equal(end->partition.value, hostile.id);
    do
        hear_until(stage->links[PROCESS_TCB], VFIO_CLOSED, &frame);
    while (((const struct vfio_closed *)frame.bytes)->vf.value);
    assert_int_equal(((const struct vfio_closed *)frame.bytes)->partition.value, hostile.id);
}

static void die(const struct guest *guest)
{
    const uint64_t one = 1;
    assert_int_equal(write(guest->died, &one, sizeof(one)), sizeof(one));
}

static void bury(struct stage *stage, struct guest *guest)
{
    close(guest->died);
    close(guest->link);
    guest->died = guest->link = -1;
    if (guest == &hostile)
        stage->links[PROCESS_MONITOR] = -1;
}

static void end_hostile(struct stage *stage, uint32_t exit, const char *text)
{
    struct lead_monitor end;

    die(&hostile);
    hear_end(stage, &end);
    assert_int_equal(end.exit, exit);
    assert_string_equal(end.text, text);
    assert_undisturbed(stage);
    bury(stage, &hostile);
}

/* It said something that it may not say: it is to be killed, nothing else is to happen. */
static void end_breach(struct stage *stage)
{
    assert_int_equal(cgroup_of(stage, &hostile).killed, '1');
    end_hostile(stage, EXIT_MONITOR_ERROR, "its monitor broke the protocol: Bad message");
}

static void empty(int socket)
{
    struct frame frame;
    int got;

    while ((got = frame_receive(socket, &frame)) == 1)
        frame_clear(&frame);
    assert_int_equal(got, -EAGAIN);
}

static void monitor_says(struct stage *stage, const void *message)
{
    assert_int_equal(frame_send(hostile.link, message, NULL, 0), 0);
    stage_settle(stage, PROCESS_MONITOR);
}

static void monitor_again(struct stage *stage)
{
    if (hostile.link >= 0)
        end_breach(stage);
    conceive(stage, &hostile);
    stage->links[PROCESS_MONITOR] = hostile.link;
    bear(stage, &hostile);
    monitor_says(stage, &honest);
    empty(stage->links[PROCESS_CONTROL]);
    empty(hostile.link);
}

static void live(struct stage *stage)
{
    snprintf(folder_now, sizeof(folder_now), "%s", stage->folder);
    close(hostile.died);
    close(other.died);
    close(other.link);
    hostile.link = hostile.died = -1;
    conceive(stage, &other);
    bear(stage, &other);
}

/* ---- tables */

static const struct attack_row from_monitor[] = {
    ATTACK_ROW(MONITOR_STATE, 0, 0, monitor_state, LINK_ENDS),
    ATTACK_ROW(MONITOR_EXIT, 0, 0, monitor_exit, LINK_ENDS),
    ATTACK_ROW(MONITOR_VF_RESULT, 0, 0, monitor_vf_result, LINK_ENDS),
};
static const struct attack_row from_control[] = {
    ATTACK_ROW(LEAD_CREATE, 1, 1, lead_order, LINK_ENDS),
    ATTACK_ROW(LEAD_CHANNELS, 1, 1, lead_order, LINK_ENDS),
    ATTACK_ROW(LEAD_ATTACH, 0, 0, lead_order, NO_MATTER), /* of a partition that is not there */
    ATTACK_ROW(LEAD_DETACH, 0, 0, lead_order, NO_MATTER),
    ATTACK_ROW(LEAD_STOP, 0, 0, lead_stop, LINK_ENDS),
    ATTACK_ROW(LEAD_CONSOLE, 0, 0, lead_order, NO_MATTER),
    ATTACK_ROW(LEAD_PROCESSORS, 1, 1, lead_order, LINK_ENDS),
    ATTACK_ROW(LEAD_SESSION, 0, 0, lead_session, LINK_ENDS),
    ATTACK_ROW(LEAD_VF_MEND, 0, 0, lead_vf, NO_MATTER),
    ATTACK_ROW(LEAD_VF_ADD, 1, 1, lead_vf, LINK_ENDS),
    ATTACK_ROW(LEAD_VF_REMOVE, 1, 1, lead_vf, LINK_ENDS),
};
static const struct attack_row from_tcb[] = {
    ATTACK_ROW(VFIO_FILES, 0, 1 + PARCLOSE_MAX_PARTITION_VFS, vfio_files, LINK_ENDS),
};
static const struct attack_peer peers[] = {
    {PROCESS_CONTROL, from_control, sizeof(from_control) / sizeof(from_control[0])},
    {PROCESS_TCB, from_tcb, sizeof(from_tcb) / sizeof(from_tcb[0])},
    {PROCESS_MONITOR, from_monitor, sizeof(from_monitor) / sizeof(from_monitor[0]), monitor_again},
};

/* ---- lies of a monitor: each is an honest word but for one thing */

#define LIES_MAX 100

static struct attack_lie lies[LIES_MAX];
static size_t lies_count;
static union {
    struct monitor_state state;
    struct monitor_exit exit;
    struct monitor_vf_result result;
    struct lead_order order;
    struct lead_stop stop;
    struct lead_session session;
    struct lead_vf vf;
    struct vfio_files files;
} words[LIES_MAX];

static void *lie(const char *name, enum process_kind from, const void *word, enum verdict verdict)
{
    const struct wire_header *header = word;

    assert_true(lies_count < LIES_MAX);
    memcpy(&words[lies_count], word, header->size);
    lies[lies_count] = (struct attack_lie){name, from, &words[lies_count], verdict, NULL};
    return &words[lies_count++];
}

static struct monitor_state *lie_state(const char *name)
{
    return lie(name, PROCESS_MONITOR, &honest, LINK_ENDS);
}

static void lies_of_states(void)
{
    lie_state("a state beyond all")->states = STATE_BIT(PARTITION_STATES);
    lie_state("all bits")->states = UINT32_MAX;
    lie_state("a vCPU too many")->vcpus_count = VCPUS + 1;
    lie_state("4 G vCPUs")->vcpus_count = UINT32_MAX;
    lie_state("a session of no kind")->session = SESSION_KINDS;
    lie_state("a session of 4 G kinds")->session = UINT32_MAX;
    lie_state("more than stopped")->stopped = 2;
    lie_state("more than frozen")->frozen = 2;
}

static void lies_of_places(void)
{
    lie_state("an unknown mark")->vfs[0].marks = VF_MARKS + 1;
    lie_state("all marks, in the last place")->vfs[PARCLOSE_MAX_PARTITION_VFS - 1] =
        (struct vf_seat){{0x300}, UINT32_MAX};
    lie_state("a VF in two places")->vfs[1].vf.value = FIRST_VF;
    lie_state("marks of nothing")->vfs[5].marks = VF_PRESENT;
    lie_state("a channel too many")->channels_count = PARCLOSE_MAX_CHANNELS + 1;
    lie_state("4 G channels")->channels_count = UINT32_MAX;
    lie_state("a channel in no state")->channels[0].state = CHANNEL_STATES;
    lie_state("a channel that is not there, in no state")->channels[7].state = UINT32_MAX;
    lie_state("a channel that wants too much")->channels[0].wants = CHANNEL_WANTS;
    lie_state("a channel's error that is none")->channels[0].error = 1;
    lie_state("a channel's error beyond all")->channels[0].error = INT32_MIN;
}

static void lies_of_ends(void)
{
    const struct monitor_exit word = {.header = frame_header(MONITOR_EXIT, sizeof(word), 0),
                                      .reason = EXIT_POWER_OFF};
    const struct monitor_vf_result result = {
        .header = frame_header(MONITOR_VF_RESULT, sizeof(result), 25), .vf = {FIRST_VF}};
    struct monitor_exit *exit = lie("no end", PROCESS_MONITOR, &word, LINK_ENDS);
    struct monitor_vf_result *bad;

    exit->reason = EXIT_NONE;
    exit = lie("an end of no kind", PROCESS_MONITOR, &word, LINK_ENDS);
    exit->reason = EXIT_REASONS;
    exit = lie("an end without end", PROCESS_MONITOR, &word, LINK_ENDS);
    memset(exit->text, 'x', sizeof(exit->text));
    bad = lie("a result that is no error", PROCESS_MONITOR, &result, LINK_ENDS);
    bad->error = 1;
    bad = lie("a result beyond all errors", PROCESS_MONITOR, &result, LINK_ENDS);
    bad->error = -4096;
    bad = lie("a result without end", PROCESS_MONITOR, &result, LINK_ENDS);
    memset(bad->text, 'x', sizeof(bad->text));
    lie("a result nobody waits for", PROCESS_MONITOR, &result, NO_MATTER);
    bad = lie("mended, which nobody asked for", PROCESS_MONITOR, &result, NO_MATTER);
    bad->header.id = 0;
    bad->error = -EIO;
}

/* ---- lies of control and of the TCB */

#define BAD_FILE(name, what)                                                                       \
    static int name(void)                                                                          \
    {                                                                                              \
        struct partition_descriptor d = describe(&hostile);                                        \
        what;                                                                                      \
        return sealed(&d, sizeof(d), SEALS);                                                       \
    }
BAD_FILE(bad_magic, d.magic = 0)
BAD_FILE(of_another, d.partition.value = 3; d.uid = 0x70000003u)
BAD_FILE(of_another_name, strcpy(d.name, "other"))
BAD_FILE(of_another_kind, strcpy(d.monitor, "qemu"))
BAD_FILE(of_less_vcpus, d.vcpus_count = 1)
BAD_FILE(of_more_memory, d.memory_bytes *= 2)

static int unsealed(void)
{
    const struct partition_descriptor d = describe(&hostile);
    return sealed(&d, sizeof(d), F_SEAL_GROW | F_SEAL_SHRINK);
}

static int too_short(void)
{
    const struct partition_descriptor d = describe(&hostile);
    return sealed(&d, sizeof(d) - 8, SEALS);
}

static int a_directory(void)
{
    return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void lie_file(const char *name, const void *word, enum verdict verdict, int (*file)(void))
{
    lie(name, PROCESS_CONTROL, word, verdict);
    lies[lies_count - 1].file = file;
}

static void lies_of_descriptors(uint16_t type, enum verdict good)
{
    const struct lead_order word = {.header = frame_header(type, sizeof(word), 1),
                                    .partition = {1}};
    const struct lead_order nobody = {.header = frame_header(type, sizeof(word), 1)};

    lie_file("a descriptor that is a directory", &word, LINK_ENDS, a_directory);
    lie_file("a descriptor that is not sealed", &word, LINK_ENDS, unsealed);
    lie_file("a descriptor too short", &word, LINK_ENDS, too_short);
    lie_file("a descriptor without magic", &word, LINK_ENDS, bad_magic);
    lie_file("another's descriptor", &word, LINK_ENDS, of_another);
    lie_file("nobody's descriptor", &nobody, LINK_ENDS, good_file);
    lie_file("a good descriptor", &word, good, good_file);
}

/* It is running: what cannot change does not. */
static void lies_of_change(const void *word)
{
    lie_file("another name", word, LINK_ENDS, of_another_name);
    lie_file("another kind of monitor", word, LINK_ENDS, of_another_kind);
    lie_file("fewer vCPUs", word, LINK_ENDS, of_less_vcpus);
    lie_file("more memory", word, LINK_ENDS, of_more_memory);
}

static void lies_of_changes(void)
{
    const struct lead_order channels = {.header = frame_header(LEAD_CHANNELS, sizeof(channels), 2),
                                        .partition = {1}};
    const struct lead_order processors = {
        .header = frame_header(LEAD_PROCESSORS, sizeof(processors), 7), .partition = {1}};
    struct lead_vf vf = {.header = frame_header(LEAD_VF_ADD, sizeof(vf), 9),
                         .partition = {1},
                         .vf = {FIRST_VF},
                         .timeout_ms = 1000};

    lies_of_change(&channels);
    lies_of_change(&processors);
    lies_of_change(&vf);
    vf.header.type = LEAD_VF_REMOVE;
    lies_of_change(&vf);
    vf.timeout_ms = 0;
    lie_file("no time to give it up", &vf, LINK_ENDS, good_file);
    vf.timeout_ms = 600001;
    lie_file("too much time to give it up", &vf, LINK_ENDS, good_file);
    vf.timeout_ms = 1000;
    vf.vf.value = 0;
    lie_file("no VF to be removed", &vf, LINK_ENDS, good_file);
    vf.header.type = LEAD_VF_ADD;
    lie_file("no VF to be added", &vf, LINK_ENDS, good_file);
}

static void lies_of_orders(void)
{
    const struct lead_stop stop = {.header = frame_header(LEAD_STOP, sizeof(stop), 5),
                                   .partition = {NOBODY}};
    const struct lead_session session = {.header = frame_header(LEAD_SESSION, sizeof(session), 8),
                                         .partition = {1}};
    struct lead_stop *bad = lie("a stop with more than force", PROCESS_CONTROL, &stop, LINK_ENDS);

    bad->force = 2;
    bad = lie("a stop in 49 days", PROCESS_CONTROL, &stop, LINK_ENDS);
    bad->timeout_ms = UINT32_MAX;
    bad = lie("a stop a little late", PROCESS_CONTROL, &stop, LINK_ENDS);
    bad->timeout_ms = 600001;
    lie("a stop of nobody", PROCESS_CONTROL, &stop, NO_MATTER);
    bad = lie("a stop of what is beyond all", PROCESS_CONTROL, &stop, NO_MATTER);
    bad->partition.value = PARCLOSE_MAX_PARTITIONS + 1;
    lie("no session", PROCESS_CONTROL, &session, LINK_ENDS);
    ((struct lead_session *)lie("a session of no kind", PROCESS_CONTROL, &session, LINK_ENDS))
        ->kind = SESSION_KINDS;
}

static struct vfio_files *lie_files(const char *name, enum verdict verdict)
{
    const struct vfio_files word = {.header = frame_header(VFIO_FILES, sizeof(word), 1),
                                    .partition = {1}};
    return lie(name, PROCESS_TCB, &word, verdict);
}

static void lies_of_tcb(void)
{
    struct vfio_files *endless = lie_files("files without end", LINK_ENDS);

    memset(endless->text, 'x', sizeof(endless->text));
    lie_files("files that are no error", LINK_ENDS)->error = 1;
    lie_files("files beyond all errors", LINK_ENDS)->error = -4096;
    lie_files("files nobody asked for", NO_MATTER);
    lies[lies_count - 1].file = a_directory;
    lie_files("files of nobody", NO_MATTER)->partition.value = 0;
    lies[lies_count - 1].file = a_directory;
    lie_files("files of what is beyond all", NO_MATTER)->partition.value = UINT32_MAX;
    lies[lies_count - 1].file = a_directory;
}

/* ---- more of it */

/* Ids are control's: a monitor sees that of VF_ADD, and that of its partition's STOP is near. */
static void it_answers_what_it_was_not_asked(void **state)
{
    struct monitor_vf_result word = {.header = frame_header(MONITOR_VF_RESULT, sizeof(word), 0),
                                     .vf = {FIRST_VF},
                                     .error = -ESRCH};
    struct stage *stage = *state;
    struct frame frame;

    for (uint64_t id = 1; id < 64; id++) {
        word.header.id = id;
        monitor_says(stage, &word);
    }
    assert_int_equal(frame_receive(stage->links[PROCESS_CONTROL], &frame), -EAGAIN);
    assert_int_equal(cgroup_of(stage, &hostile).killed, '0');
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* As fast as it can; returns when it has sent so many, or after so long. */
static unsigned flood(const void *message, unsigned most, uint64_t ms)
{
    uint64_t end = now_ms() + ms;
    unsigned sent = 0;

    while (sent < most && now_ms() < end)
        sent += frame_send(hostile.link, message, NULL, 0) == 0;
    return sent;
}

/* Control is told all that is said, in the end; but not at the monitor's pace, which could end
 * lead's link to a control that has others to hear, too. */
static void it_floods(void **state)
{
    struct stage *stage = *state;
    struct lead_result result = {.error = 1};
    unsigned told = 0;
    struct frame frame;

    flood(&honest, UINT32_MAX, 1500);
    order_plain(stage, LEAD_ATTACH, 0x23, other.id, -1);
    do {
        hear(stage->links[PROCESS_CONTROL], &frame);
        told += frame.header.type == LEAD_MONITOR;
        if (frame.header.type == LEAD_RESULT)
            memcpy(&result, frame.bytes, sizeof(result));
    } while (result.header.id != 0x23);
    assert_int_equal(result.error, 0);
    assert_in_range(told, 64, 5000); /* of 100,000 */
    assert_int_equal(stage->complaints, 0);
    assert_int_equal(cgroup_of(stage, &other).frozen, '0');
}

/* What is said behind it is not heard. */
static void its_last_words_are_no_message(void **state)
{
    struct stage *stage = *state;
    struct monitor_exit word = {.header = frame_header(MONITOR_EXIT, sizeof(word), 0),
                                .reason = EXIT_POWER_OFF};
    struct monitor_state bad = honest;

    bad.frozen = 2;
    assert_int_equal(kill(stage->pid, SIGSTOP), 0);
    for (int i = 0; i < 40; i++) /* so that its death is seen before the bad one */
        assert_int_equal(frame_send(hostile.link, &honest, NULL, 0), 0);
    assert_int_equal(frame_send(hostile.link, &bad, NULL, 0), 0);
    assert_int_equal(frame_send(hostile.link, &word, NULL, 0), 0);
    die(&hostile);
    assert_int_equal(kill(stage->pid, SIGCONT), 0);
    end_hostile(stage, EXIT_MONITOR_ERROR, "its monitor broke the protocol: Bad message");
}

/* The end that it said stands; for what came after it is killed all the same. */
static void it_goes_on_after_its_end(void **state)
{
    struct stage *stage = *state;
    struct monitor_exit word = {.header = frame_header(MONITOR_EXIT, sizeof(word), 0),
                                .reason = EXIT_REBOOT,
                                .text = "by its guest"};
    struct monitor_state bad = honest;

    bad.vcpus_count = VCPUS + 1;
    monitor_says(stage, &word);
    monitor_says(stage, &honest);
    assert_int_equal(cgroup_of(stage, &hostile).killed, '0');
    monitor_says(stage, &bad);
    assert_int_equal(cgroup_of(stage, &hostile).killed, '1');
    end_hostile(stage, EXIT_REBOOT, "by its guest");
}

/* It would not hear that a VF is to be given up, and nobody can take that from it but by its end.
 */
static void it_hangs_up(void **state)
{
    struct stage *stage = *state;
    uint64_t begun = now_ms();

    assert_int_equal(shutdown(hostile.link, SHUT_RDWR), 0);
    while (cgroup_of(stage, &hostile).killed == '0' && now_ms() < begun + DEADLINE_MS)
        usleep(20000);
    assert_in_range(now_ms() - begun, 2900, DEADLINE_MS - 1);
    end_hostile(stage, EXIT_MONITOR_ERROR, "its monitor closed its link");
}

/* Each would leave a file with lead until it reads. */
static void it_takes_no_session(void **state)
{
    const struct lead_session look = {.header = frame_header(LEAD_SESSION, sizeof(look), 0x28),
                                      .partition = {hostile.id},
                                      .kind = SESSION_LOOK};
    struct stage *stage = *state;
    size_t files = stage_files(stage);
    struct frame frame;
    int error = 0;

    for (int i = 0; i < 2000; i++) {
        order(stage, &look, -1);
        hear_until(stage->links[PROCESS_CONTROL], LEAD_RESULT, &frame);
        error = ((const struct lead_result *)frame.bytes)->error;
    }
    assert_int_equal(error, -EAGAIN);
    assert_in_range(stage_files(stage), files, files + 1);
    assert_undisturbed(stage);
}

/* Nobody has told lead yet that it is there. */
static void it_speaks_before_its_birth(void **state)
{
    struct stage *stage = *state;
    struct monitor_state bad = honest;

    bad.states = UINT32_MAX;
    monitor_says(stage, &bad);
    end_breach(stage);
    conceive(stage, &hostile);
    stage->links[PROCESS_MONITOR] = hostile.link;
    assert_int_equal(frame_send(hostile.link, &bad, NULL, 0), 0);
    bear(stage, &hostile);
    stage_settle(stage, PROCESS_MONITOR);
    end_breach(stage);
}

/* ---- the TCB's files */

static void answer_open(struct stage *stage, uint64_t id, size_t count)
{
    const struct vfio_files message = {.header = frame_header(VFIO_FILES, sizeof(message), id),
                                       .partition = {hostile.id},
                                       .vfs_count = 2};
    int file = a_directory();

    assert_int_equal(stage_throw(stage->links[PROCESS_TCB], &message, sizeof(message), file, count),
                     0);
    close(file);
    stage_settle(stage, PROCESS_TCB);
}

static void assert_answer(const struct stage *stage, uint64_t id, int error)
{
    struct frame frame;

    hear_until(stage->links[PROCESS_CONTROL], LEAD_RESULT, &frame);
    assert_int_equal(frame.header.id, id);
    assert_int_equal(((const struct lead_result *)frame.bytes)->error, error);
}

/* The monitor is given none of them, control hears that it was not done, no file is left. */
static void the_tcb_sends_another_number_of_files(void **state)
{
    static const size_t counts[] = {0, 2, 4, 9};
    struct stage *stage = *state;
    struct frame frame;

    empty(stage->links[PROCESS_TCB]);
    size_t files = stage_files(stage);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        order_plain(stage, LEAD_CHANNELS, 0x12, hostile.id, good_file());
        hear_until(stage->links[PROCESS_TCB], VFIO_OPEN, &frame);
        assert_int_equal(frame.header.id, 0x12);
        answer_open(stage, 0x13, 3); /* not asked for: not heard */
        answer_open(stage, 0x12, counts[i]);
        assert_int_equal(stage->complaint.peer, PROCESS_TCB);
        assert_int_equal(stage->complaint.error, -EBADMSG);
        assert_int_equal(stage->complaints, i + 1);
        assert_answer(stage, 0x12, -EAGAIN);
        stage_link(stage, PROCESS_TCB);
        stage_alive(stage);
        assert_int_equal(stage_files(stage), files);
    }
    assert_int_equal(frame_receive(hostile.link, &frame), -EAGAIN);
    order_plain(stage, LEAD_CHANNELS, 0x12, hostile.id, good_file());
    hear_until(stage->links[PROCESS_TCB], VFIO_OPEN, &frame);
    answer_open(stage, 0x12, 3);
    assert_answer(stage, 0x12, 0);
    hear(hostile.link, &frame);
    assert_int_equal(frame.header.type, MONITOR_CHANNELS);
    assert_int_equal(stage_files(stage), files);
    assert_undisturbed(stage);
}

/* ---- control's orders when there is nothing to be ordered */

static void orders_in_the_wrong_phase_are_refused(void **state)
{
    static const uint16_t plain[] = {LEAD_ATTACH, LEAD_DETACH, LEAD_CONSOLE};
    struct stage *stage = *state;
    struct guest late = {3, "late", -1, -1};
    const struct partition_descriptor d = describe(&late);

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        order_plain(stage, plain[i], 0x31, NOBODY, -1);
        assert_answer(stage, 0x31, -ESRCH);
    }
    conceive(stage, &late);
    order_plain(stage, LEAD_CHANNELS, 0x32, late.id, sealed(&d, sizeof(d), SEALS));
    assert_answer(stage, 0x32, -ESRCH);
    order_plain(stage, LEAD_PROCESSORS, 0x37, late.id, sealed(&d, sizeof(d), SEALS));
    assert_answer(stage, 0x37, -ESRCH);
    bear(stage, &late);
    close(late.link);
    close(late.died);
    assert_undisturbed(stage);
}

static int run_more(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, attack_setup, attack_teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_answers_what_it_was_not_asked),
        TEST(it_floods),
        TEST(its_last_words_are_no_message),
        TEST(it_goes_on_after_its_end),
        TEST(it_hangs_up),
        TEST(it_takes_no_session),
        TEST(it_speaks_before_its_birth),
        TEST(the_tcb_sends_another_number_of_files),
        TEST(orders_in_the_wrong_phase_are_refused),
    };
    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}

static void make_lies(void)
{
    lies_of_states();
    lies_of_places();
    lies_of_ends();
    lies_of_descriptors(LEAD_CREATE, NO_MATTER);
    lies_of_descriptors(LEAD_PROCESSORS, NO_MATTER);
    lies_of_changes();
    lies_of_orders();
    lies_of_tcb();
}

int main(int argc, char **argv)
{
    static const struct lead_order nobody = {LIE_HEADER(LEAD_CONSOLE, lead_order, 6)};
    static const struct attack_lie loud = {"flood", PROCESS_CONTROL, &nobody, NO_MATTER, NULL};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
        dup2(ends[1], PLAYED_SPAWNER) < 0)
        return EXIT_FAILURE;
    spawner = ends[0];
    make_lies();
    const struct attack attack = {.victim = PROCESS_LEAD,
                                  .peers = peers,
                                  .peers_count = sizeof(peers) / sizeof(peers[0]),
                                  .lies = lies,
                                  .lies_count = lies_count,
                                  .flood = &loud,
                                  .give = give,
                                  .live = live};
    int failed = attack_run(&attack, argc, argv);
    return failed + run_more();
}
