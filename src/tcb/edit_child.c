/* SPDX-License-Identifier: Apache-2.0 */
#include "edit_child.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

static bool bound(int resource, uint64_t most)
{
    const struct rlimit limit = {most, most};
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

/* uid 0 without a capability is still the owner of what belongs to root: the filter has no open. */
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capset, &header, none) == 0;
}

static bool lock_down(int out)
{
    static const int calls[] = {
        SCMP_SYS(write),        SCMP_SYS(brk),           SCMP_SYS(munmap),
        SCMP_SYS(mremap),       SCMP_SYS(madvise),       SCMP_SYS(futex),
        SCMP_SYS(getrandom),    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group),
    };

    return (out == 0 || close_range(0, (unsigned)out - 1, 0) == 0) &&
           close_range((unsigned)out + 1, ~0U, 0) == 0 && bound(RLIMIT_NOFILE, 0) &&
           bound(RLIMIT_AS, MEMORY_MAX) && bound(RLIMIT_CPU, SECONDS_MAX) &&
           bound(RLIMIT_FSIZE, 0) && bound(RLIMIT_CORE, 0) && drop_capabilities() &&
           !sandbox_seal_only(calls, sizeof(calls) / sizeof(calls[0]));
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

    if (!read_all(original, &ours) || !read_all(edited, &theirs) || !lock_down(out))
        _exit(1);
    void *rules = schema();
    if (!rules)
        _exit(1);
    devices_edit_read(ours.bytes, ours.size, theirs.bytes, theirs.size, rules, &edit);
    _exit(write(out, &edit, sizeof(edit)) == (ssize_t)sizeof(edit) ? 0 : 1);
}
