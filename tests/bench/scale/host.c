/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/config_check.h"
#include "parclose/msg_control_tcb.h"

#define NODES      16
#define GIB        (UINT64_C(1) << 30)
#define GROUP      256 /* definitions that share a sync */
#define MEMORY_MIB 4096

static struct bdf card_bdf(uint32_t card)
{
    return (struct bdf){(card + 1) << 8};
}

/* ---- what control tells others */

static int take(void *context, enum process_kind peer, const void *message, const int *files,
                size_t files_count)
{
    struct host *host = context;
    const struct wire_header *header = message;

    if (peer != PROCESS_COMMAND)
        return 0;
    if (header->type == CONTROL_RESULT)
        host->error = ((const struct control_result *)message)->error;
    if (header->type == CONTROL_SNAPSHOT && files_count == 1) {
        snapshot_view_close(&host->view);
        if (snapshot_view_open(&host->view, files[0]))
            errx(1, "command does not take the snapshot");
    }
    return 0;
}

static int to_boot(void *context, const void *message)
{
    (void)context;
    (void)message;
    return 0;
}

static void timer(void *context, uint64_t boottime_ns)
{
    (void)context;
    (void)boottime_ns;
}

static void nothing(void *context)
{
    (void)context;
}

static uint64_t clock_ns(void *context, int clock)
{
    struct timespec now;

    (void)context;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void fatal(void *context)
{
    (void)context;
    errx(1, "the audit log is broken");
}

static const struct effects effects = {.send = take,
                                       .send_boot = to_boot,
                                       .timer = timer,
                                       .changed = nothing,
                                       .group = nothing,
                                       .clock_ns = clock_ns,
                                       .fatal = fatal};

/* ---- what others tell it */

static void say(struct host *host, const struct frame_row *rows, size_t count, const void *message)
{
    const struct wire_header *header = message;
    static struct frame frame;

    frame = (struct frame){.size = header->size};
    memcpy(frame.bytes, message, header->size);
    host->error = 0;
    if (frame_dispatch(rows, count, 0, host->control, &frame) || host->error)
        errx(1, "message 0x%x is refused: %d", header->type, host->error);
}

static void ask(struct host *host, void *message)
{
    static uint64_t id;

    ((struct wire_header *)message)->id = ++id;
    say(host, command_rows, command_rows_count, message);
}

static void links_up(struct host *host)
{
    const struct tcb_sync tcb = {.header = frame_header(TCB_SYNC, sizeof(tcb), 0)};
    const struct lead_sync lead = {.header = frame_header(LEAD_SYNC, sizeof(lead), 0)};

    tcb_up(host->control);
    pcim_up(host->control);
    lead_up(host->control);
    command_up(host->control);
    say(host, tcb_rows, tcb_rows_count, &tcb);
    say(host, lead_rows, lead_rows_count, &lead);
}

static void set_cards(struct host *host, uint32_t cards)
{
    static struct control_host_set message;

    message.header = frame_header(CONTROL_HOST_SET, sizeof(message), 0);
    host_config_defaults(&message.host);
    message.host.cards_count = cards;
    for (uint32_t i = 0; i < cards; i++) {
        struct card_config *card = &message.host.cards[i];
        *card = (struct card_config){
            .bdf = card_bdf(i), .vfs = PARCLOSE_MAX_VFS_PER_PF, .driver = "igb"};
        snprintf(card->name, sizeof(card->name), "net%u", i);
    }
    ask(host, &message);
    control_group_end(host->control);
}

static struct partition_config definition(uint32_t number)
{
    struct partition_config config = {.vcpus = 1,
                                      .memory_mib = MEMORY_MIB,
                                      .vfs_count = HOST_PARTITION_VFS,
                                      .monitor = "native",
                                      .kernel = "/boot/vmlinuz",
                                      .cmdline = "console=ttyS0"};

    snprintf(config.name, sizeof(config.name), "p%u", number);
    for (uint32_t i = 0; i < HOST_PARTITION_VFS; i++) {
        uint32_t vf = number * HOST_PARTITION_VFS + i;
        snprintf(config.vfs[i].card, sizeof(config.vfs[i].card), "net%u",
                 vf / PARCLOSE_MAX_VFS_PER_PF);
        config.vfs[i].index = vf % PARCLOSE_MAX_VFS_PER_PF;
    }
    return config;
}

/* Those that can never be started, for want of VFs, have none. */
static void define(struct host *host, uint32_t count, uint32_t vfs)
{
    struct control_partition_define message;

    for (; host->partitions < count; host->partitions++) {
        message = (struct control_partition_define){
            .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(message), 0),
            .config = definition(host->partitions)};
        if ((host->partitions + 1) * HOST_PARTITION_VFS > vfs) {
            message.config.vfs_count = 0;
            memset(message.config.vfs, 0, sizeof(message.config.vfs));
        }
        ask(host, &message);
        if (host->partitions % GROUP == GROUP - 1)
            control_group_end(host->control);
    }
    control_group_end(host->control);
}

void host_next(const struct host *host, struct partition_config *config)
{
    *config = definition(host->started);
}

/* pCPU 0 is the host's. */
static void start(struct host *host)
{
    uint32_t pcpu = host->started + 1;
    struct control_partition_start message = {
        .header = frame_header(CONTROL_PARTITION_START, sizeof(message), 0),
        .generation = host->control->snapshot_generation,
        .memory_node = pcpu % NODES,
        .pcpus_count = 1,
        .pcpus = {pcpu}};

    snprintf(message.name, sizeof(message.name), "p%u", host->started++);
    ask(host, &message);
}

void host_start(struct host *host)
{
    start(host);
    control_group_end(host->control);
}

/* ---- making and clearing away */

static struct inventory *inventory(uint32_t part)
{
    static struct inventory all;

    all = (struct inventory){.magic = INVENTORY_MAGIC,
                             .nodes_count = NODES,
                             .pcpus_count = PARCLOSE_MAX_PCPUS / part,
                             .boot_id = {1}};
    for (uint32_t i = 0; i < NODES; i++)
        all.nodes[i] =
            (struct inventory_node){.node = i, .memory_bytes = 16384 / NODES * GIB / part};
    for (uint32_t i = 0; i < all.pcpus_count; i++)
        all.pcpus[i] = (struct inventory_pcpu){i, i % NODES};
    return &all;
}

void host_make(struct host *host, const char *folder, uint32_t part)
{
    char text[PARCLOSE_REASON_MAX] = "";
    uint32_t cards = PARCLOSE_MAX_PFS / part;

    *host = (struct host){0};
    snprintf(host->directory, sizeof(host->directory), "%s/scale-XXXXXX", folder);
    if (!mkdtemp(host->directory))
        err(1, "%s", host->directory);
    host->state = open(host->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    host->control = control_new(&effects, host);
    if (host->state < 0 || !host->control ||
        control_start(host->control, inventory(part), host->state, 1, text))
        errx(1, "control does not start: %s", text);
    links_up(host);
    set_cards(host, cards);
    define(host, PARCLOSE_MAX_PARTITIONS / part, cards * PARCLOSE_MAX_VFS_PER_PF);
    while (host->started < PARCLOSE_MAX_PCPUS / part * 5 / 8) {
        start(host);
        if (host->started % 32 == 0)
            control_group_end(host->control);
    }
    control_group_end(host->control);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void host_free(struct host *host)
{
    snapshot_view_close(&host->view);
    control_free(host->control);
    close(host->state);
    nftw(host->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
