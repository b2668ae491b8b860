/* SPDX-License-Identifier: Apache-2.0 */
#include "process/pidfd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int32_t pidfd_pid(int pidfd)
{
    char path[64], text[512];

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    if (file >= 0)
        close(file);
    text[size < 0 ? 0 : size] = 0;
    const char *found = strstr(text, "\nPid:");
    return found ? (int32_t)strtol(found + 5, NULL, 10) : 0;
}
