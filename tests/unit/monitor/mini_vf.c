/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mini-lead's orders about VFs of a running monitor:
 *
 *   add:BDF  remove:BDF  force:BDF  mend:BDF
 *   die:N:ORDER     main is killed at the Nth system-call stop (entry and exit) of that order
 *   sweep:STEP:BDF  add and force, again and again, main killed at stop 1, 1 + STEP, … of each,
 * until there is no such stop. After each: the order was carried out, and the monitor has neither a
 * file nor a mapping too many.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mini_lead.h"

#define RESULT_NS 30000000000u

static struct monitor_vf_result result; /* the latest */

void vf_result(const struct monitor_vf_result *r)
{
    static unsigned count;

    result = *r;
    tell("vf %04x result %d #%u%s%s", r->vf.value, r->error, ++count, *r->text ? " " : "", r->text);
}

void vf_seats(const struct monitor_state *state)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (memcmp(&state->vfs[i], &last.vfs[i], sizeof(last.vfs[i])) != 0)
            tell("place %u vf %04x marks %x", i, state->vfs[i].vf.value, state->vfs[i].marks);
}

/* The id of the order. */
static uint64_t send_order(const char *what)
{
    bool add = !strncmp(what, "add:", 4);
    const char *vf = strchr(what, ':') + 1;
    uint16_t type = !strncmp(what, "mend:", 5) ? MONITOR_VF_MEND
                    : add                      ? MONITOR_VF_ADD
                                               : MONITOR_VF_REMOVE;
    struct monitor_vf_order m = {.header = header(type, sizeof(m)),
                                 .vf = {parse_bdf(vf)},
                                 .force = !strncmp(what, "force:", 6)};
    int fds[2] = {-1, -1};

    if (add) {
        fds[0] = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
        fds[1] = open_group(vf);
        if (fds[1] < 0)
            tell("FAIL the group of %s: %s", vf, strerror(errno));
    }
    send_files(&m, sizeof(m), fds, add ? 2 : 0);
    if (add) {
        close(fds[0]);
        close(fds[1]);
    }
    return m.header.id;
}

static bool wait_result(uint64_t id)
{
    uint64_t end = now_ns() + RESULT_NS;

    while (!ended && result.header.id != id && now_ns() < end)
        look();
    return result.header.id == id;
}

/* ---- death at a stop ---- */

static bool stopped(int target)
{
    int status;

    return waitpid(target, &status, __WALL) == target && WIFSTOPPED(status);
}

static void poll_result(void)
{
    struct pollfd p = {link_fd, POLLIN, 0};

    while (!ended && poll(&p, 1, 0) > 0)
        receive();
}

/* True when the order was not over before its nth stop: then main is dead. */
static bool die_at(unsigned n, const char *what, uint64_t *id)
{
    int target = main_pid();

    if (ptrace(PTRACE_SEIZE, target, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
        ptrace(PTRACE_INTERRUPT, target, 0, 0) < 0 || !stopped(target))
        fail("ptrace");
    *id = send_order(what);
    for (unsigned i = 0; i < n; i++) {
        if (ptrace(PTRACE_SYSCALL, target, 0, 0) < 0 || !stopped(target))
            fail("no stop");
        poll_result();
        if (result.header.id == *id) {
            ptrace(PTRACE_DETACH, target, 0, 0);
            return false;
        }
    }
    kill(target, SIGKILL);
    (void)waitpid(target, NULL, __WALL);
    return true;
}

/* ---- what the monitor has ---- */

static unsigned count_links(const char *text)
{
    char pattern[64], target[128];
    unsigned count = 0;
    glob_t g;

    snprintf(pattern, sizeof(pattern), "/proc/%d/fd/*", pid);
    if (glob(pattern, 0, NULL, &g))
        return 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        ssize_t n = readlink(g.gl_pathv[i], target, sizeof(target) - 1);

        target[n > 0 ? n : 0] = 0;
        count += !strncmp(target, text, strlen(text));
    }
    globfree(&g);
    return count;
}

static unsigned count_maps(const char *text)
{
    char path[64], line[512];
    unsigned count = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        count += strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return count;
}

struct holdings {
    unsigned devices, vfio, maps, events;
};

static struct holdings holdings(void)
{
    return (struct holdings){count_links("anon_inode:[vfio-device]"), count_links("/dev/vfio/"),
                             count_maps("vfio-device"), count_links("anon_inode:[eventfd]")};
}

static void tell_holdings(const char *when, struct holdings h)
{
    tell("%s: %u devices, %u groups and containers, %u mappings, %u eventfds", when, h.devices,
         h.vfio, h.maps, h.events);
}

static bool is_seated(const char *vf)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (last.vfs[i].marks && last.vfs[i].vf.value == parse_bdf(vf))
            return true;
    return false;
}

/* Deaths at each stop of one order. Files are counted but for eventfds, of which a death may lose
 * one. */
static unsigned sweep_order(const char *order, const char *undo, const char *vf, unsigned n,
                            struct holdings with, struct holdings without, bool *more)
{
    bool add = !strncmp(order, "add:", 4);
    struct holdings want = add ? with : without, have;
    unsigned bad = 0;
    uint64_t id;

    *more = die_at(n, order, &id);
    if (!wait_result(id) || result.error != 0) {
        tell("FAIL stop %u of %s: result %d %s", n, order, result.error, result.text);
        bad++;
    }
    for (int i = 0; i < 50 && is_seated(vf) != add; i++)
        look();
    have = holdings();
    if (is_seated(vf) != add || have.devices != want.devices || have.vfio != want.vfio ||
        have.maps != want.maps) {
        tell_holdings("FAIL", have);
        tell("FAIL stop %u of %s: the VF is %s", n, order, is_seated(vf) ? "there" : "not there");
        bad++;
    }
    if (undo && !wait_result(send_order(undo)))
        tell("FAIL stop %u of %s: %s is not answered", n, order, undo);
    return bad;
}

static void sweep(const char *argument)
{
    char add[32], force[32];
    unsigned step = (unsigned)atoi(argument), deaths = 0, bad = 0;
    const char *vf = strchr(argument, ':') + 1;
    struct holdings with, without;
    bool more = true;

    snprintf(add, sizeof(add), "add:%s", vf);
    snprintf(force, sizeof(force), "force:%s", vf);
    if (!wait_result(send_order(add)) || result.error)
        fail("sweep: add");
    with = holdings();
    if (!wait_result(send_order(force)) || result.error)
        fail("sweep: force");
    without = holdings();
    tell_holdings("with it", with);
    tell_holdings("without", without);
    for (unsigned n = 1; more && !ended && bad < 5; n += step, deaths += more)
        bad += sweep_order(add, force, vf, n, with, without, &more);
    tell("sweep: %u deaths in add", deaths);
    more = true;
    for (unsigned n = 1; more && !ended && bad < 5; n += step, deaths += more) {
        wait_result(send_order(add));
        bad += sweep_order(force, NULL, vf, n, with, without, &more);
    }
    tell_holdings("after it", holdings());
    tell("sweep of %s: %u deaths, %u bad%s", vf, deaths, bad, ended ? ", FAIL ended" : "");
}

bool vf_order(const char *what)
{
    uint64_t id;

    if (!strncmp(what, "add:", 4) || !strncmp(what, "remove:", 7) || !strncmp(what, "force:", 6) ||
        !strncmp(what, "mend:", 5))
        (void)send_order(what);
    else if (!strncmp(what, "die:", 4))
        tell("main %s", die_at((unsigned)atoi(what + 4), strchr(what + 4, ':') + 1, &id)
                            ? "died in the order"
                            : "was done before");
    else if (!strncmp(what, "sweep:", 6))
        sweep(what + 6);
    else
        return false;
    return true;
}
