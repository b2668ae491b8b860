/* SPDX-License-Identifier: Apache-2.0 */
#include "names/pcpu_set.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void pcpu_set_add(struct pcpu_set *set, uint32_t pcpu)
{
    if (pcpu < PARCLOSE_MAX_PCPUS)
        set->words[pcpu / 64] |= UINT64_C(1) << pcpu % 64;
}

bool pcpu_set_has(const struct pcpu_set *set, uint32_t pcpu)
{
    return pcpu < PARCLOSE_MAX_PCPUS && set->words[pcpu / 64] >> pcpu % 64 & 1;
}

const char *pcpu_set_text(const struct pcpu_set *set, char text[PCPU_SET_TEXT_MAX])
{
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t first = 0; first < PARCLOSE_MAX_PCPUS; first++) {
        uint32_t last = first;
        if (!pcpu_set_has(set, first))
            continue;
        while (pcpu_set_has(set, last + 1))
            last++;
        used += (size_t)snprintf(text + used, PCPU_SET_TEXT_MAX - used, "%s%" PRIu32,
                                 used ? "," : "", first);
        if (last > first)
            used += (size_t)snprintf(text + used, PCPU_SET_TEXT_MAX - used, "-%" PRIu32, last);
        first = last;
    }
    return text;
}

/* A number at `*text`, which moves on; larger ones than any pCPU's are cut. */
static bool take_number(const char **text, uint32_t *number)
{
    char *end;

    if (!isdigit((unsigned char)**text))
        return false;
    unsigned long value = strtoul(*text, &end, 10);
    *number = value < PARCLOSE_MAX_PCPUS ? (uint32_t)value : PARCLOSE_MAX_PCPUS;
    *text = end;
    return true;
}

static bool take_range(const char **text, struct pcpu_set *set)
{
    uint32_t first, last;

    if (!take_number(text, &first))
        return false;
    last = first;
    if (**text == '-') {
        ++*text;
        if (!take_number(text, &last) || last < first)
            return false;
    }
    for (; first <= last; first++)
        pcpu_set_add(set, first);
    return true;
}

int pcpu_set_parse(const char *text, struct pcpu_set *set)
{
    *set = (struct pcpu_set){0};
    if (!*text || *text == '\n')
        return 0;
    for (;; text++) {
        if (!take_range(&text, set))
            return -EINVAL;
        if (*text != ',')
            return *text && *text != '\n' ? -EINVAL : 0;
    }
}
