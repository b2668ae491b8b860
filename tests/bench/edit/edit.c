/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading of an edited devices.xml: hosts of 4, 16 and 64 PFs with 256 VFs each, one VF edited.
 * A line for each: "SIZE PFs bytes ms", the median of the rounds; what the TCB's child does, with
 * the schema and the schema's own parsing. The edit must come out as one VF.
 */
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config_schema.h"
#include "map/devices_edit.h"
#include "map/devices_xml.h"

#define VFS    PARCLOSE_MAX_VFS_PER_PF
#define ROUNDS 5

struct text {
    char *bytes;
    size_t size;
};

static void fail(const char *what)
{
    printf("%s\n", what);
    exit(1);
}

/* All that a VF may have, so that no real file is larger. */
static void print_pfs(uint32_t pfs_count, struct text *text)
{
    static const struct function_capabilities capabilities = {
        .ats_offset = 0x150, .acs_offset = 0x148, .aer_offset = 0x120};
    static const struct vf_attributes wanted = {.present = 0x3f, .mac = {2}, .vlan = 100};
    struct card_config *cards = calloc(pfs_count, sizeof(*cards));
    struct pf_observed *seen = calloc(pfs_count, sizeof(*seen));
    struct map_pf *pfs = calloc(pfs_count, sizeof(*pfs));
    struct vf_observed *observed = calloc((size_t)pfs_count * VFS, sizeof(*observed));
    struct map_vf *vfs = calloc((size_t)pfs_count * VFS, sizeof(*vfs));
    FILE *out = open_memstream(&text->bytes, &text->size);

    if (!cards || !seen || !pfs || !observed || !vfs || !out)
        fail("no memory");
    for (uint32_t p = 0; p < pfs_count; p++) {
        cards[p] = (struct card_config){.bdf = {(p + 1) << 16}, .vfs = VFS, .driver = "mlx5_core"};
        snprintf(cards[p].name, sizeof(cards[p].name), "net%u", p);
        seen[p] = (struct pf_observed){
            .bdf = cards[p].bdf, .class = CLASS_NETWORK, .answers = 1, .driver = "mlx5_core"};
        pfs[p] = (struct map_pf){.card = &cards[p],
                                 .observed = &seen[p],
                                 .vfs = &vfs[(size_t)p * VFS],
                                 .vfs_count = VFS};
        for (uint32_t v = 0; v < VFS; v++) {
            observed[p * VFS + v] = (struct vf_observed){.bdf = {cards[p].bdf.value + 0x80 + v},
                                                         .pf = cards[p].bdf,
                                                         .index = v,
                                                         .answers = 1,
                                                         .driver = "vfio-pci",
                                                         .bars = {{0xfe100000, 0x4000, 0x200, 0}}};
            vfs[p * VFS + v] = (struct map_vf){.observed = &observed[p * VFS + v],
                                               .owner = {OWNER_GUEST, {1}},
                                               .desired = &wanted,
                                               .seen = &wanted,
                                               .capabilities = &capabilities};
        }
    }
    if (devices_xml_print(out, 42, pfs, pfs_count) || fclose(out))
        fail("cannot be printed");
    free(cards);
    free(seen);
    free(pfs);
    free(observed);
    free(vfs);
}

/* The last VF of all in another VLAN. */
static struct text edited(const struct text *original)
{
    struct text text = {malloc(original->size + 1), original->size};
    char *at = NULL;

    if (!text.bytes)
        fail("no memory");
    memcpy(text.bytes, original->bytes, original->size + 1); /* NUL included */
    for (char *next = text.bytes; (next = strstr(next, "<desired mac")); next++)
        at = next;
    char *vlan = at ? strstr(at, "vlan=\"100\"") : NULL;
    if (!vlan)
        fail("there is no VF");
    vlan[strlen("vlan=\"10")] = '1';
    return text;
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double read_once(const struct text *original, const struct text *text)
{
    static struct devices_edit edit;
    double began = now_ms();
    xmlSchemaParserCtxtPtr parser =
        xmlSchemaNewMemParserCtxt(schema_devices, (int)strlen(schema_devices));
    xmlSchemaPtr schema = xmlSchemaParse(parser);

    devices_edit_read(original->bytes, original->size, text->bytes, text->size, schema, &edit);
    double took = now_ms() - began;
    if (edit.verdict != EDIT_ACCEPTED || edit.vfs_count != 1 || edit.vfs[0].after.vlan != 101 ||
        edit.vfs[0].index != VFS - 1) {
        printf("line %u: %s\n", edit.line, edit.text);
        fail("is not the edit that was made");
    }
    xmlSchemaFree(schema);
    xmlSchemaFreeParserCtxt(parser);
    return took;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure(uint32_t pfs_count)
{
    double times[ROUNDS];
    struct text original;

    print_pfs(pfs_count, &original);
    struct text text = edited(&original);
    for (int i = 0; i < ROUNDS; i++)
        times[i] = read_once(&original, &text);
    qsort(times, ROUNDS, sizeof(times[0]), by_value);
    printf("SIZE %u %zu %.1f\n", pfs_count, original.size, times[ROUNDS / 2]);
    fflush(stdout);
    free(original.bytes);
    free(text.bytes);
}

int main(void)
{
    measure(4);
    measure(16);
    measure(PARCLOSE_MAX_PFS);
    return 0;
}
