/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "config/config_check.h"
#include "config/proposal.h"
#include "failover.h"
#include "names/pcpu_set.h"

char world_result_text[PARCLOSE_REASON_MAX];

/* ---- effects */

static void record(struct world *world, enum process_kind peer, const void *message,
                   const int *files, size_t files_count)
{
    const struct wire_header *header = message;
    assert_true(world->sent_count < SENT_MAX);
    struct sent *sent = &world->sent[world->sent_count++];

    assert_true(header->size <= WIRE_MAX);
    sent->peer = peer;
    sent->taken = false;
    memcpy(sent->frame.bytes, message, header->size);
    sent->frame.size = header->size;
    sent->frame.files_count = files_count;
    for (size_t i = 0; i < files_count; i++)
        sent->frame.files[i] = fcntl(files[i], F_DUPFD_CLOEXEC, 3);
}

static bool up(const struct world *world, enum process_kind peer)
{
    const struct control *control = world->control;
    return peer == PROCESS_COMMAND   ? control->command_up
           : peer == PROCESS_TCB     ? control->tcb_up
           : peer == PROCESS_SR_PCIM ? control->pcim_up
                                     : control->lead_up;
}

static int send_peer(void *context, enum process_kind peer, const void *message, const int *files,
                     size_t files_count)
{
    struct world *world = context;
    if (!up(world, peer))
        return -ENOTCONN;
    record(world, peer, message, files, files_count);
    return 0;
}

static int send_boot(void *context, const void *message)
{
    record(context, PROCESS_BOOT, message, NULL, 0);
    return 0;
}

static void set_timer(void *context, uint64_t boottime_ns)
{
    ((struct world *)context)->timer_ns = boottime_ns;
}

static void set_changed(void *context)
{
    ((struct world *)context)->changed = true;
}

static void set_group(void *context)
{
    ((struct world *)context)->group = true;
}

static uint64_t clock_ns(void *context, int clock)
{
    uint64_t now = ((struct world *)context)->now_ns;
    return clock == CLOCK_REALTIME ? now + UINT64_C(1700000000) * SECOND : now;
}

static void set_fatal(void *context)
{
    ((struct world *)context)->fatal = true;
}

static const struct effects effects = {
    .send = send_peer,
    .send_boot = send_boot,
    .timer = set_timer,
    .changed = set_changed,
    .group = set_group,
    .clock_ns = clock_ns,
    .fatal = set_fatal,
};

/* ---- the world */

static struct inventory inventory(void)
{
    struct inventory inventory = {.magic = INVENTORY_MAGIC,
                                  .nodes_count = 2,
                                  .pcpus_count = 8,
                                  .boot_id = {1},
                                  .nodes = {{0, 0, UINT64_C(4) << 30}, {1, 0, UINT64_C(4) << 30}}};
    for (uint32_t i = 0; i < 8; i++)
        inventory.pcpus[i] = (struct inventory_pcpu){i, i / 4};
    return inventory;
}

int world_restart(struct world *world, uint32_t generation)
{
    control_free(world->control);
    world_forget_sent(world);
    world->control = control_new(&effects, world);
    assert_non_null(world->control);
    world->control->check_each_commit = true;
    return control_start(world->control, &world->inventory, world->state, generation, world->text);
}

void world_reboot(struct world *world)
{
    world->inventory.boot_id[0]++;
    world->now_ns = 20 * SECOND;
}

void world_links_up(struct world *world)
{
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};
    const struct control_channel_sync channels = {
        .header = frame_header(CONTROL_CHANNEL_SYNC, sizeof(channels), 0)};

    tcb_up(world->control);
    pcim_up(world->control);
    lead_up(world->control);
    command_up(world->control);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &channels), 0);
    assert_int_equal(world_say(world, PROCESS_TCB, &sync), 0);
}

int world_setup_bare(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    *state = world;
    world->sent = calloc(SENT_MAX, sizeof(*world->sent));
    world->inventory = inventory();
    world->now_ns = 100 * SECOND;
    strcpy(world->directory, "/tmp/parclose-control-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    world->state = open(world->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(world->state >= 0);
    assert_int_equal(world_restart(world, 1), 0);
    return 0;
}

int world_setup(void **state)
{
    const struct host_config host = world_host();

    world_setup_bare(state);
    world_links_up(*state);
    world_lead_sync(*state);
    assert_int_equal(world_host_set(*state, &host), 0);
    return 0;
}

/* Removes all files of the log. */
static void clear(int directory)
{
    DIR *stream = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *file;

    assert_non_null(stream);
    while ((file = readdir(stream)))
        if (file->d_name[0] != '.')
            unlinkat(directory, file->d_name, 0);
    closedir(stream);
}

int world_teardown(void **state)
{
    struct world *world = *state;

    world_check(world);
    world_forget_sent(world);
    control_free(world->control);
    clear(world->state);
    close(world->state);
    rmdir(world->directory);
    free(world->sent);
    free(world);
    return 0;
}

static int dispatch(struct world *world, enum process_kind peer, struct frame *frame)
{
    switch (peer) {
    case PROCESS_COMMAND:
        return frame_dispatch(command_rows, command_rows_count, 0, world->control, frame);
    case PROCESS_TCB:
        return frame_dispatch(tcb_rows, tcb_rows_count, 0, world->control, frame);
    case PROCESS_SR_PCIM:
        return frame_dispatch(pcim_rows, pcim_rows_count, 0, world->control, frame);
    default:
        return frame_dispatch(lead_rows, lead_rows_count, 0, world->control, frame);
    }
}

void world_settle(struct world *world)
{
    world->group = false;
    control_group_end(world->control);
}

int world_say_file(struct world *world, enum process_kind peer, const void *message, int file)
{
    const struct wire_header *header = message;
    struct frame frame = {.size = header->size};

    memcpy(frame.bytes, message, header->size);
    if (file >= 0) {
        frame.files_count = 1;
        frame.files[0] = fcntl(file, F_DUPFD_CLOEXEC, 3);
    }
    int error = dispatch(world, peer, &frame);
    frame_clear(&frame);
    if (!world->busy)
        world_settle(world);
    return error;
}

int world_say(struct world *world, enum process_kind peer, const void *message)
{
    return world_say_file(world, peer, message, -1);
}

struct frame *world_take_frame(struct world *world, enum process_kind peer, uint16_t type)
{
    for (size_t i = 0; i < world->sent_count; i++) {
        struct sent *sent = &world->sent[i];
        if (sent->taken || sent->peer != peer || sent->frame.header.type != type)
            continue;
        sent->taken = true;
        return &sent->frame;
    }
    return NULL;
}

const void *world_take(struct world *world, enum process_kind peer, uint16_t type)
{
    struct frame *frame = world_take_frame(world, peer, type);

    if (frame)
        frame_clear(frame);
    return frame ? frame->bytes : NULL;
}

void world_forget_sent(struct world *world)
{
    for (size_t i = 0; i < world->sent_count; i++)
        frame_clear(&world->sent[i].frame);
    world->sent_count = 0;
}

void world_wait(struct world *world, uint64_t ns)
{
    uint64_t end = world->now_ns + ns;

    while (world->timer_ns && world->timer_ns <= end) {
        world->now_ns = world->timer_ns > world->now_ns ? world->timer_ns : world->now_ns;
        world->timer_ns = 0;
        control_deadline(world->control);
        if (!world->busy)
            world_settle(world);
    }
    world->now_ns = end;
}

void world_check(struct world *world)
{
    char text[PARCLOSE_REASON_MAX] = "";

    if (world->control && world->control->db && db_check(world->control->db, text))
        fail_msg("%s", text);
}

/* ---- command */

struct host_config world_host(void)
{
    struct host_config host;

    host_config_defaults(&host);
    host.cards_count = 3;
    host.cards[0] = (struct card_config){"net0", NET0, 7, "igb"};
    host.cards[1] = (struct card_config){"net1", NET1, 7, "igb"};
    host.cards[2] = (struct card_config){"disk0", DISK0, 4, "nvme"};
    host.gate = (struct gate_config){{1000, 2000, 3000, 4000}, {1, 1, 1, 0}};
    return host;
}

int world_result(struct world *world, uint64_t id)
{
    for (size_t i = 0; i < world->sent_count; i++) {
        struct sent *sent = &world->sent[i];
        const struct control_result *result = (const void *)sent->frame.bytes;
        if (sent->taken || sent->peer != PROCESS_COMMAND ||
            sent->frame.header.type != CONTROL_RESULT || sent->frame.header.id != id)
            continue;
        sent->taken = true;
        memcpy(world_result_text, result->text, sizeof(world_result_text));
        assert_true(!result->error == !result->text[0]);
        return result->error;
    }
    fail_msg("no RESULT for request %llu", (unsigned long long)id);
    return 0;
}

static int ask(struct world *world, void *message)
{
    struct wire_header *header = message;

    header->id = ++world->next_id;
    assert_int_equal(world_say(world, PROCESS_COMMAND, message), 0);
    return world_result(world, header->id);
}

int world_host_set(struct world *world, const struct host_config *host)
{
    struct control_host_set message = {.header = frame_header(CONTROL_HOST_SET, sizeof(message), 0),
                                       .host = *host};
    return ask(world, &message);
}

struct partition_config world_partition(const char *name, uint32_t vcpus, ...)
{
    struct partition_config config = {.vcpus = vcpus,
                                      .memory_mib = 512,
                                      .monitor = "native",
                                      .kernel = "/boot/vmlinuz",
                                      .cmdline = "console=ttyS0"};
    const char *card;
    va_list list;

    snprintf(config.name, sizeof(config.name), "%s", name);
    va_start(list, vcpus);
    while ((card = va_arg(list, const char *))) {
        struct partition_vf *vf = &config.vfs[config.vfs_count++];
        snprintf(vf->card, sizeof(vf->card), "%s", card);
        vf->index = va_arg(list, uint32_t);
    }
    va_end(list);
    return config;
}

int world_define(struct world *world, const struct partition_config *config)
{
    struct control_partition_define message = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(message), 0), .config = *config};
    return ask(world, &message);
}

struct proposal *world_proposal(void)
{
    static struct proposal proposal;

    proposal = (struct proposal){.magic = PROPOSAL_MAGIC, .version = PROPOSAL_VERSION};
    return &proposal;
}

struct control_apply world_apply_request(struct world *world, uint64_t id,
                                         const struct proposal *proposal)
{
    struct control_apply message = {.header = frame_header(CONTROL_APPLY, sizeof(message), id),
                                    .plan = 0x1234};

    control_idle(world->control);
    message.generation = world->control->snapshot_generation;
    for (uint32_t i = 0; i < proposal->partitions_count; i++) {
        const struct partition *partition =
            db_partition_named(world->control->db, proposal->partitions[i].name);
        if (!partition)
            message.added |= UINT32_C(1) << i;
        else if (partition_started(partition))
            message.running |= UINT32_C(1) << i;
    }
    return message;
}

int world_apply_as(struct world *world, struct control_apply *message,
                   const struct proposal *proposal)
{
    int file = proposal_seal(proposal);

    assert_true(file >= 0);
    int error = world_say_file(world, PROCESS_COMMAND, message, file);
    close(file);
    return error ? error : world_result(world, message->header.id);
}

int world_apply(struct world *world, uint64_t id, const struct proposal *proposal)
{
    struct control_apply message = world_apply_request(world, id, proposal);

    return world_apply_as(world, &message, proposal);
}

int world_undefine(struct world *world, const char *name)
{
    struct control_partition_name message = {
        .header = frame_header(CONTROL_PARTITION_UNDEFINE, sizeof(message), 0)};
    snprintf(message.name, sizeof(message.name), "%s", name);
    return ask(world, &message);
}

struct control_partition_start world_start_request(struct world *world, const char *name)
{
    struct control_partition_start message = {
        .header = frame_header(CONTROL_PARTITION_START, sizeof(message), 0),
        .generation = world->control->snapshot_generation};
    const struct partition *partition = db_partition_named(world->control->db, name);
    uint32_t wanted = !partition ? 1 : partition->config.weight ? 0 : partition->config.vcpus;

    snprintf(message.name, sizeof(message.name), "%s", name);
    for (uint32_t i = 0; i < world->control->db->pcpus_count && message.pcpus_count < wanted; i++)
        if (world->control->db->pcpus[i].owner.kind == OWNER_IDLE)
            message.pcpus[message.pcpus_count++] = world->control->db->pcpus[i].pcpu;
    return message;
}

int world_start(struct world *world, const char *name)
{
    struct control_partition_start message = world_start_request(world, name);
    return ask(world, &message);
}

int world_stop(struct world *world, const char *name, bool force, uint32_t timeout_ms)
{
    struct control_partition_stop message = {
        .header = frame_header(CONTROL_PARTITION_STOP, sizeof(message), 0),
        .force = force,
        .timeout_ms = timeout_ms};
    snprintf(message.name, sizeof(message.name), "%s", name);
    return ask(world, &message);
}

/* ---- SR-PCIM, TCB */

void world_readiness(struct world *world, struct bdf pf, enum pf_readiness readiness)
{
    struct pcim_readiness message = {.header = frame_header(PCIM_READINESS, sizeof(message), 0),
                                     .pf = pf,
                                     .readiness = readiness,
                                     .event_ns = world->now_ns};
    assert_int_equal(world_say(world, PROCESS_SR_PCIM, &message), 0);
}

void world_vf(struct world *world, struct bdf pf, uint32_t index, bool active, bool open)
{
    struct tcb_pf parent = {.header = frame_header(TCB_PF, sizeof(parent), 0),
                            .pf = {.bdf = pf, .class = CLASS_NETWORK, .answers = 1}};
    struct tcb_vf message = {.header = frame_header(TCB_VF, sizeof(message), 0),
                             .vf = {.bdf = {pf.value + 0x80 + 2 * index},
                                    .pf = pf,
                                    .index = index,
                                    .status = active ? FUNCTION_ACTIVE : FUNCTION_INACTIVE,
                                    .answers = 1,
                                    .attributes_set = active,
                                    .open = open}};
    strcpy(message.vf.driver, active ? "vfio-pci" : "");
    assert_int_equal(world_say(world, PROCESS_TCB, &parent), 0);
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

uint64_t world_propose(struct world *world, enum device_action action, struct bdf pf,
                       uint32_t index, uint32_t vfs)
{
    struct pcim_propose message = {
        .header = frame_header(PCIM_PROPOSE, sizeof(message), ++world->next_id),
        .action = action,
        .pf = pf,
        .index = index,
        .vfs = vfs};
    assert_int_equal(world_say(world, PROCESS_SR_PCIM, &message), 0);
    return message.header.id;
}

/* ---- lead */

struct partition *world_named(struct world *world, const char *name)
{
    struct partition *partition = db_partition_named(world->control->db, name);
    assert_non_null(partition);
    return partition;
}

/* As it was said last; a monitor that has just got its VFs has those of its definition. */
static void seat(struct world *world, const struct partition *partition,
                 struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS])
{
    const struct partition_config *config = &partition->config;
    size_t count = 0;

    if (partition->monitor.states & STATE_BIT(STATE_CHANNEL_IMAGE)) {
        memcpy(seats, partition->monitor.vfs, sizeof(partition->monitor.vfs));
        return;
    }
    for (uint32_t i = 0; i < config->vfs_count; i++) {
        const struct pf *pf = db_pf_of_card(world->control->db, config->vfs[i].card);
        if (failover_in_use(partition, i))
            seats[count++] =
                (struct vf_seat){{pf->bdf.value + 0x80 + 2 * config->vfs[i].index}, VF_PRESENT};
    }
}

void world_seats(struct world *world, const char *name, const struct vf_seat *seats, size_t count)
{
    const struct partition *partition = world_named(world, name);
    struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                   .partition = partition->id,
                                   .present = 1,
                                   .states = STATES_BEFORE_GATE,
                                   .event_ns = world->now_ns};

    memcpy(message.vfs, seats, count * sizeof(*seats));
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

void world_monitor(struct world *world, const char *name, uint32_t states, bool frozen)
{
    struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                   .partition = world_named(world, name)->id,
                                   .present = 1,
                                   .states = states,
                                   .frozen = frozen,
                                   .descriptor_generation =
                                       world_named(world, name)->run.descriptor_generation,
                                   .event_ns = world->now_ns};
    if (states & STATE_BIT(STATE_CHANNEL_IMAGE))
        seat(world, world_named(world, name), message.vfs);
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

void world_monitor_gone(struct world *world, const char *name, enum exit_reason exit)
{
    struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                   .partition = world_named(world, name)->id,
                                   .exit = exit};
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

void world_lead_result(struct world *world, const char *name, uint64_t id, int error)
{
    struct lead_result message = {.header = frame_header(LEAD_RESULT, sizeof(message), id),
                                  .partition = world_named(world, name)->id,
                                  .error = error,
                                  .done_ns = world->now_ns};
    if (error)
        strcpy(message.text, "it cannot be done");
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

void world_online(struct world *world, const char *pcpus)
{
    struct lead_online message = {.header = frame_header(LEAD_ONLINE, sizeof(message), 0)};

    assert_int_equal(pcpu_set_parse(pcpus, &message.online), 0);
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

void world_lead_sync(struct world *world)
{
    const struct lead_sync sync = {.header = frame_header(LEAD_SYNC, sizeof(sync), 0)};
    assert_int_equal(world_say(world, PROCESS_LEAD, &sync), 0);
}

void world_to_gate(struct world *world, const char *name)
{
    const struct partition *partition = world_named(world, name);
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_CREATE);

    assert_non_null(order);
    world_lead_result(world, name, order->header.id, 0);
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *vf = &partition->config.vfs[i];
        world_vf(world, db_pf_of_card(world->control->db, vf->card)->bdf, vf->index, true, false);
    }
    world_monitor(world, name, OWN_STATES, true);
    order = world_take(world, PROCESS_LEAD, LEAD_CHANNELS);
    assert_non_null(order);
    world_lead_result(world, name, order->header.id, 0);
    world_monitor(world, name, STATES_BEFORE_GATE, true);
}

void world_run(struct world *world, const char *name)
{
    const struct partition *partition = world_named(world, name);

    world_to_gate(world, name);
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const char *card = partition->config.vfs[i].card;
        world_readiness(world, db_pf_of_card(world->control->db, card)->bdf, PF_READY);
    }
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_non_null(order);
    world_monitor(world, name, STATES_BEFORE_GATE, false);
    world_lead_result(world, name, order->header.id, 0);
    assert_int_equal(partition->run.phase, PHASE_RUNNING);
}

/* ---- consoles and sessions */

static void lead_files(struct world *world, const char *name, uint64_t order, uint32_t count)
{
    const struct lead_result result = {.header = frame_header(LEAD_RESULT, sizeof(result), order),
                                       .partition = world_named(world, name)->id};
    struct frame frame = {.size = sizeof(result), .files_count = count};

    memcpy(frame.bytes, &result, sizeof(result));
    for (uint32_t i = 0; i < count; i++)
        frame.files[i] = memfd_create("console", MFD_CLOEXEC);
    assert_int_equal(frame_dispatch(lead_rows, lead_rows_count, 0, world->control, &frame), 0);
    frame_clear(&frame);
    world_settle(world);
}

void world_lead_console(struct world *world, const char *name)
{
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_CONSOLE);

    assert_non_null(order);
    lead_files(world, name, order->header.id, 3);
}

void world_lead_session(struct world *world, const char *name, uint64_t order)
{
    lead_files(world, name, order, 1);
}

int world_session(struct world *world, const char *name, uint32_t kind, uint64_t id)
{
    struct control_session request = {
        .header = frame_header(CONTROL_SESSION_OPEN, sizeof(request), id),
        .requester = {.uid = kind == SESSION_LOOK ? 1000 : 0, .pid = 77, .reason = "to look"},
        .kind = kind};

    strcpy(request.name, name);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
    const struct lead_session *order = world_take(world, PROCESS_LEAD, LEAD_SESSION);
    assert_non_null(order);
    assert_int_equal(order->kind, kind);
    world_lead_session(world, name, order->header.id);
    return world_result(world, id);
}

int world_console(struct world *world, const char *name, uint64_t id)
{
    struct control_partition_name request = {
        .header = frame_header(CONTROL_CONSOLE_OPEN, sizeof(request), id),
        .requester = {.uid = 1000, .pid = 77, .reason = "to look"}};

    strcpy(request.name, name);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
    world_lead_console(world, name);
    return world_result(world, id);
}

void world_channel(struct world *world, uint16_t type, const char *name)
{
    struct control_channel message = {.header = frame_header(type, sizeof(message), 0)};

    strcpy(message.name, name);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
}
