/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "format.h"
#include "host_scan.h"
#include "options.h"

#define CONFIG_FOLDER "/etc/parclose"

/* --- check ------------------------------------------------------------------------------------ */

/* The results of all files: lines for people, an array for scripts. */
struct check {
    const struct cli *cli;
    json_t *files;
    bool bad;
};

static void report(struct check *check, const char *file, const char *problem)
{
    check->bad = check->bad || problem;
    if (check->cli->json)
        json_array_append_new(check->files, json_pack("{s:s, s:b, s:s?}", "file", file, "ok",
                                                      !problem, "problem", problem));
    else if (problem)
        cli_error("%s", problem);
    else
        printf("%s: ok\n", file);
    fflush(stdout);
}

static void check_partitions(struct check *check, const struct config_reader *reader, int dir,
                             const struct host_config *host)
{
    struct config_names names;
    struct config_error error;

    if (config_partition_names(dir, &names, &error)) {
        report(check, "partitions", error.text);
        return;
    }
    if (names.bad_count)
        report(check, "partitions", names.bad.text);
    for (size_t i = 0; i < names.count; i++) {
        struct partition_config partition;
        char file[PARCLOSE_NAME_MAX + 32];
        snprintf(file, sizeof(file), "partitions/%s.xml", names.names[i]);
        int bad = config_partition_read(reader, dir, names.names[i], host, &partition, &error);
        report(check, file, bad ? error.text : NULL);
    }
}

static int check_folder(const struct cli *cli, const char *folder)
{
    struct check check = {.cli = cli, .files = json_array()};
    struct config_reader *reader = NULL;
    struct host_config host;
    struct config_error error;
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0 || config_reader_new(&reader)) {
        cli_error("%s: %s", folder, strerror(errno));
        json_decref(check.files);
        if (dir >= 0)
            close(dir);
        return CLI_FAILED;
    }
    int bad = config_host_read(reader, dir, &host, &error);
    report(&check, "host.xml", bad ? error.text : NULL);
    check_partitions(&check, reader, dir, bad ? NULL : &host);
    json_t *answer = json_pack("{s:b, s:o}", "ok", !check.bad, "files", check.files);
    if (cli->json)
        print_json(answer);
    json_decref(answer);
    config_reader_free(reader);
    close(dir);
    return check.bad ? CLI_FAILED : CLI_OK;
}

/* --- init ------------------------------------------------------------------------------------- */

static void write_cards(FILE *file, const struct host_scan *scan)
{
    if (!scan->count)
        fputs("    <!-- No card with SR-IOV was found.\n"
              "    <card name=\"net0\" address=\"0000:01:00.0\" driver=\"igb\" vfs=\"7\"/> -->\n",
              file);
    for (size_t i = 0; i < scan->count; i++) {
        const struct found_card *card = &scan->cards[i];
        fprintf(file, "    <!-- %s; its driver offers %u VFs -->\n", card->description,
                card->offered);
        fprintf(file, "    %s<card name=\"%s\" address=\"%s\" driver=\"%s\" vfs=\"%u\"/>%s\n",
                card->driver[0] ? "" : "<!-- no driver is bound: ", card->name, card->address,
                card->driver[0] ? card->driver : "?", card->vfs, card->driver[0] ? "" : " -->");
    }
}

static void write_host(FILE *file, const struct host_scan *scan)
{
    struct host_config defaults;

    host_config_defaults(&defaults);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<!-- Written by `parclose host init`; see parclose-host.xml(5). -->\n<host>\n"
          "  <!-- Kept for the host, never given to partitions: the first pCPUs, and memory. -->\n",
          file);
    fprintf(file, "  <reserved pcpus=\"%u\" memory-mib=\"%u\"/>\n\n", scan->reserved_pcpus,
            scan->reserved_memory_mib);
    fprintf(file,
            "  <!-- A process of Parclose that says nothing for so long is restarted. -->\n"
            "  <watchdog timeout-ms=\"%u\"/>\n\n",
            defaults.watchdog_ms);
    fputs("  <!-- While a partition waits for a PF, in turn: 1 restart the PF, 2 restart SR-PCIM,\n"
          "       3 restart the interconnect service partition, 4 mark the PF as in error.\n"
          "       budget: how often at most in one wait. -->\n  <gate>\n",
          file);
    for (int i = 0; i < 3; i++)
        fprintf(file, "    <rung number=\"%d\" after-ms=\"%u\" budget=\"%u\"/>\n", i + 1,
                defaults.gate.wait_ms[i], defaults.gate.budget[i]);
    fprintf(file,
            "    <rung number=\"4\" after-ms=\"%u\"/>\n  </gate>\n\n"
            "  <!-- The audit log: a new file after so many MiB, and so many files are kept. -->\n"
            "  <audit segment-mib=\"%u\" keep=\"%u\"/>\n\n"
            "  <!-- The cards whose VFs partitions may have. All VFs of a card are created\n"
            "       when its driver is bound; a card that is not here is left alone. -->\n"
            "  <cards>\n",
            defaults.gate.wait_ms[3], defaults.audit.segment_mib, defaults.audit.keep);
    write_cards(file, scan);
    fputs("  </cards>\n</host>\n", file);
}

/* Into a file beside it first: host.xml is always whole. */
static int write_file(const char *folder, const struct host_scan *scan, bool force)
{
    char path[512], part[520];

    snprintf(path, sizeof(path), "%s/host.xml", folder);
    snprintf(part, sizeof(part), "%s.new", path);
    if (!force && !access(path, F_OK)) {
        cli_error("%s exists already; --force replaces it, --stdout only prints", path);
        return CLI_FAILED;
    }
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        cli_error("%s: %s", part, strerror(errno));
        return CLI_FAILED;
    }
    write_host(file, scan);
    bool written = !ferror(file) && !fflush(file) && !fsync(fd);
    written = !fclose(file) && written && !rename(part, path);
    if (!written) {
        cli_error("%s: %s", path, strerror(errno));
        unlink(part);
        return CLI_FAILED;
    }
    printf("%s: written, %zu cards\n", path, scan->count);
    return CLI_OK;
}

/* --- the verb --------------------------------------------------------------------------------- */

static int run(struct cli *cli, int argc, char **argv)
{
    bool to_stdout = false, force = false;
    const char *folder = CONFIG_FOLDER, *sysfs = "/sys";
    const struct option_row options[] = {{"stdout", OPTION_FLAG, &to_stdout},
                                         {"force", OPTION_FLAG, &force},
                                         {"config", OPTION_TEXT, &folder},
                                         {"sysfs", OPTION_TEXT, &sysfs}};
    int code = options_parse(cli, options, 4, &argc, argv);

    if (code)
        return code;
    if (argc == 2 && !strcmp(argv[1], "check"))
        return check_folder(cli, folder);
    if (argc != 2 || strcmp(argv[1], "init") != 0)
        return cli_usage(cli, "expected init or check");
    struct host_scan scan;
    int error = host_scan(&scan, sysfs);
    if (error) {
        cli_error("%s/bus/pci/devices: %s", sysfs, strerror(-error));
        return CLI_FAILED;
    }
    if (!to_stdout)
        return write_file(folder, &scan, force);
    write_host(stdout, &scan);
    return fflush(stdout) ? CLI_FAILED : CLI_OK;
}

const struct verb verb_host = {
    .name = "host",
    .arguments = "init|check",
    .summary = "init: write host.xml from what is there; check: look over all files",
    .help = "  --stdout        init: print it\n"
            "  --force         init: replace host.xml\n"
            "  --config DIR    instead of " CONFIG_FOLDER "\n"
            "  --sysfs DIR     init: instead of /sys\n",
    .run = run,
};
