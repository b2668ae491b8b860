/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose: the command line. One file per verb, one row per verb in main.c.
 *
 * Privilege: the caller's. It may connect to the CLI's socket of command (root and the group
 * parclose may), read /run/parclose/devices.xml, what was refused of its edits, and the
 * configuration; `host init` writes host.xml, `apply` what it applies; `up` and `down` start and
 * stop the service. Never setuid.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a script may rely on; documented in parclose(1). */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* refused, or it failed */
    CLI_USAGE = 2,       /* wrong arguments */
    CLI_UNREACHABLE = 3, /* Parclose, or the partition, is not running */
    CLI_TIMEOUT = 4,     /* of --timeout */
    CLI_CHANGES = 5,     /* plan: there is something to do */
};

/* What every verb takes. */
struct cli {
    const struct verb *verb;
    bool json;
    const char *reason; /* for the audit log; NULL: none */
    const char *socket;
};

struct verb {
    const char *name;
    const char *arguments;                              /* for the usage line */
    const char *summary;                                /* one line */
    const char *help;                                   /* its options, one a line; "" */
    int (*run)(struct cli *cli, int argc, char **argv); /* argv[0]: the verb */
};

extern const struct verb verb_up, verb_down, verb_list, verb_show, verb_start, verb_stop,
    verb_console, verb_devices, verb_audit, verb_db, verb_host, verb_reload, verb_version,
    verb_metrics, verb_dump, verb_debug, verb_plan, verb_apply, verb_pf, verb_vf, verb_sr_pcim;

/* "parclose: …" on standard error. */
__attribute__((format(printf, 1, 2))) void cli_error(const char *format, ...);

/* The same with a pointer to --help; returns CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int cli_usage(const struct cli *cli, const char *format, ...);

/* Exit code for a negative errno of command or control. */
int cli_exit_of(int error);

/* CLOCK_MONOTONIC in milliseconds. */
uint64_t cli_now_ms(void);
