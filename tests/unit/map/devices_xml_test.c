/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is printed is read back by libxml2, must be valid by the schema (argv[1]), and is asked by
 * XPath. Configuration spaces are made by hand, the hostile ones too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>

#include "map/devices_xml.h"
#include "pci/config_space.h"

#define SRIOV_AT 0x160

static const char *schema_path;

/* ---- a configuration space */

static void put(uint8_t *config, unsigned offset, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        config[offset + i] = (uint8_t)(value >> 8 * i);
}

static void put_extended(uint8_t *config, unsigned offset, unsigned id, unsigned next)
{
    put(config, offset, 4, id | 1u << 16 | (uint32_t)next << 20);
}

/* Power management, MSI-X, PCI Express; serial number, SR-IOV: all its registers differ. */
static void config_igb(uint8_t config[CONFIG_SPACE_SIZE])
{
    memset(config, 0, CONFIG_SPACE_SIZE);
    put(config, 0x06, 2, 0x0010);
    config[0x34] = 0x40;
    put(config, 0x40, 2, 0x7001);
    put(config, 0x70, 2, 0xa011);
    put(config, 0xa0, 2, 0x0010);
    put_extended(config, 0x100, 0x0003, SRIOV_AT);
    put(config, 0x104, 8, UINT64_C(0x0011223344556677));
    put_extended(config, SRIOV_AT, 0x0010, 0);
    put(config, SRIOV_AT + 0x04, 4, 0x00600002);
    put(config, SRIOV_AT + 0x08, 2, 0x0019);
    put(config, SRIOV_AT + 0x0a, 2, 0x0001);
    put(config, SRIOV_AT + 0x0c, 2, 8);
    put(config, SRIOV_AT + 0x0e, 2, 7);
    put(config, SRIOV_AT + 0x10, 2, 2);
    put(config, SRIOV_AT + 0x12, 1, 3);
    put(config, SRIOV_AT + 0x14, 2, 0x80);
    put(config, SRIOV_AT + 0x16, 2, 4);
    put(config, SRIOV_AT + 0x1a, 2, 0x10ca);
    put(config, SRIOV_AT + 0x1c, 4, 0x553);
    put(config, SRIOV_AT + 0x20, 4, 1);
    for (unsigned i = 0; i < 6; i++)
        put(config, SRIOV_AT + 0x24 + 4 * i, 4, 0xfe000000u + i);
    put(config, SRIOV_AT + 0x3c, 4, 0x3000);
}

/* ---- what is printed, read back */

struct page {
    char *text;
    size_t size;
    xmlDocPtr document;
    xmlXPathContextPtr paths;
};

static bool is_valid(xmlDocPtr document)
{
    xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(schema_path);
    xmlSchemaPtr schema = xmlSchemaParse(parser);
    assert_non_null(schema);
    xmlSchemaValidCtxtPtr valid = xmlSchemaNewValidCtxt(schema);
    int result = xmlSchemaValidateDoc(valid, document);

    xmlSchemaFreeValidCtxt(valid);
    xmlSchemaFree(schema);
    xmlSchemaFreeParserCtxt(parser);
    return result == 0;
}

static void page_print(struct page *page, const struct map_pf *pfs, size_t count)
{
    FILE *out = open_memstream(&page->text, &page->size);

    assert_int_equal(devices_xml_print(out, 42, pfs, count), 0);
    fclose(out);
    page->document = xmlReadMemory(page->text, (int)page->size, "devices.xml", NULL, 0);
    assert_non_null(page->document);
    if (!is_valid(page->document))
        fail_msg("not valid by the schema:\n%s", page->text);
    page->paths = xmlXPathNewContext(page->document);
}

static void page_free(struct page *page)
{
    xmlXPathFreeContext(page->paths);
    xmlFreeDoc(page->document);
    free(page->text);
}

static void is(struct page *page, const char *path, const char *expected)
{
    xmlXPathObjectPtr object = xmlXPathEvalExpression((const xmlChar *)path, page->paths);
    xmlChar *text = xmlXPathCastToString(object);

    if (strcmp((const char *)text, expected) != 0)
        fail_msg("%s is \"%s\", not \"%s\"", path, (const char *)text, expected);
    xmlFree(text);
    xmlXPathFreeObject(object);
}

/* ---- the usual: an igb PF with two VFs, an NVMe PF with none */

static const struct card_config net0 = {"net0", {0x0100}, 2, "igb", CARD_LINK_CARRIER};
static const struct vf_attributes wanted = {.present = VF_ATTR_MAC | VF_ATTR_VLAN | VF_ATTR_TRUST |
                                                       VF_ATTR_SPOOFCHK | VF_ATTR_RATE |
                                                       VF_ATTR_LINK,
                                            .mac = {2, 0, 0, 0xa, 0xb, 0xc},
                                            .vlan = 100,
                                            .qos = 3,
                                            .spoofchk = 1,
                                            .link_state = 1,
                                            .max_tx_rate = 1000};
static struct vf_observed seen_vfs[2] = {
    {.bdf = {0x0180},
     .pf = {0x0100},
     .status = FUNCTION_ACTIVE,
     .answers = 1,
     .iommu_group = 17,
     .attributes_set = 1,
     .open = 1,
     .driver = "vfio-pci",
     .bars = {{0xfe100000, 0x4000, 0x200, 0}, {0}, {0}, {0xfe200000, 0x4000, 0x200, 3}}},
    {.bdf = {0x0184},
     .pf = {0x0100},
     .index = 1,
     .bind_error = EIO,
     .for_host = 1,
     .iommu_group = UINT32_MAX},
};
static const struct function_capabilities translated = {.ats_offset = 0x150,
                                                        .ats_capability = 0x0020,
                                                        .ats_control = 0x8003,
                                                        .acs_offset = 0x148,
                                                        .acs_capability = 0x5f,
                                                        .acs_control = 0x1d,
                                                        .aer_offset = 0x120,
                                                        .aer_uncorrectable = 0x4000,
                                                        .aer_correctable = 0x1};
static const struct vf_attributes reported = {
    .present = VF_ATTR_MAC | VF_ATTR_VLAN, .mac = {2, 0, 0, 0xa, 0xb, 0xc}, .vlan = 99};
static const struct map_vf igb_vfs[2] = {
    {&seen_vfs[0], {OWNER_GUEST, {5}}, &wanted, &reported, &translated, true, {5, 0, 3, 1, 0}},
    {&seen_vfs[1], {OWNER_INTERCONNECT, {0}}, NULL, NULL, NULL, false, {0}},
};

static struct pf_observed igb(const uint8_t *config)
{
    struct pf_observed pf = {.bdf = {0x0100},
                             .class = CLASS_NETWORK,
                             .vendor = 0x8086,
                             .device = 0x10c9,
                             .class_code = 0x020000,
                             .status = FUNCTION_ACTIVE,
                             .answers = 1,
                             .link_up = 1,
                             .carrier = 1,
                             .driver = "igb",
                             .netdev = "enp1s0",
                             .iommu_group = 16,
                             .node = 1,
                             .bars = {{0xfe000000, 0x20000, 0x200, 0}},
                             .rom = {0xfd000000, 0x10000, 0x4200, 6}};
    config_space_serial(config, CONFIG_SPACE_SIZE, pf.serial);
    config_space_sriov(config + SRIOV_AT, SRIOV_AT, &pf.sriov);
    return pf;
}

static void usual_page(struct page *page)
{
    static uint8_t config[CONFIG_SPACE_SIZE];
    const struct pf_observed nvme = {.bdf = {0x10208},
                                     .class = CLASS_NVME,
                                     .recovery = RECOVERY_FAILED,
                                     .reset = 1,
                                     .health = "fw_fatal",
                                     .class_code = 0x010802,
                                     .status = FUNCTION_ERROR,
                                     .iommu_group = UINT32_MAX,
                                     .node = UINT32_MAX,
                                     .stuck_pid = 815};
    config_igb(config);
    const struct pf_observed seen = igb(config);
    const struct map_pf pfs[] = {
        {.card = &net0,
         .observed = &seen,
         .config = config,
         .config_size = sizeof(config),
         .vfs = igb_vfs,
         .vfs_count = 2,
         .capabilities = &translated,
         .aer = {7, 1, 2, 1}},
        {.observed = &nvme},
    };
    page_print(page, pfs, 2);
}

static const char *const usual[][2] = {
    {"/devices/@generation", "42"},
    {"count(/devices/device)", "2"},
    /* identity */
    {"//device[1]/@address", "0000:01:00.0"},
    {"//device[1]/pf/@card", "net0"},
    {"//device[1]/pf/@driver", "igb"},
    {"//device[1]/pf/@status", "active"},
    {"//device[1]/pf/@class", "network"},
    {"//device[1]/pf/@class-code", "0x020000"},
    {"//device[1]/pf/@vendor", "0x8086"},
    {"//device[1]/pf/@device", "0x10c9"},
    {"//device[1]/pf/@serial", "0011223344556677"},
    {"//device[1]/pf/@interface", "enp1s0"},
    {"//device[1]/pf/@iommu-group", "16"},
    {"//device[1]/pf/@numa-node", "1"},
    {"count(//device[2]/pf/@numa-node)", "0"},
    {"//device[1]/pf/desired/@vfs", "2"},
    {"//device[1]/pf/desired/@link", "carrier"},
    {"//device[1]/pf/@identity", "0011223344556677/0"},
    {"//device[2]/pf/@identity", "slot-0001:02:01/0"},
    {"//vf[2]/@identity", "0011223344556677/0/1"},
    /* what its driver survives, and how it is */
    {"//device[1]/pf/restart/@unbind", "destroys-vfs"},
    {"//device[1]/pf/restart/@with-vfs", "none"},
    {"//device[1]/pf/restart/@renew", "link"},
    {"//device[1]/pf/restart/@proof", "emulated"},
    {"//device[2]/pf/restart/@unbind", "unknown"},
    {"//device[1]/pf/health/@driver-bound", "yes"},
    {"//device[2]/pf/health/@driver-bound", "no"},
    {"//device[1]/pf/health/@vf-enable", "yes"},
    {"//device[1]/pf/health/@vfs-of-device", "2"},
    {"//device[1]/pf/health/@vfs-of-kernel", "0"},
    {"//device[1]/pf/health/@vfs-answering", "1"},
    {"//device[1]/pf/health/@vfs-requested", "1"},
    {"count(//device[2]/pf/health/@vfs-requested)", "0"},
    {"//device[1]/pf/health/@stuck", "no"},
    {"//device[1]/pf/health/@carrier", "yes"},
    {"//device[1]/pf/health/@recovery", "none"},
    {"//device[1]/pf/health/@reset", "no"},
    {"count(//device[1]/pf/health/@reporter | //device[2]/pf/health/@carrier)", "0"},
    {"//device[2]/pf/health/@recovery", "failed"},
    {"//device[2]/pf/health/@reset", "yes"},
    {"//device[2]/pf/health/@reporter", "fw_fatal"},
    {"count(//device[1]/pf/health/@stuck-pid)", "0"},
    {"//device[2]/pf/health/@stuck", "yes"},
    {"//device[2]/pf/health/@stuck-pid", "815"},
    /* translation, isolation, errors */
    {"//pf/ats/@enabled", "yes"},
    {"//pf/ats/@stu", "3"},
    {"//pf/ats/@queue-depth", "32"},
    {"//pf/acs/@request-redirect", "yes"},
    {"//pf/acs/@egress-control", "no"},
    {"//pf/aer/@uncorrectable", "0x4000"},
    {"//pf/aer/@correctable-count", "7"},
    {"//pf/aer/@fatal-count", "2"},
    {"//vf[1]/ats/@page-aligned", "yes"},
    {"//vf[1]/aer/@offset", "0x120"},
    {"//vf[1]/aer/@correctable", "0x1"},
    {"//vf[1]/aer/@correctable-count", "5"},
    {"//vf[1]/aer/@fatal-count", "3"},
    {"count(//vf[2]/ats | //vf[2]/acs | //vf[2]/aer | //device[2]//aer)", "0"},
    /* BARs, ROM, capabilities */
    {"count(//device[1]/pf/bars/bar)", "1"},
    {"//device[1]/pf/bars/bar/@size", "0x20000"},
    {"//device[1]/pf/rom/@address", "0xfd000000"},
    {"count(//device[1]/pf/capabilities/capability)", "5"},
    {"//capability[@extended='no'][2]/@name", "msi-x"},
    {"//capability[@name='sr-iov']/@offset", "0x160"},
    /* every register of the SR-IOV capability */
    {"//sriov/@offset", "0x160"},
    {"//sriov/capabilities/@value", "0x600002"},
    {"//sriov/capabilities/@interrupt-message", "3"},
    {"//sriov/capabilities/@ari-preserved", "yes"},
    {"//sriov/control/@value", "0x19"},
    {"//sriov/control/@vf-enable", "yes"},
    {"//sriov/control/@vf-migration", "no"},
    {"//sriov/control/@vf-memory", "yes"},
    {"//sriov/control/@ari", "yes"},
    {"//sriov/status/@value", "0x1"},
    {"//sriov/vf-mapping/@initial", "8"},
    {"//sriov/vf-mapping/@total", "7"},
    {"//sriov/vf-mapping/@number", "2"},
    {"//sriov/vf-mapping/@dependency", "3"},
    {"//sriov/vf-mapping/@first-offset", "128"},
    {"//sriov/vf-mapping/@stride", "4"},
    {"//sriov/vf-mapping/@device-id", "0x10ca"},
    {"//sriov/page-size/@supported", "0x553"},
    {"//sriov/page-size/@system", "0x1"},
    {"//sriov/vf-bars/vf-bar[1]/@value", "0xfe000000"},
    {"//sriov/vf-bars/vf-bar[6]/@value", "0xfe000005"},
    {"//sriov/vf-migration-state-array/@value", "0x3000"},
    /* VFs */
    {"count(//device[1]/pf/vfs/vf)", "2"},
    {"//vf[1]/@address", "0000:01:10.0"},
    {"//vf[1]/@status", "active"},
    {"//vf[1]/@driver", "vfio-pci"},
    {"//vf[1]/@iommu-group", "17"},
    {"//vf[1]/@open", "yes"},
    {"//vf[1]/owner/@kind", "guest"},
    {"//vf[1]/owner/@partition", "5"},
    {"//vf[1]/bars/bar[2]/@index", "3"},
    {"//vf[1]/desired/@mac", "02:00:00:0a:0b:0c"},
    {"//vf[1]/desired/@vlan", "100"},
    {"//vf[1]/desired/@trust", "no"},
    {"//vf[1]/desired/@spoofchk", "yes"},
    {"//vf[1]/desired/@link", "enable"},
    {"//vf[1]/desired/@max-tx-mbit", "1000"},
    {"//vf[1]/observed/@answers", "yes"},
    {"//vf[1]/observed/@attributes-as-desired", "yes"},
    {"//vf[1]/observed/@vlan", "99"},
    {"//vf[1]/observed/@mac", "02:00:00:0a:0b:0c"},
    {"count(//vf[1]/observed/@trust | //vf[2]/observed/@mac)", "0"},
    {"//vf[2]/@index", "1"},
    {"//vf[2]/@status", "absent"},
    {"count(//vf[2]/@iommu-group | //vf[2]/desired)", "0"},
    {"//vf[2]/owner/@kind", "interconnect"},
    {"//vf[2]/observed/@answers", "no"},
    {"//vf[2]/observed/@not-bound", "vfio-pci does not take it: see the kernel's log"},
    {"//vf[2]/observed/@for-host", "yes"},
    {"count(//vf[1]/observed/@not-bound | //vf[1]/observed/@for-host)", "0"},
    {"//vf[1]/observed/@requested", "yes"},
    {"count(//vf[2]/observed/@requested)", "0"},
    /* the other device */
    {"//device[2]/@address", "0001:02:01.0"},
    {"//device[2]/pf/@class", "nvme"},
    {"//device[2]/pf/@status", "error"},
    {"count(//device[2]/pf/vfs/*)", "0"},
    {"count(//device[2]/pf/@card | //device[2]//sriov | //device[2]//rom)", "0"},
};

static void everything_observed_is_there(void **state)
{
    struct page page = {0};
    (void)state;

    usual_page(&page);
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        is(&page, usual[i][0], usual[i][1]);
    page_free(&page);
}

/* Of one card: with ARI there is no device number, and without it each may be another device. */
static void no_two_functions_have_one_identity(void **state)
{
    static uint8_t plain[CONFIG_SPACE_SIZE], ari[CONFIG_SPACE_SIZE];
    static const uint32_t at[] = {0x0100, 0x0101, 0x0108, 0x01ff};
    static const char *const expected[][3] = {{"s/0", "s/0", "slot-0000:01:00/0"},
                                              {"s/1", "s/1", "slot-0000:01:00/1"},
                                              {"s/1.0", "s/8", "slot-0000:01:00/8"},
                                              {"s/31.7", "s/255", "slot-0000:01:00/255"}};
    (void)state;

    config_igb(plain);
    memcpy(ari, plain, sizeof(ari));
    put_extended(ari, SRIOV_AT, 0x0010, 0x200);
    put_extended(ari, 0x200, 0x000e, 0);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        struct pf_observed seen[3] = {{.bdf = {at[i]}, .serial = "s"}};
        struct map_pf pfs[3];
        struct page page = {0};

        seen[1] = seen[0];
        seen[2] = (struct pf_observed){.bdf = {at[i]}};
        for (size_t n = 0; n < 3; n++)
            pfs[n] = (struct map_pf){
                .observed = &seen[n], .config = n ? ari : plain, .config_size = CONFIG_SPACE_SIZE};
        page_print(&page, pfs, 3);
        is(&page, "//device[1]/pf/@identity", expected[i][0]);
        is(&page, "//device[2]/pf/@identity", expected[i][1]);
        is(&page, "//device[3]/pf/@identity", expected[i][2]);
        page_free(&page);
    }
}

static void no_devices_are_a_document_too(void **state)
{
    struct page page = {0};
    (void)state;

    page_print(&page, NULL, 0);
    is(&page, "count(/devices/*)", "0");
    page_free(&page);
}

/* ---- hostile configuration space */

static void capabilities_are(const uint8_t *config, size_t size, const char *count)
{
    const struct pf_observed seen = {.sriov = {.offset = SRIOV_AT}};
    const struct map_pf pf = {.observed = &seen, .config = config, .config_size = size};
    /* of its own, so that a sanitizer sees each byte that is read beyond */
    uint8_t *exact = malloc(size ? size : 1);
    struct map_pf bounded = pf;
    struct page page = {0};

    memcpy(exact, config, size);
    bounded.config = exact;
    page_print(&page, &bounded, 1);
    is(&page, "count(//capability)", count);
    page_free(&page);
    free(exact);
}

static void lists_that_go_in_circles_end(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE];
    (void)state;

    config_igb(config);
    put(config, 0xa0, 2, 0x4010);                   /* back to the first */
    put_extended(config, SRIOV_AT, 0x10, SRIOV_AT); /* to itself */
    capabilities_are(config, sizeof(config), "5");
    put_extended(config, SRIOV_AT, 0x10, 0x100);
    capabilities_are(config, sizeof(config), "5");
}

static void the_longest_lists_fit_the_schema(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE];
    (void)state;

    memset(config, 0, sizeof(config));
    config[0x06] = 0x10;
    config[0x34] = 0x40;
    for (unsigned at = 0x40; at < 0x100; at += 4)
        put(config, at, 2, 0x09 | (at + 4) << 8);
    for (unsigned at = 0x100; at < 0x1000; at += 4)
        put_extended(config, at, 0x0b, at + 4);
    capabilities_are(config, sizeof(config), "1008");
}

static void offsets_out_of_range_end_a_list(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE];
    (void)state;

    config_igb(config);
    config[0x34] = 0x3c; /* into the header */
    put_extended(config, 0x100, 0x0003, 0x0fc);
    capabilities_are(config, sizeof(config), "1");
    config[0x34] = 0xfc; /* the last place: a null capability */
    put_extended(config, 0x100, 0x0003, 0xffc);
    put_extended(config, 0xffc, 0x000b, 0xfff);
    capabilities_are(config, sizeof(config), "3");
}

static void config_space_may_end_anywhere(void **state)
{
    static const struct {
        size_t size;
        const char *capabilities;
    } cases[] = {{0, "0"},     {1, "0"},     {0x34, "0"},  {0x35, "0"},  {0x41, "0"},
                 {0x42, "1"},  {0x100, "3"}, {0x102, "3"}, {0x104, "4"}, {0x163, "4"},
                 {0x164, "5"}, {0x19e, "5"}, {0x1a0, "5"}};
    uint8_t config[CONFIG_SPACE_SIZE];
    (void)state;

    config_igb(config);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        capabilities_are(config, cases[i].size, cases[i].capabilities);
}

static void all_ones_and_no_list_have_no_capabilities(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE];
    (void)state;

    memset(config, 0xff, sizeof(config));
    capabilities_are(config, sizeof(config), "0");
    config_igb(config);
    config[0x06] = 0; /* the pointer means nothing then */
    capabilities_are(config, 0x100, "0");
}

/* ---- hostile text and numbers */

static void names_cannot_leave_their_attribute(void **state)
{
    const struct card_config card = {.name = "a\"/><b c='&lt;", .driver = "\x01\n\t]]>"};
    struct pf_observed seen = {.serial = "\xc3(\xff\xed\xa0\x80", .netdev = "\x7f"};
    const struct map_pf pf = {.card = &card, .observed = &seen};
    struct page page = {0};
    (void)state;

    memset(seen.driver, 'd', sizeof(seen.driver)); /* no NUL */
    page_print(&page, &pf, 1);
    is(&page, "//pf/@card", "a\"/><b c='&lt;");
    is(&page, "//pf/desired/@driver", "???]]>");
    is(&page, "//pf/@serial", "?(????");
    is(&page, "//pf/@interface", "?");
    is(&page, "string-length(//pf/@driver)", "24");
    page_free(&page);
}

static void numbers_beyond_the_known_stay_valid(void **state)
{
    struct pf_observed seen;
    struct vf_observed seen_vf;
    struct vf_attributes desired;
    struct function_capabilities capabilities;
    const struct map_vf vf = {&seen_vf,
                              {99, {99}},
                              &desired,
                              &desired,
                              &capabilities,
                              true,
                              {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX, 0}};
    const struct map_pf pf = {
        .observed = &seen, .vfs = &vf, .vfs_count = 1, .capabilities = &capabilities};
    struct page page = {0};
    (void)state;

    memset(&seen, 0xff, sizeof(seen));
    memset(&seen_vf, 0xff, sizeof(seen_vf));
    memset(&desired, 0xff, sizeof(desired));
    memset(&capabilities, 0xff, sizeof(capabilities));
    page_print(&page, &pf, 1);
    is(&page, "//pf/@status", "error");
    is(&page, "//pf/@class", "other");
    is(&page, "//vf/@status", "error");
    is(&page, "//vf/owner/@kind", "unknown");
    is(&page, "count(//vf/desired/@link)", "0");
    page_free(&page);
}

static void a_full_disk_is_an_error(void **state)
{
    const struct pf_observed seen = {0};
    const struct map_pf pf = {.observed = &seen};
    FILE *out = fopen("/dev/full", "w");
    (void)state;

    assert_non_null(out);
    assert_int_equal(devices_xml_print(out, 1, &pf, 1), -EIO);
    fclose(out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_observed_is_there),
        cmocka_unit_test(no_two_functions_have_one_identity),
        cmocka_unit_test(no_devices_are_a_document_too),
        cmocka_unit_test(lists_that_go_in_circles_end),
        cmocka_unit_test(the_longest_lists_fit_the_schema),
        cmocka_unit_test(offsets_out_of_range_end_a_list),
        cmocka_unit_test(config_space_may_end_anywhere),
        cmocka_unit_test(all_ones_and_no_list_have_no_capabilities),
        cmocka_unit_test(names_cannot_leave_their_attribute),
        cmocka_unit_test(numbers_beyond_the_known_stay_valid),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    if (argc != 2)
        return EXIT_FAILURE;
    schema_path = argv[1];
    int failed = cmocka_run_group_tests_name("map", tests, NULL, NULL);
    xmlCleanupParser();
    return failed;
}
