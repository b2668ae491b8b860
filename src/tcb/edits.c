/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edited copies of devices.xml: files *.xml that are renamed into /run/parclose/edit, taken one at
 * a time, in the order of their names.
 *
 *   IDLE ─found→ ASKED: what became of it? ─ done, or undone ────────────────────→ concluded
 *                  │ control has never had it
 *                  ▼
 *                NEW ─document is published→ READING: the child ─ refused ───────→ concluded
 *                                              │ accepted
 *                                              ▼
 *                                            SENT: control's transaction ────────→ concluded
 *
 * Concluded: a file that was applied is removed, once devices.xml says what came of it; one that
 * was refused becomes NAME.refused, and NAME.error says why. Until then it stays where it is, so
 * that whoever comes after our death finds it again: its id comes from the file itself, and control
 * is asked first what became of it. It is never judged twice: the generation that it names is an
 * old one once it is applied.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edit_child.h"
#include "log/log.h"
#include "map/devices_edit.h"
#include "tcb.h"

#define FOLDER             "edit"
#define READER_DEADLINE_US 20000000
#define FILES_MAX          1024 /* looked at to find the next */

enum phase { IDLE, ASKED, NEW, READING, SENT, APPLIED };

struct edits {
    struct tcb *tcb;
    int folder;
    sd_event_source *watch;
    enum phase phase;
    int file;                /* the edited one; -1: none */
    uint64_t left;           /* id of one that could not be taken away: not taken again */
    uint64_t assignments;    /* when the child began */
    struct tcb_edit message; /* about the file that is taken: name, id, owner, what it asks for */
    pid_t child;
    sd_event_source *done, *deadline;
};

/* ---- the file */

/* The same as long as nobody has put another one in its place, over our own death, too. */
static uint64_t id_of(const struct stat *stat)
{
    const uint64_t parts[] = {stat->st_ino, (uint64_t)stat->st_ctim.tv_sec,
                              (uint64_t)stat->st_ctim.tv_nsec, (uint64_t)stat->st_size};
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a, 64 bits at a time */

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        hash = (hash ^ parts[i]) * UINT64_C(1099511628211);
    return hash ? hash : 1;
}

static uint64_t id_at(const struct edits *edits, const char *name)
{
    struct stat stat;
    return fstatat(edits->folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : id_of(&stat);
}

/* [A-Za-z0-9_-][A-Za-z0-9._-]*.xml */
static bool name_ok(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && length < PARCLOSE_EDIT_NAME_MAX && name[0] != '.' &&
           !strcmp(name + length - 4, ".xml") &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               length;
}

/* The first by name; false: there is none. */
static bool find(const struct edits *edits, char name[PARCLOSE_EDIT_NAME_MAX])
{
    int fd = openat(edits->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    name[0] = '\0';
    for (int i = 0; folder && i < FILES_MAX && (entry = readdir(folder)); i++)
        if (name_ok(entry->d_name) && (!name[0] || strcmp(entry->d_name, name) < 0) &&
            id_at(edits, entry->d_name) != edits->left)
            snprintf(name, PARCLOSE_EDIT_NAME_MAX, "%.*s", PARCLOSE_EDIT_NAME_MAX - 1,
                     entry->d_name);
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
    return name[0] != '\0';
}

static const char *open_file(struct edits *edits)
{
    const char *name = edits->message.name;
    struct stat stat;

    if (fstatat(edits->folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(stat.st_mode))
        return "is no regular file";
    edits->file = openat(edits->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (edits->file < 0)
        return "cannot be opened: it must be root's";
    if (fstat(edits->file, &stat) < 0 || id_of(&stat) != edits->message.header.id)
        return "was replaced while it was opened";
    if (stat.st_nlink != 1)
        return "has another name, too";
    if (stat.st_size > DEVICES_EDIT_SIZE_MAX)
        return "is too large";
    edits->message.uid = stat.st_uid;
    return NULL;
}

/* ---- the answer beside it */

static int write_error(const struct edits *edits, uint32_t line, const char *text)
{
    const char *name = edits->message.name;
    char answer[PARCLOSE_EDIT_NAME_MAX + 8];
    int file = openat(edits->folder, ".error.new",
                      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (file < 0)
        return -errno;
    int error = fchmod(file, 0644) < 0 ? -errno : 0;
    int put = line ? dprintf(file, "%s:%u: %s\n", name, line, text)
                   : dprintf(file, "%s: %s\n", name, text);
    if ((close(file) < 0 || put < 0) && !error)
        error = -EIO;
    snprintf(answer, sizeof(answer), "%s.error", name);
    if (!error && renameat(edits->folder, ".error.new", edits->folder, answer) < 0)
        error = -errno;
    return error;
}

static int refuse_file(const struct edits *edits, uint32_t line, const char *text)
{
    const char *name = edits->message.name;
    char refused[PARCLOSE_EDIT_NAME_MAX + 8];
    int error = write_error(edits, line, text);

    snprintf(refused, sizeof(refused), "%s.refused", name);
    if (renameat(edits->folder, name, edits->folder, refused) < 0 && !error)
        error = -errno;
    return error;
}

static int remove_file(const struct edits *edits)
{
    char beside[PARCLOSE_EDIT_NAME_MAX + 8];

    snprintf(beside, sizeof(beside), "%s.error", edits->message.name);
    unlinkat(edits->folder, beside, 0); /* of an earlier attempt, if there is any */
    snprintf(beside, sizeof(beside), "%s.refused", edits->message.name);
    unlinkat(edits->folder, beside, 0);
    return unlinkat(edits->folder, edits->message.name, 0) < 0 ? -errno : 0;
}

/* `text`: why it is refused; NULL: it is applied. */
static void conclude(struct edits *edits, uint32_t line, const char *text)
{
    const char *name = edits->message.name;
    int error = 0;

    if (text)
        log_warning("edit %s of devices.xml is refused: %s", name, text);
    else
        log_notice("edit %s of devices.xml is applied", name);
    /* one that was put in its place meanwhile is another edit */
    if (id_at(edits, name) == edits->message.header.id)
        error = text ? refuse_file(edits, line, text) : remove_file(edits);
    if (error)
        log_error("edit %s of devices.xml is not answered: %s", name, strerror(-error));
    edits->left = id_at(edits, name) == edits->message.header.id ? edits->message.header.id : 0;
    if (edits->file >= 0)
        close(edits->file);
    edits->file = -1;
    edits->phase = IDLE;
}

/* ---- asking control */

static void send(const struct edits *edits)
{
    process_send(edits->tcb->process, PROCESS_CONTROL, &edits->message, NULL, 0);
}

static void take(struct edits *edits, const char *name)
{
    edits->message = (struct tcb_edit){
        .header = frame_header(TCB_EDIT, sizeof(edits->message), id_at(edits, name))};
    snprintf(edits->message.name, sizeof(edits->message.name), "%s", name);
    const char *wrong = edits->message.header.id ? open_file(edits) : "is gone";
    if (wrong) {
        conclude(edits, 0, wrong);
        return;
    }
    edits->phase = ASKED;
    send(edits);
}

/* What the document said of each VF, which control compares with what it has. */
static const char *fill_before(struct edits *edits)
{
    if (edits->assignments != edits->tcb->assignments)
        return "what is desired of a VF has changed while it was read";
    for (uint32_t i = 0; i < edits->message.vfs_count; i++) {
        struct vf_edit *vf = &edits->message.vfs[i];
        const struct tcb_pf_state *pf = picture_pf(edits->tcb, vf->pf);
        if (!pf || pf->vfs[vf->index].owner.kind != OWNER_GUEST)
            return "a VF of it is nobody's by now";
        vf->before = pf->vfs[vf->index].desired;
    }
    return NULL;
}

static void judged(struct edits *edits, const struct devices_edit *edit)
{
    const char *wrong = NULL;

    if (devices_edit_check(edit))
        wrong = "cannot be judged: its reader answers rubbish";
    else if (edit->verdict != EDIT_ACCEPTED)
        wrong = edit->text;
    if (wrong) {
        conclude(edits, devices_edit_check(edit) ? 0 : edit->line, wrong);
        return;
    }
    edits->message.vfs_count = edit->vfs_count;
    edits->message.pf = edit->pf;
    edits->message.pf_state = edit->pf_state;
    memcpy(edits->message.vfs, edit->vfs, sizeof(edit->vfs));
    wrong = fill_before(edits);
    if (wrong ||
        (!edit->vfs_count && !edit->pf_state)) { /* nothing differs: that is how it is already */
        conclude(edits, 0, wrong);
        return;
    }
    edits->phase = SENT;
    send(edits);
}

/* ---- the child */

static void child_over(struct edits *edits)
{
    int in = sd_event_source_get_io_fd(edits->done);

    edits->done = sd_event_source_disable_unref(edits->done);
    edits->deadline = sd_event_source_disable_unref(edits->deadline);
    close(in);
    kill(edits->child, SIGKILL); /* it has said all that it may */
}

static int on_done(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct edits *edits = data;
    struct devices_edit edit;
    (void)source;
    (void)events;

    bool whole = read(fd, &edit, sizeof(edit)) == (ssize_t)sizeof(edit);
    child_over(edits);
    if (whole)
        judged(edits, &edit);
    else
        conclude(edits, 0, "cannot be judged: its reader died");
    edits_run(edits->tcb);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t time, void *data)
{
    struct edits *edits = data;
    (void)source;
    (void)time;

    child_over(edits);
    conclude(edits, 0, "cannot be judged: its reader takes too long");
    edits_run(edits->tcb);
    return 0;
}

static int watch_child(struct edits *edits, int in)
{
    sd_event *event = process_event(edits->tcb->process);
    int error = sd_event_add_io(event, &edits->done, in, EPOLLIN, on_done, edits);

    if (error < 0)
        return error;
    error = sd_event_add_time_relative(event, &edits->deadline, CLOCK_MONOTONIC, READER_DEADLINE_US,
                                       0, on_deadline, edits);
    if (error < 0)
        edits->done = sd_event_source_disable_unref(edits->done);
    return error;
}

static int begin_child(struct edits *edits, int original)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    edits->child = fork();
    if (edits->child == 0)
        edit_child(original, edits->file, ends[1]);
    close(ends[1]);
    int error = edits->child < 0 ? -EAGAIN : watch_child(edits, ends[0]);
    if (error < 0) {
        close(ends[0]);
        if (edits->child > 0)
            kill(edits->child, SIGKILL);
    }
    return error;
}

static void read_file(struct edits *edits)
{
    int original = openat(edits->tcb->run_folder, "devices.xml", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int error = original < 0 ? -errno : begin_child(edits, original);

    if (original >= 0)
        close(original);
    edits->assignments = edits->tcb->assignments;
    edits->phase = READING;
    if (error < 0)
        conclude(edits, 0, "cannot be judged: no reader can be made");
}

/* ---- events */

void edits_run(struct tcb *tcb)
{
    struct edits *edits = tcb->edits;
    char name[PARCLOSE_EDIT_NAME_MAX];

    while (edits && tcb->published && edits->phase == IDLE && find(edits, name))
        take(edits, name);
    if (edits && edits->phase == NEW && !document_is_due(tcb))
        read_file(edits);
    if (edits && edits->phase == APPLIED && !document_is_due(tcb)) {
        conclude(edits, 0, NULL);
        edits_run(tcb);
    }
}

void edits_link_up(struct tcb *tcb)
{
    if (tcb->edits && (tcb->edits->phase == ASKED || tcb->edits->phase == SENT))
        send(tcb->edits);
}

int edits_on_edited(void *context, struct frame *frame)
{
    struct tcb *tcb = context;
    struct edits *edits = tcb->edits;
    const struct tcb_edited *message = (const void *)frame->bytes;

    if (!frame_string_ok(message->text, sizeof(message->text)) || !frame_error_ok(message->error))
        return -EBADMSG;
    if (!edits || (edits->phase != ASKED && edits->phase != SENT) ||
        message->header.id != edits->message.header.id)
        return 0; /* about one that our predecessor took, or answered twice over two links */
    if (edits->phase == ASKED && message->error == -ENOENT)
        edits->phase = NEW;
    else if (!message->error)
        edits->phase = APPLIED;
    else
        conclude(edits, 0, message->text);
    edits_run(tcb);
    return 0;
}

static int on_moved(sd_event_source *source, const struct inotify_event *event, void *data)
{
    struct edits *edits = data;
    (void)source;
    (void)event;

    edits->left = 0;
    edits_run(edits->tcb);
    return 0;
}

/* Root's, so that only root can put edits into it; everybody can read the answers. */
static int open_folder(int run_folder)
{
    bool made = mkdirat(run_folder, FOLDER, 0755) == 0;
    int folder = openat(run_folder, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat stat;

    if (folder < 0)
        return -errno;
    if (fstat(folder, &stat) < 0 || stat.st_uid != geteuid() ||
        (made && fchmod(folder, 0755) < 0)) {
        close(folder);
        return -EPERM;
    }
    return folder;
}

/* Without it everything else goes on. */
void edits_open(struct tcb *tcb)
{
    struct edits *edits = calloc(1, sizeof(*edits));
    int error = edits ? open_folder(tcb->run_folder) : -ENOMEM;

    if (error >= 0) {
        edits->tcb = tcb;
        edits->folder = error;
        edits->file = -1;
        error = sd_event_add_inotify_fd(process_event(tcb->process), &edits->watch, edits->folder,
                                        IN_MOVED_TO | IN_ONLYDIR, on_moved, edits);
    }
    if (error >= 0) {
        tcb->edits = edits;
        return;
    }
    log_error("edits of devices.xml are not read: /run/parclose/" FOLDER ": %s", strerror(-error));
    if (edits && edits->tcb)
        close(edits->folder);
    free(edits);
}
