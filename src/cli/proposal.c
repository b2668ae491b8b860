/* SPDX-License-Identifier: Apache-2.0 */
#include "config/proposal.h"

#include <errno.h>
#include <fcntl.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "config/config_schema.h"
#include "config/config_text.h"
#include "format.h"
#include "map/devices_edit.h"
#include "proposal.h"
#include "sandbox/sandbox.h"

#define DEVICES     "devices.xml"
#define MEMORY_MAX  (UINT64_C(512) << 20) /* two devices.xml of 32 MiB, schemas, a parser */
#define SECONDS_MAX 20

enum kind { KIND_HOST, KIND_DEVICES, KIND_PARTITION };

struct source {
    const char *path;
    enum kind kind;
    char name[PARCLOSE_NAME_MAX]; /* of the partition */
    struct config_text text;
};

/* What the child says: in memory that both have. */
struct verdict {
    bool done;
    struct config_error errors[PROPOSAL_FILES_MAX]; /* "": the file is good */
    struct proposal proposal;
};

struct reading {
    const struct cli *cli;
    size_t count;
    struct source sources[PROPOSAL_FILES_MAX];
    struct config_text published; /* the devices.xml that an edited one is compared with */
    struct verdict *verdict;
};

/* ---- which file is which */

static bool take_name(struct source *source, const char *file)
{
    size_t length = strlen(file);

    if (!strcmp(file, "host.xml")) {
        source->kind = KIND_HOST;
    } else if (!strcmp(file, DEVICES)) {
        source->kind = KIND_DEVICES;
    } else {
        source->kind = KIND_PARTITION;
        if (length < 5 || length - 4 >= sizeof(source->name) ||
            strcmp(file + length - 4, ".xml") != 0)
            return false;
        memcpy(source->name, file, length - 4);
    }
    return source->kind != KIND_PARTITION || config_name_ok(source->name);
}

static bool named_before(const struct reading *reading, const struct source *source)
{
    for (size_t i = 0; i < reading->count; i++)
        if (reading->sources[i].kind == source->kind &&
            !strcmp(reading->sources[i].name, source->name))
            return true;
    return false;
}

static int take_path(struct reading *reading, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct source source = {.path = path};

    if (!take_name(&source, slash ? slash + 1 : path))
        return cli_usage(reading->cli,
                         "%s: a file is host.xml, " DEVICES " or a partition's NAME.xml", path);
    if (named_before(reading, &source))
        return cli_usage(reading->cli, "%s: another file is about the same", path);
    if (reading->count == PROPOSAL_FILES_MAX)
        return cli_usage(reading->cli, "at most %d files", PROPOSAL_FILES_MAX);
    reading->sources[reading->count++] = source;
    return 0;
}

/* ---- reading: nothing is parsed yet */

static bool read_up_to(int fd, size_t most, struct config_text *text)
{
    struct stat stat;

    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_size > (off_t)most)
        return false;
    text->bytes = malloc((size_t)stat.st_size + 1);
    while (text->bytes && text->size < (size_t)stat.st_size) {
        ssize_t got = read(fd, text->bytes + text->size, (size_t)stat.st_size - text->size);
        if (got <= 0)
            break;
        text->size += (size_t)got;
    }
    return text->bytes != NULL;
}

static void read_devices(const char *path, struct config_text *text, struct config_error *error)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        config_error_set(error, "%s: %s", path, strerror(errno));
    else if (!read_up_to(fd, DEVICES_EDIT_SIZE_MAX, text))
        config_error_set(error, "%s: is no regular file of at most %u bytes", path,
                         DEVICES_EDIT_SIZE_MAX);
    if (fd >= 0)
        close(fd);
}

/* The document that the TCB publishes is beside command's socket. */
static void read_published(struct reading *reading, struct config_error *error)
{
    const char *slash = strrchr(reading->cli->socket, '/');
    char path[4096];

    snprintf(path, sizeof(path), "%.*s" DEVICES,
             slash ? (int)(slash - reading->cli->socket) + 1 : 0, reading->cli->socket);
    read_devices(path, &reading->published, error);
}

static void read_source(struct reading *reading, size_t number)
{
    struct source *source = &reading->sources[number];
    struct config_error *error = &reading->verdict->errors[number];

    if (source->kind != KIND_DEVICES) {
        config_text_read(AT_FDCWD, source->path, &source->text, error);
        return;
    }
    read_devices(source->path, &source->text, error);
    if (!error->text[0])
        read_published(reading, error);
}

/* ---- the child */

static void parse_devices(const struct reading *reading, const struct source *source,
                          struct config_error *error)
{
    static struct devices_edit edit;
    struct proposal *proposal = &reading->verdict->proposal;
    xmlSchemaParserCtxt *parser =
        xmlSchemaNewMemParserCtxt(schema_devices, (int)strlen(schema_devices));
    xmlSchema *schema = parser ? xmlSchemaParse(parser) : NULL;

    if (!schema)
        _exit(1);
    devices_edit_read(reading->published.bytes, reading->published.size, source->text.bytes,
                      source->text.size, schema, &edit);
    if (edit.verdict != EDIT_ACCEPTED && edit.line)
        config_error_set(error, "%s:%u: %s", source->path, edit.line, edit.text);
    else if (edit.verdict != EDIT_ACCEPTED)
        config_error_set(error, "%s: %s", source->path, edit.text);
    else if (edit.pf_state)
        config_error_set(
            error,
            "%s: state and idle-power of a PF are changed by `parclose pf`, or by the edit itself",
            source->path);
    proposal->edits_count = edit.vfs_count;
    memcpy(proposal->edits, edit.vfs, sizeof(proposal->edits));
}

/* The host first: partitions are checked against its cards. */
static void parse_kind(const struct reading *reading, const struct config_reader *reader,
                       enum kind kind)
{
    struct proposal *proposal = &reading->verdict->proposal;

    for (size_t i = 0; i < reading->count; i++) {
        const struct source *source = &reading->sources[i];
        const struct config_text *text = &source->text;
        struct config_error *error = &reading->verdict->errors[i];
        if (source->kind != kind || error->text[0])
            continue;
        if (kind == KIND_DEVICES)
            parse_devices(reading, source, error);
        else if (kind == KIND_HOST)
            proposal->host_given = !config_host_parse(reader, source->path, text->bytes, text->size,
                                                      &proposal->host, error);
        else if (!config_partition_parse(reader, source->path, source->name, text->bytes,
                                         text->size, proposal->host_given ? &proposal->host : NULL,
                                         &proposal->partitions[proposal->partitions_count], error))
            proposal->partitions_count++;
    }
}

_Noreturn static void be_child(const struct reading *reading)
{
    struct config_reader *reader;

    if (sandbox_compute_only(-1, MEMORY_MAX, SECONDS_MAX) || config_reader_new(&reader))
        _exit(1);
    parse_kind(reading, reader, KIND_HOST);
    parse_kind(reading, reader, KIND_PARTITION);
    parse_kind(reading, reader, KIND_DEVICES);
    reading->verdict->done = true;
    _exit(0);
}

/* False: it died, whatever of. */
static bool parse(const struct reading *reading)
{
    int status = 0;

    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        be_child(reading);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && !WEXITSTATUS(status) && reading->verdict->done;
}

/* ---- what became of it */

/* The child may have written anything. */
static void repair(struct verdict *verdict)
{
    for (size_t i = 0; i < PROPOSAL_FILES_MAX; i++)
        verdict->errors[i].text[CONFIG_ERROR_MAX - 1] = '\0';
}

static int say_problems(const struct reading *reading)
{
    json_t *problems = json_array();

    for (size_t i = 0; i < reading->count; i++) {
        struct config_error error;
        config_error_set(&error, "%s", reading->verdict->errors[i].text); /* no control character */
        if (error.text[0] && reading->cli->json)
            json_array_append_new(problems, json_stringn_nocheck(error.text, strlen(error.text)));
        else if (error.text[0])
            cli_error("%s", error.text);
    }
    json_t *answer = json_pack("{s:b, s:i, s:s, s:s, s:o}", "ok", 0, "errno", EINVAL, "error",
                               "EINVAL", "text", "a file is bad", "problems", problems);
    if (reading->cli->json)
        print_json(answer);
    json_decref(answer);
    return CLI_FAILED;
}

static int judge(const struct reading *reading, struct proposal *proposal)
{
    char reason[PARCLOSE_REASON_MAX];

    if (!parse(reading)) {
        cli_error("the files cannot be judged: their reader died");
        return CLI_FAILED;
    }
    repair(reading->verdict);
    for (size_t i = 0; i < reading->count; i++)
        if (reading->verdict->errors[i].text[0])
            return say_problems(reading);
    memcpy(proposal, &reading->verdict->proposal, sizeof(*proposal));
    proposal->magic = PROPOSAL_MAGIC;
    proposal->version = PROPOSAL_VERSION;
    if (!proposal_check(proposal, reason))
        return CLI_OK;
    cli_error("the files cannot be judged: %s", reason);
    return CLI_FAILED;
}

void proposal_texts_clear(struct proposal_texts *texts)
{
    while (texts->count)
        config_text_clear(&texts->files[--texts->count].text);
}

/* They were parsed as they are here: nobody reads the files a second time. */
static void keep_texts(struct reading *reading, struct proposal_texts *texts)
{
    texts->count = 0;
    for (size_t i = 0; i < reading->count; i++) {
        struct source *source = &reading->sources[i];
        if (source->kind == KIND_DEVICES)
            continue;
        if (source->kind == KIND_HOST)
            strcpy(texts->files[texts->count].path, "host.xml");
        else
            snprintf(texts->files[texts->count].path, sizeof(texts->files[0].path),
                     "partitions/%s.xml", source->name);
        texts->files[texts->count++].text = source->text;
        source->text = (struct config_text){.bytes = NULL};
    }
}

static int read_all(struct reading *reading, struct proposal *proposal,
                    struct proposal_texts *texts)
{
    for (size_t i = 0; i < reading->count; i++)
        read_source(reading, i);
    int code = judge(reading, proposal);
    if (!code && texts)
        keep_texts(reading, texts);
    for (size_t i = 0; i < reading->count; i++)
        config_text_clear(&reading->sources[i].text);
    config_text_clear(&reading->published);
    return code;
}

int proposal_read(const struct cli *cli, char *const *files, int count, struct proposal *proposal,
                  struct proposal_texts *texts)
{
    struct reading reading = {.cli = cli};
    int code = 0;

    for (int i = 0; i < count && !code; i++)
        code = take_path(&reading, files[i]);
    if (code)
        return code;
    void *shared = mmap(NULL, sizeof(*reading.verdict), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        cli_error("%s", strerror(errno));
        return CLI_FAILED;
    }
    reading.verdict = shared;
    code = read_all(&reading, proposal, texts);
    munmap(shared, sizeof(*reading.verdict));
    return code;
}

int proposal_files(const struct cli *cli, char *const *files, int count, int *memfd,
                   struct proposal_texts *texts)
{
    static struct proposal proposal;
    int code = proposal_read(cli, files, count, &proposal, texts);

    if (code)
        return code;
    *memfd = proposal_seal(&proposal);
    if (*memfd >= 0)
        return CLI_OK;
    cli_error("no proposal can be made: %s", strerror(-*memfd));
    if (texts)
        proposal_texts_clear(texts);
    return CLI_FAILED;
}
