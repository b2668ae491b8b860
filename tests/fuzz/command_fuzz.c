/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes to command: the bytes of a client of the CLI's socket, or (first byte odd) a snapshot
 * from control, which is then reported on in every way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "config/config_check.h"
#include "config/proposal.h"
#include "plan_report.h"
#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct command command;

/* In place of lib/process: control takes everything and never answers. */
int process_send(struct process *process, enum process_kind peer, const void *message,
                 const int *files, size_t files_count)
{
    (void)process;
    (void)peer;
    (void)message;
    (void)files;
    (void)files_count;
    return 0;
}

static void start(void)
{
    static const struct host_config host = {.reserved_pcpus = 0};
    static struct snapshot head = {.magic = SNAPSHOT_MAGIC};

    if (command.event)
        return;
    if (command_init(&command) || sd_event_new(&command.event) < 0)
        abort();
    command.config_dir = open("/nonexistent", O_PATH | O_CLOEXEC);
    head.host = host;
    command.view.head = &head;
    command.connected = command.current = true;
}

/* Requests pile up: there is no answer to them. */
static void forget_requests(void)
{
    for (uint64_t id = command.requests.next_id - command.requests.count; command.requests.count;
         id++) {
        struct frame frame = {.size = sizeof(struct control_result)};
        struct control_result *result = (void *)frame.bytes;
        *result = (struct control_result){
            .header = frame_header(CONTROL_RESULT, sizeof(*result), id + 1), .error = -EIO};
        if (requests_answer(&command.requests, &frame))
            abort();
    }
}

static void be_client(const uint8_t *data, size_t size)
{
    struct client *client;
    int ends[2];

    if (size > 32768 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends))
        return;
    if (client_new(&command, ends[0], &client))
        abort();
    client->next = command.server.clients;
    command.server.clients = client;
    command.server.clients_count++;
    if (write(ends[1], data, size) < 0)
        abort();
    for (int i = 0; i < 8 && command.server.clients; i++)
        sd_event_run(command.event, 0);
    close(ends[1]);
    while (command.server.clients)
        sd_event_run(command.event, 0);
    forget_requests();
}

/* A proposal of the snapshot's own definitions, each under another's name and with other VFs. */
static void plan_against(const struct snapshot_view *view, const uint8_t *data, size_t size)
{
    static struct proposal proposal;
    static struct plan plan;
    char reason[PARCLOSE_REASON_MAX];
    uint32_t count = view->head->partitions_count;

    memset(&proposal, 0, sizeof(proposal));
    proposal.magic = PROPOSAL_MAGIC;
    proposal.version = PROPOSAL_VERSION;
    proposal.host_given = size & 1;
    host_config_defaults(&proposal.host);
    proposal.partitions_count = count;
    for (uint32_t i = 0; i < count; i++) {
        proposal.partitions[i] = view->partitions[count - 1 - i].config;
        memcpy(proposal.partitions[i].name, view->partitions[i].config.name, PARCLOSE_NAME_MAX);
    }
    proposal.edits_count = view->head->vfs_count;
    for (uint32_t i = 0; i < view->head->vfs_count; i++)
        proposal.edits[i] = (struct vf_edit){.pf = view->vfs[i].observed.pf,
                                             .index = view->vfs[i].observed.index,
                                             .after = {.present = VF_ATTR_VLAN, .vlan = 1}};
    if (proposal_check(&proposal, reason))
        proposal.partitions_count = proposal.edits_count = 0;
    plan = (struct plan){.view = view, .proposal = &proposal, .restart = size & 2};
    plan_make(&plan);
    json_decref(plan_report(&plan));
    memcpy(&proposal, data, size < sizeof(proposal) ? size : sizeof(proposal));
    (void)!proposal_check(&proposal, reason); /* any bytes */
}

static void look_at_snapshot(const uint8_t *data, size_t size)
{
    const struct snapshot_view before = command.view;
    struct snapshot_view view;
    int file = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (file < 0 || write(file, data, size) != (ssize_t)size ||
        fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        abort();
    int error = snapshot_view_open(&view, file);
    close(file);
    if (error)
        return;
    command.view = view;
    json_decref(report_list(&command));
    json_decref(report_devices(&command));
    for (uint32_t i = 0; i < view.head->partitions_count; i++)
        json_decref(report_show(&command, view.partitions[i].config.name));
    plan_against(&view, data, size);
    command.view = before;
    snapshot_view_close(&view);
}

/* A head that is right, so that what is behind it is looked at. */
static void mend_head(uint8_t *bytes, size_t size)
{
    struct snapshot *head = (void *)bytes;

    head->magic = SNAPSHOT_MAGIC;
    head->version = SNAPSHOT_VERSION;
    head->size = size;
    head->host = (struct host_config){0};
    for (uint32_t *count = &head->partitions_count; count <= &head->processes_count; count++)
        *count %= 3;
}

static void be_control(const uint8_t *data, size_t size)
{
    static _Alignas(8) uint8_t bytes[65536];

    if (size > sizeof(bytes))
        return;
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, data, size);
    const struct snapshot *head = (const void *)bytes;
    mend_head(bytes, 0);
    size = sizeof(*head) + head->partitions_count * sizeof(struct snapshot_partition) +
           head->pcpus_count * sizeof(struct snapshot_pcpu) +
           head->memory_count * sizeof(struct snapshot_memory) +
           head->pfs_count * sizeof(struct snapshot_pf) +
           head->vfs_count * sizeof(struct snapshot_vf) +
           head->processes_count * sizeof(struct snapshot_process);
    mend_head(bytes, size);
    look_at_snapshot(bytes, size);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    start();
    if (!size)
        return 0;
    if (data[0] & 1)
        be_control(data + 1, size - 1);
    else
        be_client(data + 1, size - 1);
    return 0;
}
