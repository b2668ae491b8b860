/* SPDX-License-Identifier: Apache-2.0 */
/* VF_ADD and VF_REMOVE: what lead asks of whom, and when it answers. The rest of lead is this test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "descriptor.h"
#include "hotplug.h"
#include "order.h"
#include "wire/link.h"

#define ID 7 /* of the partition */

static const struct bdf vf = {0x0180};
static struct lead lead;
static struct partition *const partition = &lead.partitions[ID - 1];
static int tcb, monitor_link; /* what sending to them gives */

static struct {
    bool open, closed, add, remove, force, answered;
    uint64_t id;
    int error;
    unsigned held;
    bool held_vf; /* this VF is one of them */
} seen;

/* ---- the rest of lead */

int process_send(struct process *process, enum process_kind peer, const void *message,
                 const int *files, size_t files_count)
{
    const struct wire_header *header = message;
    const struct vfio_open *open = message;
    const struct vfio_closed *closed = message;

    (void)process;
    (void)files;
    assert_int_equal(peer, PROCESS_TCB);
    assert_int_equal(files_count, 0);
    if (header->type == VFIO_CLOSED) {
        assert_int_equal(closed->vf.value, vf.value);
        seen.closed = true;
    } else if (header->type == VFIO_HELD) {
        seen.held = open->vfs_count;
        seen.held_vf = false;
        for (uint32_t i = 0; i < open->vfs_count; i++)
            seen.held_vf |= open->vfs[i].value == vf.value;
    } else {
        assert_int_equal(open->vfs_count, 1);
        assert_int_equal(open->vfs[0].value, vf.value);
        seen.open = true;
    }
    return tcb;
}

int link_send(struct link *link, const void *message, const int *files, size_t count)
{
    const struct monitor_vf_order *order = message;

    (void)link;
    (void)files;
    assert_int_equal(order->vf.value, vf.value);
    assert_int_equal(count, order->header.type == MONITOR_VF_ADD ? 2 : 0);
    seen.id = order->header.id;
    seen.add |= order->header.type == MONITOR_VF_ADD;
    seen.remove |= order->header.type == MONITOR_VF_REMOVE;
    seen.force |= order->force;
    return monitor_link;
}

void lead_answer(struct partition *of, uint64_t id, int error, const char *text)
{
    (void)of;
    assert_true(!error || text[0]);
    seen.answered = true;
    seen.id = id;
    seen.error = error;
}

struct partition *lead_find(struct lead *of, struct partition_id id)
{
    return of->partitions[id.value - 1].id.value ? &of->partitions[id.value - 1] : NULL;
}

int descriptor_take(int file, struct partition_descriptor *result)
{
    (void)file;
    *result = (struct partition_descriptor){.partition = {ID}};
    return 0;
}

bool descriptor_follows(const struct partition_descriptor *old,
                        const struct partition_descriptor *now)
{
    return old->vcpus_count == now->vcpus_count;
}

void descriptor_changed(struct partition *of, const struct partition_descriptor *descriptor,
                        int file)
{
    (void)file;
    of->descriptor = *descriptor;
}

static sd_event *event;
sd_event *process_event(struct process *process)
{
    (void)process;
    return event;
}

/* ---- control, TCB, monitor */

static int setup(void **state)
{
    (void)state;
    memset(&lead, 0, sizeof(lead));
    memset(&seen, 0, sizeof(seen));
    tcb = monitor_link = 0;
    partition->lead = &lead;
    partition->id.value = ID;
    partition->link = (void *)&lead;
    return sd_event_new(&event);
}

static int teardown(void **state)
{
    (void)state;
    sd_event_source_disable_unref(partition->patience);
    event = sd_event_unref(event);
    return 0;
}

static int order(uint16_t type, uint32_t timeout_ms)
{
    const struct lead_vf message = {.header = frame_header(type, sizeof(message), 33),
                                    .partition = {ID},
                                    .vf = vf,
                                    .timeout_ms = timeout_ms};
    struct frame frame = {.size = sizeof(message), .files_count = 1, .files = {-1}};

    memcpy(frame.bytes, &message, sizeof(message));
    return type == LEAD_VF_ADD ? hotplug_on_add(&lead, &frame) : hotplug_on_remove(&lead, &frame);
}

static int files(int error, size_t count)
{
    struct vfio_files message = {
        .header = frame_header(VFIO_FILES, sizeof(message), 33), .partition = {ID}, .error = error};
    struct frame frame = {.size = sizeof(message), .files_count = count, .files = {-1, -1}};

    strcpy(message.text, error ? "it is not active" : "");
    memcpy(frame.bytes, &message, sizeof(message));
    return hotplug_files(partition, &frame);
}

static void result_of(uint64_t id, struct bdf of, int error)
{
    struct monitor_vf_result message = {
        .header = frame_header(MONITOR_VF_RESULT, sizeof(message), id), .vf = of, .error = error};

    strcpy(message.text, error ? "VFIO device" : "");
    assert_int_equal(hotplug_result(partition, &message), 0);
}

static void result(int error)
{
    result_of(33, vf, error);
}

static void seat(bool there)
{
    partition->state.vfs[2] = (struct vf_seat){vf, there ? VF_PRESENT : 0};
}

static void assert_answered(int error)
{
    assert_true(seen.answered);
    assert_int_equal(seen.id, 33);
    assert_int_equal(seen.error, error);
    seen.answered = false;
}

/* ---- tests */

static void an_add_is_answered_by_the_monitor(void **state)
{
    (void)state;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_true(seen.open && !seen.add && !seen.answered);
    assert_int_equal(files(0, 2), 0);
    assert_true(seen.add && !seen.answered);
    seat(true);
    result(0);
    assert_answered(0);
    assert_false(seen.closed);
    assert_int_equal(partition->adding, 0);
    seen.open = false;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0); /* the same once more */
    assert_answered(0);
    assert_false(seen.open);
}

/* VF_MEND has no order that waits, whatever else is under way. */
static void what_came_of_mending_is_no_answer(void **state)
{
    struct monitor_vf_result message = {
        .header = frame_header(MONITOR_VF_RESULT, sizeof(message), 0), .vf = vf, .text = "MSI-X"};

    (void)state;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    for (message.error = 0; message.error > -2; message.error--)
        assert_int_equal(hotplug_result(partition, &message), 0);
    assert_false(seen.answered || seen.closed);
    assert_int_equal(partition->adding, 33);
}

static void an_add_that_fails_leaves_nothing_held(void **state)
{
    (void)state;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_int_equal(files(-EPERM, 0), 0);
    assert_answered(-EPERM);
    assert_false(seen.add);
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_int_equal(files(0, 2), 0);
    result(-ENOSPC);
    assert_answered(-ENOSPC);
    assert_true(seen.closed);
    seen.closed = false;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    monitor_link = -EPIPE;
    assert_int_equal(files(0, 2), 0);
    assert_answered(-EPIPE);
    assert_true(seen.closed);
    tcb = -ENOTCONN;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_answered(-EAGAIN);
}

static void the_tcb_dies_while_it_is_asked(void **state)
{
    (void)state;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    hotplug_tcb_down(partition);
    assert_answered(-EAGAIN);
    hotplug_tcb_down(partition);
    assert_false(seen.answered);
}

/* What is on its way to the monitor is held: a new TCB hears so, and the monitor answers. */
static void the_tcb_dies_while_the_monitor_takes_it(void **state)
{
    (void)state;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    partition->descriptor.vfs_count = 1;
    partition->descriptor.vfs[0].bdf = vf;
    partition->state.states = STATE_BIT(STATE_CHANNEL_IMAGE);
    assert_int_equal(files(0, 2), 0);
    hotplug_tcb_down(partition);
    assert_false(seen.answered);
    hotplug_say_held(partition);
    assert_int_equal(seen.held, 1);
    assert_true(seen.held_vf);
}

/* A lead that begins hears of it first when it is there. */
static void one_that_a_predecessor_gave_is_held(void **state)
{
    struct monitor_state old = {.states = STATE_BIT(STATE_CHANNEL_IMAGE)};

    (void)state;
    partition->descriptor.vfs_count = 1;
    partition->descriptor.vfs[0].bdf = vf;
    partition->state.states = STATE_BIT(STATE_CHANNEL_IMAGE);
    hotplug_seats(partition, &old);
    assert_int_equal(seen.held, 0);
    seat(true);
    hotplug_seats(partition, &old);
    assert_true(seen.held_vf);
    seen.held = 0;
    old = partition->state;
    hotplug_seats(partition, &old);
    assert_int_equal(seen.held, 0); /* nothing new */
    assert_false(seen.closed);
}

/* Its PF lost it before the monitor opened it: the monitor is complete without it. */
static void one_that_was_left_out_is_closed(void **state)
{
    const struct monitor_state old = {.states = 0};

    (void)state;
    partition->descriptor.vfs_count = 1;
    partition->descriptor.vfs[0].bdf = vf;
    hotplug_seats(partition, &old);
    assert_false(seen.closed); /* it may open it yet */
    partition->state.states = STATE_BIT(STATE_CHANNEL_IMAGE);
    hotplug_seats(partition, &old);
    assert_true(seen.closed);
    seen.closed = false;
    seat(true);
    hotplug_seats(partition, &old);
    assert_false(seen.closed);
}

static void a_guest_that_does_not_give_up_is_forced(void **state)
{
    (void)state;
    seat(true);
    assert_int_equal(order(LEAD_VF_REMOVE, 1), 0);
    assert_true(seen.remove && !seen.force && !seen.answered);
    assert_true(sd_event_run(event, 1000000) > 0);
    assert_true(seen.force);
    assert_false(seen.answered);
    assert_true(seen.held_vf); /* its descriptor no longer says so */
    seat(false);
    result(0);
    assert_answered(0);
    assert_true(seen.closed);
    assert_null(partition->patience);
}

static void wrong_messages_end_the_session(void **state)
{
    (void)state;
    assert_int_equal(order(LEAD_VF_REMOVE, 0), -EBADMSG);
    assert_int_equal(order(LEAD_VF_REMOVE, 600001), -EBADMSG);
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_int_equal(files(0, 1), -EBADMSG);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    partition->gone = true;
    assert_int_equal(order(LEAD_VF_REMOVE, 5), 0);
    assert_answered(-ESRCH);
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_answered(-ESRCH);
}

/* What it may have, until it says itself what it has: then that; never what is another's. */
static void held_is_what_the_monitor_says(void **state)
{
    (void)state;
    partition->descriptor.vfs_count = 2;
    partition->descriptor.vfs[0].bdf.value = 0x190;
    partition->descriptor.vfs[1].bdf.value = 0x192;
    hotplug_say_held(partition);
    assert_int_equal(seen.held, 2);
    seat(true);
    partition->state.states = STATE_BIT(STATE_CHANNEL_IMAGE);
    hotplug_say_held(partition);
    assert_int_equal(seen.held, 0);
    partition->descriptor.vfs[1].bdf = vf;
    hotplug_say_held(partition);
    assert_int_equal(seen.held, 1);
}

/* Ids are control's: that of the partition's STOP is near, and -ESRCH would have it given back. */
static void what_was_not_asked_is_not_answered(void **state)
{
    const struct bdf other = {vf.value + 1};

    (void)state;
    result(-ESRCH);
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_int_equal(order(LEAD_VF_REMOVE, 5), 0);
    for (uint64_t id = 1; id < 100; id++)
        if (id != 33)
            result_of(id, vf, -ESRCH);
    assert_false(seen.answered);
    partition->descriptor.vfs_count = 1;
    partition->descriptor.vfs[0].bdf = other;
    result_of(33, other, 0); /* that of another one */
    assert_false(seen.answered);
    assert_int_equal(partition->adding, 33);
    assert_int_equal(partition->removing, 33);
    result(0);
    assert_answered(0);
}

/* Its monitor lies of what control gave it, or says what a predecessor asked. */
static void what_is_its_own_is_not_closed_unasked(void **state)
{
    (void)state;
    partition->descriptor.vfs_count = 1;
    partition->descriptor.vfs[0].bdf = vf;
    result_of(44, vf, 0);
    assert_false(seen.closed);
    partition->descriptor.vfs_count = 0;
    result_of(44, vf, 0);
    assert_true(seen.closed);
    assert_false(seen.answered);
}

/* Control ordered it twice, and the TCB answers twice. */
static void files_are_given_once(void **state)
{
    (void)state;
    assert_int_equal(order(LEAD_VF_ADD, 0), 0);
    assert_int_equal(files(0, 2), 0);
    seen.add = false;
    assert_int_equal(files(0, 2), 0);
    assert_int_equal(files(-EBUSY, 0), 0);
    assert_false(seen.add || seen.answered);
    assert_int_equal(partition->adding, 33);
}

/* One that was ordered twice is not given twice the time. */
static void the_time_is_not_begun_anew(void **state)
{
    (void)state;
    seat(true);
    assert_int_equal(order(LEAD_VF_REMOVE, 1), 0);
    assert_int_equal(order(LEAD_VF_REMOVE, 600000), 0);
    assert_true(sd_event_run(event, 1000000) > 0);
    assert_true(seen.force);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_add_is_answered_by_the_monitor),
        TEST(an_add_that_fails_leaves_nothing_held),
        TEST(what_came_of_mending_is_no_answer),
        TEST(what_was_not_asked_is_not_answered),
        TEST(files_are_given_once),
        TEST(what_is_its_own_is_not_closed_unasked),
        TEST(the_tcb_dies_while_it_is_asked),
        TEST(a_guest_that_does_not_give_up_is_forced),
        TEST(wrong_messages_end_the_session),
        TEST(nobody_there_is_said),
        TEST(held_is_what_the_monitor_says),
        TEST(the_tcb_dies_while_the_monitor_takes_it),
        TEST(one_that_a_predecessor_gave_is_held),
        TEST(one_that_was_left_out_is_closed),
        TEST(the_time_is_not_begun_anew),
    };
    return cmocka_run_group_tests_name("lead-hotplug", tests, NULL, NULL);
}
