/* SPDX-License-Identifier: Apache-2.0 */
/* Both configuration files: the first byte says which, the rest is the file. */
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config_reader *reader_get(void)
{
    static struct config_reader *reader;

    if (!reader && config_reader_new(&reader))
        abort();
    return reader;
}

/* What the readers accept must pass the check that every receiver makes. */
static void parse_partition(const char *text, size_t size)
{
    struct partition_config partition;
    struct config_error error;
    char reason[PARCLOSE_REASON_MAX];

    if (!config_partition_parse(reader_get(), "fuzz", "fuzz", text, size, NULL, &partition,
                                &error) &&
        partition_config_check(&partition, reason))
        abort();
}

static void parse_host(const char *text, size_t size)
{
    struct host_config host;
    struct config_error error;
    char reason[PARCLOSE_REASON_MAX];

    if (!config_host_parse(reader_get(), "fuzz", text, size, &host, &error) &&
        host_config_check(&host, reason))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] & 1)
        parse_partition((const char *)data + 1, size - 1);
    else
        parse_host((const char *)data + 1, size - 1);
    return 0;
}
