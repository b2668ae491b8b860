/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to go on after a damaged log. Nothing is deleted: what is cut off is kept beside, in
 * files that are named cut.*. Nobody may have the log open: the service is asked for, and every
 * process's files are looked at.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit_source.h"
#include "connection.h"
#include "db.h"
#include "format.h"
#include "service.h"
#include "store/audit_cut.h"

/* --- nobody may have it open ------------------------------------------------------------------ */

/* Whether a process has a segment of the log in `real` (a real path) open. */
static bool has_open(const char *pid, const char *real)
{
    char folder[64], path[512];
    size_t length = strlen(real);
    const struct dirent *entry;
    bool found = false;

    snprintf(folder, sizeof(folder), "/proc/%.20s/fd", pid);
    DIR *files = opendir(folder);
    if (!files)
        return false;
    while (!found && (entry = readdir(files))) {
        ssize_t got = readlinkat(dirfd(files), entry->d_name, path, sizeof(path) - 1);
        path[got < 0 ? 0 : got] = '\0';
        found = !strncmp(path, real, length) && !strncmp(path + length, "/" AUDIT_SEGMENT_PREFIX,
                                                         sizeof("/" AUDIT_SEGMENT_PREFIX) - 1);
    }
    closedir(files);
    return found;
}

/* Who has the log open; 0: nobody that we can see. */
static pid_t user_of(const char *directory)
{
    char *real = realpath(directory, NULL);
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t found = 0;

    while (real && proc && !found && (entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]) && has_open(entry->d_name, real))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    if (proc)
        closedir(proc);
    free(real);
    return found;
}

/* Control that cannot read its log is started again and again: then nobody has it open just now. */
static bool in_use(const char *directory)
{
    pid_t pid = user_of(directory);

    if (pid) {
        cli_error("process %d has the log in %s open: end it first (`parclose down`)", (int)pid,
                  directory);
        return true;
    }
    if (!strcmp(directory, AUDIT_DIRECTORY) && service_lives()) {
        cli_error("Parclose is running: `parclose down` first, or `systemctl stop parclose`");
        return true;
    }
    return false;
}

/* --- the cut ---------------------------------------------------------------------------------- */

static int refuse(int error, const char *directory, uint64_t entry,
                  const struct audit_opened *opened)
{
    if (error == -ENOENT)
        cli_error("%s: there is no entry %" PRIu64 ", and no place for it", directory, entry);
    else if (error == -ENODATA && opened->bad_entry)
        cli_error("%s: what is left could not be opened: entry %" PRIu64 " %s; cut at it, or "
                  "earlier",
                  directory, opened->bad_entry, audit_damage_text(opened->damage));
    else
        cli_error("%s: %s", directory,
                  error == -ENODATA ? "what is left could not be opened: cut earlier"
                                    : strerror(-error));
    return CLI_FAILED;
}

static void say_json(const struct audit_cut *cut, bool done)
{
    json_t *answer =
        json_pack("{s:b, s:b, s:I, s:I, s:I, s:I}", "ok", 1, "done", (int)done, "last_entry",
                  (json_int_t)cut->kept_last, "entries_lost", (json_int_t)cut->lost, "bytes",
                  (json_int_t)cut->bytes, "files", (json_int_t)cut->files);
    print_json(answer);
    json_decref(answer);
}

static void say(const char *directory, uint64_t entry, const struct audit_cut *cut, bool done)
{
    printf("%s entry %" PRIu64 " and what follows it: %" PRIu64
           " whole entries, and whatever is damaged\n",
           done ? "cut off:" : "would be cut off:", entry, cut->lost);
    printf("the log %s with entry %" PRIu64 "\n", done ? "ends" : "would end", cut->kept_last);
    if (cut->files)
        printf("%s in %s: %" PRIu64 " bytes, in %" PRIu64 " files named cut.%020" PRIu64 "*\n",
               done ? "kept" : "would be kept", directory, cut->bytes, cut->files, entry);
    puts(done ? "What those entries changed is forgotten: `parclose up`, then `parclose db check`"
              : "Nothing was changed. What those entries changed would be forgotten; with --yes it "
                "is done");
}

static int take_number(const struct cli *cli, const char *text, uint64_t *entry)
{
    char *end;

    if (!text)
        return cli_usage(cli, "cut: --before is needed: the number of the first entry to go");
    errno = 0;
    *entry = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || errno || !*entry)
        return cli_usage(cli, "--before %s: expected the number of an entry", text);
    return 0;
}

int db_cut(const struct cli *cli, const char *directory, const char *before, bool yes)
{
    struct audit_opened opened = {0};
    struct audit_cut cut = {0};
    uint64_t entry = 0;
    int code = take_number(cli, before, &entry);

    if (code)
        return code;
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        cli_error("%s: %s", directory, strerror(errno));
        return CLI_FAILED;
    }
    if (in_use(directory)) {
        close(folder);
        return CLI_FAILED;
    }
    int error = yes ? audit_log_cut(folder, entry, &cut, &opened)
                    : audit_cut_plan(folder, entry, &cut, &opened);
    close(folder);
    if (error)
        return refuse(error, directory, entry, &opened);
    if (cli->json)
        say_json(&cut, yes);
    else
        say(directory, entry, &cut, yes);
    return CLI_OK;
}
