/* SPDX-License-Identifier: Apache-2.0 */
#include "kept.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "log/log.h"

static int map(struct kept **kept, int file)
{
    void *place = mmap(NULL, sizeof(**kept), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (place == MAP_FAILED)
        return -errno;
    *kept = place;
    return 0;
}

int kept_new(struct kept **kept)
{
    int file = memfd_create("parclose-boot", MFD_CLOEXEC);
    if (file < 0)
        return -errno;
    int error = ftruncate(file, sizeof(**kept)) < 0 ? -errno : map(kept, file);
    if (!error) {
        **kept = (struct kept){.magic = KEPT_MAGIC, .watchdog_ms = 30000};
        kept_add("state", file);
    }
    close(file);
    return error;
}

int kept_open(struct kept **kept, int file)
{
    struct stat status;
    int error = fstat(file, &status) < 0 ? -errno : 0;

    if (!error && status.st_size != sizeof(**kept))
        error = -EBADMSG;
    if (!error)
        error = map(kept, file);
    close(file);
    if (!error && (*kept)->magic != KEPT_MAGIC) {
        munmap(*kept, sizeof(**kept));
        *kept = NULL;
        error = -EBADMSG;
    }
    return error;
}

void kept_name(char name[KEPT_NAME_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, KEPT_NAME_MAX, format, arguments);
    va_end(arguments);
}

int kept_same(int one, int other)
{
    long order = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, one, other);
    return order < 0 ? -errno : order == 0;
}

void kept_add(const char *name, int file)
{
    char text[KEPT_NAME_MAX + 64];

    snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
    int sent = sd_pid_notify_with_fds(0, 0, text, &file, 1);
    if (sent < 0)
        log_error("cannot have %s kept: %s", name, strerror(-sent));
}

void kept_remove(const char *name)
{
    int sent = sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    if (sent < 0)
        log_error("cannot have %s dropped: %s", name, strerror(-sent));
}
