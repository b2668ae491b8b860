/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "log/log.h"

/* To read the configuration, and to serve the CLI's socket. */
static const int system_calls[] = {
    SCMP_SYS(openat),     SCMP_SYS(getdents64), SCMP_SYS(accept4),
    SCMP_SYS(getsockopt), SCMP_SYS(recvfrom),   SCMP_SYS(sendto),
};

static int take_file(void *context, const char *name, int fd)
{
    struct command *command = context;

    if (!strcmp(name, "config") && command->config_dir < 0) {
        command->config_dir = fd;
        return 0;
    }
    if (!strcmp(name, "listen") && command->server.listen < 0) {
        command->server.listen = fd;
        return 0;
    }
    close(fd);
    return -EBADMSG;
}

static int prepare(void *context, struct process *process)
{
    struct command *command = context;

    (void)process;
    json_object_seed(0);
    return command_init(command);
}

static int start(void *context, struct process *process, uint32_t generation)
{
    struct command *command = context;

    command->process = process;
    command->event = process_event(process);
    if (command->config_dir < 0 || command->server.listen < 0) {
        log_error("boot gave no configuration directory or no listening socket");
        return -EBADF;
    }
    log_info("generation %u", generation);
    return server_start(&command->server);
}

int main(void)
{
    static struct command command;
    static const struct process_peer peers[] = {
        {PROCESS_CONTROL, command_control_rows, 2, command_control_up, command_control_down},
    };
    static const struct process_config config = {
        .kind = PROCESS_COMMAND,
        .name = "command",
        .peers = peers,
        .peers_count = 1,
        .system_calls = system_calls,
        .system_calls_count = sizeof(system_calls) / sizeof(system_calls[0]),
        .prepare = prepare,
        .file = take_file,
        .start = start,
    };
    return process_run(&config, &command);
}
