/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "boot.h"
#include "host.h"
#include "log/log.h"
#include "sandbox/sandbox.h"
#include "spawn.h"

#define FILES_MAX 8192

static struct child *child_of(struct boot *boot, size_t row)
{
    return &boot->children[boot->layout->kinds[row].kind];
}

static void announce(struct boot *boot)
{
    if (!boot->announced)
        sd_notify(0, "READY=1\nSTATUS=All processes run.");
    boot->announced = true;
}

/* Starts what is down. A process that was never ready holds up those after it. */
static void start_next(struct boot *boot)
{
    for (size_t i = 0; i < boot->layout->kinds_count; i++) {
        struct child *child = child_of(boot, i);
        if (child->kept->health == PROCESS_DOWN)
            child_start(child);
        if (!child->kept->once_ready) {
            sd_notifyf(0, "STATUS=Starting %s.", child->kind->name);
            return;
        }
    }
    announce(boot);
}

static void stop_next(struct boot *boot)
{
    for (size_t i = boot->layout->kinds_count; i-- > 0;) {
        struct child *child = child_of(boot, i);
        if (!child_alive(child))
            continue;
        sd_notifyf(0, "STOPPING=1\nSTATUS=Stopping %s.", child->kind->name);
        child_stop(child);
        return;
    }
    log_notice("all are stopped");
    sd_event_exit(boot->event, EXIT_SUCCESS);
}

void boot_advance(struct boot *boot)
{
    if (boot->kept->shutting_down)
        stop_next(boot);
    else
        start_next(boot);
}

/* SIGINT: an ordered end. SIGTERM, SIGHUP: so too when nobody would keep files for the next boot.
 */
static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct boot *boot = data;
    (void)source;

    if (info->ssi_signo != SIGINT && getenv("NOTIFY_SOCKET")) {
        log_notice("signal %u: boot ends, all others go on", info->ssi_signo);
        return sd_event_exit(boot->event, SUPERVISE_LEFT);
    }
    log_notice("signal %u: all end", info->ssi_signo);
    boot->kept->shutting_down = 1;
    boot_advance(boot);
    return 0;
}

static int on_turn(sd_event_source *source, void *data)
{
    (void)source;
    links_check(data);
    return 0;
}

static int open_loop(struct boot *boot)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    int error = sd_event_new(&boot->event);
    for (int number = 1; number < NSIG && error >= 0; number++)
        if (sigismember(&signals, number) == 1)
            error = sd_event_add_signal(boot->event, NULL, number, on_signal, boot);
    if (error >= 0)
        error = sd_event_add_post(boot->event, NULL, on_turn, boot);
    if (error >= 0)
        error = sd_event_set_watchdog(boot->event, 1);
    return error < 0 ? error : 0;
}

static void fill_children(struct boot *boot)
{
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        boot->children[i] = (struct child){.boot = boot, .pidfd = -1};
    for (size_t i = 0; i < boot->layout->kinds_count; i++)
        child_of(boot, i)->kind = &boot->layout->kinds[i];
}

/* What neither boot nor anybody that it starts has a use for; modules are loaded before. Not in it:
 * pivot_root, by which lead's spawning helper gives a monitor a root of its own; process_vm_readv,
 * by which the monitor of kind "qemu" reads what its child opens; setns, by which those that boot
 * starts get a network namespace. */
static const int refused_calls[] = {
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(adjtimex),
    SCMP_SYS(bpf),
    SCMP_SYS(chroot),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(clock_settime),
    SCMP_SYS(delete_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(init_module),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(ptrace),
    SCMP_SYS(quotactl),
    SCMP_SYS(reboot),
    SCMP_SYS(request_key),
    SCMP_SYS(settimeofday),
    SCMP_SYS(swapoff),
    SCMP_SYS(swapon),
    SCMP_SYS(syslog),
    SCMP_SYS(userfaultfd),
};

/* What boot can do without is tried and logged. */
static void prepare_self(struct boot *boot)
{
    const struct rlimit files = {FILES_MAX, FILES_MAX};
    int error = setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;

    if (error)
        log_warning("cannot have %d files: %s", FILES_MAX, strerror(-error));
    boot->cgroup = host_cgroup();
    if (boot->cgroup < 0)
        log_warning("processes share boot's cgroup: %s", strerror(-boot->cgroup));
    error = spawn_shut_sys();
    if (error)
        log_warning("/sys stays writable: %s", strerror(-error));
    umask(022);
}

static int listen_for_clients(struct boot *boot)
{
    if (boot->listener >= 0)
        return 0;
    boot->listener = host_listen(boot->layout);
    if (boot->listener < 0)
        return boot->listener;
    kept_add("listen", boot->listener);
    return 0;
}

/* That of the boot before, or a new one. */
static int have_network(struct boot *boot)
{
    if (store_find(boot, PROCESS_BOOT, NETWORK) >= 0)
        return 0;
    int file = spawn_network();
    if (file < 0)
        log_error("cannot make a network namespace: %s", strerror(-file));
    return file < 0 ? file : store_put(boot, PROCESS_BOOT, NETWORK, file);
}

static int prepare(struct boot *boot)
{
    prepare_self(boot);
    int error = open_loop(boot);
    if (!error)
        error = adopt(boot);
    if (!error)
        error = have_network(boot);
    if (!error)
        error = host_directories(boot->layout);
    if (!error)
        error = listen_for_clients(boot);
    if (error)
        return error;
    if (boot->layout->modules && !child_of(boot, 0)->kept->generation)
        host_modules();
    error = sandbox_refuse(refused_calls, sizeof(refused_calls) / sizeof(refused_calls[0]));
    if (error)
        return error;
    links_repair(boot);
    boot_advance(boot);
    return 0;
}

static void end(struct boot *boot, int status)
{
    char path[PARCLOSE_PATH_MAX];

    snprintf(path, sizeof(path), "%s/command.sock", boot->layout->run);
    if (status == EXIT_SUCCESS && unlink(path) < 0)
        log_info("%s: %s", path, strerror(errno));
    sd_event_unref(boot->event);
}

int supervise(const struct layout *layout)
{
    static struct boot boot;
    boot = (struct boot){.layout = layout, .listener = -1, .cgroup = -1};

    log_open("boot");
    fill_children(&boot);
    int status = prepare(&boot);
    if (!status)
        status = sd_event_loop(boot.event);
    if (status < 0)
        log_error("boot ends: %s", strerror(-status));
    end(&boot, status);
    return status < 0 ? EXIT_FAILURE : status;
}
