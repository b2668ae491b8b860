/* SPDX-License-Identifier: Apache-2.0 */
/* No member of an image is left out of what `parclose audit show` says: each byte is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../../src/cli/audit_fields.h"

/* Bytes that mean nothing: reserved, an owner's number beside no guest, an end of a string. */
static const struct {
    uint32_t kind;
    size_t dull;
} kinds[] = {
    {RESOURCE_CONTROL, 4},
    /* ends of name and driver of each card, reserved bytes */
    {RESOURCE_HOST, HOST_MAX_CARDS * 2 + 4},
    /* ends of name, monitor, kernel, initrd, cmdline, variables, disk; end of each VF's card; of
     * each channel ends of name and server, reserved bytes; reserved bytes of the whole */
    {RESOURCE_PARTITION, 4 + 7 + PARCLOSE_MAX_PARTITION_VFS + PARCLOSE_MAX_CHANNELS * 6},
    {RESOURCE_RUN, 1}, /* end of reason */
    {RESOURCE_PCPU, 0},
    {RESOURCE_MEMORY, 0},
    {RESOURCE_PF, 0},
    {RESOURCE_VF, 0},
    {RESOURCE_ACTION, 0},
    {RESOURCE_REQUEST, 0},
    {RESOURCE_CHANNEL, 0},
    /* ends of name and text */
    {RESOURCE_EDIT, 2},
    {RESOURCE_ORDER, 1}, /* end of text */
    {RESOURCE_APPLY, 1}, /* end of text */
};

static void count(void *context, const struct audit_field *field)
{
    assert_true(strcmp(field->before.text, field->after.text) != 0);
    ++*(size_t *)context;
}

/* Lists are full, owners are guests, every string is as long as it may be. */
static void fill(uint32_t kind, uint8_t *image, size_t size)
{
    const struct owner guest = {OWNER_GUEST, {77}};

    memset(image, 'A', size);
    if (kind == RESOURCE_RUN)
        ((struct partition_run *)image)->pcpus_count = PARCLOSE_MAX_VCPUS;
    if (kind == RESOURCE_PCPU || kind == RESOURCE_VF)
        *(struct owner *)image = guest;
    if (kind == RESOURCE_MEMORY)
        ((struct memory_image *)image)->owner = guest;
    if (kind == RESOURCE_PF)
        ((struct pf_image *)image)->owner = guest;
    if (kind == RESOURCE_CHANNEL)
        ((struct channel_image *)image)->owner = guest;
}

static size_t fields(const struct audit_names *names, uint32_t kind, const void *before,
                     const void *after)
{
    size_t got = 0;

    audit_fields(names, kind, before, after, false, count, &got);
    return got;
}

static void every_byte_shows(void **state)
{
    struct audit_names *names = audit_names_new();

    (void)state;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        uint32_t kind = kinds[k].kind;
        size_t size = audit_image_size(kind), dull = 0;
        uint8_t *before = malloc(size), *after = malloc(size);
        fill(kind, before, size);
        assert_int_equal(fields(names, kind, before, before), 0);
        for (size_t at = 0; at < size; at++) {
            memcpy(after, before, size);
            after[at] ^= 2;
            dull += !fields(names, kind, before, after);
        }
        if (dull != kinds[k].dull)
            fail_msg("kind %u: %zu bytes do not show, %zu are known to mean nothing", kind, dull,
                     kinds[k].dull);
        free(before);
        free(after);
    }
    free(names);
}

static void every_kind_is_here(void **state)
{
    (void)state;
    assert_int_equal(sizeof(kinds) / sizeof(kinds[0]), RESOURCE_KINDS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_here),
        cmocka_unit_test(every_byte_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
