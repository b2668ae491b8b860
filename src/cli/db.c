/* SPDX-License-Identifier: Apache-2.0 */
#include "db.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit_source.h"
#include "format.h"
#include "options.h"
#include "table.h"

#define CONTROL PARCLOSE_LIBEXEC "/parclose-control"

void finding(json_t *list, const char *format, ...)
{
    char text[512], plain[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    json_t *string = json_string(printable(text, plain, sizeof(plain)));
    json_array_append_new(list, string ? string : json_string("(not UTF-8)"));
}

/* --- what was found --------------------------------------------------------------------------- */

static void print_lines(const char *head, const json_t *lines)
{
    const json_t *line;
    size_t i;

    json_array_foreach(lines, i, line) printf("%s: %s\n", head, json_string_value(line));
}

static void print_facts(json_t *facts)
{
    const char *name;
    json_t *value;

    json_object_foreach(facts, name, value)
        printf("%-12s %lld\n", name, (long long)json_integer_value(value));
}

static int report(const struct cli *cli, struct findings *findings)
{
    size_t wrong = json_array_size(findings->differences);

    if (cli->json) {
        json_t *answer = json_pack("{s:b, s:O, s:O, s:O}", "ok", wrong == 0, "differences",
                                   findings->differences, "not_compared", findings->skipped,
                                   "looked_at", findings->facts);
        print_json(answer);
        json_decref(answer);
        return wrong ? CLI_FAILED : CLI_OK;
    }
    print_facts(findings->facts);
    print_lines("not compared", findings->skipped);
    print_lines("wrong", findings->differences);
    puts(wrong ? "" : "everything fits");
    return wrong ? CLI_FAILED : CLI_OK;
}

/* --- the verb --------------------------------------------------------------------------------- */

struct wishes {
    const char *files, *root, *control, *directory, *before;
    bool yes;
};

static int check(const struct cli *cli, const struct wishes *wishes)
{
    struct findings findings = {json_array(), json_array(), json_object()};
    int code = wishes->files ? db_check_files(cli, wishes->files, wishes->control, &findings)
                             : db_check_live(cli, wishes->root, &findings);

    if (!code)
        code = report(cli, &findings);
    json_decref(findings.differences);
    json_decref(findings.skipped);
    json_decref(findings.facts);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct wishes wishes = {.root = "", .control = CONTROL, .directory = AUDIT_DIRECTORY};
    const struct option_row options[] = {
        {"files", OPTION_TEXT, &wishes.files},     {"root", OPTION_TEXT, &wishes.root},
        {"control", OPTION_TEXT, &wishes.control}, {"directory", OPTION_TEXT, &wishes.directory},
        {"before", OPTION_TEXT, &wishes.before},   {"yes", OPTION_FLAG, &wishes.yes}};
    int code = options_parse(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv);

    if (code)
        return code;
    if (argc == 2 && !strcmp(argv[1], "check") && !wishes.before && !wishes.yes)
        return check(cli, &wishes);
    if (argc == 2 && !strcmp(argv[1], "cut") && !wishes.files)
        return db_cut(cli, wishes.directory, wishes.before, wishes.yes);
    return cli_usage(cli, "expected check [--files DIR], or cut --before NUMBER");
}

const struct verb verb_db = {
    .name = "db",
    .arguments = "check|cut",
    .summary = "check: whether the resource database is right; cut: go on after a damaged log",
    .help = "  --files DIR     check: the log and snapshots in DIR, without the service\n"
            "  --before N      cut: entry N and all later ones are taken out of the log\n"
            "  --directory DIR cut: of the log; default " AUDIT_DIRECTORY "\n"
            "  --yes           cut: do it; without it only what would be lost is said\n"
            "  --root DIR      check: compare with DIR/proc and DIR/sys\n"
            "  --control PATH  check --files: this executable of control\n",
    .run = run,
};
