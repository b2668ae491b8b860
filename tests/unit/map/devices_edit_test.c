/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of a printed devices.xml, each a text that is replaced by another one, with the schema
 * (argv[1]) and without: what is asked for, or why it is refused and where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/xmlschemas.h>

#include "map/devices_edit.h"
#include "map/devices_xml.h"

static xmlSchemaPtr schema;
static char *original;
static size_t original_size;

/* ---- a document: net0 with a VF of a guest, one of nobody, one of a guest */

static const struct card_config net0 = {"net0", {0x0100}, 3, "igb"};
static const struct vf_attributes wanted = {
    .present = VF_ATTR_MAC | VF_ATTR_VLAN, .mac = {2, 0, 0, 0xa, 0xb, 0xc}, .vlan = 100, .qos = 3};
static const struct vf_attributes nothing;

static int document(void **state)
{
    static const struct pf_observed pf = {
        .bdf = {0x0100}, .class = CLASS_NETWORK, .answers = 1, .driver = "igb", .netdev = "eth0"};
    static struct vf_observed seen[3];
    struct map_vf vfs[3] = {
        {.observed = &seen[0], .owner = {OWNER_GUEST, {1}}, .desired = &wanted},
        {.observed = &seen[1], .owner = {OWNER_INTERCONNECT, {0}}},
        {.observed = &seen[2], .owner = {OWNER_GUEST, {2}}, .desired = &nothing}};
    const struct map_pf map = {
        .card = &net0, .observed = &pf, .vfs = vfs, .vfs_count = sizeof(vfs) / sizeof(vfs[0])};
    (void)state;

    for (uint32_t i = 0; i < 3; i++)
        seen[i] = (struct vf_observed){
            .bdf = {0x180 + 2 * i}, .pf = {0x100}, .index = i, .answers = 1, .iommu_group = i};
    FILE *out = open_memstream(&original, &original_size);
    assert_int_equal(devices_xml_print(out, 42, &map, 1), 0);
    fclose(out);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(original);
    return 0;
}

/* ---- an edit */

static char *replaced(const char *from, const char *to, size_t *size)
{
    char *at = strstr(original, from), *text;

    if (!at) {
        fprintf(stderr, "there is no %s\n", from);
        abort();
    }
    size_t before = (size_t)(at - original);
    *size = original_size - strlen(from) + strlen(to);
    text = malloc(*size + 1); /* of its own, so that a sanitizer sees what is read beyond */
    memcpy(text, original, before);
    strcpy(text + before, to);
    strcpy(text + before + strlen(to), at + strlen(from));
    return text;
}

static struct devices_edit judge(const char *from, const char *to, bool with_schema)
{
    struct devices_edit edit;
    size_t size;
    char *text = replaced(from, to, &size);

    devices_edit_read(original, original_size, text, size, with_schema ? schema : NULL, &edit);
    assert_int_equal(devices_edit_check(&edit), 0);
    free(text);
    return edit;
}

#define ATTRIBUTES "mac=\"02:00:00:0a:0b:0c\" vlan=\"100\" qos=\"3\""
#define DESIRED    "<desired " ATTRIBUTES "/>"
#define MAC        "mac=\"02:00:00:0a:0b:0c\" "

static void accepted(const char *from, const char *to, uint32_t index,
                     const struct vf_attributes *after)
{
    for (int with_schema = 0; with_schema < 2; with_schema++) {
        struct devices_edit edit = judge(from, to, with_schema);
        if (edit.verdict != EDIT_ACCEPTED)
            fail_msg("%s: line %u: %s", to, edit.line, edit.text);
        assert_int_equal(edit.generation, 42);
        assert_int_equal(edit.vfs_count, after ? 1 : 0);
        if (!after)
            continue;
        assert_int_equal(edit.vfs[0].pf.value, 0x100);
        assert_int_equal(edit.vfs[0].index, index);
        assert_memory_equal(&edit.vfs[0].after, after, sizeof(*after));
    }
}

static void attributes_are_read(void **state)
{
    struct vf_attributes after = wanted;
    (void)state;

    after.vlan = 4094;
    after.qos = 0;
    accepted(DESIRED, "<desired " MAC "qos=\"0\" vlan=\"4094\"/>", 0, &after);
    after.mac[5] = 0xff;
    accepted(DESIRED, "<desired mac=\"02:00:00:0a:0b:ff\" vlan=\"4094\" qos=\"0\"></desired>", 0,
             &after);
    after = (struct vf_attributes){
        .present = VF_ATTR_TRUST | VF_ATTR_SPOOFCHK | VF_ATTR_LINK, .trust = 1, .link_state = 2};
    accepted(DESIRED, "<desired trust=\"yes\" spoofchk=\"no\" link=\"disable\"/>", 0, &after);
    after = (struct vf_attributes){
        .present = VF_ATTR_RATE, .min_tx_rate = 5, .max_tx_rate = UINT32_MAX};
    accepted(DESIRED, "<desired min-tx-mbit=\"5\" max-tx-mbit=\"4294967295\"/>", 0, &after);
    after = (struct vf_attributes){.nvme_queues = 65535, .nvme_vectors = 1};
    accepted("<desired/>", "<desired nvme-vectors=\"1\" nvme-queues=\"65535\"/>", 2, &after);
    after = (struct vf_attributes){.present = VF_ATTR_VLAN, .vlan = 7};
    accepted(DESIRED, "<desired vlan=\"&#55;\"/>", 0, &after);
    accepted(DESIRED, "<desired/>", 0, &nothing);
}

static void what_is_the_same_asks_for_nothing(void **state)
{
    (void)state;
    accepted(DESIRED, DESIRED, 0, NULL);
    accepted(DESIRED, "<desired qos=\"3\" " MAC " vlan=\"100\"  />", 0, NULL);
    accepted(DESIRED, "<!-- vlan of the office -->\n\t" DESIRED, 0, NULL);
    accepted("<vfs>", "<vfs\n>", 0, NULL);
}

#define PF_IS(state, power) "driver=\"igb\" state=\"" state "\" idle-power=\"" power "\"/>"
#define ENABLED             PF_IS("enabled", "on")
#define DISABLED            PF_IS("disabled", "on")
#define SLEEPS              PF_IS("enabled", "auto")

static void the_state_of_a_pf_is_read(void **state)
{
    static const struct {
        const char *to;
        uint32_t state;
    } rows[] = {{DISABLED, PF_STATE_DISABLED}, {SLEEPS, PF_STATE_IDLE_AUTO}};
    (void)state;

    for (int with_schema = 0; with_schema < 2; with_schema++)
        for (size_t i = 0; i < 2; i++) {
            const struct devices_edit edit = judge(ENABLED, rows[i].to, with_schema);
            if (edit.verdict != EDIT_ACCEPTED)
                fail_msg("line %u: %s", edit.line, edit.text);
            assert_int_equal(edit.pf.value, 0x100);
            assert_int_equal(edit.pf_state, rows[i].state);
            assert_int_equal(edit.vfs_count, 0);
        }
    accepted(ENABLED, ENABLED, 0, NULL);
}

struct refusal {
    const char *from, *to;
    const char *text; /* is in the reason */
};

static void refused(const struct refusal *refusal, bool with_schema)
{
    struct devices_edit edit = judge(refusal->from, refusal->to, with_schema);

    if (edit.verdict == EDIT_ACCEPTED)
        fail_msg("%s is accepted%s", refusal->to, with_schema ? "" : " without a schema");
    assert_int_equal(edit.vfs_count, 0);
    assert_true(edit.text[0]);
    if (!with_schema && !strstr(edit.text, refusal->text))
        fail_msg("%s: line %u: %s", refusal->to, edit.line, edit.text);
}

static void everything_else_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"generation=\"42\"", "generation=\"41\"", "is of generation 41, the file is at 42"},
        {"generation=\"42\"", "", "names no generation"},
        {"generation=\"42\"", "generation=\"-1\"", "names no generation"},
        {"generation=\"42\"", "generation=\"99999999999999999999\"", "names no generation"},
        {DESIRED, "<desired " MAC "vlan=\"4095\" qos=\"3\"/>", "vlan is \"4095\""},
        {DESIRED, "<desired " MAC "vlan=\"0x7\" qos=\"3\"/>", "vlan is \"0x7\""},
        {DESIRED, "<desired " MAC "vlan=\"\" qos=\"3\"/>", "vlan is \"\""},
        {DESIRED, "<desired " MAC "vlan=\"100\" qos=\"8\"/>", "qos is \"8\""},
        {DESIRED, "<desired qos=\"3\"/>", "qos needs a vlan"},
        {ENABLED, PF_IS("off", "on"), "state is \"off\""},
        {ENABLED, PF_IS("", "on"), "state is \"\""},
        {ENABLED, "driver=\"igb\" idle-power=\"on\"/>", "state is \"\""},
        {ENABLED, PF_IS("auto", "on"), "state is \"auto\""},
        {ENABLED, PF_IS("enabled", "off"), "idle-power is \"off\": expected on or auto"},
        {ENABLED, PF_IS("enabled", "disabled"), "idle-power is \"disabled\""},
        {ENABLED, PF_IS("enabled", ""), "idle-power is \"\""},
        {ENABLED, PF_IS("enabled", "auto\" power=\"on"), "host.xml"},
        {ENABLED, "driver=\"igb\" state=\"enabled\"/>", "idle-power is \"\""},
        {ENABLED, PF_IS("disabled", "auto"), "more than once"},
        {ENABLED, "driver=\"e1000\" state=\"disabled\" idle-power=\"on\"/>", "host.xml"},
        {" power=\"unknown\"", " power=\"asleep\"", "it is observed"},
        {DESIRED, "<desired mac=\"01:00:00:0a:0b:0c\"/>", "unicast"},
        {DESIRED, "<desired mac=\"00:00:00:00:00:00\"/>", "unicast"},
        {DESIRED, "<desired mac=\"2:0:0:a:b:c\"/>", "mac is"},
        {DESIRED, "<desired mac=\"02:00:00:0a:0b\"/>", "mac is"},
        {DESIRED, "<desired mac=\"02:00:00:0a:0b:0c:0d\"/>", "mac is"},
        {DESIRED, "<desired trust=\"maybe\"/>", "trust is"},
        {DESIRED, "<desired link=\"up\"/>", "link is"},
        {DESIRED, "<desired min-tx-mbit=\"9\" max-tx-mbit=\"8\"/>", "min-tx-mbit is 9"},
        {DESIRED, "<desired max-tx-mbit=\"4294967296\"/>", "max-tx-mbit is"},
        {DESIRED, "<desired nvme-queues=\"65536\"/>", "nvme-queues is"},
        {DESIRED, "<desired colour=\"red\"/>", "no attribute colour"},
        {DESIRED, "<desired vlan=\"7\" vlan=\"8\"/>", "redefined"},
        {DESIRED, "", "<observed> is where <desired> is"},
        {DESIRED, DESIRED DESIRED, "<desired> is where <observed> is"},
        {DESIRED, DESIRED "x", "text between elements"},
        {DESIRED, "<desired>x</desired>", "text between elements"},
        {DESIRED, "<desired><a/></desired>", "begins or ends where it does not"},
        {DESIRED, "<desired>", "mismatch"},
        {"<owner kind=\"interconnect\"/>\n", "<owner kind=\"interconnect\"/><desired vlan=\"7\"/>",
         "no partition has this VF"},
        {"<owner kind=\"guest\" partition=\"1\"/>", "<owner kind=\"guest\" partition=\"2\"/>",
         "is given to a partition by its definition"},
        {"vfs=\"3\"", "vfs=\"4\"", "host.xml"},
        {ENABLED, "driver=\"e1000e\"/>", "host.xml"},
        {"<vf index=\"0\"", "<vf index=\"1\"", "it is observed"},
        {"open=\"no\"", "open=\"yes\"", "it is observed"},
        {"address=\"0000:01:00.0\"", "address=\"0000:02:00.0\"", "it is observed"},
        {"<devices", "<!DOCTYPE devices [<!ENTITY a \"b\">]><devices", "DOCTYPE or CDATA"},
        {"<devices", "<?xml-stylesheet href=\"x\"?><devices", "processing instruction"},
        {DESIRED, "<desired vlan=\"&a;\"/>", "Entity"},
        {DESIRED, DESIRED "<![CDATA[]]>", "DOCTYPE or CDATA"},
        {"<devices", "\xef\xbb\xbf<devices", "no printable ASCII"},
        {DESIRED, "<desired\x01/>", "no printable ASCII"},
        {"</devices>", "", "content at the end"},
        {"</devices>", "</devices><devices/>", "Extra content"},
        {"</devices>", "</devices></devices>", "Extra content"},
        {"</vf>\n", "", ""},
        {"<vfs>", "<vfs><vf index=\"9\"/>", ""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        refused(&refusals[i], false);
        refused(&refusals[i], true);
    }
}

static void the_line_is_said(void **state)
{
    uint32_t line = 1;
    (void)state;

    for (const char *at = original; at < strstr(original, DESIRED); at++)
        line += *at == '\n';
    assert_int_equal(judge(DESIRED, "<desired vlan=\"x\"/>", false).line, line);
    assert_int_equal(judge(DESIRED, "<desired vlan=\"x\"/>", true).line, line);
    assert_int_equal(judge(DESIRED, "\n\n<desired\x7f/>", true).line, line + 2);
}

static void it_may_end_anywhere(void **state)
{
    struct devices_edit edit;
    (void)state;

    for (size_t size = 0; size < original_size - strlen("</devices>\n"); size += 7) {
        char *text = malloc(size + 1);
        memcpy(text, original, size);
        devices_edit_read(original, original_size, text, size, schema, &edit);
        assert_int_not_equal(edit.verdict, EDIT_ACCEPTED);
        assert_int_equal(devices_edit_check(&edit), 0);
        free(text);
    }
}

/* A reader that was taken over says anything. */
static void rubbish_is_not_taken(void **state)
{
    struct devices_edit good = judge(DESIRED, "<desired vlan=\"7\"/>", true), bad;
    (void)state;

#define BAD(change)                                                                                \
    do {                                                                                           \
        bad = good;                                                                                \
        bad.change;                                                                                \
        assert_int_not_equal(devices_edit_check(&bad), 0);                                         \
    } while (0)
    assert_int_equal(devices_edit_check(&good), 0);
    BAD(verdict = 0);
    BAD(verdict = EDIT_FAILED + 1);
    BAD(verdict = EDIT_REFUSED);
    BAD(vfs_count = PARCLOSE_EDIT_VFS_MAX + 1);
    BAD(vfs_count = UINT32_MAX);
    BAD(pf_state = PF_STATE_DISABLED);
    BAD(pf.value = 0x100);
    bad = good;
    bad.vfs_count = 0;
    bad.pf = (struct bdf){0x100};
    bad.pf_state = PF_STATE_ENABLED;
    assert_int_equal(devices_edit_check(&bad), 0);
    bad.pf_state = PF_STATE_IDLE_AUTO;
    assert_int_equal(devices_edit_check(&bad), 0);
    bad.pf_state = PF_STATES;
    assert_int_not_equal(devices_edit_check(&bad), 0);
    BAD(text[0] = '\n');
    BAD(vfs[0].index = PARCLOSE_MAX_VFS_PER_PF);
    BAD(vfs[0].after.vlan = 4095);
    BAD(vfs[0].after.present = UINT32_MAX);
    BAD(vfs[0].before.present = 1);
    memset(bad.text, 'x', sizeof(bad.text));
    assert_int_not_equal(devices_edit_check(&bad), 0);
    bad = good;
    bad.vfs[1] = bad.vfs[0];
    bad.vfs_count = 2;
    assert_int_not_equal(devices_edit_check(&bad), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_read),
        cmocka_unit_test(what_is_the_same_asks_for_nothing),
        cmocka_unit_test(the_state_of_a_pf_is_read),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(the_line_is_said),
        cmocka_unit_test(it_may_end_anywhere),
        cmocka_unit_test(rubbish_is_not_taken),
    };

    if (argc != 2)
        return 1;
    xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(argv[1]);
    schema = xmlSchemaParse(parser);
    if (!schema)
        return 1;
    int failed = cmocka_run_group_tests_name("devices-edit", tests, document, end);
    xmlSchemaFree(schema);
    xmlSchemaFreeParserCtxt(parser);
    xmlCleanupParser();
    return failed;
}
