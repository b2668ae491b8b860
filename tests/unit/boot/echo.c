/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small daemon on lib/process for the tests of boot: it stores a file, gives it on, greets each
 * peer on each new link, and says in its log what happened. Its kind is its executable's name.
 *
 *            control                                others
 * SIGUSR1    orders rung 2                          sends control what it does not know
 * SIGUSR2    orders rung 3                          sends boot what it does not know
 * SIGHUP     sets the watchdog to one second        orders a shutdown, which it may not
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log/log.h"
#include "parclose/device.h"
#include "process/process.h"

#define GREETING 0x7001
#define MANY     500

struct greeting {
    struct wire_header header;
    uint32_t kind;
    uint32_t pid;
};

struct echo {
    struct process *process;
    enum process_kind kind;
    int stored; /* from the predecessor; -1: none */
    unsigned stored_count;
};

static struct echo echo = {.stored = -1};

static int on_greeting(void *context, struct frame *frame)
{
    const struct greeting *greeting = (const void *)frame->bytes;
    (void)context;

    log_info("greeted by kind %u", greeting->kind);
    return 0;
}

static const struct frame_row rows[] = {
    {GREETING, 0, 0, sizeof(struct greeting), FRAME_ALWAYS, on_greeting},
};

static void greet(enum process_kind peer)
{
    const struct greeting greeting = {
        .header = frame_header(GREETING, sizeof(greeting), 0),
        .kind = echo.kind,
        .pid = (uint32_t)getpid(),
    };

    log_info("up %d: %d", (int)peer, process_send(echo.process, peer, &greeting, NULL, 0));
}

#define PEER(kind, name)                                                                           \
    static void up_##name(void *context)                                                           \
    {                                                                                              \
        (void)context;                                                                             \
        greet(kind);                                                                               \
    }                                                                                              \
    static void down_##name(void *context)                                                         \
    {                                                                                              \
        (void)context;                                                                             \
        log_info("down %d", (int)(kind));                                                          \
    }
PEER(PROCESS_CONTROL, control)
PEER(PROCESS_TCB, tcb)
PEER(PROCESS_SR_PCIM, sr_pcim)

static const struct process_peer peers[] = {
    {PROCESS_CONTROL, rows, 1, up_control, down_control},
    {PROCESS_TCB, rows, 1, up_tcb, down_tcb},
    {PROCESS_SR_PCIM, rows, 1, up_sr_pcim, down_sr_pcim},
};

static int on_file(void *context, const char *name, int fd)
{
    (void)context;
    log_info("file %s", name);
    close(fd);
    return 0;
}

static int on_stored(void *context, const char *name, int fd)
{
    (void)context;
    echo.stored_count++;
    if (!strcmp(name, "number"))
        echo.stored = fd;
    else
        close(fd);
    return 0;
}

/* SR-PCIM leaves more than a socket takes at once. */
static int store_many(struct process *process)
{
    char name[BOOT_STORE_NAME_MAX];
    int error = 0;

    for (unsigned i = 0; i < MANY && !error && echo.kind == PROCESS_SR_PCIM; i++) {
        int file = memfd_create("many", MFD_CLOEXEC);
        snprintf(name, sizeof(name), "many.%u", i);
        error = process_store(process, name, file);
        close(file);
    }
    return error;
}

/* The file's content counts the lives of this kind. */
static int start(void *context, struct process *process, uint32_t generation)
{
    uint32_t lives = 0;
    (void)context;

    echo.process = process;
    if (echo.stored >= 0 && pread(echo.stored, &lives, sizeof(lives), 0) != sizeof(lives))
        return -EIO;
    lives++;
    if (echo.stored < 0)
        echo.stored = memfd_create("number", MFD_CLOEXEC);
    if (pwrite(echo.stored, &lives, sizeof(lives), 0) != sizeof(lives))
        return -EIO;
    log_info("stored %u", echo.stored_count);
    log_info("life %u number %u pid %d", lives, generation, getpid());
    int error = lives == 1 ? store_many(process) : 0;
    return error ? error : process_store(process, "number", echo.stored);
}

static int on_status(void *context, struct frame *frame)
{
    const struct boot_status *status = (const void *)frame->bytes;
    (void)context;

    log_info("status of %u: health %u restarts %u%s", status->kind, status->health,
             status->restarts, status->silent ? ", silent" : "");
    return 0;
}

static int order_restart(uint32_t rung)
{
    const struct boot_restart message = {
        .header = frame_header(BOOT_RESTART, sizeof(message), 0), .rung = rung, .reason = "a test"};
    return process_send_boot(echo.process, &message);
}

static int set_watchdog(void)
{
    const struct boot_settings message = {.header = frame_header(BOOT_SETTINGS, sizeof(message), 0),
                                          .watchdog_ms = 1000};
    return process_send_boot(echo.process, &message);
}

static int send_type(uint16_t type, bool to_control)
{
    const struct boot_empty message = {.header = frame_header(type, sizeof(message), 0)};
    return to_control ? process_send(echo.process, PROCESS_CONTROL, &message, NULL, 0)
                      : process_send_boot(echo.process, &message);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
    bool control = echo.kind == PROCESS_CONTROL;
    (void)source;
    (void)context;

    if (info->ssi_signo == SIGUSR1)
        return control ? order_restart(RUNG_RESTART_SR_PCIM) : send_type(0x7fff, true);
    if (info->ssi_signo == SIGUSR2)
        return control ? order_restart(RUNG_RESTART_ISP) : send_type(0x7fff, false);
    return control ? set_watchdog() : send_type(BOOT_SHUTDOWN, false);
}

static int prepare(void *context, struct process *process)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGHUP};
    sigset_t signals;
    int error = 0;

    sigemptyset(&signals);
    for (size_t i = 0; i < 3; i++)
        sigaddset(&signals, numbers[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (size_t i = 0; i < 3 && error >= 0; i++)
        error = sd_event_add_signal(process_event(process), NULL, numbers[i], on_signal, context);
    return error < 0 ? error : 0;
}

static const struct frame_row control_rows[] = {
    {BOOT_STATUS, 0, 0, sizeof(struct boot_status), FRAME_ALWAYS, on_status},
};

static enum process_kind kind_of(const char *name)
{
    if (!strcmp(name, "parclose-control"))
        return PROCESS_CONTROL;
    return !strcmp(name, "parclose-tcb") ? PROCESS_TCB : PROCESS_SR_PCIM;
}

int main(int argc, char **argv)
{
    static const int calls[] = {__NR_memfd_create, __NR_pread64, __NR_pwrite64, __NR_signalfd4};
    (void)argc;

    echo.kind = kind_of(argv[0]);
    const struct process_config config = {
        .kind = echo.kind,
        .name = argv[0] + strlen("parclose-"),
        .peers = peers,
        .peers_count = sizeof(peers) / sizeof(peers[0]),
        .boot_rows = control_rows,
        .boot_rows_count = echo.kind == PROCESS_CONTROL ? 1 : 0,
        .system_calls = calls,
        .system_calls_count = sizeof(calls) / sizeof(calls[0]),
        .prepare = prepare,
        .file = on_file,
        .stored = on_stored,
        .start = start,
    };
    return process_run(&config, &echo);
}
