/* SPDX-License-Identifier: Apache-2.0 */
#include "edit_child.h"

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_schema.h"
#include "map/devices_edit.h"
#include "sandbox/sandbox.h"

#define MEMORY_MAX  (UINT64_C(512) << 20) /* two files of 32 MiB, the schema, a parser */
#define SECONDS_MAX 10

struct text {
    char *bytes;
    size_t size;
};

/* As large as it is now, and no more: it may be written to meanwhile. */
static bool read_all(int file, struct text *text)
{
    struct stat stat;

    if (fstat(file, &stat) < 0 || stat.st_size < 0 || stat.st_size > DEVICES_EDIT_SIZE_MAX)
        return false;
    text->bytes = malloc((size_t)stat.st_size + 1);
    while (text->bytes && text->size < (size_t)stat.st_size) {
        ssize_t got = pread(file, text->bytes + text->size, (size_t)stat.st_size - text->size,
                            (off_t)text->size);
        if (got <= 0)
            break;
        text->size += (size_t)got;
    }
    return text->bytes != NULL;
}

static void *schema(void)
{
    xmlSchemaParserCtxt *parser =
        xmlSchemaNewMemParserCtxt(schema_devices, (int)strlen(schema_devices));
    return parser ? xmlSchemaParse(parser) : NULL;
}

_Noreturn void edit_child(int original, int edited, int out)
{
    static struct devices_edit edit;
    struct text ours = {0}, theirs = {0};

    if (!read_all(original, &ours) || !read_all(edited, &theirs) ||
        sandbox_compute_only(out, MEMORY_MAX, SECONDS_MAX))
        _exit(1);
    void *rules = schema();
    if (!rules)
        _exit(1);
    devices_edit_read(ours.bytes, ours.size, theirs.bytes, theirs.size, rules, &edit);
    _exit(write(out, &edit, sizeof(edit)) == (ssize_t)sizeof(edit) ? 0 : 1);
}
