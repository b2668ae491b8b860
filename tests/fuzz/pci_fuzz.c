/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration space of any content and length: decoded. */
#include <stdlib.h>
#include <string.h>

#include "pci/config_space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pf_observed pf = {.bdf = {0x100}};
    uint8_t *config;

    if (!size || size > CONFIG_SPACE_SIZE)
        return 0;
    config = malloc(size); /* exactly as large: reading beyond it is found */
    if (!config)
        return 0;
    memcpy(config, data, size);
    config_space_serial(config, size, pf.serial);
    uint32_t msix = config_space_capability(config, size, CAPABILITY_MSIX);
    if (msix && msix + 4 > size)
        abort();
    uint32_t offset = config_space_extended(config, size, EXTENDED_SRIOV);
    if (offset && offset + 64 <= size)
        config_space_sriov(config + offset, offset, &pf.sriov);
    free(config);
    return (int)strlen(pf.serial) < CARD_SERIAL_MAX ? 0 : -1;
}
