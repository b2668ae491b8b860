/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's core under four hostile peers at once: the input is a run of messages, each a byte for
 * peer and row, a byte for the id, a length of two bytes, and so much of the body (the rest is 0).
 * After each the map must be right.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/config_check.h"
#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t now_ns, timer_ns;

static int send_peer(void *context, enum process_kind peer, const void *message, const int *files,
                     size_t files_count)
{
    (void)context, (void)peer, (void)message, (void)files, (void)files_count;
    return 0;
}

static int send_boot(void *context, const void *message)
{
    (void)context, (void)message;
    return 0;
}

static void set_timer(void *context, uint64_t boottime_ns)
{
    (void)context;
    timer_ns = boottime_ns;
}

static void nothing(void *context)
{
    (void)context;
}

static uint64_t clock_ns(void *context, int clock)
{
    (void)context, (void)clock;
    return now_ns;
}

static void fatal(void *context)
{
    (void)context;
    abort();
}

static const struct effects effects = {
    .send = send_peer,
    .send_boot = send_boot,
    .timer = set_timer,
    .changed = nothing,
    .group = nothing,
    .clock_ns = clock_ns,
    .fatal = fatal,
};

static void define(struct control *control)
{
    struct frame frame = {.size = sizeof(struct control_partition_define)};
    struct control_partition_define *define = (void *)frame.bytes;

    *define = (struct control_partition_define){
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(*define), 2),
        .config = {.name = "web",
                   .vcpus = 1,
                   .memory_mib = 64,
                   .vfs_count = 1,
                   .monitor = "native",
                   .kernel = "/k",
                   .vfs = {{.card = "net0"}}}};
    frame_dispatch(command_rows, command_rows_count, 0, control, &frame);
}

static void set_host(struct control *control)
{
    struct frame frame = {.size = sizeof(struct control_host_set)};
    struct control_host_set *set = (void *)frame.bytes;

    *set = (struct control_host_set){.header = frame_header(CONTROL_HOST_SET, sizeof(*set), 1)};
    host_config_defaults(&set->host);
    set->host.cards_count = 1;
    set->host.cards[0] = (struct card_config){"net0", {0x100}, 7, "igb"};
    frame_dispatch(command_rows, command_rows_count, 0, control, &frame);
}

static char path[] = "/dev/shm/parclose-fuzz-XXXXXX";

static void clean_up(void)
{
    char log[64];

    snprintf(log, sizeof(log), "%s/audit.log", path);
    unlink(log);
    rmdir(path);
}

/* The log is made in memory where it can be: fuzzing is many small ones. */
static int folder(void)
{
    static int file = -1;

    if (file < 0 && mkdtemp(path)) {
        file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        atexit(clean_up);
    }
    if (file < 0)
        abort();
    unlinkat(file, "audit.00000000000000000001", 0);
    return file;
}

static struct control *start(void)
{
    static struct inventory inventory = {.magic = INVENTORY_MAGIC,
                                         .nodes_count = 1,
                                         .pcpus_count = 4,
                                         .nodes = {{0, 0, UINT64_C(4) << 30}},
                                         .pcpus = {{0, 0}, {1, 0}, {2, 0}, {3, 0}}};
    struct control *control = control_new(&effects, NULL);
    char text[PARCLOSE_REASON_MAX];

    now_ns = UINT64_C(1000000000);
    if (!control || control_start(control, &inventory, folder(), 1, text))
        abort();
    command_up(control);
    tcb_up(control);
    pcim_up(control);
    lead_up(control);
    set_host(control);
    define(control);
    return control;
}

static const struct frame_row *row_of(uint8_t choice, const struct frame_row **rows, size_t *count)
{
    static const struct frame_row *const tables[] = {command_rows, tcb_rows, pcim_rows, lead_rows};
    const size_t counts[] = {command_rows_count, tcb_rows_count, pcim_rows_count, lead_rows_count};

    *rows = tables[choice % 4];
    *count = counts[choice % 4];
    return &(*rows)[choice / 4 % *count];
}

static void check(struct control *control)
{
    char text[PARCLOSE_REASON_MAX];

    if (db_check(control->db, text)) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
}

/* One message; how much of the input it took. */
static size_t feed(struct control *control, const uint8_t *data, size_t size)
{
    const struct frame_row *rows;
    size_t count, body = (size_t)(data[2] | data[3] << 8);
    const struct frame_row *row = row_of(data[0], &rows, &count);
    struct frame frame = {.size = row->size};
    struct wire_header header = frame_header(row->type, row->size, data[1]);

    if (body > size - 4)
        body = size - 4;
    memset(frame.bytes, 0, row->size);
    memcpy(frame.bytes, &header, sizeof(header));
    memcpy(frame.bytes + sizeof(header), data + 4,
           body < row->size - sizeof(header) ? body : row->size - sizeof(header));
    frame_dispatch(rows, count, 0, control, &frame);
    return 4 + body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control *control = start();

    while (size >= 4) {
        size_t taken = feed(control, data, size);
        if (data[1] & 1) /* else more comes before the group ends */
            control_group_end(control);
        check(control);
        data += taken;
        size -= taken;
        now_ns += UINT64_C(300000000);
        if (timer_ns && timer_ns <= now_ns)
            control_deadline(control);
        check(control);
    }
    control_idle(control);
    control_free(control);
    return 0;
}
