/* SPDX-License-Identifier: Apache-2.0 */
#include "pci_config.h"

#include <linux/pci_regs.h>
#include <stddef.h>
#include <string.h>

#define CAPS_MOST            48 /* in 192 bytes of four each */
#define EXT_CAPS_MOST        96
#define EXT_FIRST            0x100
#define BAR_FLAG_IO          1u
#define BAR_FLAG_64          4u
#define IDENTITY_HOST_BRIDGE 0x00081b36 /* a generic PCIe host bridge */

enum rule_kind {
    OURS,  /* the raw value, read-only */
    PLAIN, /* zero, the guest may write anything */
    PASS,
};

struct header_rule {
    uint8_t offset;
    uint8_t size;
    uint8_t kind;
};

/* Type 0 header. Not named: BIST, CIS pointer, ROM, interrupt pin: a VF has none. */
static const struct header_rule header_rules[] = {
    {PCI_VENDOR_ID, 4, OURS},           {PCI_COMMAND, 4, PASS},
    {PCI_CLASS_REVISION, 4, OURS},      {PCI_CACHE_LINE_SIZE, 1, PLAIN},
    {PCI_SUBSYSTEM_VENDOR_ID, 4, OURS}, {PCI_INTERRUPT_LINE, 1, PLAIN},
};

struct cap_rule {
    uint16_t id;
    uint16_t size; /* 0: the capability says it itself */
};

/* Capabilities that pass; MSI-X and MSI are ours, all others are hidden. */
static const struct cap_rule cap_rules[] = {
    {PCI_CAP_ID_PM, PCI_PM_SIZEOF},
    {PCI_CAP_ID_EXP, PCI_CAP_EXP_ENDPOINT_SIZEOF_V2},
    {PCI_CAP_ID_VNDR, 0},
};

static const struct cap_rule ext_rules[] = {
    {PCI_EXT_CAP_ID_ERR, PCI_ERR_ROOT_COMMAND},
    {PCI_EXT_CAP_ID_DSN, PCI_EXT_CAP_DSN_SIZEOF},
};

static uint32_t get(const uint8_t *bytes, uint32_t offset, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, bytes + offset, size);
    return value;
}

static void put(uint8_t *bytes, uint32_t offset, unsigned size, uint32_t value)
{
    memcpy(bytes + offset, &value, size);
}

static const struct cap_rule *find_rule(const struct cap_rule *rules, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].id == id)
            return &rules[i];
    return NULL;
}

static void begin_header(struct pci_config *config, const uint8_t *raw)
{
    for (size_t i = 0; i < sizeof(header_rules) / sizeof(header_rules[0]); i++) {
        const struct header_rule *rule = &header_rules[i];

        if (rule->kind == OURS)
            memcpy(config->image + rule->offset, raw + rule->offset, rule->size);
        else if (rule->kind == PLAIN)
            memset(config->writable + rule->offset, 0xff, rule->size);
        else
            memset(config->pass + rule->offset, 1, rule->size);
    }
}

/* Address bits above the size can be written: that is also how a guest learns the size. */
static void begin_bars(struct pci_config *config, const struct pci_bar bars[PCI_BARS])
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint64_t mask = bars[i].size ? ~(bars[i].size - 1) & ~UINT64_C(15) : 0;
        uint32_t at = PCI_BASE_ADDRESS_0 + 4 * i;

        if (mask == 0 || (bars[i].flags & BAR_FLAG_IO))
            continue;
        config->bars[i] = bars[i];
        put(config->image, at, 4, bars[i].flags & 15);
        put(config->writable, at, 4, (uint32_t)mask);
        if ((bars[i].flags & BAR_FLAG_64) && i + 1 < PCI_BARS)
            put(config->writable, at + 4, 4, (uint32_t)(mask >> 32));
        if (bars[i].flags & BAR_FLAG_64)
            i++;
    }
}

static void pass_body(struct pci_config *config, uint32_t from, uint32_t size, uint32_t limit)
{
    for (uint32_t i = from; i < from + size && i < limit; i++)
        config->pass[i] = 1;
}

static void show_msix(struct pci_config *config, const uint8_t *raw, uint32_t at, uint32_t count)
{
    memcpy(config->image + at + PCI_MSIX_FLAGS, raw + at + PCI_MSIX_FLAGS,
           PCI_CAP_MSIX_SIZEOF - PCI_MSIX_FLAGS);
    put(config->image, at + PCI_MSIX_FLAGS, 2, count - 1);
    put(config->writable, at + PCI_MSIX_FLAGS, 2, MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL);
    config->msix = at;
}

static bool msi_is_64(const struct pci_config *config)
{
    return get(config->image, config->msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_64BIT;
}

static uint32_t msi_data(const struct pci_config *config)
{
    return config->msi + (msi_is_64(config) ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
}

/* Vectors of MSI are a power of two: its exponent. */
static uint32_t exponent(uint32_t count)
{
    uint32_t power = 0;

    while (power < 5 && UINT32_C(2) << power <= count)
        power++;
    return power;
}

static void show_msi(struct pci_config *config, const uint8_t *raw, uint32_t at, uint32_t count)
{
    uint32_t flags = get(raw, at + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_64BIT;

    config->msi = at;
    put(config->image, at + PCI_MSI_FLAGS, 2, flags | exponent(count) << 1);
    put(config->writable, at + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
    put(config->writable, at + PCI_MSI_ADDRESS_LO, 4, ~UINT32_C(3));
    if (flags)
        put(config->writable, at + PCI_MSI_ADDRESS_HI, 4, UINT32_MAX);
    put(config->writable, msi_data(config), 2, UINT16_MAX);
}

static bool fits(uint32_t at, uint32_t size)
{
    return at + size <= PCI_CFG_SPACE_SIZE;
}

/* True when the capability is shown; its id and body are then in place. */
static bool show_cap(struct pci_config *config, const uint8_t *raw, uint32_t at,
                     struct pci_vectors vectors)
{
    uint8_t id = raw[at];
    const struct cap_rule *rule =
        find_rule(cap_rules, sizeof(cap_rules) / sizeof(cap_rules[0]), id);

    if (id == PCI_CAP_ID_MSIX && vectors.msix && !config->msix && fits(at, PCI_CAP_MSIX_SIZEOF))
        show_msix(config, raw, at, vectors.msix);
    else if (id == PCI_CAP_ID_MSI && vectors.msi && !vectors.msix && !config->msi &&
             fits(at, PCI_MSI_DATA_64 + 2))
        show_msi(config, raw, at, vectors.msi);
    else if (rule)
        pass_body(config, at + 2, (rule->size ? rule->size : raw[at + 2]) - 2u, PCI_CFG_SPACE_SIZE);
    else
        return false;
    if (id == PCI_CAP_ID_EXP)
        config->express = at;
    config->image[at] = id;
    return true;
}

/* The chain is made anew of what is shown. A loop or a pointer out of range ends it. */
static void begin_caps(struct pci_config *config, const uint8_t *raw, struct pci_vectors vectors)
{
    uint32_t link = PCI_CAPABILITY_LIST;
    uint32_t at = raw[PCI_CAPABILITY_LIST] & ~3u;

    for (int i = 0; i < CAPS_MOST && at >= PCI_STD_HEADER_SIZEOF && at <= 0xfc; i++) {
        if (!config->image[at] && show_cap(config, raw, at, vectors)) {
            config->image[link] = (uint8_t)at;
            link = at + 1;
        }
        at = raw[at + 1] & ~3u;
    }
}

static void set_ext_next(struct pci_config *config, uint32_t link, uint32_t at)
{
    put(config->image, link, 4, (get(config->image, link, 4) & 0xfffff) | at << 20);
}

/* The first header, at 0x100, stays as the start of the chain even when it is hidden (id 0). */
static void begin_ext_caps(struct pci_config *config, const uint8_t *raw)
{
    uint32_t link = EXT_FIRST, at = EXT_FIRST;

    for (int i = 0; i < EXT_CAPS_MOST && at >= EXT_FIRST && at <= PCI_CONFIG_SIZE - 4; i++) {
        uint32_t header = get(raw, at, 4);
        const struct cap_rule *rule =
            find_rule(ext_rules, sizeof(ext_rules) / sizeof(ext_rules[0]), header & 0xffff);

        if (header == 0 || header == UINT32_MAX || get(config->image, at, 2))
            return;
        if (rule) {
            put(config->image, at, 4, header & 0xfffff);
            pass_body(config, at + 4, rule->size - 4u, PCI_CONFIG_SIZE);
            if (at != EXT_FIRST)
                set_ext_next(config, link, at);
            link = at;
        }
        at = header >> 20 & ~3u;
    }
}

void pci_config_begin(struct pci_config *config, const uint8_t raw[PCI_CONFIG_SIZE],
                      const struct pci_bar bars[PCI_BARS], struct pci_vectors vectors)
{
    memset(config, 0, sizeof(*config));
    begin_header(config, raw);
    begin_bars(config, bars);
    begin_caps(config, raw, vectors);
    begin_ext_caps(config, raw);
}

void pci_config_set_vectors(struct pci_config *config, uint32_t count)
{
    uint32_t flags;

    if (config->msix)
        put(config->image, config->msix + PCI_MSIX_FLAGS, 2, count - 1);
    if (!config->msi)
        return;
    flags = get(config->image, config->msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_64BIT;
    put(config->image, config->msi + PCI_MSI_FLAGS, 2, flags | exponent(count) << 1);
}

bool pci_config_is_reset(const struct pci_config *config, uint32_t offset, unsigned size,
                         uint32_t value)
{
    uint32_t at = config->express + PCI_EXP_DEVCTL + 1; /* the bit is the register's highest */

    return config->express && offset <= at && at - offset < size &&
           (value >> 8 * (at - offset) & (PCI_EXP_DEVCTL_BCR_FLR >> 8));
}

void pci_config_reset(struct pci_config *config)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
        config->image[i] &= (uint8_t)~config->writable[i];
}

void pci_config_host_bridge(struct pci_config *config)
{
    memset(config, 0, sizeof(*config));
    put(config->image, PCI_VENDOR_ID, 4, IDENTITY_HOST_BRIDGE);
    put(config->image, PCI_CLASS_REVISION, 4, 0x06000000);
}

uint32_t pci_config_read(const struct pci_config *config, uint32_t offset, unsigned size,
                         uint32_t device)
{
    for (unsigned i = 0; i < size; i++) {
        uint32_t ours = config->image[offset + i];

        if (!config->pass[offset + i])
            device = (device & ~(UINT32_C(0xff) << 8 * i)) | ours << 8 * i;
    }
    return size < 4 ? device & ((1u << 8 * size) - 1) : device;
}

unsigned pci_config_write(struct pci_config *config, uint32_t offset, unsigned size, uint32_t value)
{
    unsigned rest = 0;

    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = config->writable[offset + i];
        uint8_t byte = (uint8_t)(value >> 8 * i);

        if (config->pass[offset + i])
            rest |= 1u << i;
        else
            config->image[offset + i] =
                (uint8_t)((config->image[offset + i] & ~mask) | (byte & mask));
    }
    return rest;
}

bool pci_config_passes(const struct pci_config *config, uint32_t offset, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if (config->pass[offset + i])
            return true;
    return false;
}

uint64_t pci_config_bar(const struct pci_config *config, unsigned bar)
{
    uint32_t at = PCI_BASE_ADDRESS_0 + 4 * bar;
    uint64_t value = get(config->image, at, 4) & ~15u;

    if ((config->bars[bar].flags & BAR_FLAG_64) && bar + 1 < PCI_BARS)
        value |= (uint64_t)get(config->image, at + 4, 4) << 32;
    return value;
}

void pci_config_set_bar(struct pci_config *config, unsigned bar, uint64_t address)
{
    uint32_t at = PCI_BASE_ADDRESS_0 + 4 * bar;

    (void)pci_config_write(config, at, 4, (uint32_t)address);
    if (config->bars[bar].flags & BAR_FLAG_64)
        (void)pci_config_write(config, at + 4, 4, (uint32_t)(address >> 32));
}

uint16_t pci_config_msix_control(const struct pci_config *config)
{
    if (!config->msix)
        return 0;
    return (uint16_t)(get(config->image, config->msix + PCI_MSIX_FLAGS, 2) &
                      (MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL));
}

struct msi pci_config_msi(const struct pci_config *config)
{
    uint32_t flags, high = 0;

    if (!config->msi)
        return (struct msi){.on = false};
    flags = get(config->image, config->msi + PCI_MSI_FLAGS, 2);
    if (msi_is_64(config))
        high = get(config->image, config->msi + PCI_MSI_ADDRESS_HI, 4);
    return (struct msi){.address = (uint64_t)high << 32 |
                                   get(config->image, config->msi + PCI_MSI_ADDRESS_LO, 4),
                        .data = (uint16_t)get(config->image, msi_data(config), 2),
                        .enable = (flags & PCI_MSI_FLAGS_QSIZE) >> 4,
                        .on = flags & PCI_MSI_FLAGS_ENABLE};
}

static bool touches(uint32_t offset, unsigned size, uint32_t start, uint32_t length)
{
    return offset < start + length && offset + size > start;
}

bool pci_config_is_vectors(const struct pci_config *config, uint32_t offset, unsigned size)
{
    return (config->msix && touches(offset, size, config->msix + PCI_MSIX_FLAGS, 2)) ||
           (config->msi && touches(offset, size, config->msi + PCI_MSI_FLAGS, PCI_MSI_DATA_64));
}
