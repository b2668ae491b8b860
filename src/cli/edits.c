/* SPDX-License-Identifier: Apache-2.0 */
#include "edits.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "table.h"

#define FOLDER "edit"
#define SUFFIX ".xml.error"

static int is_answer(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);

    return length > suffix && entry->d_name[0] != '.' &&
           !strcmp(entry->d_name + length - suffix, SUFFIX);
}

bool edits_read_answer(int folder, const char *name, char text[EDITS_TEXT], char when[32])
{
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char line[EDITS_TEXT] = "";
    struct stat stat;
    struct tm tm;

    if (file < 0)
        return false;
    ssize_t got = read(file, line, sizeof(line) - 1);
    bool good = got > 0 && fstat(file, &stat) == 0 && gmtime_r(&stat.st_mtime, &tm) &&
                strftime(when, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
    close(file);
    line[good ? strcspn(line, "\n") : 0] = '\0';
    for (char *at = line; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    snprintf(text, EDITS_TEXT, "%s", line);
    return good;
}

static void add(json_t *edits, int folder, const char *name)
{
    char text[EDITS_TEXT], when[32];

    if (edits_read_answer(folder, name, text, when))
        json_array_append_new(
            edits, json_pack("{s:s, s:s, s:s}", "name", name, "time", when, "text", text));
}

void edits_beside(const struct cli *cli, const char *name, char path[EDITS_PATH])
{
    const char *end = strrchr(cli->socket, '/');

    snprintf(path, EDITS_PATH, "%.*s%s", end ? (int)(end - cli->socket) + 1 : 0, cli->socket, name);
}

int edits_open_folder(const struct cli *cli)
{
    char path[EDITS_PATH];

    edits_beside(cli, FOLDER, path);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

json_t *edits_refused(const struct cli *cli)
{
    json_t *edits = json_array();
    int folder = edits_open_folder(cli);
    struct dirent **names = NULL;
    int count = folder < 0 ? 0 : scandirat(folder, ".", &names, is_answer, alphasort);

    for (int i = 0; i < count; i++) {
        if (edits && i < EDITS_SHOWN_MAX)
            add(edits, folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (folder >= 0)
        close(folder);
    return edits;
}

void edits_print(const json_t *edits)
{
    static const char *const heads[] = {"REFUSED", "EDIT OF DEVICES.XML", NULL};
    const json_t *edit;
    char when[32];
    size_t i;

    if (!json_array_size(edits))
        return;
    struct table *table = table_new(heads);
    json_array_foreach(edits, i, edit)
    {
        table_cell(table, "%s", clock_text(text_of(edit, "time"), when, sizeof(when)));
        table_cell(table, "%s", text_of(edit, "text"));
    }
    putchar('\n');
    table_print(table, stdout, terminal_width());
}
