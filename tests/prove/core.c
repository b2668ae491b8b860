/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's real core, asked by the model checker: so the control that is proven is the code, not a
 * description of it. gate.pml has all the others, and what is proven.
 *
 * The core runs in the unit tests' world (world.h): this program is all other processes, the log is
 * a real one. It reads questions (ask.h) from its standard input, a socket, and answers there. A
 * state is reached by saying the events of the path on which it was found first, in a process
 * forked from the root; then the event that was asked for. The disk's bytes are put back after it.
 *
 * A state is what describe() writes: everything of the core that decides what it does next, and
 * nothing that only tells people something (times, texts, numbers). That nothing is missing there
 * is checked at the end of the questions: where a state was found by a second path, all that was
 * asked is asked again after that one, and every answer must be the same.
 *
 * In every state that is reached: the whole map is checked, each resource belongs to whom it must
 * (R-CTL-3), and answers to orders that are none of the partition's any more change nothing.
 *
 * Bounds: one or two messages in a group (outbox.h), as the scene says; the ladder's deadlines are
 * further away than any path is long: what a rung orders is a restart, which is an event here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "gate.h"
#include "outage.h"
#include "states.h"
#include "store/audit_log.h"
#include "world.h"

#define TEXT_MAX       160
#define DISK_MAX       (160 << 10)
#define FAR_MS         3600000
#define HASH_SIZE      (1 << 20)
#define MONITOR_LEVELS 3
#define REQUEST_START  UINT64_C(1000000) /* ids of STARTs are above; the last digit: whose */

struct row {
    bool asked, enabled;
    struct question event;
    char text[TEXT_MAX];
    struct answer answer;
};

struct reached {
    char text[TEXT_MAX];
    int32_t parent, other_parent; /* other: a second way to it; -1: none */
    struct question event, other_event;
};

/* ---- the scene */

struct scene {
    const char *name;
    uint32_t partitions, pfs;
    bool contend;   /* both partitions want the same VF and pCPU */
    bool at_gate;   /* the root has all partitions at the gate */
    bool cut;       /* E_CUT happens */
    unsigned group; /* at most so many messages are handled in one group */
};
static const struct scene scenes[] = {
    {"gate", 1, 2, false, false, false, 1},
    {"group", 1, 1, false, false, true, 2},
    {"shared", 2, 1, false, true, false, 1},
    {"contended", 2, 1, true, false, false, 1},
};
static const struct scene *scene;
static const char *const names[ASK_PARTITIONS] = {"a", "b"};
static const struct bdf pfs[ASK_PFS] = {NET0, NET1};

static FILE *report;
static struct world *world;
static unsigned grouped; /* messages handled in the open group */
static uint8_t outputs[ASK_OUTPUTS_MAX];
static size_t outputs_count;

static void output(unsigned what)
{
    if (outputs_count == ASK_OUTPUTS_MAX) {
        fprintf(report, "core: too many outputs\n");
        _exit(2);
    }
    outputs[outputs_count++] = (uint8_t)what;
}

/* ---- the disk: one file, whose bytes are kept in memory and put back */

static int disk = -1;
static uint8_t synced[DISK_MAX]; /* as they were at the last fdatasync */
static char durable[24];         /* what would be there after E_CUT, for describe() */

static void disk_read(uint8_t *bytes)
{
    if (pread(disk, bytes, DISK_MAX, 0) != DISK_MAX)
        _exit(3);
}

static void disk_write(const uint8_t *bytes)
{
    if (pwrite(disk, bytes, DISK_MAX, 0) != DISK_MAX)
        _exit(3);
}

/* ---- what leaves, and what waits in the outbox */

static uint8_t held[ASK_OUTPUTS_MAX * 2];
static size_t held_count;
static size_t drained;

static unsigned output_of(enum process_kind peer, const void *message)
{
    static const unsigned of_lead[] = {OUT_CREATE, OUT_CHANNELS, OUT_ATTACH, OUT_DETACH, OUT_STOP};
    const struct wire_header *header = message;
    const struct lead_order *order = message;
    const struct control_result *result = message;

    if (peer == PROCESS_LEAD && header->type >= LEAD_CREATE && header->type <= LEAD_STOP)
        return of_lead[header->type - LEAD_CREATE] + order->partition.value - 1;
    if (peer == PROCESS_COMMAND && header->type == CONTROL_RESULT && !result->error &&
        header->id > REQUEST_START)
        return OUT_STARTED + (unsigned)(header->id % 10);
    return OUT_NONE;
}

static void drain(void)
{
    for (; drained < world->sent_count; drained++) {
        const struct sent *sent = &world->sent[drained];
        unsigned what = output_of(sent->peer, sent->frame.bytes);
        if (what)
            output(what);
    }
}

int __real_control_send(struct control *control, enum process_kind peer, const void *message,
                        const int *files, size_t files_count);
int __wrap_control_send(struct control *control, enum process_kind peer, const void *message,
                        const int *files, size_t files_count);
int __wrap_control_send(struct control *control, enum process_kind peer, const void *message,
                        const int *files, size_t files_count)
{
    int error = __real_control_send(control, peer, message, files, files_count);
    unsigned what = output_of(peer, message);

    if (!error && what && control->outbox.open)
        held[held_count++] = (uint8_t)what;
    return error;
}

/* The link to lead is down: what waits for it is dropped. */
static void held_forget_lead(void)
{
    size_t kept = 0;

    for (size_t i = 0; i < held_count; i++)
        if (held[i] >= OUT_STARTED)
            held[kept++] = held[i];
    held_count = kept;
}

static void describe_durable(void)
{
    size_t at = 0;

    for (uint32_t p = 0; p < scene->partitions; p++) {
        const struct partition_run *run = &world_named(world, names[p])->run;
        at += (size_t)snprintf(durable + at, sizeof(durable) - at, "%u%u%u%u%u", run->phase,
                               run->attach, run->created, run->channels,
                               run->attach_transaction != 0);
    }
}

static bool is_disk(int fd)
{
    struct stat one, other;

    return disk >= 0 && !fstat(fd, &one) && !fstat(disk, &other) && one.st_ino == other.st_ino;
}

/* Nothing of this needs a disk: what is synced is remembered. */
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    if (!is_disk(fd))
        return 0;
    drain();
    disk_read(synced);
    output(OUT_SYNC);
    describe_durable();
    return 0;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return __wrap_fdatasync(fd);
}

char *__real_mkdtemp(char *template);
char *__wrap_mkdtemp(char *template);
char *__wrap_mkdtemp(char *template)
{
    return __real_mkdtemp(strcpy(template, "/dev/shm/parclose-prove-XXXXXX"));
}

int __real_audit_log_append(struct audit_log *log, struct audit_entry *entry);
int __wrap_audit_log_append(struct audit_log *log, struct audit_entry *entry);
int __wrap_audit_log_append(struct audit_log *log, struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    if (disk >= 0)
        drain();
    while (disk >= 0 && entry->phase == AUDIT_BEGUN && (change = audit_entry_next(entry, change)))
        if (change->kind == RESOURCE_RUN && entry->kind == AUDIT_ATTACH)
            output(OUT_COMMIT + (unsigned)change->key[0] - 1);
        else if (change->kind == RESOURCE_RUN && entry->kind == AUDIT_START)
            output(OUT_BEGUN + (unsigned)change->key[0] - 1);
    return __real_audit_log_append(log, entry);
}

/* ---- events */

static const uint32_t levels[MONITOR_LEVELS] = {0, OWN_STATES, STATES_BEFORE_GATE};

static uint64_t result_id(const struct partition *partition, enum order order)
{
    return order_id(order, order == ORDER_ATTACH || order == ORDER_DETACH
                               ? partition->run.attach_transaction
                               : partition->run.start_transaction);
}

static void result(unsigned p, enum order order, bool error, bool stale)
{
    const struct partition *partition = world_named(world, names[p]);
    int code = !error ? 0 : order == ORDER_STOP ? -ESRCH : order == ORDER_CREATE ? -EAGAIN : -EIO;

    world_lead_result(world, names[p], result_id(partition, order) + (stale ? 16000 : 0), code);
}

static void start(unsigned p)
{
    struct control_partition_start request = {
        .header = frame_header(CONTROL_PARTITION_START, sizeof(request),
                               REQUEST_START + 10 * ++world->next_id + p),
        .generation = world->control->snapshot_generation,
        .pcpus_count = 1,
        .pcpus = {scene->contend ? 1 : 1 + p}};

    snprintf(request.name, sizeof(request.name), "%s", names[p]);
    world_say(world, PROCESS_COMMAND, &request);
}

static void stop(unsigned p)
{
    struct control_partition_stop request = {
        .header = frame_header(CONTROL_PARTITION_STOP, sizeof(request), ++world->next_id),
        .timeout_ms = 600000};

    snprintf(request.name, sizeof(request.name), "%s", names[p]);
    world_say(world, PROCESS_COMMAND, &request);
}

static void vfs(void)
{
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};

    if (!world->control->tcb_up)
        tcb_up(world->control);
    for (uint32_t i = 0; i < scene->pfs; i++)
        for (uint32_t v = 0; v < scene->partitions; v++)
            world_vf(world, pfs[i], v, true, false);
    world_say(world, PROCESS_TCB, &sync);
}

static void restart(bool cut)
{
    control_free(world->control);
    world->control = NULL;
    if (cut)
        disk_write(synced);
    held_count = 0;
    if (world_restart(world, 2)) {
        fprintf(report, "core: control does not start: %s\n", world->text);
        _exit(4);
    }
    drained = 0;
    world->control->check_each_commit = false;
    command_up(world->control);
}

static bool group_open(void)
{
    return world->control->outbox.open;
}

static void monitor(unsigned p, unsigned b)
{
    world_monitor(world, names[p], levels[b / 2], b & 1);
}

static void lead_lost(void)
{
    held_forget_lead();
    lead_down(world->control);
}

static void settle(void)
{
    held_count = 0;
    world_settle(world);
}

static void happen(const struct question *event)
{
    struct control *control = world->control;

    switch (event->kind) {
    case E_READY:
        world_readiness(world, pfs[event->a], PF_READY);
        break;
    case E_LOST:
        world_readiness(world, pfs[event->a], PF_LINK_DOWN);
        break;
    case E_PCIM_DOWN:
        pcim_down(control);
        break;
    case E_PCIM_UP:
        pcim_up(control);
        break;
    case E_VFS:
        vfs();
        break;
    case E_LEAD_DOWN:
        lead_lost();
        break;
    case E_LEAD_UP:
        lead_up(control);
        break;
    case E_SYNC:
        world_lead_sync(world);
        break;
    case E_MONITOR:
        monitor(event->a, event->b);
        break;
    case E_GONE:
        world_monitor_gone(world, names[event->a], EXIT_MONITOR_DIED);
        break;
    case E_RESULT:
        result(event->a, event->b / 2, event->b & 1, false);
        break;
    case E_START:
        start(event->a);
        break;
    case E_STOP:
        stop(event->a);
        break;
    case E_TICK:
        world_wait(world, SECOND);
        break;
    case E_SETTLE:
        settle();
        break;
    case E_KILL:
        restart(false);
        break;
    case E_CUT:
        restart(true);
        break;
    default:
        _exit(11);
    }
    grouped = group_open() ? grouped + 1 : 0;
    if (!group_open())
        held_count = 0;
    drain();
}

static bool started(unsigned p)
{
    return partition_started(world_named(world, names[p]));
}

static bool tick_due(void)
{
    bool due = world->control->sync_boottime_ns;

    for (uint32_t p = 0; p < scene->partitions; p++)
        due |= world_named(world, names[p])->retry_boottime_ns > world->now_ns;
    return due;
}

static bool ready(unsigned i)
{
    return db_pf(world->control->db, pfs[i])->readiness == PF_READY;
}

/* Lost is another thing than not judged to a partition that runs; that its loss was noted, and that
 * it was ready when it was judged last, have it noted that it is back, or lost. */
static char readiness(unsigned i)
{
    const struct pf *pf = db_pf(world->control->db, pfs[i]);
    unsigned noted = pf->loss ? 2 : pf->was_ready ? 1 : 0;

    return ready(i) ? '1' : (pf->readiness == PF_UNKNOWN ? "?uU" : "0lL")[noted];
}

static bool goes_back(unsigned p, unsigned level)
{
    const struct lead_monitor *monitor = &world_named(world, names[p])->monitor;
    return monitor->present && levels[level] < monitor->states;
}

/* Whether it can happen, or could change anything. */
static bool can_happen(const struct question *event)
{
    const struct control *control = world->control;

    if (group_open() && grouped >= scene->group)
        return event->kind >= E_SETTLE;
    switch (event->kind) {
    case E_READY:
        return control->pcim_up && !ready(event->a);
    case E_LOST:
        return control->pcim_up && ready(event->a);
    case E_PCIM_DOWN:
        return control->pcim_up;
    case E_PCIM_UP:
        return !control->pcim_up;
    case E_LEAD_UP:
        return !control->lead_up;
    case E_SYNC:
        return control->lead_up && !control->lead_synced;
    case E_MONITOR:
        return control->lead_up && !goes_back(event->a, event->b / 2);
    case E_LEAD_DOWN:
    case E_RESULT:
    case E_GONE:
        return control->lead_up;
    case E_START:
        return !started(event->a);
    case E_STOP:
        return started(event->a) &&
               world_named(world, names[event->a])->run.phase != PHASE_STOPPING;
    case E_TICK:
        return tick_due();
    case E_SETTLE:
        return group_open();
    default:
        return true;
    }
}

/* ---- a state */

static unsigned monitor_level(const struct lead_monitor *monitor)
{
    unsigned level = 0;

    while (levels[level] != monitor->states)
        level++;
    return level;
}

static char vfs_seen(unsigned p)
{
    const struct partition_config *config = &world_named(world, names[p])->config;
    const struct vf *vf =
        &db_pf_of_card(world->control->db, config->vfs[0].card)->vfs[config->vfs[0].index];

    return !vf->present ? '-' : vf->observed.attributes_set ? 'v' : 'p';
}

static int describe_partition(unsigned p, char *text, size_t size)
{
    const struct partition *partition = world_named(world, names[p]);
    const struct partition_run *run = &partition->run;
    char seen[4] = "-";

    if (partition->monitor.present)
        snprintf(seen, sizeof(seen), "%c%u", partition->monitor.frozen ? 'f' : 't',
                 monitor_level(&partition->monitor));
    return snprintf(text, size, " %s:ph%u at%u tx%d cr%u ch%u or%02x sd%d mo%s re%d ex%d vf%c%s",
                    names[p], run->phase, run->attach, run->attach_transaction != 0, run->created,
                    run->channels, partition->ordered, partition->said, seen,
                    partition->retry_boottime_ns > world->now_ns, run->exit == EXIT_MONITOR_ERROR,
                    vfs_seen(p), outage_is_for(partition) && run->deadline_boottime_ns ? "o" : "");
}

static void describe(char text[TEXT_MAX])
{
    const struct control *control = world->control;
    int at = snprintf(text, TEXT_MAX, "L%d%d P%d R", control->lead_up, control->lead_synced,
                      control->pcim_up);

    for (uint32_t i = 0; i < scene->pfs; i++)
        at += snprintf(text + at, (size_t)(TEXT_MAX - at), "%c", readiness(i));
    for (uint32_t p = 0; p < scene->partitions; p++)
        at += describe_partition(p, text + at, (size_t)(TEXT_MAX - at));
    at += snprintf(text + at, (size_t)(TEXT_MAX - at), " n%d g%d", control->sync_boottime_ns != 0,
                   group_open() ? (int)grouped : 0);
    for (size_t i = 0; i < held_count && group_open(); i++)
        at += snprintf(text + at, (size_t)(TEXT_MAX - at), ",%u", held[i]);
    if (scene->cut)
        at += snprintf(text + at, (size_t)(TEXT_MAX - at), " d%s", durable);
    if (at >= TEXT_MAX) {
        fprintf(report, "core: a state's text is too long: %s\n", text);
        _exit(5);
    }
}

/* Each resource once, to whom it must belong (R-CTL-3); db_check() has the rest. */
static void check_owners(void)
{
    const struct db *db = world->control->db;
    char text[PARCLOSE_REASON_MAX] = "";

    if (world->fatal || db_check(db, text)) {
        fprintf(report, "core: the map is wrong: %s\n", text);
        _exit(6);
    }
    for (uint32_t p = 0; p < scene->partitions; p++) {
        const struct partition *partition = world_named(world, names[p]);
        const struct owner guest = owner_guest(partition->id);
        bool vf = owner_equal(db_pf_of_card(world->control->db, partition->config.vfs[0].card)
                                  ->vfs[partition->config.vfs[0].index]
                                  .owner,
                              guest);
        bool pcpu = owner_equal(db->pcpus[scene->contend ? 1 : 1 + p].owner, guest);
        if (vf != partition_started(partition) || pcpu != partition_started(partition)) {
            fprintf(report, "core: partition %s does not own what it should\n", names[p]);
            _exit(6);
        }
    }
}

/* An answer to an order that is none of the partition's any more must change nothing. */
static void check_stale(void)
{
    char before[TEXT_MAX], after[TEXT_MAX];

    outputs_count = 0;
    describe(before);
    if (!world->control->lead_up)
        return;
    for (uint32_t p = 0; p < scene->partitions; p++)
        for (unsigned order = ORDER_CREATE; order <= ORDER_STOP; order++)
            result(p, order, order & 1, true);
    drain();
    describe(after);
    if (strcmp(before, after) != 0 || outputs_count) {
        fprintf(report, "core: a stale answer changed %s to %s\n", before, after);
        _exit(7);
    }
}

/* ---- the root */

static void define(unsigned p)
{
    unsigned vf = scene->contend ? 0 : p;
    struct partition_config config =
        scene->pfs == 2 ? world_partition(names[p], 1, "net0", vf, "net1", vf, NULL)
                        : world_partition(names[p], 1, "net0", vf, NULL);

    if (world_define(world, &config))
        _exit(8);
}

static void root_make(void)
{
    struct host_config host = world_host();
    void *state;
    char path[128];

    for (unsigned i = 0; i < 4; i++)
        host.gate.wait_ms[i] = FAR_MS;
    world_setup(&state);
    world = state;
    if (world_host_set(world, &host))
        _exit(8);
    for (unsigned p = 0; p < scene->partitions; p++)
        define(p);
    for (unsigned p = 0; p < scene->partitions && scene->at_gate; p++) {
        if (world_start(world, names[p]))
            _exit(8);
        world_to_gate(world, names[p]);
    }
    world_wait(world, 2 * SECOND); /* all is durable */
    world_forget_sent(world);
    world->busy = true;
    world->control->check_each_commit = false; /* check_owners() does it */
    snprintf(path, sizeof(path), "%s/audit.%020d", world->directory, 1);
    disk = open(path, O_RDWR | O_CLOEXEC);
    if (disk < 0)
        _exit(8);
    disk_read(synced);
    describe_durable();
}

/* ---- states */

static struct reached *nodes;
static int32_t nodes_count;
static int32_t *hash_table;
static struct row *row; /* shared with the process that fills it */

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash & (HASH_SIZE - 1);
}

static int32_t new_node(const char *text, const struct question *by)
{
    struct reached *node = &nodes[nodes_count];

    if (nodes_count == ASK_STATES_MAX) {
        fprintf(report, "core: more than %d states\n", ASK_STATES_MAX);
        exit(1);
    }
    snprintf(node->text, TEXT_MAX, "%s", text);
    node->parent = by->state;
    node->event = *by;
    node->other_parent = -1;
    return nodes_count++;
}

/* The state's number; made when it is new. `by`: how it was come to. */
static int32_t number_of(const char *text, const struct question *by)
{
    uint32_t at = hash_of(text);

    for (; hash_table[at] >= 0; at = (at + 1) & (HASH_SIZE - 1)) {
        struct reached *node = &nodes[hash_table[at]];
        if (strcmp(node->text, text) != 0)
            continue;
        if (node->parent >= 0 && node->parent != by->state) {
            node->other_parent = by->state;
            node->other_event = *by;
        }
        return hash_table[at];
    }
    return hash_table[at] = new_node(text, by);
}

static void say_again(const struct question *event)
{
    outputs_count = 0;
    happen(event);
    world_forget_sent(world);
    drained = 0;
}

static void say_path(int32_t number)
{
    if (nodes[number].parent < 0)
        return;
    say_path(nodes[number].parent);
    say_again(&nodes[number].event);
}

static void come_to(int32_t number, bool other)
{
    char text[TEXT_MAX];

    say_path(other ? nodes[number].other_parent : number);
    if (other)
        say_again(&nodes[number].other_event);
    describe(text);
    if (strcmp(text, nodes[number].text) == 0)
        return;
    fprintf(report, "core: came to\n%s, not to\n%s\n", text, nodes[number].text);
    _exit(10);
}

static void tell(const struct question *event)
{
    outputs_count = 0;
    happen(event);
    check_owners();
    describe(row->text);
    memcpy(row->answer.outputs, outputs, outputs_count);
    for (uint32_t p = 0; p < scene->partitions; p++) {
        row->answer.phase[p] = (uint8_t)world_named(world, names[p])->run.phase;
        row->answer.attach[p] = (uint8_t)world_named(world, names[p])->run.attach;
    }
    row->answer.group = (uint8_t)(!group_open() ? 0 : grouped < scene->group ? 1 : 2);
    row->answer.tick = tick_due();
    check_stale();
}

/* Fills `row`: what happens in a state that is come to by its path or by its other one. */
static void try_event(const struct question *event, bool other)
{
    static uint8_t root[DISK_MAX];
    int status;

    *row = (struct row){.asked = true, .event = *event};
    disk_read(root);
    pid_t child = fork();
    if (!child) {
        come_to(event->state, other);
        row->enabled = can_happen(event);
        if (row->enabled)
            tell(event);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status) {
        fprintf(report, "core: in state %s event %u %u %u: status %d\n", nodes[event->state].text,
                event->kind, event->a, event->b, status);
        exit(1);
    }
    disk_write(root);
}

/* ---- questions */

static struct row (*rows)[ASK_CODES]; /* all that were answered, for compare_all() */
static unsigned *rows_count;

static void answer(const struct question *question)
{
    try_event(question, false);
    row->answer.to = row->enabled ? number_of(row->text, question) : -1;
    if (write(0, &row->answer, sizeof(row->answer)) != sizeof(row->answer))
        exit(1);
    rows[question->state][rows_count[question->state]++] = *row;
}

/* The same answer by the other path? */
static void compare(const struct row *first)
{
    try_event(&first->event, true);
    row->answer.to = first->answer.to;
    if (first->enabled == row->enabled && !strcmp(first->text, row->text) &&
        !memcmp(&first->answer, &row->answer, sizeof(row->answer)))
        return;
    fprintf(report, "core: state\n  %s\nevent %u %u %u leads to\n  %s\nor\n  %s\n",
            nodes[first->event.state].text, first->event.kind, first->event.a, first->event.b,
            first->text, row->text);
    exit(1);
}

static void compare_all(void)
{
    unsigned compared = 0, answered = 0;

    for (int32_t number = 0; number < nodes_count; number++) {
        answered += rows_count[number];
        for (unsigned i = 0; nodes[number].other_parent >= 0 && i < rows_count[number]; i++) {
            compare(&rows[number][i]);
            compared++;
        }
    }
    fprintf(report, "core: %d states, %u transitions of the real core, %u of them by two ways\n",
            nodes_count, answered, compared);
}

static void *shared_memory(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        exit(1);
    return memory;
}

/* What is shared is not copied by each fork. */
static void tables_make(void)
{
    static const struct question none = {.state = -1};
    char text[TEXT_MAX];

    nodes = shared_memory(ASK_STATES_MAX * sizeof(*nodes));
    hash_table = shared_memory(HASH_SIZE * sizeof(*hash_table));
    row = shared_memory(sizeof(*row));
    rows = shared_memory(ASK_STATES_MAX * sizeof(*rows));
    rows_count = shared_memory(ASK_STATES_MAX * sizeof(*rows_count));
    memset(hash_table, 0xff, HASH_SIZE * sizeof(*hash_table));
    describe(text);
    number_of(text, &none);
}

static void root_remove(void)
{
    void *state = world;

    close(disk);
    disk = -1;
    world_teardown(&state);
}

int main(int argc, char **argv)
{
    struct question question;

    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
        if (argc == 2 && !strcmp(scenes[i].name, argv[1]))
            scene = &scenes[i];
    if (!scene) {
        fprintf(stderr, "usage: core gate|group|shared|contended\n");
        return 2;
    }
    report = fdopen(dup(2), "w");
    if (!report || !freopen("/dev/null", "w", stderr)) /* the core's own log */
        return 1;
    setvbuf(report, NULL, _IOLBF, 0);
    root_make();
    tables_make();
    while (read(0, &question, sizeof(question)) == sizeof(question))
        answer(&question);
    compare_all();
    root_remove();
    return 0;
}
