/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of a monitor: looks at itself, says what it found, ends when lead closes the link.
 */
#include "fake_monitor.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parclose/msg_lead_monitor.h"
#include "wire/frame.h"

static uint32_t entries(const char *path)
{
    DIR *folder = opendir(path);
    uint32_t count = 0;

    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count > 2 ? count - 2 : 0;
}

static void look_at_files(struct report *report)
{
    for (int file = 0; file < 1024; file++)
        if (fcntl(file, F_GETFD) >= 0 && file < 32)
            report->open_files |= UINT32_C(1) << file;
        else if (fcntl(file, F_GETFD) >= 0)
            report->more_files++;
}

static void look_at_rights(struct report *report)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    getresuid(&report->uids[0], &report->uids[1], &report->uids[2]);
    getresgid(&report->gids[0], &report->gids[1], &report->gids[2]);
    report->groups = (uint32_t)getgroups(0, NULL);
    report->no_new_privileges = (uint32_t)prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    for (unsigned long capability = 0; capability < 64; capability++)
        report->bounding += prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
    syscall(SYS_capget, &header, data);
    for (int i = 0; i < 2; i++)
        report->effective |= data[i].effective | data[i].permitted | data[i].inheritable;
}

static void look_around(struct report *report)
{
    static const char *const places[] = FAKE_PLACES;

    report->sees = entries("/") + entries("..") + entries(".");
    for (uint32_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int file = open(places[i], i < FAKE_TO_WRITE ? O_WRONLY | O_CREAT : O_RDONLY, 0600);
        report->opens |= file >= 0 ? UINT32_C(1) << i : 0;
        if (file >= 0)
            close(file);
    }
}

int main(void)
{
    struct report report = {.header = frame_header(REPORT_TYPE, sizeof(report), 0)};
    struct pollfd wait = {MONITOR_FD, POLLIN, 0};
    struct rlimit lock;

    look_at_files(&report);
    look_at_rights(&report);
    look_around(&report);
    report.child_signal = signal(SIGCHLD, SIG_DFL) == SIG_DFL;
    getrlimit(RLIMIT_MEMLOCK, &lock);
    report.memory_lock = lock.rlim_max;
    if (frame_send(MONITOR_FD, &report, NULL, 0))
        return 1;
    poll(&wait, 1, 30000);
    return 0;
}
