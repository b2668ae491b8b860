/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that come while a monitor's process is being started, and those for its pCPUs. The rest of
 * lead is this test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"
#include "descriptor.h"
#include "keep.h"
#include "monitor.h"
#include "order.h"
#include "wire/link.h"

#define SENT_MAX 16
#define ID       7 /* of the partition */

static struct lead lead;
static struct partition_descriptor descriptor;
static unsigned stops, cpusets, kept;
static int cpusets_error;
static uint32_t session_kind; /* that the monitor was told */
static uint32_t mended;       /* the VF that the monitor was told to mend */
static int session_end;
static int begin_error, link_error;
static size_t queued;   /* so much waits for the monitor to read */
static bool frozen_now; /* what the kernel says of the vCPUs' cgroup */
static uint16_t told;   /* the plain message that the monitor got last */
static int passed;      /* the file that went to control with the last answer; -1: none */
static struct {
    uint16_t type;
    uint64_t id;
    int32_t error;
    char text[PARCLOSE_REASON_MAX];
} sent[SENT_MAX];
static size_t sent_count;

/* ---- the rest of lead */

int process_send(struct process *process, enum process_kind peer, const void *message,
                 const int *files, size_t files_count)
{
    const struct lead_result *result = message;
    (void)process;
    passed = files_count == 1 ? dup(files[0]) : -1;
    assert_int_equal(peer, PROCESS_CONTROL);
    assert_true(sent_count < SENT_MAX);
    sent[sent_count].type = result->header.type;
    sent[sent_count].id = result->header.id;
    sent[sent_count].error = result->header.type == LEAD_RESULT ? result->error : 0;
    if (result->header.type == LEAD_RESULT)
        memcpy(sent[sent_count].text, result->text, sizeof(result->text));
    sent_count++;
    return 0;
}

uint64_t lead_now_ns(void)
{
    return 1;
}
struct partition *lead_find(struct lead *of, struct partition_id id)
{
    if (id.value < 1 || id.value > PARCLOSE_MAX_PARTITIONS)
        return NULL;
    return of->partitions[id.value - 1].id.value ? &of->partitions[id.value - 1] : NULL;
}
bool lead_spawned(const struct partition *partition)
{
    return partition->files[KEPT_PIDFD] >= 0;
}
int descriptor_take(int file, struct partition_descriptor *result)
{
    (void)file;
    *result = descriptor;
    return 0;
}
bool descriptor_follows(const struct partition_descriptor *old,
                        const struct partition_descriptor *now)
{
    return old->vcpus_count == now->vcpus_count;
}
void keep_file(struct partition *partition, enum kept_file kind)
{
    (void)partition;
    kept += kind == KEPT_DESCRIPTOR;
}
uint32_t channel_attached(const struct partition *partition)
{
    (void)partition;
    return 0;
}
void keep_drop(struct partition *partition)
{
    (void)partition;
}
void monitor_slot(struct lead *of, struct partition *partition,
                  const struct partition_descriptor *of_it)
{
    *partition = (struct partition){
        .lead = of, .id = of_it->partition, .descriptor = *of_it, .cgroup = CGROUP_NONE};
    memset(partition->files, 0xff, sizeof(partition->files));
}
int monitor_begin(struct partition *partition, char text[PARCLOSE_REASON_MAX])
{
    (void)partition;
    snprintf(text, PARCLOSE_REASON_MAX, "%s", begin_error ? "disk /d: busy" : "");
    return begin_error;
}
int monitor_spawned(struct partition *partition, int pidfd)
{
    partition->files[KEPT_PIDFD] = pidfd;
    return 0;
}
void monitor_forget(struct partition *partition)
{
    *partition = (struct partition){.id = {0}};
}
int monitor_say(struct partition *partition, uint16_t type)
{
    (void)partition;
    told = type;
    return 0;
}
void monitor_stop(struct partition *partition, bool force, uint32_t timeout_ms)
{
    (void)timeout_ms;
    assert_true(lead_spawned(partition));
    assert_true(force);
    stops++;
}
int cgroup_set_pcpus(const struct cgroup *cgroup, const struct partition_descriptor *with)
{
    (void)cgroup;
    assert_int_equal(with->generation, descriptor.generation);
    cpusets++;
    return cpusets_error;
}
sd_event *process_event(struct process *process)
{
    (void)process;
    return NULL;
}
int cgroup_set_frozen(const struct cgroup *cgroup, bool frozen)
{
    (void)cgroup;
    (void)frozen;
    return 0;
}
int cgroup_frozen(const struct cgroup *cgroup)
{
    (void)cgroup;
    return frozen_now;
}
int cgroup_kill(const struct cgroup *cgroup)
{
    (void)cgroup;
    return 0;
}
int cgroup_remove(const char *name, uint32_t vcpus)
{
    (void)name;
    (void)vcpus;
    return 0;
}
size_t link_queued(const struct link *link)
{
    (void)link;
    return queued;
}
int link_send(struct link *link, const void *message, const int *files, size_t count)
{
    const struct monitor_session *session = message;
    (void)link;

    if (session->header.type == MONITOR_VF_MEND)
        mended = ((const struct monitor_vf_order *)message)->vf.value;
    if (session->header.type != MONITOR_SESSION)
        return 0;
    assert_int_equal(count, 1);
    session_kind = session->kind;
    session_end = dup(files[0]);
    return link_error;
}

/* ---- control */

static void say(const void *message, int file)
{
    const struct wire_header *header = message;
    struct frame frame = {.size = header->size, .files_count = file >= 0 ? 1 : 0};

    memcpy(frame.bytes, message, header->size);
    if (file >= 0)
        frame.files[0] = file;
    assert_int_equal(frame_dispatch(order_rows, order_rows_count, 0, &lead, &frame), 0);
    frame_clear(&frame);
}

static void create(void)
{
    const struct lead_order order = {.header = frame_header(LEAD_CREATE, sizeof(order), 1),
                                     .partition = {ID}};
    say(&order, dup(0));
}

static void stop(void)
{
    const struct lead_stop order = {
        .header = frame_header(LEAD_STOP, sizeof(order), 5), .partition = {ID}, .timeout_ms = 1000};
    say(&order, -1);
}

static int setup(void **state)
{
    (void)state;
    memset(&lead, 0, sizeof(lead));
    descriptor = (struct partition_descriptor){.partition = {ID}, .monitor = "native"};
    sent_count = stops = cpusets = kept = 0;
    mended = 0;
    cpusets_error = 0;
    begin_error = link_error = 0;
    queued = 0;
    passed = session_end = -1;
    return 0;
}

static void assert_sent(size_t at, uint16_t type, uint64_t id, int error)
{
    assert_true(at < sent_count);
    assert_int_equal(sent[at].type, type);
    assert_int_equal(sent[at].id, id);
    assert_int_equal(sent[at].error, error);
}

/* Control gives everything back when lead has no monitor: not while one is on its way. */
static void stop_of_what_is_being_started_waits_for_it(void **state)
{
    (void)state;
    create();
    stop();
    assert_sent(0, LEAD_RESULT, 5, 0);
    assert_int_equal(stops, 0);
    order_spawned(&lead.partitions[ID - 1], 0, 100);
    assert_sent(1, LEAD_RESULT, 1, 0);
    assert_sent(2, LEAD_MONITOR, 0, 0);
    assert_int_equal(stops, 1);
}

static void stop_of_nothing_says_so(void **state)
{
    (void)state;
    stop();
    assert_sent(0, LEAD_RESULT, 5, -ESRCH);
    create();
    stop();
    order_spawned(&lead.partitions[ID - 1], -ENOMEM, -1);
    assert_sent(2, LEAD_RESULT, 1, -ENOMEM);
    stop();
    assert_sent(3, LEAD_RESULT, 5, -ESRCH);
    assert_int_equal(stops, 0);
}

/* The user reads it. */
static void what_cannot_begin_says_why(void **state)
{
    (void)state;
    begin_error = -EBUSY;
    create();
    assert_sent(0, LEAD_RESULT, 1, -EBUSY);
    assert_string_equal(sent[0].text, "disk /d: busy");
}

/* What is not said by SYNC is not there, for control. */
static void sync_waits_for_what_is_being_started(void **state)
{
    (void)state;
    create();
    control_up(&lead);
    assert_int_equal(sent_count, 1);
    assert_sent(0, LEAD_ONLINE, 0, 0);
    order_spawned(&lead.partitions[ID - 1], 0, 100);
    assert_int_equal(sent_count, 5);
    assert_sent(3, LEAD_MONITOR, 0, 0);
    assert_sent(4, LEAD_SYNC, 0, 0);
}

static void sync_comes_after_a_start_that_failed(void **state)
{
    (void)state;
    create();
    control_up(&lead);
    order_spawned(&lead.partitions[ID - 1], -ENOMEM, -1);
    assert_sent(1, LEAD_RESULT, 1, -ENOMEM);
    assert_sent(2, LEAD_SYNC, 0, 0);
}

/* ---- other pCPUs */

static void processors(uint64_t id)
{
    const struct lead_order order = {.header = frame_header(LEAD_PROCESSORS, sizeof(order), id),
                                     .partition = {ID}};
    say(&order, dup(0));
}

static void other_pcpus_are_written_and_kept(void **state)
{
    const struct partition *partition = &lead.partitions[ID - 1];
    (void)state;

    create();
    order_spawned(&lead.partitions[ID - 1], 0, 100);
    sent_count = 0;
    descriptor.generation = 9;
    processors(23);
    assert_int_equal(cpusets, 1);
    assert_int_equal(kept, 1);
    assert_int_equal(partition->descriptor.generation, 9);
    assert_sent(0, LEAD_RESULT, 23, 0);
    assert_sent(1, LEAD_MONITOR, 0, 0);
}

static void cpusets_that_cannot_be_written_change_nothing(void **state)
{
    (void)state;
    create();
    order_spawned(&lead.partitions[ID - 1], 0, 100);
    sent_count = 0;
    descriptor.generation = 9;
    cpusets_error = -EINVAL;
    processors(23);
    assert_int_equal(kept, 0);
    assert_int_equal(lead.partitions[ID - 1].descriptor.generation, 0);
    assert_sent(0, LEAD_RESULT, 23, -EINVAL);
    assert_int_equal(sent_count, 1);
}

static void other_pcpus_of_nobody_are_refused(void **state)
{
    (void)state;
    processors(23);
    create();
    processors(24);
    assert_int_equal(cpusets, 0);
    assert_sent(0, LEAD_RESULT, 23, -ESRCH);
    assert_sent(1, LEAD_RESULT, 24, -ESRCH);
}

/* ---- sessions */

static int ask_session(uint32_t kind, uint32_t partition)
{
    const struct lead_session order = {.header = frame_header(LEAD_SESSION, sizeof(order), 9),
                                       .partition = {partition},
                                       .kind = kind};
    struct frame frame = {.size = sizeof(order)};

    memcpy(frame.bytes, &order, sizeof(order));
    return frame_dispatch(order_rows, order_rows_count, 0, &lead, &frame);
}

static void run_partition(void)
{
    create();
    order_spawned(&lead.partitions[ID - 1], 0, 100);
    lead.partitions[ID - 1].link = (struct link *)&lead; /* not looked into */
    sent_count = 0;
}

/* One pair: what one end says the other hears; and lead keeps neither. */
static void a_session_has_two_ends(void **state)
{
    char byte = 0;
    (void)state;

    run_partition();
    assert_int_equal(ask_session(SESSION_DUMP, ID), 0);
    assert_sent(0, LEAD_RESULT, 9, 0);
    assert_int_equal(session_kind, SESSION_DUMP);
    assert_int_equal(write(passed, "x", 1), 1);
    assert_int_equal(read(session_end, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(passed);
    assert_int_equal(read(session_end, &byte, 1), 0);
    close(session_end);
}

static void a_session_that_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_int_equal(ask_session(SESSION_LOOK, ID), 0);
    assert_sent(0, LEAD_RESULT, 9, -ESRCH);
    create();
    assert_int_equal(ask_session(SESSION_LOOK, ID), 0); /* it is being started */
    assert_sent(1, LEAD_RESULT, 9, -ESRCH);
    order_spawned(&lead.partitions[ID - 1], 0, 100);
    lead.partitions[ID - 1].link = (struct link *)&lead;
    sent_count = 0;
    queued = 1; /* a monitor that hangs: its socket is full */
    assert_int_equal(ask_session(SESSION_LOOK, ID), 0);
    assert_sent(0, LEAD_RESULT, 9, -EAGAIN);
    assert_int_equal(session_end, -1);
    queued = 0;
    link_error = -EPIPE;
    assert_int_equal(ask_session(SESSION_LOOK, ID), 0);
    assert_sent(1, LEAD_RESULT, 9, -EPIPE);
    assert_int_equal(passed, -1);
}

/* Not even asked: who wants it hears which kind has it not. */
static void a_kind_without_sessions_is_named(void **state)
{
    (void)state;
    snprintf(descriptor.monitor, sizeof(descriptor.monitor), "qemu");
    run_partition();
    assert_int_equal(ask_session(SESSION_DUMP, ID), 0);
    assert_sent(0, LEAD_RESULT, 9, -EOPNOTSUPP);
    assert_string_equal(sent[0].text, "monitor \"qemu\" has no dump, no debug and no counts");
    assert_int_equal(session_end, -1);
    assert_int_equal(passed, -1);
}

static void kinds_that_are_none_end_the_link(void **state)
{
    (void)state;
    run_partition();
    assert_int_equal(ask_session(SESSION_NONE, ID), -EBADMSG);
    assert_int_equal(ask_session(SESSION_KINDS, ID), -EBADMSG);
    assert_int_equal(ask_session(SESSION_LOOK, 0), 0);
    assert_sent(0, LEAD_RESULT, 9, -ESRCH);
}

/* ---- VFs that were reset */

static void mend(uint32_t partition)
{
    const struct lead_vf order = {.header = frame_header(LEAD_VF_MEND, sizeof(order), 0),
                                  .partition = {partition},
                                  .vf = {0x180}};
    struct frame frame = {.size = sizeof(order)};

    memcpy(frame.bytes, &order, sizeof(order));
    assert_int_equal(frame_dispatch(order_rows, order_rows_count, 0, &lead, &frame), 0);
}

/* Before the VF is on its bus a monitor takes it for a breach of the protocol. */
static void only_a_vf_on_the_bus_is_mended(void **state)
{
    (void)state;
    mend(ID);
    mend(0);
    create();
    mend(ID);
    order_spawned(&lead.partitions[ID - 1], 0, 100);
    lead.partitions[ID - 1].link = (struct link *)&lead;
    mend(ID);
    assert_int_equal(mended, 0);
    lead.partitions[ID - 1].state.vfs[2] =
        (struct vf_seat){.vf = {0x180}, .marks = VF_PRESENT | VF_RESET};
    mend(ID);
    assert_int_equal(mended, 0x180);
    mended = 0;
    lead.partitions[ID - 1].gone = true;
    mend(ID);
    assert_int_equal(mended, 0);
}

static void attach(uint16_t type, uint64_t id)
{
    const struct lead_order order = {
        .header = frame_header(type, sizeof(order), id), .partition = {ID}, .transaction = 5};

    say(&order, -1);
}

static void a_freeze_is_done_when_the_kernel_says_so(void **state)
{
    struct partition *partition = &lead.partitions[ID - 1];

    (void)state;
    run_partition();
    partition->frozen = frozen_now = false;
    sent_count = told = 0;
    attach(LEAD_DETACH, 21);
    assert_int_equal(sent_count, 0);
    assert_int_equal(told, 0);
    frozen_now = true;
    order_frozen(partition);
    assert_sent(0, LEAD_RESULT, 21, 0);
    assert_int_equal(told, MONITOR_DETACHED);
    assert_int_equal(sent[1].type, LEAD_MONITOR);
    attach(LEAD_ATTACH, 22);
    frozen_now = false;
    order_frozen(partition);
    assert_sent(2, LEAD_RESULT, 22, 0);
    assert_int_equal(told, MONITOR_ATTACHED);
}

static void only_the_latest_of_freeze_and_thaw_is_answered(void **state)
{
    struct partition *partition = &lead.partitions[ID - 1];

    (void)state;
    run_partition();
    partition->frozen = frozen_now = false;
    sent_count = told = 0;
    attach(LEAD_DETACH, 21);
    attach(LEAD_ATTACH, 22);
    assert_sent(0, LEAD_RESULT, 22, 0);
    assert_int_equal(sent_count, 1);
    assert_int_equal(told, MONITOR_ATTACHED);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stop_of_what_is_being_started_waits_for_it),
        TEST(stop_of_nothing_says_so),
        TEST(what_cannot_begin_says_why),
        TEST(sync_waits_for_what_is_being_started),
        TEST(sync_comes_after_a_start_that_failed),
        TEST(other_pcpus_are_written_and_kept),
        TEST(cpusets_that_cannot_be_written_change_nothing),
        TEST(other_pcpus_of_nobody_are_refused),
        TEST(a_session_has_two_ends),
        TEST(a_session_that_cannot_be_is_refused),
        TEST(a_kind_without_sessions_is_named),
        TEST(kinds_that_are_none_end_the_link),
        TEST(only_a_vf_on_the_bus_is_mended),
        TEST(a_freeze_is_done_when_the_kernel_says_so),
        TEST(only_the_latest_of_freeze_and_thaw_is_answered),
    };
    return cmocka_run_group_tests_name("lead-order", tests, NULL, NULL);
}
