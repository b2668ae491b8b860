/* SPDX-License-Identifier: Apache-2.0 */
#include "map/devices_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <pci/pci.h>
#include <string.h>

#include "map/capability_names.h"
#include "names/names.h"
#include "pci/config_space.h"
#include "pci/driver_table.h"

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

static void capability(FILE *out, bool is_extended, unsigned id, unsigned offset)
{
    fprintf(out, "<capability id=\"0x%x\" offset=\"0x%x\"", id, offset);
    word(out, "name", is_extended ? extended_capability_name(id) : capability_name(id));
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

/* ---- address translation, isolation, errors */

static void ats(FILE *out, const struct function_capabilities *c)
{
    if (!c || !c->ats_offset)
        return;
    fprintf(out, "<ats offset=\"0x%x\"", c->ats_offset);
    yes_no(out, "enabled", c->ats_control & ATS_CONTROL_ENABLE);
    fprintf(out, " stu=\"%u\" queue-depth=\"%u\"", c->ats_control & ATS_CONTROL_STU,
            c->ats_capability & 0x1f ? c->ats_capability & 0x1f : 32); /* 0 stands for 32 */
    yes_no(out, "page-aligned", c->ats_capability & 0x20);
    fputs("/>\n", out);
}

static void acs(FILE *out, const struct function_capabilities *c)
{
    static const char *const names[] = {
        "source-validation",   "translation-blocking", "request-redirect",  "completion-redirect",
        "upstream-forwarding", "egress-control",       "direct-translated",
    };

    if (!c || !c->acs_offset)
        return;
    fprintf(out, "<acs offset=\"0x%x\" capability=\"0x%x\" control=\"0x%x\"", c->acs_offset,
            c->acs_capability, c->acs_control);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        yes_no(out, names[i], c->acs_control & 1u << i);
    fputs("/>\n", out);
}

static void aer(FILE *out, const struct function_capabilities *c, const struct error_counts *counts)
{
    if (!c || !c->aer_offset)
        return;
    fprintf(out, "<aer offset=\"0x%x\" uncorrectable=\"0x%x\" correctable=\"0x%x\"", c->aer_offset,
            c->aer_uncorrectable, c->aer_correctable);
    if (counts->known)
        fprintf(out,
                " correctable-count=\"%" PRIu64 "\" nonfatal-count=\"%" PRIu64
                "\" fatal-count=\"%" PRIu64 "\"",
                counts->correctable, counts->nonfatal, counts->fatal);
    fputs("/>\n", out);
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

static void attributes(FILE *out, const struct vf_attributes *a)
{
    static const char *const links[] = {"auto", "enable", "disable"};

    if (a->present & VF_ATTR_MAC)
        fprintf(out, " mac=\"%02x:%02x:%02x:%02x:%02x:%02x\"", a->mac[0], a->mac[1], a->mac[2],
                a->mac[3], a->mac[4], a->mac[5]);
    if (a->present & VF_ATTR_VLAN)
        fprintf(out, " vlan=\"%u\" qos=\"%u\"", a->vlan, a->qos);
    if (a->present & VF_ATTR_TRUST)
        yes_no(out, "trust", a->trust);
    if (a->present & VF_ATTR_SPOOFCHK)
        yes_no(out, "spoofchk", a->spoofchk);
    if ((a->present & VF_ATTR_LINK) && a->link_state < 3)
        word(out, "link", links[a->link_state]);
    if (a->present & VF_ATTR_RATE)
        fprintf(out, " min-tx-mbit=\"%u\" max-tx-mbit=\"%u\"", a->min_tx_rate, a->max_tx_rate);
    if (a->nvme_queues)
        fprintf(out, " nvme-queues=\"%u\"", a->nvme_queues);
    if (a->nvme_vectors)
        fprintf(out, " nvme-vectors=\"%u\"", a->nvme_vectors);
}

static void desired(FILE *out, const struct vf_attributes *wanted)
{
    fputs("<desired", out);
    attributes(out, wanted);
    fputs("/>\n", out);
}

/* All eight bits behind the bus are the function's number ("Alternative Routing-ID Interpretation",
 * PCI Express Base Specification): such a device has no device number. */
static bool has_ari(const struct map_pf *pf)
{
    return pf->config && config_space_extended(pf->config, pf->config_size, PCI_EXT_CAP_ID_ARI);
}

/* The PF on its card: the number of its function. One serial number is that of one device; should
 * another device of the bus say the same one, its number tells them apart. */
static int port(const struct map_pf *pf, char *text, size_t size)
{
    uint32_t at = pf->observed->bdf.value, device = at >> 3 & 0x1f;

    if (has_ari(pf))
        return snprintf(text, size, "/%u", at & 0xff);
    if (pf->observed->serial[0] && device)
        return snprintf(text, size, "/%u.%u", device, at & 7);
    return snprintf(text, size, "/%u", at & 7);
}

/* A function's name that stays when its address or its interface changes: the card's serial
 * number, or its slot when it has none; the function on it; the VF. */
static void identity(FILE *out, const struct map_pf *pf, const struct vf_observed *vf)
{
    const char *serial = pf->observed->serial;
    char text[CARD_SERIAL_MAX + 40];
    uint32_t at = pf->observed->bdf.value;
    int used;

    if (serial[0])
        used = snprintf(text, sizeof(text), "%.*s", CARD_SERIAL_MAX, serial);
    else
        used = snprintf(text, sizeof(text), "slot-%04x:%02x:%02x", at >> 16, at >> 8 & 0xff,
                        has_ari(pf) ? 0 : at >> 3 & 0x1f);
    used += port(pf, text + used, sizeof(text) - (size_t)used);
    if (vf)
        snprintf(text + used, sizeof(text) - (size_t)used, "/%u", vf->index);
    ATTRIBUTE(out, "identity", text);
}

static void print_vf(FILE *out, const struct map_pf *pf, const struct map_vf *vf)
{
    const struct vf_observed *seen = vf->observed;

    fprintf(out, "<vf index=\"%u\"", seen->index);
    identity(out, pf, seen);
    address(out, "address", seen->bdf);
    status(out, seen->status);
    ATTRIBUTE(out, "driver", seen->driver);
    group(out, seen->iommu_group);
    yes_no(out, "open", seen->open);
    fputs(">\n", out);
    owner(out, vf->owner);
    bars(out, seen->bars);
    ats(out, vf->capabilities);
    acs(out, vf->capabilities);
    aer(out, vf->capabilities, &vf->aer);
    if (vf->desired)
        desired(out, vf->desired);
    fputs("<observed", out);
    yes_no(out, "answers", seen->answers);
    yes_no(out, "attributes-as-desired", seen->attributes_set);
    if (seen->bind_error)
        attribute(out, "not-bound", name_of_bind_error(seen->bind_error), PARCLOSE_REASON_MAX);
    if (seen->for_host)
        yes_no(out, "for-host", true);
    if (vf->requested)
        yes_no(out, "requested", true);
    if (vf->seen)
        attributes(out, vf->seen);
    fputs("/>\n</vf>\n", out);
}

/* ---- PFs */

static void begin_pf(FILE *out, const struct map_pf *pf)
{
    const struct pf_observed *seen = pf->observed;

    fputs("<pf", out);
    if (pf->card)
        ATTRIBUTE(out, "card", pf->card->name);
    identity(out, pf, NULL);
    status(out, seen->status);
    ATTRIBUTE(out, "driver", seen->driver);
    word(out, "class", name_of_class(seen->class <= CLASS_NVME ? seen->class : CLASS_OTHER));
    fprintf(out, " class-code=\"0x%06x\" vendor=\"0x%04x\" device=\"0x%04x\"", seen->class_code,
            seen->vendor, seen->device);
    if (seen->serial[0])
        ATTRIBUTE(out, "serial", seen->serial);
    ATTRIBUTE(out, "interface", seen->netdev);
    word(out, "link", seen->link_up ? "up" : "down");
    word(out, "power", name_of_power_status(seen->power_status));
    word(out, "power-control", name_of_power_control(seen->power_control));
    yes_no(out, "answers", seen->answers);
    group(out, seen->iommu_group);
    if (seen->node != UINT32_MAX)
        fprintf(out, " numa-node=\"%u\"", seen->node);
    fputs(">\n", out);
}

/* What is desired, and what the driver that is desired (or else the one that is there) survives. */
static void configured(FILE *out, const struct map_pf *pf)
{
    const struct driver_facts *facts = driver_facts(pf->observed->driver, DRIVER_NAME_MAX);

    if (pf->card) {
        facts = driver_facts(pf->card->driver, CARD_DRIVER_MAX);
        fprintf(out, "<desired vfs=\"%u\"", pf->card->vfs);
        word(out, "link",
             name_of_card_link(pf->card->link < CARD_LINKS ? pf->card->link : CARD_LINK_UP));
        ATTRIBUTE(out, "driver", pf->card->driver);
        word(out, "state", pf->disabled ? "disabled" : "enabled");
        word(out, "idle-power", name_of_idle_power(pf->idle_power));
        fputs("/>\n", out);
    }
    fputs("<restart", out);
    word(out, "unbind", driver_unbind_name(facts->unbind));
    word(out, "with-vfs", driver_restart_name(facts->restart));
    word(out, "renew", driver_renew_name(facts->renew));
    word(out, "after-error", driver_error_name(facts->error));
    word(out, "proof", driver_proof_name(facts->proof));
    fputs("/>\n", out);
}

static uint32_t requested(const struct map_pf *pf)
{
    uint32_t count = 0;

    for (size_t i = 0; i < pf->vfs_count; i++)
        count += pf->vfs[i].requested;
    return count;
}

static uint32_t answering(const struct map_pf *pf)
{
    uint32_t count = 0;

    for (size_t i = 0; i < pf->vfs_count; i++)
        count += pf->vfs[i].observed->answers != 0;
    return count;
}

/* What its driver, the kernel and the registers say of trouble. */
static void trouble(FILE *out, const struct pf_observed *seen)
{
    if (seen->class == CLASS_NETWORK)
        yes_no(out, "carrier", seen->carrier);
    word(out, "recovery",
         name_of_recovery(seen->recovery < ERROR_RECOVERIES ? seen->recovery : RECOVERY_FAILED));
    yes_no(out, "reset", seen->reset);
    if (seen->health[0])
        ATTRIBUTE(out, "reporter", seen->health);
}

static void health(FILE *out, const struct map_pf *pf)
{
    const struct pf_observed *seen = pf->observed;
    const char *wanted = pf->card ? pf->card->driver : seen->driver;

    fputs("<health", out);
    yes_no(out, "driver-bound", seen->driver[0] && !strncmp(seen->driver, wanted, CARD_DRIVER_MAX));
    yes_no(out, "vf-enable", seen->sriov.control & SRIOV_CTRL_VF_ENABLE);
    yes_no(out, "vf-memory", seen->sriov.control & SRIOV_CTRL_VF_MSE);
    fprintf(out, " vfs-of-kernel=\"%u\" vfs-of-device=\"%u\" vfs-answering=\"%u\" vfs-open=\"%u\"",
            seen->numvfs, seen->sriov.num_vfs, answering(pf), seen->open_vfs);
    if (requested(pf))
        fprintf(out, " vfs-requested=\"%u\"", requested(pf));
    trouble(out, seen);
    yes_no(out, "stuck", seen->stuck_pid);
    if (seen->stuck_pid)
        fprintf(out, " stuck-pid=\"%u\"", seen->stuck_pid);
    fputs("/>\n", out);
}

static void print_pf(FILE *out, const struct map_pf *pf)
{
    fputs("<device", out);
    address(out, "address", pf->observed->bdf);
    fputs(">\n", out);
    begin_pf(out, pf);
    configured(out, pf);
    health(out, pf);
    bars(out, pf->observed->bars);
    bar(out, "rom", &pf->observed->rom);
    fputs("<capabilities>\n", out);
    if (pf->config) {
        legacy(out, pf->config, pf->config_size);
        extended(out, pf->config, pf->config_size);
    }
    fputs("</capabilities>\n", out);
    ats(out, pf->capabilities);
    acs(out, pf->capabilities);
    aer(out, pf->capabilities, &pf->aer);
    sriov(out, pf);
    fputs("<vfs>\n", out);
    for (size_t i = 0; i < pf->vfs_count; i++)
        print_vf(out, pf, &pf->vfs[i]);
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
