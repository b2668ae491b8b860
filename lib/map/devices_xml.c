/* SPDX-License-Identifier: Apache-2.0 */
#include "map/devices_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <pci/pci.h>
#include <string.h>

#include "names/names.h"

#define CONFIG_MIN    64
#define CONFIG_LEGACY 256
#define CONFIG_END    4096

#define SRIOV_MIGRATION_ARRAY 0x3c /* the one register that struct sriov_capability leaves out */

/* ---- text from devices and files: nothing but printable ASCII goes out as it is */

static void attribute(FILE *out, const char *name, const char *value, size_t size)
{
    fprintf(out, " %s=\"", name);
    for (size_t i = 0; i < size && value[i]; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c == '&' || c == '<' || c == '>' || c == '"')
            fprintf(out, "&#%u;", c);
        else
            fputc(c >= ' ' && c < 0x7f ? c : '?', out);
    }
    fputc('"', out);
}

/* A member that is an array of characters; its NUL may be missing. */
#define ATTRIBUTE(out, name, member) attribute(out, name, member, sizeof(member))

static void word(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"%s\"", name, value);
}

static void yes_no(FILE *out, const char *name, bool value)
{
    word(out, name, value ? "yes" : "no");
}

static void address(FILE *out, const char *name, struct bdf bdf)
{
    char text[NAME_BDF_MAX];
    word(out, name, name_of_bdf(bdf, text));
}

static void status(FILE *out, uint32_t value)
{
    word(out, "status", name_of_status(value <= FUNCTION_ERROR ? value : FUNCTION_ERROR));
}

static void group(FILE *out, uint32_t value)
{
    if (value != UINT32_MAX)
        fprintf(out, " iommu-group=\"%u\"", value);
}

/* ---- BARs and capabilities */

static void bar(FILE *out, const char *element, const struct bar *b)
{
    if (b->size)
        fprintf(out,
                "<%s index=\"%u\" address=\"0x%" PRIx64 "\" size=\"0x%" PRIx64
                "\" flags=\"0x%x\"/>\n",
                element, b->index, b->address, b->size, b->flags);
}

static void bars(FILE *out, const struct bar list[6])
{
    fputs("<bars>\n", out);
    for (size_t i = 0; i < 6; i++)
        bar(out, "bar", &list[i]);
    fputs("</bars>\n", out);
}

static const char *legacy_name(unsigned id)
{
    switch (id) {
    case PCI_CAP_ID_PM:
        return "power-management";
    case PCI_CAP_ID_VPD:
        return "vpd";
    case PCI_CAP_ID_MSI:
        return "msi";
    case PCI_CAP_ID_VNDR:
        return "vendor";
    case PCI_CAP_ID_EXP:
        return "pci-express";
    case PCI_CAP_ID_MSIX:
        return "msi-x";
    case PCI_CAP_ID_AF:
        return "advanced-features";
    default:
        return "other";
    }
}

static const char *extended_name(unsigned id)
{
    switch (id) {
    case PCI_EXT_CAP_ID_AER:
        return "aer";
    case PCI_EXT_CAP_ID_VC:
        return "virtual-channel";
    case PCI_EXT_CAP_ID_DSN:
        return "device-serial-number";
    case PCI_EXT_CAP_ID_ACS:
        return "acs";
    case PCI_EXT_CAP_ID_ARI:
        return "ari";
    case PCI_EXT_CAP_ID_ATS:
        return "ats";
    case PCI_EXT_CAP_ID_SRIOV:
        return "sr-iov";
    case PCI_EXT_CAP_ID_LTR:
        return "ltr";
    case PCI_EXT_CAP_ID_PASID:
        return "pasid";
    case PCI_EXT_CAP_ID_TPH:
        return "tph";
    case PCI_EXT_CAP_ID_DPC:
        return "dpc";
    default:
        return "other";
    }
}

static void capability(FILE *out, bool is_extended, unsigned id, unsigned offset)
{
    fprintf(out, "<capability id=\"0x%x\" offset=\"0x%x\"", id, offset);
    word(out, "name", is_extended ? extended_name(id) : legacy_name(id));
    yes_no(out, "extended", is_extended);
    fputs("/>\n", out);
}

/* Offsets that a walk has been at, one bit a double word: a list that comes back ends there. */
struct trail {
    uint8_t bits[CONFIG_END / 4 / 8];
};

static bool trail_new(struct trail *trail, unsigned offset)
{
    uint8_t bit = (uint8_t)(1u << (offset / 4 % 8));
    uint8_t *byte = &trail->bits[offset / 4 / 8];
    bool is_new = !(*byte & bit);

    *byte |= bit;
    return is_new;
}

static void legacy(FILE *out, const uint8_t *config, size_t size)
{
    size_t end = size < CONFIG_LEGACY ? size : CONFIG_LEGACY;
    struct trail trail = {0};

    if (size < CONFIG_MIN || !(config[PCI_STATUS] & PCI_STATUS_CAP_LIST))
        return;
    unsigned offset = config[PCI_CAPABILITY_LIST] & ~3u;
    while (offset >= CONFIG_MIN && offset + 2 <= end && config[offset] != 0xff &&
           trail_new(&trail, offset)) {
        capability(out, false, config[offset], offset);
        offset = config[offset + 1] & ~3u;
    }
}

static uint32_t dword(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void extended(FILE *out, const uint8_t *config, size_t size)
{
    size_t end = size < CONFIG_END ? size : CONFIG_END;
    unsigned offset = CONFIG_LEGACY;
    struct trail trail = {0};

    while (offset >= CONFIG_LEGACY && offset + 4 <= end && trail_new(&trail, offset)) {
        uint32_t header = dword(config + offset);
        if (header == 0 || header == UINT32_MAX)
            return;
        capability(out, true, header & 0xffff, offset);
        offset = header >> 20 & ~3u;
    }
}

/* ---- SR-IOV */

static void sriov_words(FILE *out, const struct sriov_capability *s)
{
    fprintf(out, "<capabilities value=\"0x%x\" interrupt-message=\"%u\"", s->capabilities,
            s->capabilities >> 21);
    yes_no(out, "vf-migration", s->capabilities & 0x1);
    yes_no(out, "ari-preserved", s->capabilities & 0x2);
    fprintf(out, "/>\n<control value=\"0x%x\"", s->control);
    yes_no(out, "vf-enable", s->control & SRIOV_CTRL_VF_ENABLE);
    yes_no(out, "vf-migration", s->control & 0x2);
    yes_no(out, "vf-migration-interrupt", s->control & 0x4);
    yes_no(out, "vf-memory", s->control & SRIOV_CTRL_VF_MSE);
    yes_no(out, "ari", s->control & 0x10);
    fprintf(out, "/>\n<status value=\"0x%x\"", s->status);
    yes_no(out, "vf-migration", s->status & 0x1);
    fputs("/>\n", out);
}

static void migration_array(FILE *out, const struct map_pf *pf)
{
    size_t at = (size_t)pf->observed->sriov.offset + SRIOV_MIGRATION_ARRAY;

    if (pf->config && at + 4 <= pf->config_size)
        fprintf(out, "<vf-migration-state-array value=\"0x%x\"/>\n", dword(pf->config + at));
}

static void sriov(FILE *out, const struct map_pf *pf)
{
    const struct sriov_capability *s = &pf->observed->sriov;

    if (!s->offset)
        return;
    fprintf(out, "<sriov offset=\"0x%x\">\n", s->offset);
    sriov_words(out, s);
    fprintf(out,
            "<vf-mapping initial=\"%u\" total=\"%u\" number=\"%u\" first-offset=\"%u\" "
            "stride=\"%u\" device-id=\"0x%04x\" dependency=\"%u\"/>\n",
            s->initial_vfs, s->total_vfs, s->num_vfs, s->first_vf_offset, s->vf_stride,
            s->vf_device_id, s->function_dependency_link);
    fprintf(out, "<page-size supported=\"0x%x\" system=\"0x%x\"/>\n<vf-bars>\n",
            s->supported_page_sizes, s->system_page_size);
    for (size_t i = 0; i < 6; i++)
        fprintf(out, "<vf-bar index=\"%zu\" value=\"0x%x\"/>\n", i, s->vf_bar[i]);
    fputs("</vf-bars>\n", out);
    migration_array(out, pf);
    fputs("</sriov>\n", out);
}

/* ---- VFs */

static void owner(FILE *out, struct owner o)
{
    fputs("<owner", out);
    word(out, "kind", name_of_owner(o.kind));
    if (o.kind == OWNER_GUEST)
        fprintf(out, " partition=\"%u\"", o.partition.value);
    fputs("/>\n", out);
}

static void desired(FILE *out, const struct vf_attributes *d)
{
    static const char *const links[] = {"auto", "enable", "disable"};

    fputs("<desired", out);
    if (d->present & VF_ATTR_MAC)
        fprintf(out, " mac=\"%02x:%02x:%02x:%02x:%02x:%02x\"", d->mac[0], d->mac[1], d->mac[2],
                d->mac[3], d->mac[4], d->mac[5]);
    if (d->present & VF_ATTR_VLAN)
        fprintf(out, " vlan=\"%u\" qos=\"%u\"", d->vlan, d->qos);
    if (d->present & VF_ATTR_TRUST)
        yes_no(out, "trust", d->trust);
    if (d->present & VF_ATTR_SPOOFCHK)
        yes_no(out, "spoofchk", d->spoofchk);
    if ((d->present & VF_ATTR_LINK) && d->link_state < 3)
        word(out, "link", links[d->link_state]);
    if (d->present & VF_ATTR_RATE)
        fprintf(out, " min-tx-mbit=\"%u\" max-tx-mbit=\"%u\"", d->min_tx_rate, d->max_tx_rate);
    if (d->nvme_queues)
        fprintf(out, " nvme-queues=\"%u\"", d->nvme_queues);
    if (d->nvme_vectors)
        fprintf(out, " nvme-vectors=\"%u\"", d->nvme_vectors);
    fputs("/>\n", out);
}

static void print_vf(FILE *out, const struct map_vf *vf)
{
    const struct vf_observed *seen = vf->observed;

    fprintf(out, "<vf index=\"%u\"", seen->index);
    address(out, "address", seen->bdf);
    status(out, seen->status);
    ATTRIBUTE(out, "driver", seen->driver);
    group(out, seen->iommu_group);
    yes_no(out, "open", seen->open);
    fputs(">\n", out);
    owner(out, vf->owner);
    bars(out, seen->bars);
    if (vf->desired)
        desired(out, vf->desired);
    fputs("<observed", out);
    yes_no(out, "answers", seen->answers);
    yes_no(out, "attributes-as-desired", seen->attributes_set);
    fputs("/>\n</vf>\n", out);
}

/* ---- PFs */

static void identity(FILE *out, const struct map_pf *pf)
{
    const struct pf_observed *seen = pf->observed;

    fputs("<pf", out);
    if (pf->card)
        ATTRIBUTE(out, "card", pf->card->name);
    status(out, seen->status);
    ATTRIBUTE(out, "driver", seen->driver);
    word(out, "class", name_of_class(seen->class <= CLASS_NVME ? seen->class : CLASS_OTHER));
    fprintf(out, " class-code=\"0x%06x\" vendor=\"0x%04x\" device=\"0x%04x\"", seen->class_code,
            seen->vendor, seen->device);
    if (seen->serial[0])
        ATTRIBUTE(out, "serial", seen->serial);
    ATTRIBUTE(out, "interface", seen->netdev);
    word(out, "link", seen->link_up ? "up" : "down");
    yes_no(out, "answers", seen->answers);
    group(out, seen->iommu_group);
    if (seen->node != UINT32_MAX)
        fprintf(out, " numa-node=\"%u\"", seen->node);
    fputs(">\n", out);
    if (pf->card) {
        fprintf(out, "<desired vfs=\"%u\"", pf->card->vfs);
        ATTRIBUTE(out, "driver", pf->card->driver);
        fputs("/>\n", out);
    }
}

static void print_pf(FILE *out, const struct map_pf *pf)
{
    fputs("<device", out);
    address(out, "address", pf->observed->bdf);
    fputs(">\n", out);
    identity(out, pf);
    bars(out, pf->observed->bars);
    bar(out, "rom", &pf->observed->rom);
    fputs("<capabilities>\n", out);
    if (pf->config) {
        legacy(out, pf->config, pf->config_size);
        extended(out, pf->config, pf->config_size);
    }
    fputs("</capabilities>\n", out);
    sriov(out, pf);
    fputs("<vfs>\n", out);
    for (size_t i = 0; i < pf->vfs_count; i++)
        print_vf(out, &pf->vfs[i]);
    fputs("</vfs>\n</pf>\n</device>\n", out);
}

int devices_xml_print(FILE *out, uint64_t generation, const struct map_pf *pfs, size_t pfs_count)
{
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<devices generation=\"%" PRIu64 "\">\n",
            generation);
    for (size_t i = 0; i < pfs_count; i++)
        print_pf(out, &pfs[i]);
    fputs("</devices>\n", out);
    return fflush(out) || ferror(out) ? -EIO : 0;
}
