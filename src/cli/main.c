/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "options.h"

#define SOCKET_PATH "/run/parclose/command.sock"

static const struct verb *const table[] = {
    &verb_up,      &verb_down,    &verb_list,  &verb_show, &verb_start, &verb_stop,
    &verb_console, &verb_devices, &verb_audit, &verb_db,   &verb_debug, &verb_dump,
    &verb_host,    &verb_metrics, &verb_pf,    &verb_plan, &verb_apply, &verb_reload,
    &verb_sr_pcim, &verb_version, &verb_vf,
};
#define VERBS (sizeof(table) / sizeof(table[0]))

void cli_error(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fputs("parclose: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "parclose %s: ", cli->verb->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nusage: parclose %s [OPTION]... %s\nMore: parclose %s --help\n",
            cli->verb->name, cli->verb->arguments, cli->verb->name);
    return CLI_USAGE;
}

int cli_exit_of(int error)
{
    switch (error) {
    case -ENOTCONN:
    case -ESRCH:
        return CLI_UNREACHABLE;
    case -ETIMEDOUT:
        return CLI_TIMEOUT;
    default:
        return CLI_FAILED;
    }
}

uint64_t cli_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void help(FILE *file)
{
    fputs("usage: parclose VERB [OPTION]... [ARGUMENT]...\n\n", file);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(file, "  %-9s %s\n", table[i]->name, table[i]->summary);
    fputs("  help      this, or a verb's options: parclose help VERB\n\n"
          "Every verb takes --json and --help. Manual: parclose(1), parclose(7).\n",
          file);
}

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (!strcmp(table[i]->name, name))
            return table[i];
    return NULL;
}

static int unknown(const char *name)
{
    fprintf(stderr, "parclose: there is no verb \"%s\"; `parclose help` lists them\n", name);
    return CLI_USAGE;
}

static int help_verb(int argc, char **argv)
{
    const struct verb *verb = argc > 2 ? find(argv[2]) : NULL;

    if (argc > 2 && !verb)
        return unknown(argv[2]);
    if (verb)
        options_help(verb);
    else
        help(stdout);
    return CLI_OK;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_DFL);
    if (argc < 2) {
        help(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return help_verb(argc, argv);
    const struct verb *verb = find(!strcmp(argv[1], "--version") ? "version" : argv[1]);
    if (!verb)
        return unknown(argv[1]);
    struct cli cli = {.verb = verb, .socket = SOCKET_PATH};
    int code = verb->run(&cli, argc - 1, argv + 1);
    return code == OPTIONS_HELP ? CLI_OK : code;
}
