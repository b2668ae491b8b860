/* SPDX-License-Identifier: Apache-2.0 */
#include "uevent.h"

#include <string.h>

#include "pci/function.h"

#define ERROR_KEY "ERROR_EVENT="

bool uevent_is_of(const struct uevent *event, struct bdf bdf)
{
    const char *name = strrchr(event->path, '/');
    struct bdf found;

    return name && function_parse(name + 1, &found) && found.value == bdf.value;
}

bool uevent_parse(char *bytes, size_t size, struct uevent *event)
{
    bytes[size] = 0;
    char *at = strchr(bytes, '@');

    if (!at)
        return false;
    *at = 0;
    *event = (struct uevent){.action = bytes, .path = at + 1, .error = ""};
    for (const char *line = at + 1; line < bytes + size; line += strlen(line) + 1)
        if (!strncmp(line, ERROR_KEY, strlen(ERROR_KEY)))
            event->error = line + strlen(ERROR_KEY);
    return true;
}
