/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

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
        text_number(text_add(&text, ": "), error);
    text_log_line(&text);
}
