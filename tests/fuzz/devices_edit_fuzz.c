/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile edits of devices.xml. The first byte chooses: with the schema (bit 0); the rest is the
 * whole file, or stands in the place of a VF's <desired/> (bit 1). Whatever comes out must be what
 * the TCB takes, and what is accepted must be of the right generation and of a VF that is there.
 */
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_schema.h"
#include "map/devices_edit.h"
#include "map/devices_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define DESIRED "<desired vlan=\"100\" qos=\"0\"/>"
#define VFS     2

static xmlSchemaPtr schema;
static char *original;
static size_t original_size;

static void silent(void *context, const char *format, ...)
{
    (void)context;
    (void)format;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct card_config card = {"net0", {0x0100}, VFS, "igb"};
    static const struct pf_observed pf = {.bdf = {0x0100}, .answers = 1, .driver = "igb"};
    static const struct vf_attributes wanted = {.present = VF_ATTR_VLAN, .vlan = 100};
    static const struct vf_observed seen[VFS] = {{.bdf = {0x180}, .pf = {0x100}},
                                                 {.bdf = {0x182}, .pf = {0x100}, .index = 1}};
    const struct map_vf vfs[VFS] = {
        {.observed = &seen[0], .owner = {OWNER_INTERCONNECT, {0}}},
        {.observed = &seen[1], .owner = {OWNER_GUEST, {1}}, .desired = &wanted}};
    const struct map_pf map = {.card = &card, .observed = &pf, .vfs = vfs, .vfs_count = VFS};
    xmlSchemaParserCtxtPtr parser =
        xmlSchemaNewMemParserCtxt(schema_devices, (int)strlen(schema_devices));
    FILE *out = open_memstream(&original, &original_size);
    (void)argc;
    (void)argv;

    xmlSetGenericErrorFunc(NULL, silent);
    schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    if (!schema || !out || devices_xml_print(out, 42, &map, 1) || fclose(out) ||
        !strstr(original, DESIRED))
        abort();
    return 0;
}

/* The file that is judged: of its own, so that a sanitizer sees each byte that is read beyond. */
static char *edited(const uint8_t *data, size_t size, bool whole, size_t *edited_size)
{
    size_t before = whole ? 0 : (size_t)(strstr(original, DESIRED) - original);
    size_t after = whole ? 0 : original_size - before - strlen(DESIRED);
    char *text = malloc(before + size + after + 1);

    if (!text)
        abort();
    memcpy(text, original, before);
    if (size)
        memcpy(text + before, data, size);
    memcpy(text + before + size, original + original_size - after, after);
    *edited_size = before + size + after;
    return text;
}

static void check(const struct devices_edit *edit)
{
    if (devices_edit_check(edit))
        abort();
    if (edit->verdict != EDIT_ACCEPTED)
        return;
    if (edit->generation != 42 || edit->vfs_count > 1)
        abort();
    if (edit->vfs_count && (edit->vfs[0].pf.value != 0x100 || edit->vfs[0].index != 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct devices_edit edit;
    size_t edited_size;

    if (!size)
        return 0;
    char *text = edited(data + 1, size - 1, !(data[0] & 2), &edited_size);
    devices_edit_read(original, original_size, text, edited_size, data[0] & 1 ? schema : NULL,
                      &edit);
    check(&edit);
    free(text);
    return 0;
}
