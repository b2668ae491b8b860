/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "dump_take.h"
#include "format.h"
#include "options.h"

static struct dump dump;

static void interrupt(int signal)
{
    (void)signal;
    dump.interrupted = 1;
}

/* No half of a file is left. */
static void catch_interrupts(void)
{
    const struct sigaction action = {.sa_handler = interrupt};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static void print_result(const struct cli *cli)
{
    uint64_t size = dump.core.size;

    if (cli->json) {
        json_t *answer =
            json_pack("{s:b, s:s, s:I, s:I, s:I, s:b}", "ok", 1, "file", dump.file.path, "bytes",
                      (json_int_t)size, "written", (json_int_t)dump.file.written, "stopped_ms",
                      (json_int_t)dump.stopped_ms, "vmcoreinfo", dump.core.vmcoreinfo_size > 0);
        print_json(answer);
        json_decref(answer);
        return;
    }
    printf(
        "%s: %.1f MiB, %.1f MiB of them written; the guest stood for %.2f s; %s\n", dump.file.path,
        (double)size / 1048576, (double)dump.file.written / 1048576, (double)dump.stopped_ms / 1000,
        dump.core.vmcoreinfo_size ? "its vmcoreinfo was found" : "no vmcoreinfo was found in it");
}

static const char *reason(int error)
{
    if (error == -EBUSY)
        return "a debugger or another dump has it";
    if (error == -EAGAIN)
        return "its processors are not attached";
    if (error == -EPIPE && strcmp(dump.what, "the file") != 0)
        return "it ended, or its monitor has closed the session; if it runs, it was let go on";
    return strerror(-error);
}

static int run_dump(const struct cli *cli, const char *path)
{
    int error = dump_file_open(&dump.file, path);

    if (error) {
        cli_error("%s: %s", path,
                  error == -EEXIST ? "is there already, and is not overwritten" : strerror(-error));
        return CLI_FAILED;
    }
    catch_interrupts();
    error = dump_take(&dump);
    int closed = dump_file_close(&dump.file, error != 0);
    if (!error && closed)
        dump.what = "the file";
    if (!error)
        error = closed;
    if (error)
        cli_error("no dump: %s: %s", dump.what, reason(error));
    else if (strcmp(path, "-") != 0)
        print_result(cli);
    return error ? CLI_FAILED : CLI_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    json_t *answer;
    int code = options_parse(cli, NULL, 0, &argc, argv);

    if (code)
        return code;
    if (argc != 3)
        return cli_usage(cli, "expected a partition and a file");
    if (!strcmp(argv[2], "-") && isatty(STDOUT_FILENO))
        return cli_usage(cli, "a dump is nothing for a terminal");
    code = ask(cli, request_new(cli, "show", argv[1]), &answer, NULL);
    if (code)
        return code;
    dump.memory_bytes = (uint64_t)number_of(json_object_get(answer, "partition"), "memory_mib")
                        << 20;
    json_decref(answer);
    code = session_begin(&dump.session, cli, argv[1], "dump");
    if (code)
        return code;
    code = run_dump(cli, argv[2]);
    session_close(&dump.session);
    return code;
}

const struct verb verb_dump = {
    .name = "dump",
    .arguments = "NAME FILE",
    .summary = "the guest's memory and registers as a core file",
    .help = "",
    .run = run,
};
