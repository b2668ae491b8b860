/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.xml of a hostile card: the input is what is observed of a PF, of a VF, what is desired
 * and asked for, and then configuration space. It goes into memory and must come out as XML.
 */
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "map/devices_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct observed {
    struct pf_observed pf;
    struct vf_observed vf;
    struct owner owner;
    struct vf_attributes desired;
    struct card_config card;
    struct function_capabilities capabilities;
    struct vf_attributes seen;
};

static void read_back(const char *text, size_t size)
{
    xmlDocPtr document =
        xmlReadMemory(text, (int)size, "devices.xml", NULL, XML_PARSE_NOERROR | XML_PARSE_NONET);

    if (!document)
        abort();
    xmlFreeDoc(document);
}

static void print(const struct observed *observed, const uint8_t *config, size_t config_size)
{
    const struct map_vf vf = {.observed = &observed->vf,
                              .owner = observed->owner,
                              .desired = &observed->desired,
                              .seen = &observed->seen,
                              .capabilities = &observed->capabilities,
                              .requested = true,
                              .aer = observed->vf.errors};
    const struct map_pf pf = {.card = &observed->card,
                              .observed = &observed->pf,
                              .config = config,
                              .config_size = config_size,
                              .vfs = &vf,
                              .vfs_count = 1,
                              .capabilities = &observed->capabilities,
                              .aer = observed->pf.errors};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out || devices_xml_print(out, 1, &pf, 1))
        abort();
    fclose(out);
    read_back(text, size);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct observed observed = {0};
    size_t used = size < sizeof(observed) ? size : sizeof(observed);

    memcpy(&observed, data, used);
    print(&observed, size > used ? data + used : NULL, size - used);
    return 0;
}
