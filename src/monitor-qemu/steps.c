/* SPDX-License-Identifier: Apache-2.0 */
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "command.h"
#include "log/log.h"
#include "memory.h"
#include "observe.h"

#define SEALS      (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define END_NS     UINT64_C(5000000000) /* from "it shuts down" to its end */
#define LAST_READS 64                   /* a full pipe, of complaint_read()'s size */

/* ---- CREATE */

/* Lead has checked it before us; it is read again all the same. */
static int read_descriptor(struct monitor *m)
{
    struct partition_descriptor *d = &m->descriptor;
    int file = m->files[FILE_DESCRIPTOR];
    struct stat status;

    if (fcntl(file, F_GET_SEALS) != SEALS || fstat(file, &status) < 0 ||
        status.st_size != sizeof(*d) || pread(file, d, sizeof(*d), 0) != sizeof(*d))
        return -EINVAL;
    return command_check(d);
}

static int take_files(struct monitor *m)
{
    static const enum monitor_file_kind needed[] = {
        FILE_DESCRIPTOR, FILE_KVM, FILE_CONSOLE, FILE_CONSOLE_OUT, FILE_CONSOLE_IN, FILE_PROGRAM};

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (m->files[needed[i]] < 0)
            return -ENOENT;
    return read_descriptor(m);
}

/* Without a kernel its own firmware has nothing to start. */
static int take_images(struct monitor *m)
{
    const struct partition_descriptor *d = &m->descriptor;
    const struct {
        enum monitor_file_kind kind;
        bool needed;
    } images[] = {{FILE_KERNEL, d->kernel[0] || d->firmware == FIRMWARE_BIOS},
                  {FILE_INITRD, d->initrd[0]},
                  {FILE_FIRMWARE, d->firmware == FIRMWARE_UEFI},
                  {FILE_VARIABLES, d->variables[0]},
                  {FILE_DISK, d->disk[0]}};

    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++)
        if ((m->files[images[i].kind] >= 0) != images[i].needed)
            return -ENOENT;
    return 0;
}

/* Without its frozen cgroup a vCPU would run at once: there is no way around it. */
static int open_cgroups(struct monitor *m)
{
    for (uint32_t i = 0; i < PARCLOSE_MAX_VCPUS; i++) {
        if ((m->cgroups[i] >= 0) != (i < m->descriptor.vcpus_count))
            return -ENOENT;
        if (m->cgroups[i] < 0)
            continue;
        m->threads[i] = openat(m->cgroups[i], "cgroup.threads", O_WRONLY | O_CLOEXEC);
        if (m->threads[i] < 0)
            return -errno;
    }
    monitor_enter(m, STATE_CHANNELS_ASSIGNED);
    monitor_enter(m, STATE_PROCESSOR_ASSIGNED);
    return 0;
}

static int make_memory(struct monitor *m)
{
    const struct partition_descriptor *d = &m->descriptor;
    m->memory = memory_make(d->memory_bytes, d->memory_node, d->pages);

    if (m->memory < 0)
        return m->memory;
    monitor_enter(m, STATE_MEMORY_ASSIGNED);
    return 0;
}

static int open_console(struct monitor *m)
{
    return console_open(&m->console, m->files[FILE_CONSOLE], m->files[FILE_CONSOLE_OUT],
                        m->files[FILE_CONSOLE_IN]);
}

static int add_files(struct monitor *m)
{
    const struct {
        const char *path;
        int file;
    } files[] = {
        {"/dev/kvm", m->files[FILE_KVM]},
        {COMMAND_MEMORY, m->memory},
        {COMMAND_KERNEL, m->files[FILE_KERNEL]},
        {COMMAND_INITRD, m->files[FILE_INITRD]},
        {COMMAND_FIRMWARE, m->files[FILE_FIRMWARE]},
        {COMMAND_VARIABLES, m->files[FILE_VARIABLES]},
        {COMMAND_DISK, m->files[FILE_DISK]},
    };
    int error = 0;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !error; i++)
        error = broker_add(&m->broker, files[i].path, files[i].file);
    return error;
}

static int start_qemu(struct monitor *m)
{
    int error = child_start(m);

    if (error)
        return error;
    talk_say(m, TALK_GREETING, 0);
    talk_say(m, TALK_CAPABILITIES, 0);
    talk_say(m, TALK_STATUS, 0);
    talk_say(m, TALK_CPUS, 0);
    return 0;
}

int steps_create(struct monitor *m, const char **what)
{
    static const struct {
        const char *what;
        int (*step)(struct monitor *);
    } steps[] = {
        {"descriptor and files", take_files}, {"kernel, firmware and disk", take_images},
        {"vCPU cgroups", open_cgroups},       {"guest memory", make_memory},
        {"console ring", open_console},       {"its files", add_files},
        {"QEMU's start", start_qemu},
    };
    int error = 0;

    m->phase = PHASE_BUILD;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !error; i++) {
        *what = steps[i].what;
        if (steps[i].step == make_memory && m->descriptor.pages != PAGES_ORDINARY)
            *what = "guest memory: not enough free huge pages on its node";
        error = steps[i].step(m);
    }
    return error;
}

/* ---- QEMU is at its prompt, in front of the first instruction */

static void complete(struct monitor *m)
{
    m->phase = PHASE_COMPLETE;
    monitor_enter(m, STATE_CHANNEL_IMAGE);
}

int steps_place(struct monitor *m, const uint32_t tids[PARCLOSE_MAX_VCPUS])
{
    char text[16];

    for (uint32_t i = 0; i < m->descriptor.vcpus_count; i++) {
        int length = snprintf(text, sizeof(text), "%u", tids[i]);
        if (write(m->threads[i], text, (size_t)length) < 0)
            return -errno;
        close(m->threads[i]);
        m->threads[i] = -1;
        m->vcpu_tids[i] = tids[i];
    }
    monitor_enter(m, STATE_MEMORY_IMAGE);
    monitor_enter(m, STATE_PROCESSOR_IMAGE);
    m->phase = PHASE_BUILT;
    if (!m->descriptor.vfs_count)
        complete(m);
    return 0;
}

/* ---- CHANNELS */

/* May come while QEMU is still on its way to its prompt: what is said to it is said in its turn. */
int steps_channels(struct monitor *m, const struct bdf *vfs, const int *files, uint32_t count)
{
    char path[BROKER_PATH_MAX];
    int error = broker_add(&m->broker, COMMAND_CONTAINER, files[0]);

    m->channels = true;
    for (uint32_t i = 0; i < count && !error; i++) {
        m->vfs[i] = vfs[i];
        command_group(path, i);
        error = broker_add(&m->broker, path, files[1 + i]);
        if (!error)
            error = command_make_vf_folder(vfs[i], i);
    }
    for (uint32_t i = 0; i < count && !error; i++)
        talk_say(m, TALK_PLUG, i);
    return error;
}

int steps_plugged(struct monitor *m)
{
    int error = observe_begin(m);

    if (!error)
        complete(m);
    return error;
}

/* ---- the guest runs */

void steps_running(struct monitor *m)
{
    monitor_enter(m, STATE_CHANNELS_ATTACHED);
    monitor_enter(m, STATE_CHANNELS_SCHEDULED);
}

/* ---- the end */

void steps_shutdown(struct monitor *m, const char *reason)
{
    static const struct {
        const char *said;
        enum exit_reason reason;
        const char *text;
    } reasons[] = {
        {"guest-shutdown", EXIT_POWER_OFF, "the guest powered off"},
        {"guest-reset", EXIT_REBOOT, "the guest rebooted"},
        {"guest-panic", EXIT_PANIC, "the guest panicked"},
        {"watchdog", EXIT_WATCHDOG, "the guest's watchdog expired"},
        {"subsystem-reset", EXIT_REBOOT, "the guest reset itself"},
    };

    if (m->panicked)
        reason = "guest-panic";
    else if (m->watchdog)
        reason = "watchdog";
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (!strcmp(reason, reasons[i].said) && !m->end.reason) {
            m->end.reason = reasons[i].reason;
            snprintf(m->end.text, sizeof(m->end.text), "%s", reasons[i].text);
        }
    m->phase = PHASE_ENDING;
    if (!m->kill_at_ns)
        m->kill_at_ns = monitor_now_ns() + END_NS;
}

void steps_ended(struct monitor *m, int code, int status)
{
    char text[PARCLOSE_REASON_MAX];

    m->qemu = 0;
    /* bounded: somebody else may have the other end */
    for (int i = 0; i < LAST_READS && m->complaint.pipe >= 0; i++)
        complaint_read(&m->complaint);
    if (m->end.reason)
        return;
    snprintf(text, sizeof(text), "QEMU %s %d%s%.100s",
             code == CLD_EXITED ? "ended with status" : "was killed by signal", status,
             m->complaint.last[0] ? ": " : "", m->complaint.last);
    monitor_fail(m, text, 0);
}
