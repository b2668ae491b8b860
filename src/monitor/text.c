/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <errno.h>

#include "sys.h"

static void add_char(struct text *text, char c)
{
    if (text->length + 1 >= sizeof(text->line))
        return;
    text->line[text->length++] = c;
    text->line[text->length] = 0;
}

struct text *text_add(struct text *text, const char *string)
{
    while (*string)
        add_char(text, *string++);
    return text;
}

struct text *text_number(struct text *text, int64_t value)
{
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char digits[20];
    int count = 0;

    if (value < 0)
        add_char(text, '-');
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    while (count)
        add_char(text, digits[--count]);
    return text;
}

struct text *text_hex(struct text *text, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0;)
        add_char(text, "0123456789abcdef"[(value >> (4 * i)) & 15]);
    return text;
}

struct text *text_error(struct text *text, int64_t error)
{
    static const struct {
        int error;
        const char *words;
    } known[] = {
        {EPERM, "not permitted"},
        {ENOENT, "missing"},
        {EIO, "input/output error"},
        {E2BIG, "too long"},
        {ENOEXEC, "not a bzImage that we can boot"},
        {EAGAIN, "over its limit"},
        {ENOMEM, "not enough memory"},
        {EACCES, "access denied"},
        {EFAULT, "bad address"},
        {EBUSY, "not now"},
        {EEXIST, "there already"},
        {ENODEV, "no such device"},
        {EINVAL, "not valid"},
        {EMFILE, "too many files"},
        {EFBIG, "its sizes contradict the file's"},
        {ENOSPC, "no room"},
        {EPROTO, "not of the protocol"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].error == -error)
            return text_add(text, known[i].words);
    return text_number(text_add(text, "error "), error);
}

void text_log_line(const struct text *text)
{
    struct text line = {.length = 0};

    text_add(text_add(&line, "monitor: "), text->line);
    line.line[line.length] = '\n';
    (void)sys_write(2, line.line, line.length + 1);
}

void text_log(const char *what, int64_t error)
{
    struct text text = {.length = 0};

    text_add(&text, what);
    if (error)
        text_error(text_add(&text, ": "), error);
    text_log_line(&text);
}

void text_log_guest(const char *what, int64_t error)
{
    static unsigned lines; /* of this main */

    if (lines == TEXT_GUEST_LINES)
        return;
    text_log(what, error);
    if (++lines == TEXT_GUEST_LINES)
        text_log("the guest has made enough lines: no more of these", 0);
}
