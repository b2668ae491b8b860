/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_check.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int refuse(char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, PARCLOSE_REASON_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int range(char *reason, const char *what, uint32_t value, uint32_t min, uint32_t max)
{
    if (value >= min && value <= max)
        return 0;
    return refuse(reason, "%s is %u: expected %u to %u", what, value, min, max);
}

static bool terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bool config_name_ok(const char name[PARCLOSE_NAME_MAX])
{
    if (!terminated(name, PARCLOSE_NAME_MAX) || !lower(name[0]))
        return false;
    for (const char *c = name; *c; c++)
        if (!lower(*c) && !digit(*c) && *c != '-')
            return false;
    return true;
}

/* A kernel module's name: what sysfs calls a driver. */
static bool driver_ok(const char *name)
{
    if (!terminated(name, CARD_DRIVER_MAX) || !name[0])
        return false;
    for (const char *c = name; *c; c++)
        if (!lower(*c) && !digit(*c) && *c != '-' && *c != '_' && !(*c >= 'A' && *c <= 'Z'))
            return false;
    return true;
}

/* Terminated, and nothing in it that could break a line of a log or a terminal. */
static bool line_ok(const char *text, size_t size)
{
    if (!terminated(text, size))
        return false;
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

static bool path_ok(const char *path)
{
    return line_ok(path, PARCLOSE_PATH_MAX) && path[0] == '/' && path[1];
}

void host_config_defaults(struct host_config *host)
{
    *host = (struct host_config){
        .reserved_memory_mib = 1024,
        .reserved_pcpus = 1,
        .watchdog_ms = 10000,
        .gate = {.wait_ms = {10000, 20000, 30000, 60000}, .budget = {3, 2, 1, 0}},
        .audit = {.segment_mib = 64, .keep = 16},
    };
}

static int gate_check(const struct gate_config *gate, char *reason)
{
    for (int i = 0; i < 4; i++) {
        char what[32];
        snprintf(what, sizeof(what), "gate: wait of rung %d", i + 1);
        if (range(reason, what, gate->wait_ms[i], CONFIG_WAIT_MS_MIN, CONFIG_WAIT_MS_MAX))
            return -EINVAL;
        snprintf(what, sizeof(what), "gate: budget of rung %d", i + 1);
        if (range(reason, what, gate->budget[i], 0, i < 3 ? CONFIG_BUDGET_MAX : 0))
            return -EINVAL;
    }
    return 0;
}

static int card_check(const struct host_config *host, uint32_t number, char *reason)
{
    const struct card_config *card = &host->cards[number];

    if (!config_name_ok(card->name))
        return refuse(reason, "card %u: its name must be [a-z][a-z0-9-]*, at most %d characters",
                      number, PARCLOSE_NAME_MAX - 1);
    if (!card->bdf.value)
        return refuse(reason, "card %s: 0000:00:00.0 is no address of a PF", card->name);
    if (!driver_ok(card->driver))
        return refuse(reason, "card %s: its driver must be the name of a kernel driver",
                      card->name);
    if (card->vfs < 1 || card->vfs > PARCLOSE_MAX_VFS_PER_PF)
        return refuse(reason, "card %s: %u VFs: expected 1 to %d", card->name, card->vfs,
                      PARCLOSE_MAX_VFS_PER_PF);
    if (card->link >= CARD_LINKS || (card->link && !strcmp(card->driver, "nvme")))
        return refuse(reason, "card %s: link: expected up, or carrier of a network card",
                      card->name);
    for (uint32_t i = 0; i < number; i++) {
        if (!strcmp(host->cards[i].name, card->name))
            return refuse(reason, "two cards are named %s", card->name);
        if (host->cards[i].bdf.value == card->bdf.value)
            return refuse(reason, "cards %s and %s have one address", host->cards[i].name,
                          card->name);
    }
    return 0;
}

int host_config_check(const struct host_config *host, char reason[PARCLOSE_REASON_MAX])
{
    if (range(reason, "number of cards", host->cards_count, 0, HOST_MAX_CARDS) ||
        range(reason, "reserved memory (MiB)", host->reserved_memory_mib, 0, CONFIG_RESERVED_MAX) ||
        range(reason, "reserved pCPUs", host->reserved_pcpus, 1, PARCLOSE_MAX_PCPUS) ||
        range(reason, "shared pCPUs", host->shared_pcpus, 0, PARCLOSE_MAX_PCPUS) ||
        range(reason, "reserved", host->reserved, 0, 0) ||
        range(reason, "watchdog (ms)", host->watchdog_ms, CONFIG_WATCHDOG_MIN,
              CONFIG_WATCHDOG_MAX) ||
        range(reason, "audit segment (MiB)", host->audit.segment_mib, 1, CONFIG_SEGMENT_MAX) ||
        range(reason, "audit segments to keep", host->audit.keep, CONFIG_KEEP_MIN,
              CONFIG_KEEP_MAX) ||
        gate_check(&host->gate, reason))
        return -EINVAL;
    for (uint32_t i = 0; i < host->cards_count; i++)
        if (card_check(host, i, reason))
            return -EINVAL;
    return 0;
}

static bool mac_ok(const uint8_t mac[6])
{
    static const uint8_t zero[6];
    return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)) != 0;
}

static int flags_check(const struct vf_attributes *attributes, char *reason)
{
    const uint32_t known =
        VF_ATTR_MAC | VF_ATTR_VLAN | VF_ATTR_TRUST | VF_ATTR_SPOOFCHK | VF_ATTR_RATE | VF_ATTR_LINK;

    if (attributes->present & ~known)
        return refuse(reason, "unknown VF attributes 0x%x", attributes->present & ~known);
    if (range(reason, "trust", attributes->trust, 0, 1) ||
        range(reason, "spoofchk", attributes->spoofchk, 0, 1) ||
        range(reason, "link", attributes->link_state, 0, IFLA_VF_LINK_STATE_DISABLE))
        return -EINVAL;
    return 0;
}

int vf_attributes_check(const struct vf_attributes *attributes, char reason[PARCLOSE_REASON_MAX])
{
    if (flags_check(attributes, reason) ||
        range(reason, "vlan", attributes->vlan, 0, CONFIG_VLAN_MAX) ||
        range(reason, "qos", attributes->qos, 0, CONFIG_QOS_MAX))
        return -EINVAL;
    if ((attributes->present & VF_ATTR_MAC) && !mac_ok(attributes->mac))
        return refuse(reason, "mac must be a unicast address other than zero");
    if (attributes->max_tx_rate && attributes->min_tx_rate > attributes->max_tx_rate)
        return refuse(reason, "min-tx-mbit is %u: expected at most max-tx-mbit, %u",
                      attributes->min_tx_rate, attributes->max_tx_rate);
    return 0;
}

static int vf_check(const struct partition_config *partition, uint32_t number, char *reason)
{
    const struct partition_vf *vf = &partition->vfs[number];

    if (!config_name_ok(vf->card))
        return refuse(reason, "VF %u: its card must be a name, [a-z][a-z0-9-]*", number);
    if (range(reason, "VF index", vf->index, 0, PARCLOSE_MAX_VFS_PER_PF - 1))
        return -EINVAL;
    for (uint32_t i = 0; i < number; i++)
        if (!strcmp(partition->vfs[i].card, vf->card) && partition->vfs[i].index == vf->index)
            return refuse(reason, "VF %u of card %s is named twice", vf->index, vf->card);
    return vf_attributes_check(&vf->attributes, reason);
}

static int channel_network_check(const struct partition_channel *channel, char *reason)
{
    static const uint8_t none[6];
    bool network = channel->kind == CHANNEL_DEVICE_NETWORK;

    if (!network && (memcmp(channel->mac, none, sizeof(none)) != 0 || channel->mtu))
        return refuse(reason, "channel %s: mac and mtu are a network's", channel->name);
    if (network && !mac_ok(channel->mac))
        return refuse(reason, "channel %s: mac is needed, a unicast address other than zero",
                      channel->name);
    if (channel->mtu && range(reason, "mtu", channel->mtu, CONFIG_MTU_MIN, CONFIG_MTU_MAX))
        return -EINVAL;
    return 0;
}

int partition_channel_check(const struct partition_config *partition, uint32_t number,
                            char reason[PARCLOSE_REASON_MAX])
{
    const struct partition_channel *channel = &partition->channels[number];

    if (!config_name_ok(channel->name))
        return refuse(reason, "channel %u: its name must be [a-z][a-z0-9-]*", number);
    if (range(reason, "kind of channel", channel->kind, 0, CHANNEL_DEVICES - 1) ||
        range(reason, "mode of channel", channel->mode, 0, CHANNEL_MODES - 1) ||
        range(reason, "reserved", channel->reserved, 0, 0))
        return -EINVAL;
    if (channel->server[0] != '/' || !line_ok(channel->server, sizeof(channel->server)))
        return refuse(reason,
                      "channel %s: server must be an absolute path of at most %d characters",
                      channel->name, CHANNEL_SERVER_MAX - 1);
    for (uint32_t i = 0; i < number; i++)
        if (!strcmp(partition->channels[i].name, channel->name))
            return refuse(reason, "channel %s is named twice", channel->name);
    return channel_network_check(channel, reason);
}

/* What a partition's files are called, and that they may lack. */
static int paths_check(const struct partition_config *partition, char *reason)
{
    const struct {
        const char *name, *path;
    } files[] = {{"kernel", partition->kernel},
                 {"initrd", partition->initrd},
                 {"variables", partition->variables},
                 {"disk", partition->disk}};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (!terminated(files[i].path, PARCLOSE_PATH_MAX) ||
            (files[i].path[0] && !path_ok(files[i].path)))
            return refuse(reason, "%s must be an absolute path of at most %d characters",
                          files[i].name, PARCLOSE_PATH_MAX - 1);
    return 0;
}

/* What the kinds of monitor have, and what makes no sense without another. */
static int kind_check(const struct partition_config *partition, char *reason)
{
    bool uefi = partition->firmware == FIRMWARE_UEFI;

    if (!terminated(partition->monitor, sizeof(partition->monitor)) ||
        (strcmp(partition->monitor, "native") != 0 && strcmp(partition->monitor, "qemu") != 0))
        return refuse(reason, "monitor must be \"native\" or \"qemu\"");
    if (strcmp(partition->monitor, "qemu") != 0 &&
        (uefi || partition->variables[0] || partition->disk[0]))
        return refuse(reason, "firmware, variables and disk: only with monitor=\"qemu\"");
    if (strcmp(partition->monitor, "native") != 0 && partition->channels_count)
        return refuse(reason, "channels: only with monitor=\"native\"");
    if (strcmp(partition->monitor, "native") != 0 && partition->on_outage == OUTAGE_FREEZE)
        return refuse(reason, "on-outage=\"freeze\": only with monitor=\"native\"");
    if (partition->variables[0] && !uefi)
        return refuse(reason, "variables: only with firmware=\"uefi\"");
    if (!partition->kernel[0] && !uefi)
        return refuse(reason, "a kernel is needed");
    if (!partition->kernel[0] && (partition->initrd[0] || partition->cmdline[0]))
        return refuse(reason, "initrd and cmdline: only with a kernel");
    return 0;
}

static int image_check(const struct partition_config *partition, char *reason)
{
    if (paths_check(partition, reason))
        return -EINVAL;
    if (!line_ok(partition->cmdline, sizeof(partition->cmdline)))
        return refuse(reason, "cmdline must be one line of at most %d characters",
                      PARCLOSE_CMDLINE_MAX - 1);
    return kind_check(partition, reason);
}

bool partition_vf_in_use(const struct partition_config *partition, uint32_t standbys,
                         uint32_t number)
{
    uint8_t of = partition->standby_of[number];

    return of ? standbys & UINT32_C(1) << (of - 1) : !(standbys & UINT32_C(1) << number);
}

int partition_vf_mate(const struct partition_config *partition, uint32_t number)
{
    if (partition->standby_of[number])
        return partition->standby_of[number] - 1;
    for (uint32_t i = 0; i < partition->vfs_count; i++)
        if (partition->standby_of[i] == number + 1)
            return (int)i;
    return -1;
}

int partition_standby_check(const struct partition_config *partition, uint32_t number,
                            char reason[PARCLOSE_REASON_MAX])
{
    uint8_t of = partition->standby_of[number];
    const struct partition_vf *vf = &partition->vfs[number], *first;

    if (!of)
        return 0;
    if (number >= partition->vfs_count || of > partition->vfs_count || of == number + 1 ||
        partition->standby_of[of - 1])
        return refuse(reason, "a stand-by of no VF");
    if (partition_vf_mate(partition, of - 1u) != (int)number)
        return refuse(reason, "a VF has one stand-by at most");
    first = &partition->vfs[of - 1];
    if (!strcmp(vf->card, first->card))
        return refuse(reason, "the stand-by of VF %u of card %s must be of another card",
                      first->index, first->card);
    if (memcmp(&vf->attributes, &first->attributes, sizeof(vf->attributes)) != 0)
        return refuse(reason, "VF %u of card %s: a stand-by has the attributes of its first",
                      vf->index, vf->card);
    if (strcmp(partition->monitor, "native") != 0)
        return refuse(reason, "standby: only with monitor=\"native\"");
    return 0;
}

int partition_config_check(const struct partition_config *partition,
                           char reason[PARCLOSE_REASON_MAX])
{
    if (!config_name_ok(partition->name))
        return refuse(reason, "a partition's name must be [a-z][a-z0-9-]*, at most %d characters",
                      PARCLOSE_NAME_MAX - 1);
    if (range(reason, "vcpus", partition->vcpus, 1, PARCLOSE_MAX_VCPUS) ||
        range(reason, "memory-mib", partition->memory_mib, CONFIG_MEMORY_MIB_MIN,
              CONFIG_MEMORY_MIB_MAX) ||
        range(reason, "autostart", partition->autostart, 0, 1) ||
        range(reason, "huge-pages", partition->pages, 0, MEMORY_PAGES - 1) ||
        range(reason, "weight", partition->weight, 0, CONFIG_WEIGHT_MAX) ||
        range(reason, "firmware", partition->firmware, 0, GUEST_FIRMWARES - 1) ||
        range(reason, "on-outage", partition->on_outage, 0, OUTAGE_POLICIES - 1) ||
        range(reason, "reserved", partition->reserved, 0, 0) ||
        range(reason, "number of VFs", partition->vfs_count, 0, PARCLOSE_MAX_PARTITION_VFS) ||
        range(reason, "number of channels", partition->channels_count, 0, PARCLOSE_MAX_CHANNELS))
        return -EINVAL;
    if (partition->memory_mib % 2)
        return refuse(reason, "memory-mib is %u: expected a multiple of 2", partition->memory_mib);
    if (partition->pages == PAGES_1GIB && partition->memory_mib % 1024)
        return refuse(reason, "memory-mib is %u: expected a multiple of 1024, for huge-pages 1GiB",
                      partition->memory_mib);
    if (image_check(partition, reason))
        return -EINVAL;
    for (uint32_t i = 0; i < partition->vfs_count; i++)
        if (vf_check(partition, i, reason))
            return -EINVAL;
    for (uint32_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (partition_standby_check(partition, i, reason))
            return -EINVAL;
    for (uint32_t i = 0; i < partition->channels_count; i++)
        if (partition_channel_check(partition, i, reason))
            return -EINVAL;
    return 0;
}

const struct card_config *host_config_card(const struct host_config *host, const char *name)
{
    for (uint32_t i = 0; i < host->cards_count; i++)
        if (!strcmp(host->cards[i].name, name))
            return &host->cards[i];
    return NULL;
}

/* "no such card in host.xml; it has net0, nvme0", as many names as fit. */
static int refuse_card(const struct host_config *host, char *reason)
{
    size_t used = (size_t)snprintf(reason, PARCLOSE_REASON_MAX, "no such card in host.xml; it has");

    if (!host->cards_count)
        snprintf(reason + used, PARCLOSE_REASON_MAX - used, " none");
    for (uint32_t i = 0; i < host->cards_count; i++) {
        if (used + strlen(host->cards[i].name) + 8 > PARCLOSE_REASON_MAX) {
            snprintf(reason + used, PARCLOSE_REASON_MAX - used, ", ...");
            break;
        }
        used += (size_t)snprintf(reason + used, PARCLOSE_REASON_MAX - used, "%s %s", i ? "," : "",
                                 host->cards[i].name);
    }
    return -EINVAL;
}

int partition_vf_check_card(const struct partition_vf *vf, const struct host_config *host,
                            char reason[PARCLOSE_REASON_MAX])
{
    const struct card_config *card = host_config_card(host, vf->card);

    if (!card)
        return refuse_card(host, reason);
    if (vf->index >= card->vfs)
        return refuse(reason, "VF index %u: card %s has VFs 0 to %u", vf->index, card->name,
                      card->vfs - 1);
    bool nvme = !strcmp(card->driver, "nvme");
    if (nvme && vf->attributes.present)
        return refuse(reason, "card %s is an NVMe controller: it takes no network attributes",
                      card->name);
    if (!nvme && (vf->attributes.nvme_queues || vf->attributes.nvme_vectors))
        return refuse(reason, "card %s (driver %s) is no NVMe controller: no nvme-* attributes",
                      card->name, card->driver);
    return 0;
}

bool partition_config_live_apart(const struct partition_config *a, const struct partition_config *b)
{
    struct partition_config other = *b;

    other.on_outage = a->on_outage;
    memcpy(other.standby_of, a->standby_of, sizeof(other.standby_of));
    other.vfs_count = a->vfs_count;
    memcpy(other.vfs, a->vfs, sizeof(other.vfs));
    return !memcmp(a, &other, sizeof(other));
}

/* A network card, or an NVMe controller; another driver of the guest's is its own matter. */
static bool same_kind(const struct partition_config *partition, uint32_t number,
                      const struct host_config *host)
{
    const struct partition_vf *first = &partition->vfs[partition->standby_of[number] - 1];
    const struct card_config *a = host_config_card(host, partition->vfs[number].card);
    const struct card_config *b = host_config_card(host, first->card);

    return a && b && !strcmp(a->driver, "nvme") == !strcmp(b->driver, "nvme");
}

int partition_config_check_cards(const struct partition_config *partition,
                                 const struct host_config *host, char reason[PARCLOSE_REASON_MAX])
{
    for (uint32_t i = 0; i < partition->vfs_count; i++) {
        char text[PARCLOSE_REASON_MAX];
        if (partition_vf_check_card(&partition->vfs[i], host, text))
            return refuse(reason, "VF %u of card %s: %.100s", partition->vfs[i].index,
                          partition->vfs[i].card, text);
        if (partition->standby_of[i] && !same_kind(partition, i, host))
            return refuse(reason, "VF %u of card %s cannot stand by for one of another kind",
                          partition->vfs[i].index, partition->vfs[i].card);
    }
    return 0;
}
