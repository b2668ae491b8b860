/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts one guest for the benchmark of monitors: its process joins CGROUP/vm, is pinned to one
 * processor, and from then on is the one that the kernel's tracing follows.
 *
 * usage: bench-start CGROUP PCPU exec PROGRAM [ARGUMENT…]
 *        bench-start CGROUP PCPU monitor MONITOR KERNEL INITRD MIB CMDLINE
 *
 * exec: becomes PROGRAM. monitor: is lead to MONITOR, as far as a guest of one vCPU without VFs
 * needs one. The files are open before it starts and handed over after; it thaws as soon as it
 * hears that all is built, and writes the guest's console to standard output until the monitor
 * ends.
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parclose/console.h"
#include "parclose/descriptor.h"
#include "parclose/msg_lead_monitor.h"

#define TRACING "/sys/kernel/tracing"

struct guest {
    int link;
    int files[MONITOR_FILE_KINDS];
    struct console_ring *ring;
    uint64_t shown; /* bytes of the ring */
    bool thawed;
};

static void put(const char *folder, const char *name, const char *text)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) < 0)
        err(1, "%s: %s", path, text);
    close(file);
}

/* What is left after it is exec, so that nothing else is counted. */
static void settle(const char *cgroup, const char *pcpu)
{
    char self[16];
    cpu_set_t pcpus;

    CPU_ZERO(&pcpus);
    CPU_SET(strtoul(pcpu, NULL, 10), &pcpus);
    if (sched_setaffinity(0, sizeof(pcpus), &pcpus) < 0)
        err(1, "pCPU %s", pcpu);
    snprintf(self, sizeof(self), "%d", getpid());
    put(cgroup, "vm/cgroup.procs", self);
    put(TRACING, "set_event_pid", self);
}

/* ---- lead's part */

static void make_folder(const char *cgroup, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", cgroup, name);
    if (mkdir(path, 0755) < 0)
        err(1, "%s", path);
}

static int open_leaf(const char *cgroup)
{
    char path[512];

    make_folder(cgroup, "vcpu");
    put(cgroup, "vcpu/cgroup.freeze", "1");
    snprintf(path, sizeof(path), "%s/vcpu", cgroup);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_descriptor(const char *mib, const char *cmdline)
{
    static struct partition_descriptor d = {.magic = DESCRIPTOR_MAGIC,
                                            .version = DESCRIPTOR_VERSION,
                                            .size = sizeof(d),
                                            .generation = 1,
                                            .partition = {1},
                                            .vcpus_count = 1,
                                            .memory_node = UINT32_MAX,
                                            .name = "bench"};
    int file = memfd_create("descriptor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    d.memory_bytes = strtoull(mib, NULL, 10) << 20;
    snprintf(d.cmdline, sizeof(d.cmdline), "%s", cmdline);
    if (write(file, &d, sizeof(d)) != sizeof(d) ||
        fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        err(1, "descriptor");
    return file;
}

static void open_files(struct guest *guest, char **values)
{
    int *files = guest->files;

    for (uint32_t kind = 0; kind < MONITOR_FILE_KINDS; kind++)
        files[kind] = -1;
    files[FILE_DESCRIPTOR] = make_descriptor(values[7], values[8]);
    files[FILE_KVM] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    files[FILE_KERNEL] = open(values[5], O_RDONLY | O_CLOEXEC);
    files[FILE_INITRD] = open(values[6], O_RDONLY | O_CLOEXEC);
    files[FILE_CONSOLE] = memfd_create("console", MFD_CLOEXEC);
    files[FILE_CONSOLE_OUT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    files[FILE_CONSOLE_IN] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    files[FILE_VCPU_CGROUP] = open_leaf(values[1]);
    if (ftruncate(files[FILE_CONSOLE], CONSOLE_SIZE) < 0)
        err(1, "console");
    guest->ring = mmap(NULL, CONSOLE_SIZE, PROT_READ, MAP_SHARED, files[FILE_CONSOLE], 0);
    if (guest->ring == MAP_FAILED)
        err(1, "console");
}

static void say(int link, const void *message, size_t size, const int *file)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec part = {(void *)(uintptr_t)message, size};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    if (file) {
        memcpy(CMSG_DATA(&control.head), file, sizeof(int));
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
    }
    if (sendmsg(link, &m, MSG_NOSIGNAL) < 0)
        err(1, "message to the monitor");
}

static void say_plain(int link, uint16_t type)
{
    struct monitor_plain message = {{WIRE_VERSION, type, sizeof(message), 0}};

    say(link, &message, sizeof(message), NULL);
}

static void hand_over(const struct guest *guest)
{
    for (uint32_t kind = 0; kind < FILE_PROGRAM; kind++) { /* the native kind has no others */
        struct monitor_file message = {{WIRE_VERSION, MONITOR_FILE, sizeof(message), 0}, kind, 0};
        if (guest->files[kind] < 0)
            err(1, "file %u", kind);
        say(guest->link, &message, sizeof(message), &guest->files[kind]);
    }
    say_plain(guest->link, MONITOR_CREATE);
}

_Noreturn static void become_monitor(char **values, int link)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(link, MONITOR_FD) < 0 ||
        close_range(MONITOR_FD + 1, ~0U, 0) < 0)
        err(1, "files of the monitor");
    settle(values[1], values[2]);
    execl(values[4], "parclose-monitor", (char *)NULL);
    err(1, "%s", values[4]);
}

static void start_monitor(struct guest *guest, char **values)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        err(1, "link");
    pid_t pid = fork();
    if (pid == 0)
        become_monitor(values, ends[1]);
    if (pid < 0)
        err(1, "fork");
    close(ends[1]);
    guest->link = ends[0];
}

/* False: the monitor has ended. */
static bool hear(struct guest *guest, const char *cgroup)
{
    union {
        struct wire_header header;
        struct monitor_state state;
        struct monitor_exit exit;
        char bytes[WIRE_MAX];
    } message;
    ssize_t size = recv(guest->link, &message, sizeof(message), 0);

    if (size <= 0)
        return false;
    if (message.header.type == MONITOR_EXIT)
        errx(1, "the monitor ended: %.*s", PARCLOSE_REASON_MAX, message.exit.text);
    if (message.header.type != MONITOR_STATE || guest->thawed ||
        !(message.state.states & STATE_BIT(STATE_CHANNEL_IMAGE)))
        return true;
    put(cgroup, "vcpu/cgroup.freeze", "0");
    say_plain(guest->link, MONITOR_ATTACHED);
    guest->thawed = true;
    return true;
}

static void show_console(struct guest *guest)
{
    eventfd_t news;

    eventfd_read(guest->files[FILE_CONSOLE_OUT], &news);
    while (guest->shown != guest->ring->out_head) {
        uint64_t at = guest->shown % CONSOLE_RING, left = guest->ring->out_head - guest->shown;
        ssize_t put =
            write(1, guest->ring->out + at, left < CONSOLE_RING - at ? left : CONSOLE_RING - at);
        if (put <= 0)
            err(1, "output");
        guest->shown += (uint64_t)put;
    }
}

static void lead(char **values)
{
    struct guest guest = {.shown = 0};

    open_files(&guest, values);
    start_monitor(&guest, values);
    hand_over(&guest);
    for (bool going = true; going;) {
        struct pollfd fds[2] = {{guest.link, POLLIN, 0},
                                {guest.files[FILE_CONSOLE_OUT], POLLIN, 0}};
        if (poll(fds, 2, -1) < 0)
            err(1, "poll");
        if (fds[0].revents)
            going = hear(&guest, values[1]);
        show_console(&guest);
    }
}

int main(int count, char **values)
{
    bool monitor = count == 9 && !strcmp(values[3], "monitor");

    if (!monitor && (count < 5 || strcmp(values[3], "exec") != 0))
        errx(2, "usage: bench-start CGROUP PCPU exec PROGRAM [ARGUMENT...]\n"
                "       bench-start CGROUP PCPU monitor MONITOR KERNEL INITRD MIB CMDLINE");
    make_folder(values[1], "vm");
    if (monitor) {
        lead(values);
        return 0;
    }
    settle(values[1], values[2]);
    execv(values[4], values + 4);
    err(1, "%s", values[4]);
}
