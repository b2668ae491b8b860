/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs that come and go, as far as it can be seen without VFIO: the events' registers, orders that
 * are repeated or that nobody can carry out, what is left by a main that died, a message that a
 * dead main was receiving. With real VFs and a death at each system call: lab_checks.sh.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "layout.h"
#include "link.h"
#include "monitor.h"
#include "test.h"

#define ARRIVED (LAYOUT_EVENTS + 0)
#define WANTED  (LAYOUT_EVENTS + 4)
#define EJECT   (LAYOUT_EVENTS + 8)
#define BUTTON  (LAYOUT_EVENTS + 12)

static struct monitor m;
static struct guest_memory memory = {.size = UINT64_C(1) << 30};

static int setup(void **state)
{
    (void)state;
    memset(&m, 0, sizeof(m));
    m.phase = PHASE_ATTACHED;
    m.router.vm = -1;
    m.router.event = eventfd(0, EFD_NONBLOCK);
    pci_begin(&m.pci, &m.router, &memory, &m.channels, -1, -1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(m.router.event);
    return 0;
}

/* A VF without a device behind it. */
static struct vf *put_vf(unsigned place, uint32_t bdf)
{
    m.pci.vfs[place] = (struct vf){.stage = VF_ON,
                                   .index = place,
                                   .bdf = {bdf},
                                   .container = -1,
                                   .group = -1,
                                   .notes = {-1, -1},
                                   .device = {.fd = -1}};
    return &m.pci.vfs[place];
}

static uint32_t get(uint64_t port)
{
    return hotplug_access(&m, port, false, 0);
}

static void set(uint64_t port, uint32_t value)
{
    (void)hotplug_access(&m, port, true, value);
}

static bool interrupted(void)
{
    eventfd_t value;

    return eventfd_read(m.router.event, &value) == 0;
}

static void order(uint16_t type, uint64_t id, uint32_t bdf, uint32_t force)
{
    const struct monitor_vf_order o = {
        {WIRE_VERSION, type, sizeof(o), id}, .vf = {bdf}, .force = force};

    memcpy(m.inbox.bytes, &o, sizeof(o));
    m.inbox.size = sizeof(o);
    m.inbox.files_count = type == MONITOR_VF_ADD ? 2 : 0;
    m.inbox.files[0] = m.inbox.files[1] = -1;
}

/* The answer that is due to an order; NULL: none is. */
static const struct monitor_vf_result *answer(uint64_t id)
{
    for (unsigned i = 0; i < HOTPLUG_ANSWERS; i++)
        if (m.hotplug.answers[i].due && m.hotplug.answers[i].message.header.id == id)
            return &m.hotplug.answers[i].message;
    return NULL;
}

static void the_guest_is_asked_and_gives_up(void **state)
{
    struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS];

    (void)state;
    put_vf(2, 77);
    order(MONITOR_VF_REMOVE, 5, 77, 0);
    assert_int_equal(hotplug_remove(&m, &m.inbox), 0);
    assert_true(interrupted());
    assert_int_equal(get(WANTED), 1 << 2);
    set(WANTED, get(WANTED));
    assert_int_equal(get(WANTED), 0);
    assert_false(interrupted());
    assert_null(answer(5));
    hotplug_seats(&m, seats);
    assert_int_equal(seats[2].vf.value, 77);
    assert_int_equal(seats[2].marks, VF_PRESENT | VF_LEAVING | VF_IDLE);
    set(EJECT, 1 << 2);
    assert_int_equal(m.pci.vfs[2].stage, VF_NONE);
    assert_non_null(answer(5));
    assert_int_equal(answer(5)->error, 0);
    hotplug_seats(&m, seats);
    assert_int_equal(seats[2].marks, 0);
    set(EJECT, 1 << 2); /* the exit once more */
    assert_int_equal(m.pci.vfs[2].stage, VF_NONE);
}

/* One that boots has no driver for the interrupt yet. */
static void a_guest_that_has_not_seen_it_is_told_again(void **state)
{
    const uint64_t second = UINT64_C(1000000000), ms = UINT64_C(1000000);
    uint64_t now = 5 * second;

    (void)state;
    put_vf(2, 77);
    hotplug_again(&m, now);
    assert_int_equal(hotplug_wait_ms(&m, now), -1);
    order(MONITOR_VF_REMOVE, 5, 77, 0);
    assert_int_equal(hotplug_remove(&m, &m.inbox), 0);
    assert_true(interrupted());
    hotplug_again(&m, now);
    assert_false(interrupted());
    assert_in_range(hotplug_wait_ms(&m, now), 1000, 1001);
    hotplug_again(&m, now + second - ms);
    assert_false(interrupted());
    for (int i = 0; i < 3; i++) {
        now += second;
        assert_int_equal(hotplug_wait_ms(&m, now), 0);
        hotplug_again(&m, now);
        assert_true(interrupted());
        hotplug_again(&m, now);
        assert_false(interrupted());
    }
    set(WANTED, get(WANTED));
    hotplug_again(&m, now + second);
    assert_false(interrupted());
    assert_int_equal(hotplug_wait_ms(&m, now + second), -1);
    set(EJECT, 1 << 2);
}

static void an_ejection_that_nobody_asked_for_is_nothing(void **state)
{
    (void)state;
    put_vf(0, 77);
    set(EJECT, UINT32_MAX);
    assert_int_equal(m.pci.vfs[0].stage, VF_ON);
    assert_int_equal(get(EJECT), 0);
}

static void by_force_it_is_gone_at_once(void **state)
{
    (void)state;
    put_vf(7, 77);
    order(MONITOR_VF_REMOVE, 6, 77, 1);
    assert_int_equal(hotplug_remove(&m, &m.inbox), 0);
    assert_int_equal(m.pci.vfs[7].stage, VF_NONE);
    assert_non_null(answer(6));
    assert_int_equal(get(WANTED), 1 << 7); /* its driver is to let go */
    assert_true(pci_ecam_read(&m.pci, UINT64_C(8) << 15, 4) == UINT32_MAX);
}

static void a_guest_that_has_not_begun_is_told_nothing(void **state)
{
    (void)state;
    m.phase = PHASE_COMPLETE;
    put_vf(2, 77);
    order(MONITOR_VF_REMOVE, 5, 77, 1);
    assert_int_equal(hotplug_remove(&m, &m.inbox), 0);
    assert_int_equal(m.pci.vfs[2].stage, VF_NONE);
    assert_int_equal(answer(5)->error, 0);
    assert_int_equal(get(WANTED), 0);
    assert_false(interrupted());
}

static void what_is_so_already_is_answered(void **state)
{
    (void)state;
    order(MONITOR_VF_REMOVE, 7, 77, 0);
    assert_int_equal(hotplug_remove(&m, &m.inbox), 0);
    assert_int_equal(answer(7)->error, 0);
    assert_false(interrupted());
    put_vf(3, 77);
    order(MONITOR_VF_ADD, 8, 77, 0);
    assert_int_equal(hotplug_add(&m, &m.inbox), 0);
    assert_int_equal(answer(8)->error, 0);
    assert_int_equal(get(ARRIVED), 1 << 3); /* the guest is told again */
    assert_true(interrupted());
}

static void what_cannot_be_is_answered_with_why(void **state)
{
    (void)state;
    order(MONITOR_VF_ADD, 9, 1, 0); /* files that are no VFIO */
    assert_int_equal(hotplug_add(&m, &m.inbox), 0);
    assert_true(answer(9)->error < 0);
    assert_string_equal(answer(9)->text, "VFIO group");
    assert_int_equal(m.pci.vfs[0].stage, VF_NONE);
    assert_int_equal(get(ARRIVED), 0);
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        put_vf(i, 100 + i);
    order(MONITOR_VF_ADD, 10, 1, 0);
    assert_int_equal(hotplug_add(&m, &m.inbox), 0);
    assert_int_equal(answer(10)->error, -ENOSPC);
    m.pci.vfs[4].marks = VF_LEAVING;
    order(MONITOR_VF_ADD, 11, 104, 0);
    assert_int_equal(hotplug_add(&m, &m.inbox), 0);
    assert_int_equal(answer(11)->error, -EBUSY);
    order(MONITOR_VF_REMOVE, 12, 104, 2);
    assert_int_equal(hotplug_remove(&m, &m.inbox), -EINVAL);
}

static void only_what_is_on_the_bus_is_mended(void **state)
{
    (void)state;
    order(MONITOR_VF_MEND, 14, 77, 0);
    assert_int_equal(hotplug_mend(&m, &m.inbox), 0);
    assert_int_equal(answer(14)->error, -ENODEV);
    put_vf(1, 77);
    order(MONITOR_VF_MEND, 15, 77, 1); /* there is no force in it */
    assert_int_equal(hotplug_mend(&m, &m.inbox), -EINVAL);
    assert_null(answer(15));
}

static void answers_have_bounds(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 3 * HOTPLUG_ANSWERS; id++) {
        order(MONITOR_VF_REMOVE, id, 77, 0);
        assert_int_equal(hotplug_remove(&m, &m.inbox), 0);
        assert_non_null(answer(id));
    }
}

static void events_stay_until_they_are_seen(void **state)
{
    (void)state;
    hotplug_button(&m);
    put_vf(1, 77);
    order(MONITOR_VF_REMOVE, 1, 77, 0);
    (void)hotplug_remove(&m, &m.inbox);
    assert_true(interrupted());
    set(WANTED, get(WANTED));
    assert_false(interrupted()); /* the button is left, and had its own */
    assert_int_equal(get(BUTTON), 1);
    set(BUTTON, 0);
    assert_true(interrupted());
    assert_int_equal(get(BUTTON), 1);
    set(BUTTON, UINT32_MAX);
    assert_false(interrupted());
    assert_int_equal(get(BUTTON), 0);
    assert_int_equal(get(WANTED), 0);
}

static void only_whole_registers(void **state)
{
    (void)state;
    for (uint64_t port = LAYOUT_EVENTS - 8; port < LAYOUT_EVENTS + 24; port++)
        for (unsigned size = 1; size <= 8; size *= 2)
            assert_int_equal(hotplug_has_port(port, size), size == 4 && port % 4 == 0 &&
                                                               port >= LAYOUT_EVENTS &&
                                                               port < LAYOUT_EVENTS + 16);
}

static void a_half_vf_is_undone(void **state)
{
    (void)state;
    put_vf(0, 1);
    put_vf(1, 2)->stage = VF_MAKING;
    put_vf(2, 3)->stage = VF_UNMAKING;
    hotplug_recover(&m);
    assert_int_equal(m.pci.vfs[0].stage, VF_ON);
    assert_int_equal(m.pci.vfs[1].stage, VF_NONE);
    assert_int_equal(m.pci.vfs[2].stage, VF_NONE);
}

static void a_message_that_kills_twice_is_refused(void **state)
{
    (void)state;
    order(MONITOR_VF_ADD, 13, 1, 0);
    m.inbox.pending = true;
    m.inbox_attempts = 1;
    m.link_closed = true;
    link_serve(&m);
    assert_false(m.inbox.pending);
    assert_int_equal(m.inbox_attempts, 0);
    assert_int_equal(answer(13)->error, -EIO);
}

/* The kernel has written it, and no line of that main has run since. */
static void a_message_that_was_being_received_is_taken(void **state)
{
    struct monitor_vf_order sent = {{WIRE_VERSION, MONITOR_VF_REMOVE, sizeof(sent), 21}, {77}, 0};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(send(pair[0], &sent, sizeof(sent), 0), sizeof(sent));
    assert_int_equal(inbox_receive(&m.inbox, pair[1]), 1);
    m.inbox.pending = false;
    m.inbox.receiving = true;
    m.inbox.size = 0;
    hotplug_recover(&m);
    assert_true(m.inbox.pending);
    assert_int_equal(m.inbox.size, sizeof(sent));
    assert_int_equal(inbox_receive(&m.inbox, pair[1]), -EAGAIN);
    m.inbox.pending = false;
    m.inbox.receiving = true; /* … and here it had not written */
    hotplug_recover(&m);
    assert_false(m.inbox.pending);
    close(pair[0]);
    close(pair[1]);
}

/* A bus of BARs that the guest has moved: a new one goes where none is. */
static void a_bar_goes_where_none_is(void **state)
{
    uint8_t raw[PCI_CONFIG_SIZE] = {0};
    struct pci_bar bars[PCI_BARS] = {{0x4000, 0}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        pci_config_begin(&put_vf(i, i)->config, raw, bars, (struct pci_vectors){0});
        pci_config_set_bar(&m.pci.vfs[i].config, 0, LAYOUT_PCI_WINDOW + 0x4000 * i);
    }
    m.pci.vfs[1].stage = VF_NONE;
    assert_true(vf_room(&m.pci.context, 0x4000, false) == LAYOUT_PCI_WINDOW + 0x4000);
    assert_true(vf_room(&m.pci.context, 0x8000, false) == LAYOUT_PCI_WINDOW + 0x10000);
    pci_config_set_bar(&m.pci.vfs[2].config, 0, LAYOUT_PCI_WINDOW + 0x10000);
    assert_true(vf_room(&m.pci.context, 0x8000, false) == LAYOUT_PCI_WINDOW + 0x8000);
    assert_true(vf_room(&m.pci.context, LAYOUT_PCI_SIZE, false) == 0);
    assert_true(vf_room(&m.pci.context, UINT64_C(1) << 33, true) >= m.pci.context.pci64);
    pci_config_set_bar(&m.pci.vfs[2].config, 0, UINT64_MAX);
    assert_true(vf_room(&m.pci.context, 0x8000, false) == LAYOUT_PCI_WINDOW + 0x8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_guest_is_asked_and_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_has_not_seen_it_is_told_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_ejection_that_nobody_asked_for_is_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(by_force_it_is_gone_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_has_not_begun_is_told_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_so_already_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_answered_with_why, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_on_the_bus_is_mended, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_have_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(events_stay_until_they_are_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(only_whole_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_half_vf_is_undone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_that_kills_twice_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_that_was_being_received_is_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_bar_goes_where_none_is, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
