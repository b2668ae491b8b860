/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "config/config_read.h"

static const char *const no_yes[] = {"no", "yes", NULL};

/* In the order of IFLA_VF_LINK_STATE_*. */
static const char *const link_states[] = {"auto", "enable", "disable", NULL};
_Static_assert(IFLA_VF_LINK_STATE_AUTO == 0 && IFLA_VF_LINK_STATE_ENABLE == 1 &&
                   IFLA_VF_LINK_STATE_DISABLE == 2,
               "order of link_states");

/* Like the two above for an 8- or 16-bit member, setting its bit of `present`. */
#define TAKE(call, bit, member)                                                                    \
    do {                                                                                           \
        uint32_t taken = 0;                                                                        \
        int got = (call);                                                                          \
        if (got < 0)                                                                               \
            return got;                                                                            \
        if (got) {                                                                                 \
            attributes->present |= (bit);                                                          \
            attributes->member = (__typeof__(attributes->member))taken;                            \
        }                                                                                          \
    } while (0)

/* 1: it is there. */
static int read_mac(const struct xml_source *source, const xmlNode *node, uint8_t mac[6])
{
    char text[18];
    int got = xml_attribute_text(source, node, "mac", text, sizeof(text));
    if (got <= 0)
        return got;
    const char *at = text;
    uint32_t byte = 0;
    for (int i = 0; i < 6 && at; i++) {
        at = xml_hex(at, 2, i < 5 ? ':' : '\0', &byte);
        mac[i] = (uint8_t)byte;
    }
    if (!at)
        return xml_refuse(source, node, "mac is \"%s\": expected one like 52:54:00:12:34:56", text);
    return 1;
}

static int read_network(const struct xml_source *source, const xmlNode *node,
                        struct vf_attributes *attributes)
{
    int error = read_mac(source, node, attributes->mac);
    if (error < 0)
        return error;
    attributes->present |= error ? VF_ATTR_MAC : 0;
    TAKE(xml_attribute_number(source, node, "vlan", 0, CONFIG_VLAN_MAX, &taken), VF_ATTR_VLAN,
         vlan);
    bool vlan = attributes->present & VF_ATTR_VLAN;
    TAKE(xml_attribute_number(source, node, "qos", 0, CONFIG_QOS_MAX, &taken), VF_ATTR_VLAN, qos);
    if (!vlan && (attributes->present & VF_ATTR_VLAN))
        return xml_refuse(source, node, "qos needs a vlan");
    TAKE(xml_attribute_choice(source, node, "trust", no_yes, &taken), VF_ATTR_TRUST, trust);
    TAKE(xml_attribute_choice(source, node, "spoofchk", no_yes, &taken), VF_ATTR_SPOOFCHK,
         spoofchk);
    TAKE(xml_attribute_choice(source, node, "link", link_states, &taken), VF_ATTR_LINK, link_state);
    TAKE(xml_attribute_number(source, node, "min-tx-mbit", 0, UINT32_MAX, &taken), VF_ATTR_RATE,
         min_tx_rate);
    TAKE(xml_attribute_number(source, node, "max-tx-mbit", 0, UINT32_MAX, &taken), VF_ATTR_RATE,
         max_tx_rate);
    return 0;
}

static int read_nvme(const struct xml_source *source, const xmlNode *node,
                     struct vf_attributes *attributes)
{
    TAKE(xml_attribute_number(source, node, "nvme-queues", 0, UINT16_MAX, &taken), 0, nvme_queues);
    TAKE(xml_attribute_number(source, node, "nvme-vectors", 0, UINT16_MAX, &taken), 0,
         nvme_vectors);
    return 0;
}

/* Said here rather than by the check of the whole, because here we know the line. */
static int check_vf(const struct xml_source *source, const xmlNode *node,
                    const struct host_config *host, const struct partition_config *partition,
                    const struct partition_vf *vf)
{
    char reason[PARCLOSE_REASON_MAX];

    for (uint32_t i = 0; i < partition->vfs_count; i++)
        if (!strcmp(partition->vfs[i].card, vf->card) && partition->vfs[i].index == vf->index)
            return xml_refuse(source, node, "VF %u of this card is named twice", vf->index);
    if (vf_attributes_check(&vf->attributes, reason) ||
        (host && partition_vf_check_card(vf, host, reason)))
        return xml_refuse(source, node, "%s", reason);
    return 0;
}

static int read_vf(const struct xml_source *source, const xmlNode *node,
                   const struct host_config *host, struct partition_config *partition)
{
    if (partition->vfs_count >= PARCLOSE_MAX_PARTITION_VFS)
        return xml_refuse(source, node, "at most %d VFs are permitted", PARCLOSE_MAX_PARTITION_VFS);
    struct partition_vf *vf = &partition->vfs[partition->vfs_count];
    if (xml_attribute_text(source, node, "card", vf->card, sizeof(vf->card)) < 0 ||
        xml_attribute_number(source, node, "index", 0, PARCLOSE_MAX_VFS_PER_PF - 1, &vf->index) <
            0 ||
        read_network(source, node, &vf->attributes) || read_nvme(source, node, &vf->attributes) ||
        check_vf(source, node, host, partition, vf))
        return -EINVAL;
    partition->vfs_count++;
    return 0;
}

/* The VF that was read last may have one: it comes right behind it. */
static int read_standby(const struct xml_source *source, const xmlNode *node,
                        const struct host_config *host, struct partition_config *partition)
{
    uint32_t number = partition->vfs_count;
    char reason[PARCLOSE_REASON_MAX];

    if (number >= PARCLOSE_MAX_PARTITION_VFS)
        return xml_refuse(source, node, "at most %d VFs are permitted, stand-bys included",
                          PARCLOSE_MAX_PARTITION_VFS);
    struct partition_vf *vf = &partition->vfs[number];
    if (xml_attribute_text(source, node, "card", vf->card, sizeof(vf->card)) < 0 ||
        xml_attribute_number(source, node, "index", 0, PARCLOSE_MAX_VFS_PER_PF - 1, &vf->index) < 0)
        return -EINVAL;
    vf->attributes = partition->vfs[number - 1].attributes;
    partition->standby_of[number] = (uint8_t)number;
    if (check_vf(source, node, host, partition, vf))
        return -EINVAL;
    partition->vfs_count++;
    if (partition_standby_check(partition, number, reason))
        return xml_refuse(source, node, "%s", reason);
    return 0;
}

static int read_vfs(const struct xml_source *source, const xmlNode *root,
                    const struct host_config *host, struct partition_config *partition)
{
    const xmlNode *vfs = xml_child(root, "vfs");

    for (const xmlNode *vf = vfs ? xml_child(vfs, "vf") : NULL; vf; vf = xml_next(vf, "vf")) {
        const xmlNode *standby = xml_child(vf, "standby");
        int error = read_vf(source, vf, host, partition);
        if (!error && standby)
            error = read_standby(source, standby, host, partition);
        if (error < 0)
            return error;
    }
    return 0;
}

/* In the order of enum channel_device, enum channel_mode. */
static const char *const channel_kinds[] = {"network", "block", "console", NULL};
static const char *const channel_modes[] = {"confined", "direct", NULL};

static int read_channel(const struct xml_source *source, const xmlNode *node,
                        struct partition_config *partition)
{
    struct partition_channel *channel = &partition->channels[partition->channels_count];
    uint32_t mtu = 0;

    if (partition->channels_count >= PARCLOSE_MAX_CHANNELS)
        return xml_refuse(source, node, "at most %d channels are permitted", PARCLOSE_MAX_CHANNELS);
    if (xml_attribute_text(source, node, "name", channel->name, sizeof(channel->name)) < 0 ||
        xml_attribute_choice(source, node, "kind", channel_kinds, &channel->kind) < 0 ||
        xml_attribute_choice(source, node, "mode", channel_modes, &channel->mode) < 0 ||
        xml_attribute_text(source, node, "server", channel->server, sizeof(channel->server)) < 0 ||
        xml_attribute_number(source, node, "mtu", CONFIG_MTU_MIN, CONFIG_MTU_MAX, &mtu) < 0 ||
        read_mac(source, node, channel->mac) < 0)
        return -EINVAL;
    channel->mtu = (uint16_t)mtu;
    partition->channels_count++;
    return 0;
}

static int read_channels(const struct xml_source *source, const xmlNode *root,
                         struct partition_config *partition)
{
    const xmlNode *list = xml_child(root, "channels");
    char reason[PARCLOSE_REASON_MAX];

    for (const xmlNode *node = list ? xml_child(list, "channel") : NULL; node;
         node = xml_next(node, "channel")) {
        if (read_channel(source, node, partition))
            return -EINVAL;
        if (partition_channel_check(partition, partition->channels_count - 1, reason))
            return xml_refuse(source, node, "%s", reason);
    }
    return 0;
}

static int read_image(const struct xml_source *source, const xmlNode *root,
                      struct partition_config *partition)
{
    const struct {
        const char *name;
        char *value;
        size_t size;
    } parts[] = {{"kernel", partition->kernel, sizeof(partition->kernel)},
                 {"initrd", partition->initrd, sizeof(partition->initrd)},
                 {"cmdline", partition->cmdline, sizeof(partition->cmdline)},
                 {"variables", partition->variables, sizeof(partition->variables)},
                 {"disk", partition->disk, sizeof(partition->disk)}};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const xmlNode *node = xml_child(root, parts[i].name);
        int error = node ? xml_content(source, node, parts[i].value, parts[i].size) : 0;
        if (error < 0)
            return error;
    }
    return 0;
}

static const char *const pages[] = {"no", "2MiB", "1GiB", NULL}; /* enum memory_pages */

static const char *const firmwares[] = {"bios", "uefi", NULL}; /* enum guest_firmware */

static const char *const outages[] = {"continue", "freeze", NULL}; /* enum outage_policy */

static const char *const processors[] = {"dedicated", "shared", NULL};

static int read_processors(const struct xml_source *source, const xmlNode *root,
                           struct partition_config *partition)
{
    uint32_t shared = 0, weight = CONFIG_WEIGHT_DEFAULT;
    int error =
        xml_attribute_number(source, root, "vcpus", 1, PARCLOSE_MAX_VCPUS, &partition->vcpus);

    if (error >= 0)
        error = xml_attribute_choice(source, root, "processors", processors, &shared);
    if (error >= 0)
        error = xml_attribute_number(source, root, "weight", 1, CONFIG_WEIGHT_MAX, &weight);
    if (error == 1 && !shared)
        return xml_refuse(source, root, "weight: only with processors=\"shared\"");
    partition->weight = shared ? weight : 0;
    return error;
}

static int read_size(const struct xml_source *source, const xmlNode *root,
                     struct partition_config *partition)
{
    int error = read_processors(source, root, partition);
    if (error >= 0)
        error = xml_attribute_number(source, root, "memory-mib", CONFIG_MEMORY_MIB_MIN,
                                     CONFIG_MEMORY_MIB_MAX, &partition->memory_mib);
    if (error >= 0)
        error = xml_attribute_choice(source, root, "huge-pages", pages, &partition->pages);
    if (error >= 0)
        error = xml_attribute_choice(source, root, "autostart", no_yes, &partition->autostart);
    if (error >= 0)
        error = xml_attribute_text(source, root, "monitor", partition->monitor,
                                   sizeof(partition->monitor));
    if (error >= 0)
        error = xml_attribute_choice(source, root, "firmware", firmwares, &partition->firmware);
    if (error >= 0)
        error = xml_attribute_choice(source, root, "on-outage", outages, &partition->on_outage);
    return error < 0 ? error : 0;
}

int partition_document_read(const struct xml_source *source, const xmlNode *root, const char *name,
                            const struct host_config *host, struct partition_config *partition)
{
    char reason[PARCLOSE_REASON_MAX];

    memset(partition, 0, sizeof(*partition));
    snprintf(partition->name, sizeof(partition->name), "%s", name);
    strcpy(partition->monitor, "native");
    int error = read_size(source, root, partition);
    if (!error)
        error = read_image(source, root, partition);
    if (!error)
        error = read_vfs(source, root, host, partition);
    if (!error)
        error = read_channels(source, root, partition);
    if (error)
        return error;
    return partition_config_check(partition, reason) ? xml_refuse(source, root, "%s", reason) : 0;
}
