/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation with QEMU, told by a clock that is this test's: who is silent, and for how long.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "monitor.h"
#include "steps.h"

#define SECOND   UINT64_C(1000000000)
#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 3, \"minor\": 2, \"major\": 10}}}}"

static struct monitor m;
static uint64_t now;
static int far = -1;

/* ---- the monitor's own, as in main.c without a process */

uint64_t monitor_now_ns(void)
{
    return now;
}

bool monitor_is(const struct monitor *monitor, enum partition_state state)
{
    return monitor->states.entered & STATE_BIT(state);
}

void monitor_enter(struct monitor *monitor, enum partition_state state)
{
    monitor->states.entered |= STATE_BIT(state);
}

void monitor_finish(struct monitor *monitor, enum exit_reason reason, const char *text)
{
    if (monitor->end.reason)
        return;
    monitor->end.reason = reason;
    snprintf(monitor->end.text, sizeof(monitor->end.text), "%s", text);
    monitor->phase = PHASE_ENDING;
}

void monitor_fail(struct monitor *monitor, const char *what, int error)
{
    char text[PARCLOSE_REASON_MAX];

    snprintf(text, sizeof(text), "%.100s: %s", what, strerror(-error));
    monitor_finish(monitor, EXIT_MONITOR_ERROR, text);
}

/* ---- QEMU */

static int begin(void **state)
{
    int ends[2];
    (void)state;

    now = SECOND;
    m = (struct monitor){.phase = PHASE_BUILD,
                         .descriptor = {.vcpus_count = 2, .memory_bytes = UINT64_C(4) << 30},
                         .complaint = {.pipe = -1}};
    for (uint32_t i = 0; i < PARCLOSE_MAX_VCPUS; i++)
        m.threads[i] = i < 2 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    m.talk.socket = ends[0];
    far = ends[1];
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (m.threads[i] >= 0)
            close(m.threads[i]);
    if (m.talk.socket >= 0)
        close(m.talk.socket);
    close(far);
    return 0;
}

static void qemu_says(const char *line)
{
    assert_int_equal(send(far, line, strlen(line), MSG_NOSIGNAL), strlen(line));
    assert_int_equal(send(far, "\r\n", 2, MSG_NOSIGNAL), 2);
    talk_read(&m);
}

/* What it was told meanwhile. */
static const char *qemu_hears(void)
{
    static char lines[4096];
    ssize_t got = recv(far, lines, sizeof(lines) - 1, MSG_DONTWAIT);

    lines[got < 0 ? 0 : got] = 0;
    return lines;
}

static void qemu_answers(const char *what)
{
    char line[4096];

    snprintf(line, sizeof(line), "{%s, \"id\": %llu}", what, (unsigned long long)m.talk.id);
    qemu_says(line);
}

/* As steps_create() says them. */
static void ask(void)
{
    talk_say(&m, TALK_GREETING, 0);
    talk_say(&m, TALK_CAPABILITIES, 0);
    talk_say(&m, TALK_STATUS, 0);
    talk_say(&m, TALK_CPUS, 0);
}

/* Everything up to PROCESSOR_IMAGE, or the first so many steps of it. */
static void go_on(int steps)
{
    static const char threads[] = "\"return\": [{\"cpu-index\": 1, \"thread-id\": 11}, "
                                  "{\"cpu-index\": 0, \"thread-id\": 10}]";

    if (steps > 0)
        qemu_says(GREETING);
    if (steps > 1)
        qemu_answers("\"return\": {}");
    if (steps > 2)
        qemu_answers("\"return\": {\"status\": \"prelaunch\"}");
    if (steps > 3)
        qemu_answers(threads);
}

/* It says nothing for so long: the partition goes on; a moment more: it ends, for this reason. */
static void silence(uint64_t seconds, const char *reason)
{
    now += seconds * SECOND - 1;
    talk_tick(&m);
    assert_int_equal(m.end.reason, EXIT_NONE);
    now += 1;
    talk_tick(&m);
    assert_int_equal(m.end.reason, EXIT_MONITOR_ERROR);
    if (!strstr(m.end.text, reason))
        fail_msg("\"%s\"; expected \"%s\"", m.end.text, reason);
}

/* ---- */

static void silent_at_each_step(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *what;
    } steps[] = {{124, "its start"}, {30, "QMP"}, {30, "its state"}, {30, "its vCPU threads"}};

    for (int i = 0; i < 4; i++) {
        ask();
        go_on(i);
        silence(steps[i].seconds, steps[i].what);
        assert_false(monitor_is(&m, STATE_PROCESSOR_IMAGE));
        end(state);
        begin(state);
    }
}

static void silent_about_its_first_instruction(void **state)
{
    (void)state;
    ask();
    go_on(4);
    assert_int_equal(m.phase, PHASE_COMPLETE);
    m.phase = PHASE_ATTACHED;
    talk_say(&m, TALK_CONT, 0);
    silence(30, "its first instruction");
    assert_false(monitor_is(&m, STATE_CHANNELS_ATTACHED));
}

/* Its vCPUs may be frozen, and it waits for them. */
static void silent_about_its_exits(void **state)
{
    (void)state;
    ask();
    go_on(4);
    talk_say(&m, TALK_STATS, 0);
    now += 1000000 * SECOND;
    talk_tick(&m);
    assert_int_equal(m.end.reason, EXIT_NONE);
}

/* One after the other, each at its port. */
static void vfs_are_plugged_in_turn(void **state)
{
    (void)state;
    m.descriptor.vfs_count = 2;
    m.vfs[0].value = 0x01 << 8 | 0x10 << 3;
    m.vfs[1].value = 0x01 << 8 | 0x10 << 3 | 2;
    ask();
    go_on(4);
    assert_int_equal(m.phase, PHASE_BUILT);
    assert_false(monitor_is(&m, STATE_CHANNEL_IMAGE));
    qemu_hears();
    talk_say(&m, TALK_PLUG, 0);
    talk_say(&m, TALK_PLUG, 1);
    assert_string_equal(
        qemu_hears(),
        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\",\"id\":\"vf0\",\"bus\":"
        "\"port0\",\"sysfsdev\":\"/vfs/0000:01:10.0\"},\"id\":4}\n");
    qemu_answers("\"return\": {}");
    assert_string_equal(
        qemu_hears(),
        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\",\"id\":\"vf1\",\"bus\":"
        "\"port1\",\"sysfsdev\":\"/vfs/0000:01:10.2\"},\"id\":5}\n");
    assert_false(monitor_is(&m, STATE_CHANNEL_IMAGE));
}

/* Its VFs were given before QEMU was at its prompt: they are named behind its vCPUs. */
static void vfs_that_come_early_wait(void **state)
{
    (void)state;
    m.descriptor.vfs_count = 1;
    ask();
    talk_say(&m, TALK_PLUG, 0);
    go_on(3);
    assert_null(strstr(qemu_hears(), "device_add"));
    qemu_answers("\"return\": [{\"cpu-index\": 1, \"thread-id\": 11}, {\"cpu-index\": 0, "
                 "\"thread-id\": 10}]");
    assert_true(monitor_is(&m, STATE_PROCESSOR_IMAGE));
    assert_non_null(strstr(qemu_hears(), "device_add"));
    assert_int_equal(m.phase, PHASE_BUILT);
}

static void a_vf_that_is_refused_ends_it(void **state)
{
    (void)state;
    m.descriptor.vfs_count = 1;
    ask();
    go_on(4);
    talk_say(&m, TALK_PLUG, 0);
    qemu_answers("\"error\": {\"class\": \"GenericError\", \"desc\": \"vfio: no\"}");
    assert_int_equal(m.end.reason, EXIT_MONITOR_ERROR);
    assert_non_null(strstr(m.end.text, "QEMU refuses a VF: vfio: no"));
    assert_false(monitor_is(&m, STATE_CHANNEL_IMAGE));
}

/* What waits is bounded; what is too much is not said. */
static void more_is_asked_than_may_wait(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * TALK_QUEUE; i++)
        talk_say(&m, TALK_POWER_DOWN, 0);
    assert_int_equal(m.talk.queued, TALK_QUEUE);
    assert_int_equal(m.end.reason, EXIT_NONE);
}

static void an_answer_that_was_not_asked_for(void **state)
{
    (void)state;
    ask();
    go_on(4);
    qemu_says("{\"return\": {}, \"id\": 4}");
    assert_int_equal(m.end.reason, EXIT_MONITOR_ERROR);
    assert_int_equal(m.talk.socket, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(silent_at_each_step, begin, end),
        cmocka_unit_test_setup_teardown(silent_about_its_first_instruction, begin, end),
        cmocka_unit_test_setup_teardown(silent_about_its_exits, begin, end),
        cmocka_unit_test_setup_teardown(vfs_are_plugged_in_turn, begin, end),
        cmocka_unit_test_setup_teardown(vfs_that_come_early_wait, begin, end),
        cmocka_unit_test_setup_teardown(a_vf_that_is_refused_ends_it, begin, end),
        cmocka_unit_test_setup_teardown(more_is_asked_than_may_wait, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_that_was_not_asked_for, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
