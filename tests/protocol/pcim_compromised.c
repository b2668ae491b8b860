/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compromised SR-PCIM between the real parclose-control and the real parclose-tcb, linked as boot
 * links them; the TCB has a played /sys with a managed card, and functions that are nobody's
 * business: another PF of the same kind, VFs, a bridge. The test is SR-PCIM, and boot, command and
 * lead, which do as they should.
 *
 *   every write below the played /sys is counted by inotify, and what is written to the files that
 *   all devices share (drivers_probe, bind, unbind) comes out of pipes: nothing but the managed
 *   card and its VFs may be named, and while a guest has a VF, nothing that takes it away
 *
 * argv: control, tcb, what of "the card is managed" is asked: "both" by both; "tcb": control is a
 * mutant that does not ask, and the TCB refuses what comes through; "none": the TCB is one, too,
 * and the count must show it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config_check.h"
#include "control.h"
#include "parclose/msg_control_command.h"
#include "parclose/msg_control_lead.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_tcb_lead.h"
#include "pci/function.h"
#include "stage.h"
#include "tree.h"

#define VFS         2 /* of the managed card */
#define STRANGER    ((struct bdf){0x0200})
#define BRIDGE      ((struct bdf){0x0008})
#define HOST_VF     ((struct bdf){0x0280})
#define WATCHES_MAX 64
#define WAIT_MS     20000
#define FRAMES      4000
#define STORM       3000
#define FLOOD_MAX   80000
#define EVENT_MASK  (IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

/* A folder of the played /sys that is watched. */
struct watch {
    int number;
    struct bdf bdf;
};

struct world {
    struct stage control, tcb;
    char root[96];
    int inotify;
    struct watch watches[WATCHES_MAX];
    size_t watches_count;
    int probe, bind, unbind; /* pipes that the TCB takes for files */
    unsigned seed;
    uint64_t id;
    /* counted */
    unsigned long messages, writes, strays, takers;
    unsigned long let_through; /* what control did not refuse of a card that is not managed */
};

static struct world world; /* one for all tests */
static const char *asked;

static unsigned dice(unsigned sides)
{
    return (unsigned)rand_r(&world.seed) % sides;
}

/* ---- what is written */

static bool managed(struct bdf bdf)
{
    bool is = bdf.value == TREE_PF.value;

    for (unsigned i = 0; i < VFS; i++)
        is |= bdf.value == tree_vf(i).value;
    return is;
}

static void note(struct bdf bdf, const char *what)
{
    world.writes++;
    if (!managed(bdf) && !world.strays++ && strcmp(asked, "none") != 0)
        print_message("a stray write: %05x %s\n", bdf.value, what);
}

static void watch(const char *path, struct bdf bdf)
{
    assert_true(world.watches_count < WATCHES_MAX);
    int number = inotify_add_watch(world.inotify, path, EVENT_MASK);
    assert_true(number >= 0);
    world.watches[world.watches_count++] = (struct watch){number, bdf};
}

static void watch_devices(void)
{
    char path[512];
    struct bdf bdf;

    world.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(world.inotify >= 0);
    snprintf(path, sizeof(path), "%s/bus/pci/devices", world.root);
    DIR *list = opendir(path);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list));) {
        snprintf(path, sizeof(path), "%s/bus/pci/devices/%.200s", world.root, entry->d_name);
        if (function_parse(entry->d_name, &bdf))
            watch(path, bdf);
    }
    closedir(list);
}

static void count_events(void)
{
    _Alignas(struct inotify_event) char bytes[65536];
    ssize_t got;

    while ((got = read(world.inotify, bytes, sizeof(bytes))) > 0)
        for (char *at = bytes; at < bytes + got;) {
            const struct inotify_event *event = (const void *)at;
            assert_false(event->mask & IN_Q_OVERFLOW);
            for (size_t i = 0; i < world.watches_count; i++)
                if (world.watches[i].number == event->wd)
                    note(world.watches[i].bdf, event->len ? event->name : "");
            if (event->len &&
                (!strcmp(event->name, "reset") || !strcmp(event->name, "sriov_numvfs")))
                world.takers++;
            at += sizeof(*event) + event->len;
        }
}

/* "0000:01:00.0", one behind the other. How many. */
static unsigned long count_named(int file, const char *what)
{
    unsigned long count = 0;
    char text[13] = "";
    struct bdf bdf;

    while (read(file, text, 12) == 12) {
        assert_true(function_parse(text, &bdf));
        note(bdf, what);
        count++;
    }
    return count;
}

/* Command and lead read what they are told. */
static void others_read(void)
{
    static const enum process_kind others[] = {PROCESS_COMMAND, PROCESS_LEAD};
    struct frame frame;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        while (frame_receive(world.control.links[others[i]], &frame) == 1)
            frame_clear(&frame);
}

static void count_writes(void)
{
    others_read();
    count_events();
    count_named(world.probe, "drivers_probe");
    count_named(world.bind, "bind");
    world.takers += count_named(world.unbind, "unbind");
}

static int pipe_at(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", world.root, name);
    assert_int_equal(mkfifo(path, 0600), 0);
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static void folder(const char *root, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void play_sys(void)
{
    const char *root = world.root;

    tree_make(root);
    tree_create_vfs(root, VFS);
    tree_make_pf(root, STRANGER, "pf1");
    tree_text(root, HOST_VF, "driver_override", "(null)\n");
    tree_text(root, HOST_VF, "reset", "");
    tree_link(root, HOST_VF, "physfn", "../0000:02:00.0");
    tree_link(root, STRANGER, "virtfn0", "../0000:02:10.0");
    tree_text(root, BRIDGE, "class", "0x060400\n");
    tree_text(root, BRIDGE, "reset", "");
    tree_text(root, TREE_PF, "reset", "");
    tree_text(root, STRANGER, "reset", "");
    for (unsigned i = 0; i < VFS; i++)
        tree_text(root, tree_vf(i), "reset", "");
    folder(root, "bus/pci/drivers");
    folder(root, "bus/pci/drivers/igb");
    world.probe = pipe_at("bus/pci/drivers_probe");
    world.bind = pipe_at("bus/pci/drivers/igb/bind");
    world.unbind = pipe_at("bus/pci/drivers/igb/unbind");
    watch_devices();
}

/* ---- the others */

static int inventory_file(void)
{
    static struct inventory inventory = {.magic = INVENTORY_MAGIC,
                                         .nodes_count = 1,
                                         .pcpus_count = 4,
                                         .boot_id = {9},
                                         .nodes = {{0, 0, UINT64_C(4) << 30}}};
    for (uint32_t i = 0; i < inventory.pcpus_count; i++)
        inventory.pcpus[i].pcpu = i;
    int file = memfd_create("inventory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(write(file, &inventory, sizeof(inventory)), sizeof(inventory));
    assert_int_equal(
        fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    return file;
}

static void say(struct stage *stage, enum process_kind as, const void *message)
{
    assert_int_equal(frame_send(stage->links[as], message, NULL, 0), 0);
    stage_settle(stage, as);
}

/* The next message of this type on a link; others are skipped. */
static void hear(struct stage *stage, enum process_kind peer, uint16_t type, struct frame *frame)
{
    struct pollfd wait = {.fd = stage->links[peer], .events = POLLIN};

    for (;;) {
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
        assert_int_equal(frame_receive(stage->links[peer], frame), 1);
        if (frame->header.type == type)
            return;
        frame_clear(frame);
    }
}

static int32_t ask(const void *message)
{
    const struct wire_header *header = message;
    struct control_result result;
    struct frame frame;

    say(&world.control, PROCESS_COMMAND, message);
    do {
        hear(&world.control, PROCESS_COMMAND, CONTROL_RESULT, &frame);
        memcpy(&result, frame.bytes, sizeof(result));
        frame_clear(&frame);
    } while (frame.header.id != header->id);
    if (result.error)
        print_message("asked in vain: %s\n", result.text);
    return result.error;
}

/* A partition that is to be started with VF 0 of the card, which only waits for its PF. */
static void configure(void)
{
    struct control_host_set host = {.header = frame_header(CONTROL_HOST_SET, sizeof(host), 1)};
    const struct control_partition_define define = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(define), 2),
        .config = {.name = "web",
                   .vcpus = 1,
                   .memory_mib = 256,
                   .vfs_count = 1,
                   .monitor = "native",
                   .kernel = "/k",
                   .vfs = {{.card = "net0"}}}};
    const struct control_partition_start start = {
        .header = frame_header(CONTROL_PARTITION_START, sizeof(start), 3),
        .name = "web",
        .pcpus_count = 1,
        .pcpus = {1}};

    host_config_defaults(&host.host);
    host.host.cards_count = 1;
    host.host.cards[0] = (struct card_config){"net0", TREE_PF, VFS, "igb"};
    assert_int_equal(ask(&host), 0);
    assert_int_equal(ask(&define), 0);
    assert_int_equal(ask(&start), 0);
}

static void begin(char **argv)
{
    const struct lead_sync to_control = {.header = frame_header(LEAD_SYNC, sizeof(to_control), 0)};
    const struct vfio_sync to_tcb = {.header = frame_header(VFIO_SYNC, sizeof(to_tcb), 0)};

    world = (struct world){.seed = 20260};
    stage_begin(&world.control, argv[1], PROCESS_CONTROL);
    stage_begin(&world.tcb, argv[2], PROCESS_TCB);
    snprintf(world.root, sizeof(world.root), "%s/sys", world.tcb.folder);
    play_sys();
    stage_give(&world.control, "inventory", inventory_file());
    stage_give(&world.control, "state", open(world.control.folder, O_RDONLY | O_CLOEXEC));
    stage_give(&world.tcb, "state", open(world.tcb.folder, O_RDONLY | O_CLOEXEC));
    stage_join(&world.control, &world.tcb);
    stage_link(&world.control, PROCESS_COMMAND);
    stage_link(&world.control, PROCESS_LEAD);
    stage_link(&world.control, PROCESS_SR_PCIM);
    stage_link(&world.tcb, PROCESS_LEAD);
    stage_link(&world.tcb, PROCESS_SR_PCIM);
    stage_start(&world.control);
    stage_start(&world.tcb);
    say(&world.control, PROCESS_LEAD, &to_control);
    say(&world.tcb, PROCESS_LEAD, &to_tcb);
}

static void end(void)
{
    stage_alive(&world.control);
    stage_alive(&world.tcb);
    stage_end(&world.control);
    stage_end(&world.tcb);
    tree_remove(world.tcb.folder);
    close(world.inotify);
    close(world.probe);
    close(world.bind);
    close(world.unbind);
}

/* ---- SR-PCIM, as it may speak */

static struct pcim_propose proposal(uint32_t action, struct bdf pf, uint32_t index, uint32_t vfs)
{
    world.messages++;
    return (struct pcim_propose){
        .header = frame_header(PCIM_PROPOSE, sizeof(struct pcim_propose), ++world.id),
        .action = action,
        .pf = pf,
        .index = index,
        .vfs = vfs};
}

/* The verdict on it. */
static struct pcim_verdict propose(uint32_t action, struct bdf pf, uint32_t index, uint32_t vfs)
{
    const struct pcim_propose message = proposal(action, pf, index, vfs);
    struct pcim_verdict verdict;
    struct frame frame;

    assert_int_equal(frame_send(world.control.links[PROCESS_SR_PCIM], &message, NULL, 0), 0);
    do {
        hear(&world.control, PROCESS_SR_PCIM, PCIM_VERDICT, &frame);
        memcpy(&verdict, frame.bytes, sizeof(verdict));
    } while (frame.header.id != message.header.id);
    return verdict;
}

/* One action by all numbers that may tell something. */
static void act(uint32_t action, struct bdf pf)
{
    static const uint32_t indices[] = {0, VFS - 1, VFS, PARCLOSE_MAX_VFS_PER_PF, UINT32_MAX};
    static const uint32_t counts[] = {VFS, 0, VFS + 1, PARCLOSE_MAX_VFS_PER_PF + 1, UINT32_MAX};
    bool of_vf = action == ACTION_VF_ACTIVATE || action == ACTION_VF_RELEASE ||
                 action == ACTION_VF_RENEW || action == ACTION_VF_CONFIGURE ||
                 action == ACTION_VF_ABANDON;
    bool own = pf.value == TREE_PF.value;

    for (size_t i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
        struct pcim_verdict verdict = propose(action, pf, indices[i], counts[i]);
        bool refused = verdict.error == -EPERM && !verdict.writes;
        if (!own && !refused)
            world.let_through++;
        if (own && of_vf && indices[i] >= VFS)
            assert_true(refused);
        count_writes();
    }
}

static void every_action(void)
{
    const struct bdf pfs[] = {TREE_PF,    STRANGER, HOST_VF,  BRIDGE,
                              tree_vf(0), {0},      {0xfff8}, {0xffffffff}};

    for (uint32_t action = ACTION_NONE + 1; action < DEVICE_ACTIONS; action++)
        for (size_t i = 0; i < sizeof(pfs) / sizeof(pfs[0]); i++)
            act(action, pfs[i]);
}

/* Both answer: control's map is in order, the TCB does what is in order. */
static void both_answer(void)
{
    const struct control_plain check = {
        .header = frame_header(CONTROL_CHECK, sizeof(check), 1000000 + ++world.id)};
    int32_t error = -EBUSY; /* while what was begun before is under way */

    stage_alive(&world.control);
    stage_alive(&world.tcb);
    assert_int_equal(ask(&check), 0);
    for (int i = 0; i < WAIT_MS && error == -EBUSY; i++) {
        error = propose(ACTION_PF_LINK_UP, TREE_PF, 0, 0).error;
        usleep(error ? 1000 : 0);
    }
    assert_int_equal(error, 0); /* it is up: the TCB has looked */
    count_writes();
}

static void again(struct stage *stage)
{
    stage_settle(stage, PROCESS_SR_PCIM);
    stage_link(stage, PROCESS_SR_PCIM);
}

/* ---- the tests */

/* Neither cards nor the TCB are known to control. */
static void before_there_is_anything(void **state)
{
    (void)state;
    every_action();
    assert_int_equal(world.writes, 0);
    configure();
    both_answer();
}

static void every_action_on_everything(void **state)
{
    (void)state;
    unsigned long before = world.writes;
    every_action();
    assert_true(world.writes > before); /* the managed card's: counting works */
    both_answer();
}

/* A guest has VF 0, as lead says: whatever is proposed, it is not taken away. */
static void nothing_takes_a_vf_that_is_in_use(void **state)
{
    const struct vfio_open held = {.header = frame_header(VFIO_HELD, sizeof(held), 5),
                                   .partition = {1},
                                   .vfs_count = 1,
                                   .vfs = {tree_vf(0)}};
    const struct vfio_closed closed = {.header = frame_header(VFIO_CLOSED, sizeof(closed), 6),
                                       .partition = {1}};
    (void)state;
    count_writes();
    assert_true(world.takers > 0); /* as long as nobody had it */
    say(&world.tcb, PROCESS_LEAD, &held);
    unsigned long before = world.takers;
    every_action();
    assert_int_equal(world.takers, before);
    both_answer();
    say(&world.tcb, PROCESS_LEAD, &closed);
}

static uint32_t number(void)
{
    static const uint32_t some[] = {0,      1,      VFS,     VFS + 1, 7,         255,        256,
                                    257,    0x0100, 0x0180,  0x0200,  0x0280,    0x0008,     0xfff8,
                                    0xffff, 65536,  1 << 20, 1 << 31, INT32_MAX, UINT32_MAX, 11};
    unsigned i = dice(2 * sizeof(some) / sizeof(some[0]));
    return i < sizeof(some) / sizeof(some[0]) ? some[i] : (uint32_t)rand_r(&world.seed);
}

struct random_frame {
    union {
        struct wire_header header;
        struct pcim_readiness readiness;
        struct pcim_propose propose;
        uint32_t words[WIRE_MAX / 4];
        uint8_t bytes[WIRE_MAX + 8];
    };
    size_t size, files;
    bool wrong; /* its form is: the link must end */
};

static void random_body(struct random_frame *frame)
{
    uint16_t type = dice(2) ? PCIM_PROPOSE : PCIM_READINESS;
    size_t size = type == PCIM_PROPOSE ? sizeof(frame->propose) : sizeof(frame->readiness);

    *frame = (struct random_frame){.size = size};
    for (size_t i = sizeof(frame->header) / 4; i < size / 4; i++)
        frame->words[i] = number();
    frame->header = frame_header(type, size, dice(8) ? ++world.id : number());
    if (dice(4) && type == PCIM_PROPOSE)
        frame->propose.action = dice(DEVICE_ACTIONS + 1);
    if (dice(4) && type == PCIM_READINESS) {
        frame->readiness.readiness = dice(PF_READINESS_KINDS + 1);
        memset(frame->readiness.reason, dice(2) ? 0 : '%', sizeof(frame->readiness.reason) - 1);
        frame->readiness.reason[sizeof(frame->readiness.reason) - 1] = 0;
    }
}

/* One thing of the form is not as it should be. */
static void deform(struct random_frame *frame)
{
    frame->wrong = true;
    switch (dice(6)) {
    case 0: /* cut off, by the datagram alone or by both */
        frame->size = 1 + dice((unsigned)frame->size - 1);
        if (dice(2))
            frame->header.size = (uint32_t)frame->size;
        break;
    case 1: /* more than there is to say */
        frame->size += 1 + dice(WIRE_MAX - (unsigned)frame->size);
        frame->header.size = (uint32_t)frame->size;
        break;
    case 2:
        frame->files = 1 + dice(STAGE_FILES_MAX);
        break;
    case 3: /* of another link, or of no one */
        do
            frame->header.type = (uint16_t)rand_r(&world.seed);
        while (frame->header.type == PCIM_PROPOSE || frame->header.type == PCIM_READINESS);
        break;
    case 4:
        frame->header.version += (uint16_t)(1 + dice(UINT16_MAX));
        break;
    default:
        frame->header.size += 1 + number() % UINT32_MAX;
    }
}

/* Whether the link has ended; reads what is said. */
static bool ended(struct stage *stage)
{
    struct frame frame;
    int got;

    while ((got = frame_receive(stage->links[PROCESS_SR_PCIM], &frame)) == 1)
        frame_clear(&frame);
    return got != -EAGAIN;
}

static void throw_one(struct stage *stage, const struct random_frame *frame, int file)
{
    unsigned before = stage->complaints;

    world.messages++;
    stage_throw(stage->links[PROCESS_SR_PCIM], frame->bytes, frame->size, file, frame->files);
    stage_settle(stage, PROCESS_SR_PCIM);
    bool over = ended(stage);
    if (frame->wrong && !over)
        fail_msg("type %x, %zu bytes, %zu files is taken", frame->header.type, frame->size,
                 frame->files);
    assert_int_equal(stage->complaints - before, over);
    if (!over)
        return;
    assert_int_equal(stage->complaint.peer, PROCESS_SR_PCIM);
    assert_int_equal(stage->complaint.error, -EBADMSG);
    stage_link(stage, PROCESS_SR_PCIM);
}

static void frames_of_any_form(void **state)
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    size_t files = stage_files(&world.control);
    struct random_frame frame;
    (void)state;

    for (int i = 0; i < FRAMES; i++) {
        random_body(&frame);
        if (dice(2))
            deform(&frame);
        throw_one(&world.control, &frame, file);
        count_writes();
    }
    close(file);
    both_answer();
    assert_in_range(stage_files(&world.control), 0, files + 2); /* a snapshot on its way is one */
}

/* It is not asked anything by the TCB, and has nothing to say to it. */
static void anything_said_to_the_tcb(void **state)
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    size_t files = stage_files(&world.tcb);
    struct random_frame frame;
    (void)state;

    for (uint32_t type = 0; type <= UINT16_MAX; type += type < 0x1000 ? 1 : 257) {
        random_body(&frame);
        if (dice(4) == 0)
            deform(&frame);
        frame.header.type = (uint16_t)type;
        frame.wrong = true;
        throw_one(&world.tcb, &frame, file);
    }
    close(file);
    both_answer();
    assert_in_range(stage_files(&world.tcb), 0, files + 2);
}

/* Many at once, while actions are under way, by a link that is replaced at any time. */
static void a_storm(void **state)
{
    struct stage *stage = &world.control;
    struct random_frame frame;
    (void)state;

    for (int i = 0; i < STORM; i++) {
        random_body(&frame);
        world.messages++;
        stage_throw(stage->links[PROCESS_SR_PCIM], frame.bytes, frame.size, -1, 0);
        if (dice(8) == 0 && ended(stage))
            again(stage);
        else if (dice(50) == 0)
            stage_link(stage, PROCESS_SR_PCIM);
        if (dice(20) == 0)
            count_writes();
    }
    again(stage);
    both_answer();
}

/* What an SR-PCIM says that boot has replaced is heard by nobody. */
static void of_an_older_generation(void **state)
{
    const struct pcim_propose message = proposal(ACTION_PF_RESTART, TREE_PF, 0, 0);
    (void)state;

    int old = dup(world.control.links[PROCESS_SR_PCIM]);
    stage_link(&world.control, PROCESS_SR_PCIM);
    stage_settle(&world.control, PROCESS_LEAD);
    count_writes();
    unsigned long before = world.writes;
    assert_int_equal(frame_send(old, &message, NULL, 0), -EPIPE);
    close(old);
    both_answer();
    assert_int_equal(world.writes, before);
}

/* Verdicts that nobody reads fill the socket, then the queue; then it is cut off. */
static void one_that_does_not_read(void **state)
{
    struct stage *stage = &world.control;
    unsigned before = stage->complaints;
    int error = 0;
    (void)state;

    for (int i = 0; i < FLOOD_MAX && !error; i++) {
        const struct pcim_propose message = proposal(ACTION_PF_RESET, STRANGER, 0, 0);
        while ((error = frame_send(stage->links[PROCESS_SR_PCIM], &message, NULL, 0)) == -EAGAIN)
            usleep(100);
    }
    assert_int_equal(error, -EPIPE);
    stage_settle(stage, PROCESS_LEAD);
    assert_int_equal(stage->complaints, before + 1);
    assert_int_equal(stage->complaint.error, -ENOBUFS);
    stage_link(stage, PROCESS_SR_PCIM);
    both_answer();
}

static void no_write_elsewhere(void **state)
{
    (void)state;
    count_writes();
    assert_int_equal(world.let_through, 0);
    assert_int_equal(world.strays, 0);
}

static const uint32_t to_let_through[] = {ACTION_PF_RESTART, ACTION_PF_CREATE_VFS,
                                          ACTION_PF_LINK_UP, ACTION_VF_ACTIVATE, ACTION_VF_RELEASE};

/* The TCB asks for itself: nothing is written, although control lets everything through. */
static void the_tcb_alone_refuses(void **state)
{
    (void)state;
    configure();
    for (size_t i = 0; i < sizeof(to_let_through) / sizeof(to_let_through[0]); i++)
        act(to_let_through[i], STRANGER);
    both_answer();
    assert_true(world.let_through > 0);
    assert_int_equal(world.strays, 0);
}

static void nobody_asks(void **state)
{
    (void)state;
    configure();
    for (size_t i = 0; i < sizeof(to_let_through) / sizeof(to_let_through[0]); i++)
        act(to_let_through[i], STRANGER);
    assert_true(world.let_through > 0);
    assert_true(world.strays > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest sound[] = {
        cmocka_unit_test(before_there_is_anything),
        cmocka_unit_test(every_action_on_everything),
        cmocka_unit_test(nothing_takes_a_vf_that_is_in_use),
        cmocka_unit_test(frames_of_any_form),
        cmocka_unit_test(anything_said_to_the_tcb),
        cmocka_unit_test(a_storm),
        cmocka_unit_test(of_an_older_generation),
        cmocka_unit_test(one_that_does_not_read),
        cmocka_unit_test(no_write_elsewhere),
    };
    const struct CMUnitTest by_tcb[] = {cmocka_unit_test(the_tcb_alone_refuses)};
    const struct CMUnitTest by_none[] = {cmocka_unit_test(nobody_asks)};
    int failed;

    if (argc != 4)
        return EXIT_FAILURE;
    asked = argv[3];
    begin(argv);
    if (!strcmp(asked, "both"))
        failed = cmocka_run_group_tests_name("compromised SR-PCIM", sound, NULL, NULL);
    else if (!strcmp(asked, "tcb"))
        failed = cmocka_run_group_tests_name("and control lets all through", by_tcb, NULL, NULL);
    else
        failed = cmocka_run_group_tests_name("and the TCB, too", by_none, NULL, NULL);
    if (!failed)
        end();
    print_message("%lu messages, %lu writes, %lu of them to devices that are not managed\n",
                  world.messages, world.writes, world.strays);
    return failed;
}
