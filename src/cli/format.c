/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "table.h"

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool true_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

const char *errors_text(const json_t *function, char *text, size_t size)
{
    const json_t *errors = json_object_get(function, "errors");
    long long fatal = (long long)number_of(errors, "fatal");
    long long nonfatal = (long long)number_of(errors, "nonfatal");
    long long correctable = (long long)number_of(errors, "correctable");

    text[0] = 0;
    if (fatal || nonfatal || correctable)
        snprintf(text, size, "errors: %lld fatal, %lld non-fatal, %lld correctable", fatal,
                 nonfatal, correctable);
    return text;
}

const char *vfs_text(const json_t *vfs, char *text, size_t size)
{
    const json_t *vf;
    size_t i, used = 0;

    text[0] = '\0';
    json_array_foreach(vfs, i, vf)
    {
        int length = snprintf(text + used, size - used, "%s%s/%lld%s", i ? " " : "",
                              text_of(vf, "card"), (long long)number_of(vf, "index"),
                              json_is_false(json_object_get(vf, "in_use")) ? " (stand-by)" : "");
        if (length < 0 || (used += (size_t)length) >= size)
            break;
    }
    return text;
}

const char *numbers_text(const json_t *numbers, char *text, size_t size)
{
    const json_t *number;
    size_t i, used = 0;

    text[0] = '\0';
    json_array_foreach(numbers, i, number)
    {
        const char *comma = i ? "," : "";
        int length = json_is_null(number) ? snprintf(text + used, size - used, "%snone", comma)
                                          : snprintf(text + used, size - used, "%s%lld", comma,
                                                     (long long)json_integer_value(number));
        if (length < 0 || (used += (size_t)length) >= size)
            break;
    }
    return text;
}

static double seconds_left(const json_t *partition)
{
    int64_t deadline = number_of(partition, "next_rung_boottime_ns");
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    double left = (double)deadline / 1e9 - ((double)now.tv_sec + (double)now.tv_nsec / 1e9);
    return left < 0 ? 0 : left;
}

const char *waiting_text(const json_t *partition, char *text, size_t size)
{
    const char *phase = text_of(partition, "phase");
    const char *what = text_of(partition, "waiting_for");

    const char *next = text_of(partition, "next_rung");
    const char *old = next[0] ? strstr(what, next) : NULL;
    size_t length = old && old >= what + 2 ? (size_t)(old - what) - 2 : strlen(what);

    text[0] = '\0';
    if (strcmp(phase, "waiting") != 0 && strcmp(phase, "frozen") != 0 &&
        strcmp(phase, "running") != 0 && strcmp(phase, "releasing") != 0)
        return text;
    /* Control's own count-down, "; restart the PF in 8 s", is as old as the snapshot: ours is not.
     */
    if (number_of(partition, "next_rung_boottime_ns"))
        snprintf(text, size, "%.*s; %s in %.1f s", (int)length, what, next,
                 seconds_left(partition));
    else
        snprintf(text, size, "%s", what);
    return text;
}

const char *clock_text(const char *rfc3339, char *text, size_t size)
{
    struct tm tm = {0};
    const char *rest = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm);
    char clock[16];

    if (!rest)
        return "-";
    time_t seconds = timegm(&tm);
    if (!localtime_r(&seconds, &tm))
        return "-";
    strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    snprintf(text, size, "%s%.4s", clock, rest);
    return text;
}

void print_json(const json_t *answer)
{
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
}
