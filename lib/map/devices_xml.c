/* SPDX-License-Identifier: Apache-2.0 */
#include "map/devices_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <pci/pci.h>
#include <string.h>

#define CONFIG_MIN    64
#define CONFIG_LEGACY 256

/* ---- text from devices and files: nothing but printable ASCII goes out as it is */

static void attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c == '&' || c == '<' || c == '>' || c == '"')
            fprintf(out, "&#%u;", c);
        else
            fputc(c >= ' ' && c < 0x7f ? c : '?', out);
    }
    fputc('"', out);
}

static void address(FILE *out, const char *name, struct bdf bdf)
{
    fprintf(out, " %s=\"%04x:%02x:%02x.%x\"", name, bdf.value >> 16, bdf.value >> 8 & 0xff,
            bdf.value >> 3 & 0x1f, bdf.value & 7);
}

static const char *status(uint32_t value)
{
    static const char *const names[] = {"absent", "inactive", "active", "error"};
    return value < sizeof(names) / sizeof(names[0]) ? names[value] : "error";
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

static void capability(FILE *out, bool extended, unsigned id, unsigned offset)
{
    fprintf(out, "<capability id=\"0x%x\" name=\"%s\" offset=\"0x%x\" extended=\"%s\"/>\n", id,
            extended ? extended_name(id) : legacy_name(id), offset, extended ? "yes" : "no");
}

/* Each step takes 4 bytes at least: a longer walk goes in a circle. */
static void legacy(FILE *out, const uint8_t *config, size_t size)
{
    unsigned offset = size > PCI_CAPABILITY_LIST ? config[PCI_CAPABILITY_LIST] & ~3u : 0;
    size_t end = size < CONFIG_LEGACY ? size : CONFIG_LEGACY;

    for (int step = 0; step < CONFIG_LEGACY / 4; step++) {
        if (offset < CONFIG_MIN || offset + 2 > end || config[offset] == 0xff)
            return;
        capability(out, false, config[offset], offset);
        offset = config[offset + 1] & ~3u;
    }
}

static void extended(FILE *out, const uint8_t *config, size_t size)
{
    unsigned offset = CONFIG_LEGACY;

    for (int step = 0; step < 4096 / 8; step++) {
        if (offset < CONFIG_LEGACY || offset + 4 > size)
            return;
        uint32_t header = (uint32_t)config[offset] | (uint32_t)config[offset + 1] << 8 |
                          (uint32_t)config[offset + 2] << 16 | (uint32_t)config[offset + 3] << 24;
        if (header == 0 || header == UINT32_MAX)
            return;
        capability(out, true, header & 0xffff, offset);
        offset = header >> 20 & ~3u;
    }
}

/* ---- SR-IOV */

static void sriov(FILE *out, const struct sriov_capability *s)
{
    if (!s->offset)
        return;
    fprintf(out, "<sriov offset=\"0x%x\" capabilities=\"0x%x\">\n", s->offset, s->capabilities);
    fprintf(out,
            "<control value=\"0x%x\" vf-enable=\"%d\" vf-migration=\"%d\" vf-memory=\"%d\" "
            "ari=\"%d\"/>\n",
            s->control, s->control & 1, s->control >> 1 & 1, s->control >> 3 & 1,
            s->control >> 4 & 1);
    fprintf(out, "<status value=\"0x%x\"/>\n", s->status);
    fprintf(out,
            "<vf-mapping initial=\"%u\" total=\"%u\" number=\"%u\" first-offset=\"%u\" "
            "stride=\"%u\" device-id=\"0x%04x\" dependency=\"%u\"/>\n",
            s->initial_vfs, s->total_vfs, s->num_vfs, s->first_vf_offset, s->vf_stride,
            s->vf_device_id, s->function_dependency_link);
    fprintf(out, "<page-size supported=\"0x%x\" system=\"0x%x\"/>\n<vf-bars>\n",
            s->supported_page_sizes, s->system_page_size);
    for (size_t i = 0; i < 6; i++)
        fprintf(out, "<vf-bar index=\"%zu\" value=\"0x%x\"/>\n", i, s->vf_bar[i]);
    fputs("</vf-bars>\n</sriov>\n", out);
}

/* ---- VFs */

static void owner(FILE *out, struct owner o)
{
    static const char *const names[] = {"available", "idle",         "boot", "control",
                                        "command",   "interconnect", "guest"};
    bool known = o.kind < sizeof(names) / sizeof(names[0]);

    fprintf(out, "<owner kind=\"%s\"", known ? names[o.kind] : "available");
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
        fprintf(out, " trust=\"%s\"", d->trust ? "yes" : "no");
    if (d->present & VF_ATTR_SPOOFCHK)
        fprintf(out, " spoofchk=\"%s\"", d->spoofchk ? "yes" : "no");
    if ((d->present & VF_ATTR_LINK) && d->link_state < 3)
        fprintf(out, " link=\"%s\"", links[d->link_state]);
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
    attribute(out, "status", status(seen->status));
    attribute(out, "driver", seen->driver);
    group(out, seen->iommu_group);
    fprintf(out, " open=\"%s\">\n", seen->open ? "yes" : "no");
    owner(out, vf->owner);
    bars(out, seen->bars);
    if (vf->desired)
        desired(out, vf->desired);
    fprintf(out, "<observed answers=\"%s\" attributes-as-desired=\"%s\"/>\n</vf>\n",
            seen->answers ? "yes" : "no", seen->attributes_set ? "yes" : "no");
}

/* ---- PFs */

static const char *class_name(uint32_t class)
{
    return class == CLASS_NETWORK ? "network" : class == CLASS_NVME ? "nvme" : "other";
}

static void identity(FILE *out, const struct map_pf *pf)
{
    const struct pf_observed *seen = pf->observed;

    fputs("<pf", out);
    if (pf->card)
        attribute(out, "card", pf->card->name);
    attribute(out, "status", status(seen->status));
    attribute(out, "driver", seen->driver);
    attribute(out, "class", class_name(seen->class));
    fprintf(out, " class-code=\"0x%06x\" vendor=\"0x%04x\" device=\"0x%04x\"", seen->class_code,
            seen->vendor, seen->device);
    if (seen->serial[0])
        attribute(out, "serial", seen->serial);
    attribute(out, "interface", seen->netdev);
    fprintf(out, " link=\"%s\" answers=\"%s\"", seen->link_up ? "up" : "down",
            seen->answers ? "yes" : "no");
    group(out, seen->iommu_group);
    fputs(">\n", out);
    if (pf->card) {
        fprintf(out, "<desired vfs=\"%u\"", pf->card->vfs);
        attribute(out, "driver", pf->card->driver);
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
    sriov(out, &pf->observed->sriov);
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
