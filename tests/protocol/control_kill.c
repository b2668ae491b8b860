/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 of the real parclose-control at random moments, under a stream of transactions: the test
 * is boot, command with several clients, lead, the TCB and SR-PCIM. After each kill the log is
 * replayed here, by control's own core on a copy of its folder, and compared:
 *
 *   acknowledged   every request that was answered is known by its number, and the map has it
 *   told           no order names a transaction that the log does not have
 *   whole          of each partition the map has all of a request, or nothing; of the requests in
 *                  flight a first part, in the order in which they were asked
 *   right          db_check() finds nothing
 *   goes on        the successor is asked all that was in flight again, and answers
 *
 * argv: executable, rounds, and a seed for rounds that are to be the same again.
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config_check.h"
#include "config/proposal.h"
#include "control.h"
#include "parclose/descriptor.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_control_tcb.h"
#include "stage.h"
#include "transaction.h"

#define PF           ((struct bdf){0x0100})
#define SUBJECTS     6 /* partitions; subject i is to have pCPU i + 1 and VF i */
#define MONITORS     (SUBJECTS + 1)
#define RUN_US_MAX   20000
#define EPOCH        50 /* rounds with one log */
#define REMEMBERED   400
#define PEER_WAIT_MS 10000

enum life { ABSENT, DEFINED, STARTED, STOPPING };

union request {
    struct wire_header header;
    struct control_partition_define define;
    struct control_partition_name undefine;
    struct control_partition_start start;
    struct control_partition_stop stop;
    struct control_apply apply;
    _Alignas(8) uint8_t bytes[WIRE_MAX];
};

/* A partition as command's clients know it, and what one of them has asked. */
struct subject {
    char name[8];
    enum life life, then; /* `then`: when the request is done */
    uint32_t mib, mib_then;
    bool asked;
    union request request;
};

/* What lead has; it outlives control. */
struct monitor {
    bool present, frozen;
    uint32_t states;
    struct bdf vf; /* on its bus */
};

struct answered {
    union request request;
    uint64_t transaction;
};

static struct {
    const char *executable;
    unsigned rounds, seed;
    uint64_t next_id;
    struct subject subjects[SUBJECTS];
    struct monitor monitors[MONITORS]; /* index: partition id */
    bool proposed;
    uint64_t generation; /* of the latest snapshot */
    uint64_t segment;    /* the newest of the log */
    uint64_t heard;      /* the highest transaction that anybody was told of */
    struct answered answered[REMEMBERED];
    size_t answered_count;
    /* for the report */
    unsigned long acknowledged, proposals, in_flight, done_untold, rotations;
} test;

static unsigned dice(unsigned sides)
{
    return (unsigned)rand_r(&test.seed) % sides;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void heard(uint64_t transaction)
{
    if (transaction > test.heard)
        test.heard = transaction;
}

static struct partition_config config_of(const struct subject *subject, uint32_t mib)
{
    struct partition_config config = {.vcpus = 1,
                                      .memory_mib = mib,
                                      .vfs_count = 1,
                                      .monitor = "native",
                                      .kernel = "/k",
                                      .vfs = {{.card = "net0"}}};

    strcpy(config.name, subject->name);
    config.vfs[0].index = (uint32_t)(subject - test.subjects);
    return config;
}

/* ---- what peers say */

/* A peer waits until control reads; a dead control is no matter. */
static void say_file(struct stage *stage, enum process_kind as, const void *message, int file)
{
    struct pollfd wait = {.fd = stage->links[as], .events = POLLOUT};
    int error;

    while ((error = frame_send(stage->links[as], message, &file, file >= 0)) == -EAGAIN)
        assert_int_equal(poll(&wait, 1, PEER_WAIT_MS), 1);
    assert_true(error == 0 || error == -EPIPE);
}

static void say(struct stage *stage, enum process_kind as, const void *message)
{
    say_file(stage, as, message, -1);
}

static void say_monitor(struct stage *stage, uint32_t id)
{
    const struct monitor *monitor = &test.monitors[id];
    const struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                         .partition = {id},
                                         .present = monitor->present,
                                         .states = monitor->states,
                                         .frozen = monitor->frozen,
                                         .vfs = {{monitor->vf, monitor->vf.value ? VF_PRESENT : 0}},
                                         .exit = monitor->present ? EXIT_NONE : EXIT_STOPPED};
    say(stage, PROCESS_LEAD, &message);
}

static void say_vf(struct stage *stage, uint32_t index, bool active)
{
    struct tcb_vf message = {.header = frame_header(TCB_VF, sizeof(message), 0),
                             .vf = {.bdf = {PF.value + 0x80 + 2 * index},
                                    .pf = PF,
                                    .index = index,
                                    .status = active ? FUNCTION_ACTIVE : FUNCTION_INACTIVE,
                                    .answers = 1,
                                    .attributes_set = active}};
    strcpy(message.vf.driver, "vfio-pci");
    say(stage, PROCESS_TCB, &message);
}

static void say_readiness(struct stage *stage, enum pf_readiness readiness)
{
    const struct pcim_readiness message = {.header =
                                               frame_header(PCIM_READINESS, sizeof(message), 0),
                                           .pf = PF,
                                           .readiness = readiness,
                                           .event_ns = now_us() * 1000};
    say(stage, PROCESS_SR_PCIM, &message);
}

static void propose(struct stage *stage)
{
    const struct pcim_propose message = {
        .header = frame_header(PCIM_PROPOSE, sizeof(message), ++test.next_id),
        .action = ACTION_PF_LINK_UP,
        .pf = PF};
    say(stage, PROCESS_SR_PCIM, &message);
    test.proposed = true;
}

/* ---- what peers hear */

static void put_on_bus(struct monitor *monitor, int file)
{
    struct partition_descriptor descriptor;

    assert_int_equal(pread(file, &descriptor, sizeof(descriptor), 0), sizeof(descriptor));
    monitor->vf = descriptor.vfs[0].bdf;
    monitor->states |= STATE_BIT(STATE_CHANNEL_IMAGE);
}

static void lead_hears(struct stage *stage, const struct frame *frame)
{
    const struct lead_order *order = (const void *)frame->bytes;
    struct lead_result result = {.header =
                                     frame_header(LEAD_RESULT, sizeof(result), frame->header.id),
                                 .partition = order->partition,
                                 .done_ns = now_us() * 1000};

    assert_true(order->partition.value >= 1 && order->partition.value < MONITORS);
    struct monitor *monitor = &test.monitors[order->partition.value];
    heard(frame->header.id >> 4);
    if (frame->header.type == LEAD_CREATE)
        *monitor = (struct monitor){.present = true,
                                    .frozen = true,
                                    .states = STATES_BEFORE_GATE & ~STATE_BIT(STATE_CHANNEL_IMAGE)};
    else if (frame->header.type == LEAD_CHANNELS)
        put_on_bus(monitor, frame->files[0]);
    else if (frame->header.type == LEAD_ATTACH || frame->header.type == LEAD_DETACH)
        monitor->frozen = frame->header.type == LEAD_DETACH;
    else if (frame->header.type == LEAD_STOP)
        *monitor = (struct monitor){0};
    say(stage, PROCESS_LEAD, &result);
    say_monitor(stage, order->partition.value);
}

static void tcb_hears(struct stage *stage, const struct frame *frame)
{
    const struct tcb_assign *assign = (const void *)frame->bytes;
    const struct tcb_apply *apply = (const void *)frame->bytes;

    if (frame->header.type == TCB_ASSIGN) {
        say_vf(stage, assign->index, assign->owner.kind == OWNER_GUEST);
    } else if (frame->header.type == TCB_APPLY) {
        const struct tcb_applied message = {
            .header = frame_header(TCB_APPLIED, sizeof(message), frame->header.id),
            .transaction = apply->transaction};
        heard(apply->transaction);
        say(stage, PROCESS_TCB, &message);
    }
}

static void pcim_hears(struct stage *stage, const struct frame *frame)
{
    if (frame->header.type == PCIM_CARD)
        say_readiness(stage, PF_READY);
    else if (frame->header.type == PCIM_VERDICT)
        test.proposed = false;
}

static void answered(const struct subject *subject, const struct control_result *result)
{
    struct answered *answered = &test.answered[test.answered_count++ % REMEMBERED];

    answered->request = subject->request;
    answered->transaction = result->transaction;
    heard(result->transaction);
    test.acknowledged++;
    test.proposals += subject->request.header.type == CONTROL_APPLY;
}

/* What was stopped may not be released yet, and a plan may be too old: to be asked again. */
static bool not_yet(const struct subject *subject, int error)
{
    if (subject->request.header.type == CONTROL_APPLY && error == -ESTALE)
        return true;
    return subject->life == STOPPING && (error == -EALREADY || error == -EBUSY);
}

static void command_hears(const struct frame *frame)
{
    const struct control_result *result = (const void *)frame->bytes;

    if (frame->header.type == CONTROL_SNAPSHOT)
        test.generation = ((const struct control_snapshot *)(const void *)result)->generation;
    if (frame->header.type != CONTROL_RESULT)
        return;
    for (size_t i = 0; i < SUBJECTS; i++) {
        struct subject *subject = &test.subjects[i];
        if (!subject->asked || subject->request.header.id != frame->header.id)
            continue;
        subject->asked = false;
        if (not_yet(subject, result->error))
            return;
        if (result->error)
            fail_msg("request of %s: %s", subject->name, result->text);
        answered(subject, result);
        subject->life = subject->then;
        subject->mib = subject->mib_then;
    }
}

static const enum process_kind peers[] = {PROCESS_COMMAND, PROCESS_TCB, PROCESS_SR_PCIM,
                                          PROCESS_LEAD};
#define PEERS (sizeof(peers) / sizeof(peers[0]))

/* False: there is nothing (more) to hear. */
static bool hear_one(struct stage *stage, enum process_kind as)
{
    struct frame frame;

    if (frame_receive(stage->links[as], &frame) != 1)
        return false;
    if (as == PROCESS_COMMAND)
        command_hears(&frame);
    else if (as == PROCESS_TCB)
        tcb_hears(stage, &frame);
    else if (as == PROCESS_SR_PCIM)
        pcim_hears(stage, &frame);
    else
        lead_hears(stage, &frame);
    frame_clear(&frame);
    return true;
}

/* ---- clients */

static void ask_define(struct subject *subject)
{
    subject->mib_then = subject->mib == 64 ? 96 : 64;
    subject->then = DEFINED;
    subject->request.define = (struct control_partition_define){
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(subject->request.define), 0),
        .config = config_of(subject, subject->mib_then)};
}

/* The same as a proposal. */
static void ask_apply(struct subject *subject)
{
    ask_define(subject);
    subject->request.apply = (struct control_apply){
        .header = frame_header(CONTROL_APPLY, sizeof(subject->request.apply), 0),
        .generation = test.generation,
        .added = subject->life == ABSENT};
}

static int file_of(const struct subject *subject)
{
    static struct proposal proposal;

    proposal = (struct proposal){
        .magic = PROPOSAL_MAGIC, .version = PROPOSAL_VERSION, .partitions_count = 1};
    proposal.partitions[0] = config_of(subject, subject->mib_then);
    return proposal_seal(&proposal);
}

static void say_request(struct stage *stage, const struct subject *subject)
{
    int file = subject->request.header.type == CONTROL_APPLY ? file_of(subject) : -1;

    say_file(stage, PROCESS_COMMAND, &subject->request, file);
    if (file >= 0)
        close(file);
}

static void ask_undefine(struct subject *subject)
{
    subject->then = ABSENT;
    subject->request.undefine = (struct control_partition_name){
        .header = frame_header(CONTROL_PARTITION_UNDEFINE, sizeof(subject->request.undefine), 0)};
    strcpy(subject->request.undefine.name, subject->name);
}

static void ask_start(struct subject *subject)
{
    subject->then = STARTED;
    subject->request.start = (struct control_partition_start){
        .header = frame_header(CONTROL_PARTITION_START, sizeof(subject->request.start), 0),
        .pcpus_count = 1,
        .pcpus = {(uint32_t)(subject - test.subjects) + 1}};
    strcpy(subject->request.start.name, subject->name);
}

static void ask_stop(struct subject *subject)
{
    subject->then = STOPPING;
    subject->request.stop = (struct control_partition_stop){
        .header = frame_header(CONTROL_PARTITION_STOP, sizeof(subject->request.stop), 0),
        .force = 1};
    strcpy(subject->request.stop.name, subject->name);
}

static void ask(struct stage *stage, struct subject *subject)
{
    unsigned choice = dice(8);

    subject->mib_then = subject->mib;
    if ((subject->life == ABSENT && choice < 4) || (subject->life == DEFINED && choice == 2))
        ask_apply(subject);
    else if (subject->life == ABSENT || (subject->life == DEFINED && choice == 0))
        ask_define(subject);
    else if (subject->life == STARTED)
        ask_stop(subject);
    else if (choice == 1)
        ask_undefine(subject);
    else
        ask_start(subject);
    subject->request.header.id = ++test.next_id;
    subject->asked = true;
    say_request(stage, subject);
}

/* ---- a round */

static void pass_time(struct stage *stage, uint64_t until)
{
    struct pollfd waits[PEERS];
    uint64_t now;

    while ((now = now_us()) < until) {
        struct subject *subject = &test.subjects[dice(SUBJECTS)];
        if (!subject->asked && dice(2))
            ask(stage, subject);
        if (!test.proposed && !dice(8))
            propose(stage);
        if (!dice(40))
            say_readiness(stage, dice(2) ? PF_READY : PF_NO_ANSWER);
        for (size_t i = 0; i < PEERS; i++)
            waits[i] = (struct pollfd){.fd = stage->links[peers[i]], .events = POLLIN};
        const struct timespec most = {.tv_nsec = (long)((until - now) * 1000) % 200000};
        ppoll(waits, PEERS, &most, NULL);
        for (size_t i = 0; i < PEERS; i++)
            hear_one(stage, peers[i]);
    }
}

static int inventory_file(const struct inventory *inventory)
{
    int file = memfd_create("inventory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(write(file, inventory, sizeof(*inventory)), sizeof(*inventory));
    assert_int_equal(
        fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    return file;
}

static const struct inventory *inventory(void)
{
    static struct inventory inventory = {.magic = INVENTORY_MAGIC,
                                         .nodes_count = 1,
                                         .pcpus_count = SUBJECTS + 1,
                                         .boot_id = {9},
                                         .nodes = {{0, 0, UINT64_C(4) << 30}}};
    for (uint32_t i = 0; i < inventory.pcpus_count; i++)
        inventory.pcpus[i].pcpu = i;
    return &inventory;
}

/* Boot's part, and what each peer says first on its new link. */
static void begin(struct stage *stage)
{
    const struct tcb_pf pf = {.header = frame_header(TCB_PF, sizeof(pf), 0),
                              .pf = {.bdf = PF, .answers = 1}};
    const struct tcb_sync tcb_sync = {.header = frame_header(TCB_SYNC, sizeof(tcb_sync), 0)};
    const struct lead_sync lead_sync = {.header = frame_header(LEAD_SYNC, sizeof(lead_sync), 0)};

    stage_give(stage, "inventory", inventory_file(inventory()));
    stage_give(stage, "state", open(stage->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (size_t i = 0; i < PEERS; i++)
        stage_link(stage, peers[i]);
    stage_start(stage);
    say(stage, PROCESS_TCB, &pf);
    say(stage, PROCESS_TCB, &tcb_sync);
    for (uint32_t id = 1; id < MONITORS; id++)
        if (test.monitors[id].present)
            say_monitor(stage, id);
    say(stage, PROCESS_LEAD, &lead_sync);
    test.proposed = false;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = (*(struct subject *const *)a)->request.header.id;
    uint64_t y = (*(struct subject *const *)b)->request.header.id;
    return x < y ? -1 : x > y;
}

/* Those that wait for an answer, in the order in which they were asked. */
static size_t unanswered(struct subject *subjects[SUBJECTS])
{
    size_t count = 0;

    for (size_t i = 0; i < SUBJECTS; i++)
        if (test.subjects[i].asked)
            subjects[count++] = &test.subjects[i];
    qsort(subjects, count, sizeof(struct subject *), by_id);
    return count;
}

static void ask_again(struct stage *stage)
{
    struct subject *subjects[SUBJECTS];
    size_t count = unanswered(subjects);

    for (size_t i = 0; i < count; i++)
        say_request(stage, subjects[i]);
}

/* ---- the replay here */

static int no_send(void *context, enum process_kind peer, const void *message, const int *files,
                   size_t files_count)
{
    (void)context, (void)peer, (void)message, (void)files, (void)files_count;
    return -ENOTCONN;
}

static int no_boot(void *context, const void *message)
{
    (void)context, (void)message;
    return 0;
}

static void no_timer(void *context, uint64_t boottime_ns)
{
    (void)context, (void)boottime_ns;
}

static void nothing(void *context)
{
    (void)context;
}

static uint64_t clock_ns(void *context, int clock)
{
    struct timespec now;
    (void)context;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static const struct effects effects = {
    .send = no_send,
    .send_boot = no_boot,
    .timer = no_timer,
    .changed = nothing,
    .group = nothing,
    .clock_ns = clock_ns,
    .fatal = nothing,
};

static void copy_file(int from, int to, const char *name)
{
    struct stat status = {0};
    int source = openat(from, name, O_RDONLY | O_CLOEXEC);
    int target = openat(to, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(source >= 0 && target >= 0 && fstat(source, &status) == 0);
    char *bytes = malloc((size_t)status.st_size + 1);
    assert_int_equal(pread(source, bytes, (size_t)status.st_size, 0), status.st_size);
    assert_int_equal(write(target, bytes, (size_t)status.st_size), status.st_size);
    free(bytes);
    close(source);
    close(target);
}

static void each_file(int folder, int to)
{
    DIR *files = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    assert_non_null(files);
    for (struct dirent *entry; (entry = readdir(files));) {
        if (entry->d_name[0] == '.')
            continue;
        if (to >= 0)
            copy_file(folder, to, entry->d_name);
        else
            unlinkat(folder, entry->d_name, 0);
    }
    closedir(files);
}

static void check_owners(const struct control *control, const struct subject *subject,
                         const struct partition *partition, bool has)
{
    uint32_t index = (uint32_t)(subject - test.subjects);
    const struct owner guest = owner_guest(partition->id);
    uint64_t bytes = db_memory_of(control->db, UINT32_MAX, guest);

    assert_int_equal(owner_equal(db_pcpu(control->db, index + 1)->owner, guest), has);
    assert_int_equal(owner_equal(db_pf(control->db, PF)->vfs[index].owner, guest), has);
    assert_int_equal(bytes, has ? (uint64_t)partition->config.memory_mib << 20 : 0);
}

static void check_subject(const struct control *control, const struct subject *subject,
                          enum life life, uint32_t mib)
{
    const struct partition *partition = db_partition_named(control->db, subject->name);
    const struct partition_config config = config_of(subject, mib);

    if (life == ABSENT) {
        assert_null(partition);
        return;
    }
    assert_non_null(partition);
    assert_memory_equal(&partition->config, &config, sizeof(config));
    bool started = partition_started(partition);
    if (life != STOPPING)
        assert_int_equal(started, life == STARTED);
    else if (started)
        assert_int_equal(partition->run.phase, PHASE_STOPPING);
    check_owners(control, subject, partition, started);
}

/* What may have been refused, untold, and has no place in the order: it was asked while the
 * partition was still stopping, or from a snapshot that is too old by now. */
static bool may_be_refused(const struct subject *subject)
{
    return subject->life == STOPPING || subject->request.header.type == CONTROL_APPLY;
}

/* What was in flight and is done, and in which order. */
static void check_in_flight(const struct control *control)
{
    struct subject *subjects[SUBJECTS];
    size_t count = unanswered(subjects);
    uint64_t before = 0;
    bool missing = false;

    for (size_t i = 0; i < count; i++) {
        struct subject *subject = subjects[i];
        uint64_t done = request_known(control, &subject->request.header);
        test.in_flight++;
        check_subject(control, subject, done ? subject->then : subject->life,
                      done ? subject->mib_then : subject->mib);
        test.done_untold += done != 0;
        missing |= !done && !may_be_refused(subject);
        if (!done || may_be_refused(subject))
            continue;
        assert_false(missing);
        assert_true(done > before);
        before = done;
    }
}

static void check_answered(const struct control *control)
{
    size_t kept = test.answered_count < REMEMBERED ? test.answered_count : REMEMBERED;

    for (size_t i = 0; i < kept; i++)
        assert_int_equal(request_known(control, &test.answered[i].request.header),
                         test.answered[i].transaction);
}

static void check_map(const struct control *control)
{
    char text[PARCLOSE_REASON_MAX] = "";

    if (db_check(control->db, text))
        fail_msg("%s", text);
    assert_true(test.heard < audit_log_next(control->log));
    check_answered(control);
    for (size_t i = 0; i < SUBJECTS; i++)
        if (!test.subjects[i].asked)
            check_subject(control, &test.subjects[i], test.subjects[i].life, test.subjects[i].mib);
    check_in_flight(control);
}

static void count_rotation(int folder)
{
    uint64_t *numbers;
    ssize_t count = audit_files_list(folder, AUDIT_SEGMENT_PREFIX, &numbers);

    assert_true(count > 0);
    test.rotations += numbers[count - 1] != 1 && numbers[count - 1] != test.segment;
    test.segment = numbers[count - 1];
    free(numbers);
}

static void check_copy(const struct stage *stage)
{
    char folder[] = "/tmp/parclose-kill-XXXXXX", text[PARCLOSE_REASON_MAX];
    struct control *control = control_new(&effects, NULL);

    assert_non_null(mkdtemp(folder));
    int from = open(stage->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    each_file(from, to);
    count_rotation(from);
    if (control_start(control, inventory(), to, stage->generation + 1, text))
        fail_msg("%s", text);
    check_map(control);
    control_free(control);
    each_file(to, -1);
    close(from);
    close(to);
    rmdir(folder);
}

/* ---- the test */

static void set_host(struct stage *stage)
{
    struct control_host_set message = {
        .header = frame_header(CONTROL_HOST_SET, sizeof(message), ++test.next_id)};
    struct pollfd wait = {.fd = stage->links[PROCESS_COMMAND], .events = POLLIN};
    struct frame frame = {0};

    host_config_defaults(&message.host);
    message.host.audit = (struct audit_config){1, 2}; /* rotated now and then, and killed in it */
    message.host.cards_count = 1;
    message.host.cards[0] = (struct card_config){"net0", PF, 7, "igb"};
    say(stage, PROCESS_COMMAND, &message);
    while (frame.header.type != CONTROL_RESULT) {
        assert_int_equal(poll(&wait, 1, PEER_WAIT_MS), 1);
        assert_int_equal(frame_receive(stage->links[PROCESS_COMMAND], &frame), 1);
        frame_clear(&frame);
    }
}

/* A new log: nothing is defined, nothing was said. */
static void epoch(void)
{
    memset(test.monitors, 0, sizeof(test.monitors));
    test.heard = 0;
    test.answered_count = 0;
    for (size_t i = 0; i < SUBJECTS; i++) {
        test.subjects[i] = (struct subject){0};
        snprintf(test.subjects[i].name, sizeof(test.subjects[i].name), "p%zu", i);
    }
}

static void kill_once(struct stage *stage)
{
    pass_time(stage, now_us() + dice(RUN_US_MAX));
    stage_kill(stage);
    for (size_t i = 0; i < PEERS; i++)
        while (hear_one(stage, peers[i]))
            ;
    check_copy(stage);
}

static void killed_at_random(void **state)
{
    struct stage stage;
    (void)state;

    for (unsigned round = 0; round < test.rounds; round++) {
        if (round == 0)
            stage_begin(&stage, test.executable, PROCESS_CONTROL);
        else
            stage_again(&stage);
        if (round % EPOCH == 0)
            epoch();
        begin(&stage);
        if (round % EPOCH == 0)
            set_host(&stage);
        ask_again(&stage);
        kill_once(&stage);
        if (round % EPOCH == EPOCH - 1)
            stage_forget(&stage);
    }
    stage_again(&stage);
    begin(&stage);
    stage_end(&stage);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_at_random)};

    if (argc < 3)
        return EXIT_FAILURE;
    test.executable = argv[1];
    test.rounds = (unsigned)strtoul(argv[2], NULL, 10);
    test.seed = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : (unsigned)getpid();
    printf("seed %u\n", test.seed);
    int failed = cmocka_run_group_tests_name("control-kill", tests, NULL, NULL);
    printf(
        "%s control-kill: after %u kills (in %lu rounds the log was rotated) all %lu acknowledged "
        "transactions (%lu of them proposals) are there, of %lu in flight %lu whole and none half, "
        "the map is right\n",
        failed ? "FAIL" : "PASS", test.rounds, test.rotations, test.acknowledged, test.proposals,
        test.in_flight, test.done_untold);
    return failed;
}
