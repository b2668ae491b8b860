/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for lead, to prove the monitor alone: makes cgroups and files, starts the monitor,
 * drives it over the link, thaws, shows the console with times, does what --at orders, and tells
 * what it measured. Root; cgroup v2. One line a fact, "mini: …"; the guest's lines as they come.
 *
 *   mini_lead [options] MONITOR KERNEL INITRD CMDLINE
 *     --name NAME --vcpus N --memory MIB --pcpu LIST (one a vCPU) --vf BDF (again for more)
 *     --seconds N     dead-line of the run
 *     --wait MS       how long to stand before the gate (default 300)
 *     --channel KIND:MODE:PATH (again for more): network, block or console; confined or direct; the
 *                     server's socket, connected to whenever the monitor wants it
 *     --until TEXT    stop once the console has it
 *     --console FILE  keep what the guest wrote, and nothing else
 *     --at TEXT=>ORDER when the console, or a line of mini-lead's own, has TEXT: vcpu:N | main |
 *                     spawner (SIGKILL), refreeze, lead (close the link), query, stop, button,
 *                     hostile, say:LINE, session:KIND:COMMAND (a shell's, with the session as file
 *                     3; KIND: a number of session.h), run:COMMAND (a shell's), and those of
 *                     mini_vf.c
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "parclose/console.h"
#include "parclose/descriptor.h"

#include "mini_lead.h"

#define ORDERS 32
#define UID    0x70000001

struct order {
    const char *text;
    const char *what;
    bool done;
};

static struct {
    const char *name, *monitor, *kernel, *initrd, *cmdline, *until, *console;
    uint32_t vcpus, memory, wait_ms, seconds, vfs_count, orders_count;
    int pcpus[PARCLOSE_MAX_VCPUS];
    char vfs[PARCLOSE_MAX_PARTITION_VFS][16];
    uint32_t channels_count;
    struct partition_channel channels[PARCLOSE_MAX_CHANNELS];
    struct order orders[ORDERS];
} opt = {.name = "mini", .vcpus = 1, .memory = 256, .wait_ms = 300, .seconds = 60};

int link_fd, pid;
struct monitor_state last;
static int console_out, console_in, vcpu_cgroups[PARCLOSE_MAX_VCPUS];
static struct console_ring *ring;
static uint64_t shown, started_ns;
static char seen[1 << 20];
static size_t seen_size;
static char told[1 << 16];
static size_t told_size;
bool ended;

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void tell(const char *format, ...)
{
    char line[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    printf("mini: %s %7.3f %s\n", opt.name, (double)(now_ns() - started_ns) / 1e9, line);
    fflush(stdout);
    if (size > 0 && (size_t)size < sizeof(line) && (size_t)size < sizeof(told) - told_size) {
        memcpy(told + told_size, line, (size_t)size);
        told_size += (size_t)size;
    }
}

void fail(const char *what)
{
    tell("FAIL %s: %s", what, strerror(errno));
    if (pid > 0)
        kill(pid, SIGKILL);
    exit(1);
}

/* ---- cgroups ---- */

static void cgroup_path(char *path, size_t size, const char *leaf, const char *file)
{
    snprintf(path, size, "/sys/fs/cgroup/%s%s%s%s%s", opt.name, *leaf ? "/" : "", leaf,
             *file ? "/" : "", file);
}

static void cgroup_write(const char *leaf, const char *file, const char *value)
{
    char path[256];
    int fd;

    cgroup_path(path, sizeof(path), leaf, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        tell("cgroup %s %s: %s", path, value, strerror(errno));
    close(fd);
}

static void cgroup_make(const char *leaf)
{
    char path[256];

    cgroup_path(path, sizeof(path), leaf, "");
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        fail(path);
    cgroup_path(path, sizeof(path), leaf, "cgroup.procs");
    if (chown(path, UID, UID) <
        0) /* clone3 into it asks for write access, here and at the parent */
        fail(path);
}

static void cgroups_make(void)
{
    char leaf[16], cpu[16], path[256];
    int fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);

    if (fd >= 0 && write(fd, "+cpuset", 7) < 0)
        tell("no cpuset: %s", strerror(errno));
    close(fd);
    cgroup_make("");
    cgroup_write("", "cgroup.subtree_control", "+cpuset");
    cgroup_make("vm");
    for (uint32_t i = 0; i < opt.vcpus; i++) {
        snprintf(leaf, sizeof(leaf), "vcpu%u", i);
        cgroup_make(leaf);
        snprintf(cpu, sizeof(cpu), "%d", opt.pcpus[i]);
        if (opt.pcpus[i] >= 0)
            cgroup_write(leaf, "cpuset.cpus", cpu);
        cgroup_write(leaf, "cgroup.freeze", "1");
        cgroup_path(path, sizeof(path), leaf, "");
        vcpu_cgroups[i] = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    }
}

static void freeze(bool on)
{
    char leaf[16];

    for (uint32_t i = 0; i < opt.vcpus; i++) {
        snprintf(leaf, sizeof(leaf), "vcpu%u", i);
        cgroup_write(leaf, "cgroup.freeze", on ? "1" : "0");
    }
}

static void cgroups_remove(void)
{
    char path[256], leaf[16];

    usleep(100000);
    for (uint32_t i = 0; i < opt.vcpus; i++) {
        snprintf(leaf, sizeof(leaf), "vcpu%u", i);
        cgroup_path(path, sizeof(path), leaf, "");
        if (rmdir(path) < 0)
            tell("left over: %s: %s", path, strerror(errno));
    }
    cgroup_path(path, sizeof(path), "vm", "");
    (void)rmdir(path);
    cgroup_path(path, sizeof(path), "", "");
    (void)rmdir(path);
}

/* ---- link ---- */

void send_files(const void *message, size_t size, const int *fds, unsigned count)
{
    char control[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)message, size};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    if (count) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, count * sizeof(int));
    }
    if (sendmsg(link_fd, &m, MSG_NOSIGNAL) < 0)
        tell("send: %s", strerror(errno));
}

struct wire_header header(uint16_t type, size_t size)
{
    static uint64_t id;

    return (struct wire_header){WIRE_VERSION, type, (uint32_t)size, ++id};
}

static void send_plain(uint16_t type)
{
    struct monitor_plain m = {header(type, sizeof(m))};

    send_files(&m, sizeof(m), NULL, 0);
}

static void send_file(uint32_t kind, uint32_t index, int fd)
{
    struct monitor_file m = {header(MONITOR_FILE, sizeof(m)), kind, index};

    if (fd < 0)
        fail("file to hand over");
    send_files(&m, sizeof(m), &fd, 1);
}

static const char *const state_names[] = {"Enabled",
                                          "Active",
                                          "Alive",
                                          "ChannelsAssigned",
                                          "ProcessorAssigned",
                                          "MemoryAssigned",
                                          "MemoryImage",
                                          "ProcessorImage",
                                          "ChannelImage",
                                          "ProcessorsAttached",
                                          "ProcessorsScheduled",
                                          "ChannelsAttached",
                                          "ChannelsScheduled",
                                          "ProcessorsOperating",
                                          "ChannelsOperating"};

/* ---- channels ---- */

static void connect_channel(uint32_t index)
{
    struct monitor_channel m = {header(MONITOR_CHANNEL, sizeof(m)), index, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, opt.channels[index].server, CHANNEL_SERVER_MAX);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        send_files(&m, sizeof(m), &fd, 1);
    close(fd);
}

/* Called often: a server may not be there yet. */
static void connect_wanted(void)
{
    static uint64_t tried;

    if (now_ns() - tried < 200000000u)
        return;
    tried = now_ns();
    for (uint32_t i = 0; i < last.channels_count; i++)
        if (last.channels[i].wants)
            connect_channel(i);
}

static void on_channels(const struct monitor_state *s)
{
    static const char *const names[CHANNEL_STATES] = {"waiting", "ready", "operating", "lost"};

    for (uint32_t i = 0; i < s->channels_count; i++) {
        const struct channel_status *c = &s->channels[i];

        if (memcmp(c, &last.channels[i], sizeof(*c)))
            tell("channel %s %s wants %u connections %u error %d", opt.channels[i].name,
                 names[c->state], c->wants, c->connections, c->error);
    }
}

static void on_state(const struct monitor_state *s)
{
    on_channels(s);
    for (int i = 0; i < PARTITION_STATES; i++)
        if (s->states & ~last.states & STATE_BIT(i))
            tell("state %s at %.3f", state_names[i],
                 (double)(s->times[i].boottime_ns - started_ns) / 1e9);
    if (s->vcpu_restarts != last.vcpu_restarts || s->main_restarts != last.main_restarts)
        tell("restarts vcpu %u main %u", s->vcpu_restarts, s->main_restarts);
    vf_seats(s);
    if (s->session != last.session || s->stopped != last.stopped)
        tell("session %u stopped %u", s->session, s->stopped);
    if (s->header.id)
        tell("answer %lu states %#x", (unsigned long)s->header.id, s->states);
    last = *s;
}

void receive(void)
{
    union {
        struct wire_header header;
        struct monitor_state state;
        struct monitor_exit exit;
        struct monitor_vf_result vf;
        char bytes[WIRE_MAX];
    } m;
    ssize_t size = recv(link_fd, &m, sizeof(m), MSG_DONTWAIT);

    if (size == 0) {
        ended = true;
        return;
    }
    if (size > 0 && m.header.type == MONITOR_STATE && size == sizeof(m.state))
        on_state(&m.state);
    if (size > 0 && m.header.type == MONITOR_VF_RESULT && size == sizeof(m.vf))
        vf_result(&m.vf);
    if (size > 0 && m.header.type == MONITOR_EXIT && size == sizeof(m.exit)) {
        tell("exit reason %u (%s)", m.exit.reason, m.exit.text);
        ended = true;
    }
}

static void wait_state(enum partition_state state)
{
    uint64_t end = now_ns() + 60u * 1000000000ull;

    while (!(last.states & STATE_BIT(state)) && !ended && now_ns() < end) {
        struct pollfd p = {link_fd, POLLIN, 0};

        poll(&p, 1, 200);
        if (p.revents)
            receive();
        connect_wanted();
    }
    if (!(last.states & STATE_BIT(state))) {
        errno = ETIMEDOUT;
        fail(state_names[state]);
    }
}

/* ---- files ---- */

static int make_descriptor(void)
{
    static struct partition_descriptor d = {.magic = DESCRIPTOR_MAGIC,
                                            .version = DESCRIPTOR_VERSION,
                                            .size = sizeof(d),
                                            .generation = 1,
                                            .partition = {1},
                                            .uid = UID,
                                            .memory_node = UINT32_MAX};
    int fd = memfd_create("descriptor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    d.vcpus_count = opt.vcpus;
    d.vfs_count = opt.vfs_count;
    d.channels_count = opt.channels_count;
    memcpy(d.channels, opt.channels, sizeof(d.channels));
    d.memory_bytes = (uint64_t)opt.memory << 20;
    snprintf(d.name, sizeof(d.name), "%s", opt.name);
    snprintf(d.cmdline, sizeof(d.cmdline), "%s", opt.cmdline);
    if (write(fd, &d, sizeof(d)) != sizeof(d) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        fail("descriptor");
    return fd;
}

static void hand_over(void)
{
    int console = memfd_create("console", MFD_CLOEXEC);

    if (ftruncate(console, CONSOLE_SIZE) < 0)
        fail("console");
    ring = mmap(NULL, CONSOLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, console, 0);
    console_out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    console_in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    send_file(FILE_DESCRIPTOR, 0, make_descriptor());
    send_file(FILE_KVM, 0, open("/dev/kvm", O_RDWR | O_CLOEXEC));
    send_file(FILE_KERNEL, 0, open(opt.kernel, O_RDONLY | O_CLOEXEC));
    if (*opt.initrd)
        send_file(FILE_INITRD, 0, open(opt.initrd, O_RDONLY | O_CLOEXEC));
    send_file(FILE_CONSOLE, 0, console);
    send_file(FILE_CONSOLE_OUT, 0, console_out);
    send_file(FILE_CONSOLE_IN, 0, console_in);
    for (uint32_t i = 0; i < opt.vcpus; i++)
        send_file(FILE_VCPU_CGROUP, i, vcpu_cgroups[i]);
    send_plain(MONITOR_CREATE);
}

uint32_t parse_bdf(const char *s)
{
    unsigned domain = 0, bus, device, function;

    if (sscanf(s, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4)
        fail(s);
    return domain << 16 | bus << 8 | device << 3 | function;
}

int open_group(const char *vf)
{
    char path[256], group[256];
    ssize_t n;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", vf);
    n = readlink(path, group, sizeof(group) - 1);
    if (n < 0)
        return -1;
    group[n] = 0;
    snprintf(path, sizeof(path), "/dev/vfio/%.200s", strrchr(group, '/') + 1);
    return open(path, O_RDWR | O_CLOEXEC);
}

static void hand_channels(void)
{
    struct monitor_channels m = {.header = header(MONITOR_CHANNELS, sizeof(m)),
                                 .vfs_count = opt.vfs_count};
    int fds[1 + PARCLOSE_MAX_PARTITION_VFS];

    fds[0] = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    for (uint32_t i = 0; i < opt.vfs_count; i++) {
        m.vfs[i].value = parse_bdf(opt.vfs[i]);
        fds[1 + i] = open_group(opt.vfs[i]);
        if (fds[1 + i] < 0)
            fail(opt.vfs[i]);
    }
    send_files(&m, sizeof(m), fds, 1 + opt.vfs_count);
    for (uint32_t i = 0; i <= opt.vfs_count; i++)
        close(fds[i]);
}

/* ---- the monitor ---- */

static void start_monitor(void)
{
    struct rlimit lock = {((rlim_t)opt.memory + 64) << 20, ((rlim_t)opt.memory + 64) << 20};
    char procs[256], self[16];
    int pair[2], fd;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        fail("socketpair");
    link_fd = pair[0];
    pid = fork();
    if (pid) {
        close(pair[1]);
        return;
    }
    cgroup_path(procs, sizeof(procs), "vm", "cgroup.procs");
    snprintf(self, sizeof(self), "%d", getpid());
    fd = open(procs, O_WRONLY);
    if (fd < 0 || write(fd, self, strlen(self)) < 0)
        fail("join cgroup");
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(pair[1], MONITOR_FD) < 0)
        fail("dup2");
    close_range(MONITOR_FD + 1, ~0u, 0);
    setrlimit(RLIMIT_MEMLOCK, &lock);
    if (setgroups(0, NULL) < 0 || setresgid(UID, UID, UID) < 0 || setresuid(UID, UID, UID) < 0)
        fail("user");
    execl(opt.monitor, "parclose-monitor", (char *)NULL);
    fail("exec");
}

static long read_number(const char *pattern)
{
    glob_t g;
    long value = -1;
    FILE *f;

    if (glob(pattern, 0, NULL, &g))
        return -1;
    f = fopen(g.gl_pathv[0], "r");
    if (!f || fscanf(f, "%ld", &value) != 1)
        value = -1;
    if (f)
        fclose(f);
    globfree(&g);
    return value;
}

static long kvm_exits(void)
{
    char pattern[128];

    snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/kvm/%d-*/exits", pid);
    return read_number(pattern);
}

/* FNV-1a over what is there of a file, 8 bytes at a time: holes stay holes. */
static uint64_t hash_file(int fd, uint64_t hash)
{
    static uint64_t words[1 << 13];
    off_t end, at = 0;

    while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (end = lseek(fd, at, SEEK_HOLE)) > at) {
        hash = (hash ^ (uint64_t)at) * 0x100000001b3u;
        for (ssize_t n; at < end; at += n) {
            size_t most = (size_t)(end - at) < sizeof(words) ? (size_t)(end - at) : sizeof(words);

            n = pread(fd, words, most, at);
            if (n <= 0)
                fail("guest memory");
            for (ssize_t k = 0; k < n / 8; k++)
                hash = (hash ^ words[k]) * 0x100000001b3u;
        }
    }
    return hash;
}

/* Of the guest's memory, through the monitor's file table. */
static uint64_t memory_hash(void)
{
    char pattern[64], target[128];
    uint64_t hash = 0xcbf29ce484222325u;
    glob_t g;

    snprintf(pattern, sizeof(pattern), "/proc/%d/fd/*", pid);
    if (glob(pattern, 0, NULL, &g))
        return 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        ssize_t n = readlink(g.gl_pathv[i], target, sizeof(target) - 1);
        int fd;

        target[n > 0 ? n : 0] = 0;
        if (strncmp(target, "/memfd:guest", 12))
            continue;
        fd = open(g.gl_pathv[i], O_RDONLY);
        if (fd < 0)
            fail("guest memory");
        hash = hash_file(fd, hash);
        close(fd);
    }
    globfree(&g);
    return hash;
}

/* ---- orders ---- */

int main_pid(void)
{
    char path[64], line[512] = "";
    char *word;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    f = fopen(path, "r");
    if (!f || !fgets(line, sizeof(line), f))
        fail("children");
    fclose(f);
    for (word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        bool vcpu = false;

        for (uint32_t i = 0; i < last.vcpus_count; i++)
            vcpu |= last.vcpu_pids[i] == (uint32_t)atoi(word);
        if (!vcpu)
            return atoi(word);
    }
    return 0;
}

static void say(const char *line)
{
    uint64_t head = ring->in_head;

    for (; *line; line++)
        ring->in[head++ % CONSOLE_RING] = (uint8_t)*line;
    ring->in[head++ % CONSOLE_RING] = '\n';
    ring->in_head = head;
    eventfd_write(console_in, 1);
}

static void send_hostile(void)
{
    struct monitor_plain cut = {header(MONITOR_STOP, 4000)};
    struct monitor_file again = {header(MONITOR_FILE, sizeof(again)), FILE_KVM, 0};
    struct monitor_plain unknown = {header(MONITOR_STATE, sizeof(unknown))};
    int fds[3] = {0, 1, 2};
    char big[5000] = {0};

    send_files(&cut, sizeof(cut), NULL, 0);
    send_files(&cut, 3, NULL, 0);
    send_files(&again, sizeof(again), fds, 1);
    send_files(&unknown, sizeof(unknown), fds, 3);
    send_files(big, sizeof(big), NULL, 0);
}

/* The command runs beside us. */
static void begin_session(const char *what)
{
    struct monitor_session m = {.header = header(MONITOR_SESSION, sizeof(m)),
                                .kind = (uint32_t)atoi(what)};
    const char *command = strchr(what, ':');
    int ends[2];

    if (!command || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        fail("session");
    send_files(&m, sizeof(m), &ends[1], 1);
    close(ends[1]);
    if (fork() == 0) {
        if (dup2(ends[0], 3) == 3) { /* clears close-on-exec, unless it is 3 already */
            fcntl(3, F_SETFD, 0);
            execl("/bin/sh", "sh", "-c", command + 1, (char *)NULL);
        }
        _exit(127);
    }
    close(ends[0]);
}

/* Beside us, too. */
static void run_command(const char *what)
{
    if (fork() == 0) {
        execl("/bin/sh", "sh", "-c", what, (char *)NULL);
        _exit(127);
    }
}

static void carry_out(const char *what)
{
    tell("order %s", what);
    if (vf_order(what))
        return;
    if (!strncmp(what, "vcpu:", 5))
        kill((pid_t)last.vcpu_pids[atoi(what + 5)], SIGKILL);
    else if (!strcmp(what, "main"))
        kill(main_pid(), SIGKILL);
    else if (!strcmp(what, "spawner"))
        kill(pid, SIGKILL);
    else if (!strcmp(what, "stop"))
        send_plain(MONITOR_STOP);
    else if (!strcmp(what, "button"))
        send_plain(MONITOR_POWER_BUTTON);
    else if (!strcmp(what, "query"))
        send_plain(MONITOR_QUERY);
    else if (!strcmp(what, "lead")) {
        close(link_fd);
        link_fd = -1;
    } else if (!strcmp(what, "hostile"))
        send_hostile();
    else if (!strncmp(what, "session:", 8))
        begin_session(what + 8);
    else if (!strncmp(what, "run:", 4))
        run_command(what + 4);
    else if (!strncmp(what, "say:", 4))
        say(what + 4);
    else if (!strcmp(what, "refreeze")) {
        freeze(true);
        usleep(1000000);
        long before = kvm_exits();
        usleep(1000000);
        tell("frozen: %ld exits in a second", kvm_exits() - before);
        freeze(false);
        send_plain(MONITOR_ATTACHED);
    }
}

static void look_for_orders(void)
{
    for (uint32_t i = 0; i < opt.orders_count; i++) {
        struct order *o = &opt.orders[i];

        if (o->done || (!memmem(seen, seen_size, o->text, strlen(o->text)) &&
                        !memmem(told, told_size, o->text, strlen(o->text))))
            continue;
        o->done = true;
        carry_out(o->what);
    }
}

static void show_console(void)
{
    uint64_t head = ring->out_head;

    for (; shown != head; shown++) {
        char c = (char)ring->out[shown % CONSOLE_RING];

        if (seen_size < sizeof(seen))
            seen[seen_size++] = c;
        if (c != '\r')
            putchar(c);
        if (c == '\n')
            printf("%s %7.3f| ", opt.name, (double)(now_ns() - started_ns) / 1e9);
    }
    fflush(stdout);
}

void look(void)
{
    struct pollfd p = {link_fd, POLLIN, 0};

    if (poll(&p, 1, 20) > 0)
        receive();
    show_console();
}

/* The guest's bytes alone. */
static void save_console(void)
{
    int fd = opt.console ? open(opt.console, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;

    if (fd >= 0 && write(fd, seen, seen_size) < 0)
        tell("%s: %s", opt.console, strerror(errno));
    close(fd);
}

static void follow(void)
{
    uint64_t end = now_ns() + opt.seconds * 1000000000ull;

    while (!ended && now_ns() < end) {
        struct pollfd p[2] = {{link_fd, POLLIN, 0}, {console_out, POLLIN, 0}};
        eventfd_t value;

        poll(p, 2, 200);
        if (p[1].revents)
            eventfd_read(console_out, &value);
        show_console();
        if (p[0].revents)
            receive();
        connect_wanted();
        look_for_orders();
        if (opt.until && memmem(seen, seen_size, opt.until, strlen(opt.until))) {
            tell("found \"%s\"", opt.until);
            opt.until = NULL;
            if (link_fd < 0)
                break;
            send_plain(MONITOR_STOP);
        }
    }
    show_console();
    save_console();
    printf("\n");
    if (!ended)
        tell("FAIL dead-line; exits %ld", kvm_exits());
}

/* Orders for a stage before the guest runs: "built" or "gate" instead of console text. */
static void orders_at(const char *stage)
{
    for (uint32_t i = 0; i < opt.orders_count; i++) {
        if (opt.orders[i].done || strcmp(opt.orders[i].text, stage))
            continue;
        opt.orders[i].done = true;
        carry_out(opt.orders[i].what);
        usleep(300000);
        receive();
    }
}

static void before_gate(void)
{
    uint64_t hash = memory_hash();
    long exits = kvm_exits();

    usleep(opt.wait_ms * 1000);
    orders_at("gate");
    tell("before the gate: exits %ld then %ld, memory %s (%016lx)", exits, kvm_exits(),
         hash == memory_hash() ? "unchanged" : "CHANGED", hash);
}

static void add_channel(const char *text)
{
    static const char *const kinds[CHANNEL_DEVICES] = {"network", "block", "console"};
    uint32_t n = opt.channels_count++;
    struct partition_channel *c = &opt.channels[n % PARCLOSE_MAX_CHANNELS];
    char kind[16], mode[16];

    if (sscanf(text, "%15[^:]:%15[^:]:%107s", kind, mode, c->server) != 3)
        errno = EINVAL, fail(text);
    while (c->kind < CHANNEL_DEVICES && strcmp(kinds[c->kind], kind))
        c->kind++;
    c->mode = strcmp(mode, "direct") ? CHANNEL_CONFINED : CHANNEL_DIRECT;
    snprintf(c->name, sizeof(c->name), "%s%u", kind, n);
    if (c->kind == CHANNEL_DEVICE_NETWORK)
        memcpy(c->mac, (uint8_t[]){0x52, 0x54, 0, 0xcc, (uint8_t)getpid(), (uint8_t)n}, 6);
}

static void parse(int argc, char **argv)
{
    int i = 1;

    memset(opt.pcpus, -1, sizeof(opt.pcpus));
    for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
        char *value = argv[i + 1];

        if (!strcmp(argv[i], "--name"))
            opt.name = value;
        else if (!strcmp(argv[i], "--vcpus"))
            opt.vcpus = (uint32_t)atoi(value);
        else if (!strcmp(argv[i], "--memory"))
            opt.memory = (uint32_t)atoi(value);
        else if (!strcmp(argv[i], "--seconds"))
            opt.seconds = (uint32_t)atoi(value);
        else if (!strcmp(argv[i], "--wait"))
            opt.wait_ms = (uint32_t)atoi(value);
        else if (!strcmp(argv[i], "--until"))
            opt.until = value;
        else if (!strcmp(argv[i], "--console"))
            opt.console = value;
        else if (!strcmp(argv[i], "--vf"))
            snprintf(opt.vfs[opt.vfs_count++ % PARCLOSE_MAX_PARTITION_VFS], 16, "%s", value);
        else if (!strcmp(argv[i], "--channel"))
            add_channel(value);
        else if (!strcmp(argv[i], "--pcpu"))
            for (int n = 0; *value && n < PARCLOSE_MAX_VCPUS; n++)
                opt.pcpus[n] = (int)strtol(value, &value, 10), value += *value == ',';
        else if (!strcmp(argv[i], "--at") && strstr(value, "=>") && opt.orders_count < ORDERS) {
            struct order *o = &opt.orders[opt.orders_count++];

            o->text = value;
            o->what = strstr(value, "=>") + 2;
            *strstr(value, "=>") = 0;
        }
    }
    if (argc - i != 4)
        errno = EINVAL, fail("arguments");
    opt.monitor = argv[i];
    opt.kernel = argv[i + 1];
    opt.initrd = argv[i + 2];
    opt.cmdline = argv[i + 3];
}

int main(int argc, char **argv)
{
    int status;

    signal(SIGPIPE, SIG_IGN);
    parse(argc, argv);
    started_ns = now_ns();
    cgroups_make();
    start_monitor();
    hand_over();
    wait_state(STATE_PROCESSOR_IMAGE);
    orders_at("built");
    if (opt.vfs_count)
        hand_channels();
    wait_state(STATE_CHANNEL_IMAGE);
    before_gate();
    freeze(false);
    send_plain(MONITOR_ATTACHED);
    tell("thawed");
    follow();
    if (!ended)
        kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    tell("monitor status %d signal %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
         WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    cgroups_remove();
    return 0;
}
