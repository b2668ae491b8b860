/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "names/pcpu_set.h"

static const char *text_of(const uint32_t *pcpus, size_t count)
{
    static char text[PCPU_SET_TEXT_MAX];
    struct pcpu_set set = {0};

    for (size_t i = 0; i < count; i++)
        pcpu_set_add(&set, pcpus[i]);
    return pcpu_set_text(&set, text);
}

#define TEXT(...)                                                                                  \
    text_of((const uint32_t[]){__VA_ARGS__},                                                       \
            sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void as_the_kernel_writes_it(void **state)
{
    (void)state;
    assert_string_equal(text_of(NULL, 0), "");
    assert_string_equal(TEXT(0), "0");
    assert_string_equal(TEXT(2, 1), "1-2");
    assert_string_equal(TEXT(0, 2, 3, 4, 63, 64, 1023), "0,2-4,63-64,1023");
    assert_string_equal(TEXT(5, 1024, UINT32_MAX), "5");
}

static void the_longest_fits(void **state)
{
    struct pcpu_set set = {0};
    char text[PCPU_SET_TEXT_MAX];
    size_t commas = 0;

    (void)state;
    for (uint32_t pcpu = 1; pcpu < PARCLOSE_MAX_PCPUS; pcpu += 2)
        pcpu_set_add(&set, pcpu);
    for (const char *at = pcpu_set_text(&set, text); *at; at++)
        commas += *at == ',';
    assert_int_equal(commas, PARCLOSE_MAX_PCPUS / 2 - 1);
    assert_string_equal(strrchr(text, ','), ",1023");
}

static const char *again(const char *text)
{
    static char written[PCPU_SET_TEXT_MAX];
    struct pcpu_set set;

    return pcpu_set_parse(text, &set) ? NULL : pcpu_set_text(&set, written);
}

static void what_the_kernel_writes_is_read(void **state)
{
    (void)state;
    assert_string_equal(again(""), "");
    assert_string_equal(again("\n"), "");
    assert_string_equal(again("0\n"), "0");
    assert_string_equal(again("0-1,3"), "0-1,3");
    assert_string_equal(again("0,2-4,63-64,1023\n"), "0,2-4,63-64,1023");
    assert_string_equal(again("1022-4294967295,99999999999999999999"), "1022-1023");
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const bad[] = {"-1",  "1-",    "1,", ",1",  "3-1",
                                      "1 2", "1-2-3", " 1", "0x1", "a"};
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(again(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_kernel_writes_it),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(what_the_kernel_writes_is_read),
        cmocka_unit_test(what_is_no_list_is_refused),
    };
    return cmocka_run_group_tests_name("pcpu-set", tests, NULL, NULL);
}
