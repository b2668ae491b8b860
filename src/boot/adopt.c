/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the boot before left behind: see kept.h for the names. A process is adopted when both its
 * pidfd and its link are there, of the generation that the state says, and it was up; it notices
 * nothing. One that was still starting may have missed files: it is killed and started again, and
 * so is one that this boot knows nothing of.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "boot.h"
#include "log/log.h"

#define FIRST_FILE SD_LISTEN_FDS_START

/* The files of a process, as found. */
struct found {
    int pidfd, socket; /* -1: not there */
    char names[2][KEPT_NAME_MAX];
};

struct adoption {
    struct boot *boot;
    struct found found[PROCESS_KINDS];
};

static void discard(const char *name, int file)
{
    kept_remove(name);
    close(file);
}

static void end_unknown(const char *name, int pidfd)
{
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    discard(name, pidfd);
}

/* A decimal number and the dot after it, if there is one. */
static bool take_number(const char **text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(*text, &end, 10);
    if (errno || end == *text || !isdigit((unsigned char)**text) || (*end && *end != '.'))
        return false;
    *text = *end ? end + 1 : end;
    return true;
}

static bool is_of_table(const struct boot *boot, uint64_t kind)
{
    return kind < PROCESS_KINDS && boot->children[kind].kind;
}

static void take_process_file(struct adoption *adoption, const char *name, int file)
{
    const struct boot *boot = adoption->boot;
    const char *rest = name + 2;
    uint64_t kind, generation;

    bool known = take_number(&rest, &kind) && take_number(&rest, &generation) && !*rest &&
                 is_of_table(boot, kind) && boot->kept->processes[kind].generation == generation;
    if (!known && name[0] == 'p')
        end_unknown(name, file);
    else if (!known)
        discard(name, file);
    else {
        struct found *found = &adoption->found[kind];
        snprintf(found->names[name[0] == 'c'], KEPT_NAME_MAX, "%s", name);
        *(name[0] == 'p' ? &found->pidfd : &found->socket) = file;
    }
}

static void take_stored(struct boot *boot, const char *name, int file)
{
    const char *rest = name + 2;
    uint64_t kind, sequence;

    if (!take_number(&rest, &kind) || !take_number(&rest, &sequence) || !*rest ||
        strlen(rest) >= BOOT_STORE_NAME_MAX || (kind != PROCESS_BOOT && !is_of_table(boot, kind))) {
        discard(name, file);
        return;
    }
    if (boot->kept->sequence < sequence)
        boot->kept->sequence = sequence; /* the state was of another version */
    int error = store_adopt(boot, (uint32_t)kind, sequence, rest, file);
    if (error)
        log_error("no room for %s: %s", name, strerror(-error));
}

static void take(struct adoption *adoption, const char *name, int file)
{
    struct boot *boot = adoption->boot;

    if (!strcmp(name, "listen") && boot->listener < 0)
        boot->listener = file;
    else if (!strncmp(name, "s.", 2))
        take_stored(boot, name, file);
    else if (!strncmp(name, "p.", 2) || !strncmp(name, "c.", 2))
        take_process_file(adoption, name, file);
    else
        discard(name, file);
}

static void settle(struct child *child, struct found *found)
{
    bool whole = found->pidfd >= 0 && found->socket >= 0;
    bool up = child->kept->health == PROCESS_UP;

    if (whole && up && child_adopt(child, found->pidfd, found->socket) == 0) {
        log_notice("%s goes on: pid %u, number %u", child->kind->name, child->kept->pid,
                   child->kept->generation);
        return;
    }
    if (found->pidfd >= 0)
        end_unknown(found->names[0], found->pidfd);
    if (found->socket >= 0)
        discard(found->names[1], found->socket);
    if (up || child->kept->health == PROCESS_STARTING) {
        child->kept->restarts++;
        snprintf(child->kept->reason, sizeof(child->kept->reason), "boot ended while it was %s",
                 up ? "ending" : "starting");
    }
    child->kept->health = PROCESS_DOWN;
    child->kept->pid = 0;
}

/* The state comes first, whatever its place in the list. */
static int take_state(struct boot *boot, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], "state")) {
            names[i][0] = 0;
            int error = kept_open(&boot->kept, FIRST_FILE + i);
            if (!error)
                return 0;
            log_warning("the state of the boot before is not ours: %s", strerror(-error));
            kept_remove("state");
        }
    return kept_new(&boot->kept);
}

static void settle_all(struct adoption *adoption)
{
    struct boot *boot = adoption->boot;

    for (size_t i = 0; i < PROCESS_KINDS; i++)
        if (boot->children[i].kind)
            settle(&boot->children[i], &adoption->found[i]);
}

int adopt(struct boot *boot)
{
    struct adoption adoption = {.boot = boot};
    char **names = NULL;

    for (size_t i = 0; i < PROCESS_KINDS; i++)
        adoption.found[i] = (struct found){.pidfd = -1, .socket = -1};
    int count = sd_listen_fds_with_names(1, &names);
    if (count < 0)
        return count;
    int error = take_state(boot, names, count);
    for (size_t i = 0; i < PROCESS_KINDS && !error; i++)
        boot->children[i].kept = &boot->kept->processes[i];
    for (int i = 0; i < count; i++) {
        if (!error && names[i][0])
            take(&adoption, names[i], FIRST_FILE + i);
        free(names[i]);
    }
    free(names);
    if (!error)
        settle_all(&adoption);
    return error;
}
