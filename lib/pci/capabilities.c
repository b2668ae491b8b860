/* SPDX-License-Identifier: Apache-2.0 */
#include "pci/capabilities.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci/config_space.h"

#define EXTENDED_BEGIN 256
#define EXTENDED_AER   0x0001
#define EXTENDED_ACS   0x000d
#define EXTENDED_ATS   0x000f

/* A function has a dozen; a list that goes in a circle ends here. */
#define WALK_MAX 64

static bool read_dword(int file, uint32_t offset, uint32_t *value)
{
    uint8_t b[4];

    if (pread(file, b, sizeof(b), offset) != (ssize_t)sizeof(b))
        return false;
    *value = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return true;
}

static void take_ats(int file, uint32_t offset, struct function_capabilities *to)
{
    uint32_t value;

    if (!read_dword(file, offset + 4, &value))
        return;
    to->ats_offset = offset;
    to->ats_capability = (uint16_t)value;
    to->ats_control = (uint16_t)(value >> 16);
}

static void take_acs(int file, uint32_t offset, struct function_capabilities *to)
{
    uint32_t value;

    if (!read_dword(file, offset + 4, &value))
        return;
    to->acs_offset = offset;
    to->acs_capability = (uint16_t)value;
    to->acs_control = (uint16_t)(value >> 16);
}

static void take_aer(int file, uint32_t offset, struct function_capabilities *to)
{
    if (read_dword(file, offset + 0x04, &to->aer_uncorrectable) &&
        read_dword(file, offset + 0x10, &to->aer_correctable))
        to->aer_offset = offset;
}

static void take(int file, uint32_t id, uint32_t offset, struct function_capabilities *to)
{
    if (id == EXTENDED_ATS)
        take_ats(file, offset, to);
    else if (id == EXTENDED_ACS)
        take_acs(file, offset, to);
    else if (id == EXTENDED_AER)
        take_aer(file, offset, to);
}

void capabilities_read(int folder, struct function_capabilities *capabilities)
{
    int file = openat(folder, "config", O_RDONLY | O_CLOEXEC);
    uint32_t offset = EXTENDED_BEGIN, header;

    *capabilities = (struct function_capabilities){0};
    if (file < 0)
        return;
    for (int step = 0; step < WALK_MAX && offset >= EXTENDED_BEGIN; step++) {
        if (!read_dword(file, offset, &header) || header == 0 || header == UINT32_MAX)
            break;
        take(file, header & 0xffff, offset, capabilities);
        offset = header >> 20 & ~UINT32_C(3);
    }
    close(file);
}

/* The last line is "TOTAL_ERR_COR 12". */
static bool read_total(int folder, const char *name, uint64_t *total)
{
    char text[4096];
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

    if (file >= 0)
        close(file);
    if (got < 0)
        return false;
    text[got] = 0;
    const char *line = strstr(text, "TOTAL_");
    const char *number = line ? strchr(line, ' ') : NULL;
    if (!number)
        return false;
    *total = strtoull(number, NULL, 10);
    return true;
}

void aer_counts_read(int folder, struct error_counts *counts)
{
    *counts = (struct error_counts){0};
    counts->known = read_total(folder, "aer_dev_correctable", &counts->correctable) &&
                    read_total(folder, "aer_dev_nonfatal", &counts->nonfatal) &&
                    read_total(folder, "aer_dev_fatal", &counts->fatal);
}
