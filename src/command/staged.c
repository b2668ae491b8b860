/* SPDX-License-Identifier: Apache-2.0 */
#include "staged.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parclose/proposal.h"

static int open_folder(int config_dir)
{
    return openat(config_dir, PROPOSAL_STAGED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* 16 hexadecimal digits. */
static uint64_t read_id(int folder)
{
    int fd = openat(folder, PROPOSAL_STAGED_ID, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[17] = "";

    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (got != sizeof(text) - 1 || strspn(text, "0123456789abcdef") != sizeof(text) - 1)
        return 0;
    return strtoull(text, NULL, 16);
}

uint64_t staged_id(int config_dir)
{
    int folder = open_folder(config_dir);
    uint64_t id = folder < 0 ? 0 : read_id(folder);

    if (folder >= 0)
        close(folder);
    return id;
}

int staged_open(int config_dir, const struct snapshot_apply *apply)
{
    int folder = open_folder(config_dir);

    if (folder < 0)
        return -1;
    if (apply->id && read_id(folder) == apply->id &&
        (apply->state == APPLY_TRIAL || apply->state == APPLY_DONE))
        return folder;
    close(folder);
    return -1;
}
