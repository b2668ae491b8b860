/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One VF's attributes: shown from devices.xml, and changed by an edit of it
 * (parclose-devices.xml(5)), as anybody may do by hand: this only writes the copy and waits for
 * what becomes of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edits.h"
#include "format.h"
#include "options.h"
#include "table.h"
#include "write_all.h"

#define TIMEOUT_MS 30000
#define POLL_US    20000
#define TRIES      5 /* the file may become a newer one between our look and the TCB's */

static const char *const attributes[] = {"mac",         "vlan",        "qos",         "trust",
                                         "spoofchk",    "link",        "min-tx-mbit", "max-tx-mbit",
                                         "nvme-queues", "nvme-vectors"};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

struct vf_name {
    char card[64];
    char index[8];
};

/* What is to be changed of it: NAME=VALUE each. */
struct edit {
    struct vf_name name;
    char **words;
    int count;
};

/* ---- the document */

static xmlDoc *read_document(const struct cli *cli, int *code)
{
    char path[EDITS_PATH];

    edits_beside(cli, "devices.xml", path);
    int file = open(path, O_RDONLY | O_CLOEXEC), error = file < 0 ? errno : 0;
    xmlDoc *document = file < 0 ? NULL : xmlReadFd(file, NULL, NULL, XML_PARSE_NONET);

    if (file >= 0)
        close(file);
    if (!document)
        cli_error("%s: %s", path, error ? strerror(error) : "is no XML");
    *code = document ? CLI_OK : error == ENOENT ? CLI_UNREACHABLE : CLI_FAILED;
    return document;
}

static bool is(const xmlNode *node, const char *name, const char *attribute, const char *value)
{
    if (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0)
        return false;
    xmlChar *has = attribute ? xmlGetProp(node, (const xmlChar *)attribute) : NULL;
    bool same = !attribute || (has && !strcmp((const char *)has, value));
    xmlFree(has);
    return same;
}

/* The first such element below, at whatever depth it is. */
static xmlNode *below(const xmlNode *node, const char *name, const char *attribute,
                      const char *value)
{
    for (xmlNode *at = node ? node->children : NULL; at; at = at->next) {
        xmlNode *found = is(at, name, attribute, value) ? at : below(at, name, attribute, value);
        if (found)
            return found;
    }
    return NULL;
}

static xmlNode *find(xmlDoc *document, const struct vf_name *name)
{
    xmlNode *pf = below(xmlDocGetRootElement(document), "pf", "card", name->card);
    xmlNode *vf = below(below(pf, "vfs", NULL, NULL), "vf", "index", name->index);

    if (!vf)
        cli_error("%s/%s: %s", name->card, name->index,
                  pf ? "the card has no such VF now"
                     : "there is no such card: see parclose devices");
    return vf;
}

/* ---- show */

static json_t *attributes_of(const xmlNode *node)
{
    json_t *all = json_object();

    for (size_t i = 0; node && i < ATTRIBUTES; i++) {
        xmlChar *value = xmlGetProp(node, (const xmlChar *)attributes[i]);
        if (value)
            json_object_set_new(all, attributes[i], json_string((const char *)value));
        xmlFree(value);
    }
    return all;
}

static void print_table(const json_t *report)
{
    static const char *const heads[] = {"ATTRIBUTE", "DESIRED", "OBSERVED", NULL};
    const json_t *desired = json_object_get(report, "desired"),
                 *observed = json_object_get(report, "observed");
    struct table *table = table_new(heads);

    for (size_t i = 0; i < ATTRIBUTES; i++) {
        const char *wanted = text_of(desired, attributes[i]),
                   *set = text_of(observed, attributes[i]);
        if (!wanted[0] && !set[0])
            continue;
        table_cell(table, "%s", attributes[i]);
        table_cell(table, "%s", wanted[0] ? wanted : "-");
        table_cell(table, "%s", set[0] ? set : "-");
    }
    table_print(table, stdout, terminal_width());
}

static int show(const struct cli *cli, const struct vf_name *name)
{
    int code;
    xmlDoc *document = read_document(cli, &code);
    xmlNode *vf = document ? find(document, name) : NULL;

    if (vf) {
        json_t *report = json_pack("{s:b, s:o, s:o}", "ok", 1, "desired",
                                   attributes_of(below(vf, "desired", NULL, NULL)), "observed",
                                   attributes_of(below(vf, "observed", NULL, NULL)));
        if (cli->json)
            print_json(report);
        else
            print_table(report);
        json_decref(report);
    }
    xmlFreeDoc(document);
    return code ? code : !vf || fflush(stdout) ? CLI_FAILED : CLI_OK;
}

/* ---- set */

static bool known(const char *word)
{
    const char *end = strchr(word, '=');

    for (size_t i = 0; end && i < ATTRIBUTES; i++)
        if (strlen(attributes[i]) == (size_t)(end - word) &&
            !strncmp(word, attributes[i], (size_t)(end - word)))
            return true;
    return false;
}

/* NAME=VALUE; with no value it is left open again. */
static void change(xmlNode *desired, const char *word)
{
    const char *value = strchr(word, '=') + 1;
    char name[16];

    snprintf(name, sizeof(name), "%.*s", (int)(value - 1 - word), word);
    if (*value)
        xmlSetProp(desired, (const xmlChar *)name, (const xmlChar *)value);
    else
        xmlUnsetProp(desired, (const xmlChar *)name);
}

/* Under a name that nobody takes; then under its own. */
static int put_edit(int folder, xmlDoc *document, const char *name)
{
    xmlChar *text = NULL;
    char unnamed[32];
    int size = 0;

    snprintf(unnamed, sizeof(unnamed), ".vf-%d", (int)getpid());
    xmlDocDumpMemory(document, &text, &size);
    unlinkat(folder, unnamed, 0); /* of one that died, with our number */
    int file = openat(folder, unnamed, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = file < 0 ? -errno : text ? write_all(file, text, (size_t)size) : -ENOMEM;
    if (file >= 0 && close(file) && !error)
        error = -errno;
    if (!error && renameat(folder, unnamed, folder, name) < 0)
        error = -errno;
    if (error)
        unlinkat(folder, unnamed, 0);
    xmlFree(text);
    return error;
}

static bool there(int folder, const char *name, const char *suffix)
{
    char path[96];

    snprintf(path, sizeof(path), "%s%s", name, suffix);
    return faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Why it was refused; what stands beside it is ours to remove. */
static void take_answer(int folder, const char *name, char text[EDITS_TEXT])
{
    char path[96], when[32];

    snprintf(path, sizeof(path), "%s.error", name);
    edits_read_answer(folder, path, text, when);
    unlinkat(folder, path, 0);
    snprintf(path, sizeof(path), "%s.refused", name);
    unlinkat(folder, path, 0);
}

/* CLI_OK: applied. CLI_FAILED: refused, and `text` says why. CLI_TIMEOUT: nobody took it. */
static int await(int folder, const char *name, uint64_t deadline_ms, char text[EDITS_TEXT])
{
    for (;;) {
        bool waits = there(folder, name, ""), refused = there(folder, name, ".refused");
        if (there(folder, name, ".error") && refused) {
            take_answer(folder, name, text);
            return CLI_FAILED;
        }
        if (!waits && !refused)
            return CLI_OK;
        if (cli_now_ms() >= deadline_ms && unlinkat(folder, name, 0) == 0)
            return CLI_TIMEOUT;
        usleep(POLL_US);
    }
}

static int edit_once(const struct cli *cli, const struct edit *edit, int folder,
                     uint64_t deadline_ms, char text[EDITS_TEXT])
{
    char file[64];
    int code;
    xmlDoc *document = read_document(cli, &code);
    xmlNode *vf = document ? find(document, &edit->name) : NULL;
    xmlNode *desired = below(vf, "desired", NULL, NULL);

    if (vf && !desired)
        cli_error(
            "%s/%s: no started partition has it; its partition's file says what it begins with",
            edit->name.card, edit->name.index);
    if (!code && !desired)
        code = CLI_FAILED;
    for (int i = 0; desired && i < edit->count; i++)
        change(desired, edit->words[i]);
    snprintf(file, sizeof(file), "vf-%d.xml", (int)getpid());
    int error = code ? 0 : put_edit(folder, document, file);
    if (error)
        cli_error("the edit cannot be written: %s", strerror(-error));
    xmlFreeDoc(document);
    text[0] = '\0';
    return code ? code : error ? CLI_FAILED : await(folder, file, deadline_ms, text);
}

static int set(const struct cli *cli, const struct edit *edit, uint32_t timeout_ms)
{
    uint64_t deadline_ms = cli_now_ms() + (timeout_ms ? timeout_ms : TIMEOUT_MS);
    char text[EDITS_TEXT] = "";
    int code = CLI_FAILED;

    int folder = edits_open_folder(cli), error = errno;
    if (folder < 0) {
        cli_error("the folder of edits beside %s: %s", cli->socket, strerror(error));
        return error == ENOENT ? CLI_UNREACHABLE : CLI_FAILED;
    }
    for (int i = 0; i < TRIES; i++) {
        code = edit_once(cli, edit, folder, deadline_ms, text);
        if (code != CLI_FAILED || !strstr(text, "is of generation"))
            break;
    }
    close(folder);
    if (code == CLI_TIMEOUT)
        cli_error("nobody took the edit: it is withdrawn");
    if (text[0])
        cli_error("refused: %s", text);
    return code;
}

/* ---- the verb */

static bool parse_name(const char *word, struct vf_name *name)
{
    const char *slash = strchr(word, '/');
    size_t card = slash ? (size_t)(slash - word) : 0, index = slash ? strlen(slash + 1) : 0;

    if (!card || card >= sizeof(name->card) || !index || index >= sizeof(name->index) ||
        strspn(slash + 1, "0123456789") != index)
        return false;
    snprintf(name->card, sizeof(name->card), "%.*s", (int)card, word);
    snprintf(name->index, sizeof(name->index), "%s", slash + 1);
    return true;
}

static int run(struct cli *cli, int argc, char **argv)
{
    uint32_t timeout_ms = 0;
    const struct option_row options[] = {{"timeout", OPTION_SECONDS, &timeout_ms}};
    struct edit edit = {.count = 0};
    int code = options_parse(cli, options, 1, &argc, argv);

    if (code)
        return code;
    bool shows = argc == 3 && !strcmp(argv[1], "show");
    if (!shows && (argc < 4 || strcmp(argv[1], "set") != 0))
        return cli_usage(cli, "expected show CARD/INDEX, or set CARD/INDEX and attributes");
    if (!parse_name(argv[2], &edit.name))
        return cli_usage(cli, "%s is no VF: expected one like net0/3", argv[2]);
    for (int i = 3; i < argc; i++)
        if (!known(argv[i]))
            return cli_usage(cli, "%s is no attribute: expected one like vlan=100", argv[i]);
    edit.words = argv + 3;
    edit.count = argc - 3;
    return shows ? show(cli, &edit.name) : set(cli, &edit, timeout_ms);
}

const struct verb verb_vf = {
    .name = "vf",
    .arguments = "show CARD/INDEX | set CARD/INDEX ATTRIBUTE=VALUE...",
    .summary = "a VF's attributes: as desired and as observed; change them while its guest runs",
    .help = "  show            as desired, and as last read from the device\n"
            "  set             an edit of devices.xml, root only: all of it is on the device when\n"
            "                  this returns, or nothing. An empty VALUE leaves it open again.\n"
            "                  It lasts until the partition ends; its file says what it begins\n"
            "                  with. Attributes: mac vlan qos trust spoofchk link min-tx-mbit\n"
            "                  max-tx-mbit nvme-queues nvme-vectors\n"
            "  --timeout S     so long it may take; 30\n",
    .run = run,
};
