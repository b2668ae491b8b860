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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_kernel_writes_it),
        cmocka_unit_test(the_longest_fits),
    };
    return cmocka_run_group_tests_name("pcpu-set", tests, NULL, NULL);
}
