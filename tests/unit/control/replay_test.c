/* SPDX-License-Identifier: Apache-2.0 */
/* Control dies at any moment; the log brings back the same map, and lead says what is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate.h"
#include "rotate.h"
#include "transaction.h"
#include "world.h"

static void define(struct world *world, struct partition_config config)
{
    if (world_define(world, &config))
        fail_msg("%s", world_result_text);
}

/* What is in the log, side by side: nothing that was merely observed. */
static void same_map(const struct db *a, const struct db *b)
{
    assert_memory_equal(&a->host, &b->host, sizeof(a->host));
    assert_memory_equal(&a->control, &b->control, sizeof(a->control));
    assert_memory_equal(a->pcpus, b->pcpus, sizeof(a->pcpus));
    assert_int_equal(a->blocks_count, b->blocks_count);
    for (struct memory_walk p = {0}, q = {0}; db_memory_next(a, &p);) {
        assert_true(db_memory_next(b, &q));
        assert_int_equal(p.block.offset, q.block.offset);
        assert_int_equal(p.block.bytes, q.block.bytes);
        assert_true(owner_equal(p.block.owner, q.block.owner));
    }
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITIONS; i++) {
        const struct partition *p = &a->partitions[i], *q = &b->partitions[i];
        assert_int_equal(p->defined, q->defined);
        assert_memory_equal(&p->config, &q->config, sizeof(p->config));
        assert_memory_equal(&p->run, &q->run, sizeof(p->run));
    }
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        assert_int_equal(!a->pfs[i], !b->pfs[i]);
        for (size_t v = 0; a->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++)
            assert_true(owner_equal(a->pfs[i]->vfs[v].owner, b->pfs[i]->vfs[v].owner));
        if (a->pfs[i])
            assert_memory_equal(&a->pfs[i]->image, &b->pfs[i]->image, sizeof(a->pfs[i]->image));
    }
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        assert_memory_equal(&a->actions[i].image, &b->actions[i].image,
                            sizeof(a->actions[i].image));
}

static struct db *copy(const struct db *db)
{
    struct db *other = malloc(sizeof(*other));

    *other = *db;
    for (uint32_t i = 0; i < db->nodes_count; i++) {
        const struct node *node = &db->nodes[i];
        size_t granules = node->memory_bytes / MEMORY_GRAIN;
        other->nodes[i].orders = malloc(granules);
        other->nodes[i].owners = malloc(granules * sizeof(node->owners[0]));
        memcpy(other->nodes[i].orders, node->orders, granules);
        memcpy(other->nodes[i].owners, node->owners, granules * sizeof(node->owners[0]));
    }
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        if (!db->pfs[i])
            continue;
        other->pfs[i] = malloc(sizeof(*other->pfs[i]));
        *other->pfs[i] = *db->pfs[i];
    }
    return other;
}

/* Rotates, or not, as chance has it; the seed is fixed. What control has stays. */
static void maybe_rotate(struct world *world)
{
    static unsigned seed = 7;

    if (rand_r(&seed) % 2)
        return;
    int error = rotate(world->control);
    assert_true(error == 0 || error == -EALREADY);
}

/* Restarts control and compares the maps; the links are up and TCB and SR-PCIM have spoken. */
static void restart_and_compare(struct world *world)
{
    maybe_rotate(world);
    struct db *before = copy(world->control->db);

    assert_int_equal(world_restart(world, 2), 0);
    same_map(before, world->control->db);
    world_check(world);
    db_free(before);
    world_links_up(world);
}

static void map_is_the_same_after_each_step(void **state)
{
    struct world *world = *state;

    restart_and_compare(world);
    define(world, world_partition("one", 2, "net0", 0, "disk0", 2, NULL));
    restart_and_compare(world);
    define(world, world_partition("two", 1, "net1", 6, NULL));
    world_lead_sync(world);
    assert_int_equal(world_start(world, "one"), 0);
    restart_and_compare(world);
    world_lead_sync(world);
    assert_int_equal(world_start(world, "two"), 0);
    world_propose(world, ACTION_PF_CREATE_VFS, NET1, 0, 7);
    restart_and_compare(world);
    world_lead_sync(world);
    world_to_gate(world, "two");
    restart_and_compare(world);
    world_monitor(world, "two", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    assert_int_equal(world_undefine(world, "two"), -EBUSY);
    assert_int_equal(world_stop(world, "two", true, 0), 0);
    restart_and_compare(world);
    world_lead_sync(world);
    assert_int_equal(world_named(world, "two")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_undefine(world, "two"), 0);
    restart_and_compare(world);
}

static void waits_on_where_it_waited(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    world_to_gate(world, "web");
    uint64_t deadline = world_named(world, "web")->run.deadline_boottime_ns;
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_WAITING);
    world->now_ns += SECOND / 2;
    restart_and_compare(world);
    assert_int_equal(world->timer_ns, deadline);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_vf(world, NET0, 0, true, true);
    world_readiness(world, NET0, PF_READY); /* before lead's SYNC: not yet */
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    world_lead_sync(world);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    const struct lead_order *attach = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_non_null(attach);
    world_lead_result(world, "web", attach->header.id, 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
}

static uint64_t committed(struct world *world)
{
    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    world_to_gate(world, "web");
    world_readiness(world, NET0, PF_READY);
    const struct lead_order *attach = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_non_null(attach);
    return attach->header.id;
}

/* No descriptor without addresses goes out before the TCB has spoken. */
static void channels_wait_for_the_tcb(void **state)
{
    struct world *world = *state;
    struct partition_descriptor descriptor;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    world_monitor(world, "web", OWN_STATES, true);
    world_vf(world, NET0, 0, true, false);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
    restart_and_compare(world);
    world_monitor(world, "web", OWN_STATES, true);
    world_lead_sync(world);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
    world_vf(world, NET0, 0, true, false);
    struct frame *frame = world_take_frame(world, PROCESS_LEAD, LEAD_CHANNELS);
    assert_non_null(frame);
    assert_int_equal(pread(frame->files[0], &descriptor, sizeof(descriptor), 0),
                     sizeof(descriptor));
    assert_int_equal(descriptor.vfs[0].bdf.value, 0x0180);
    frame_clear(frame);
}

static void attach_under_way_that_took_effect_is_completed(void **state)
{
    struct world *world = *state;

    committed(world);
    restart_and_compare(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    assert_int_not_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
    world_lead_sync(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    assert_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
}

static void attach_under_way_without_effect_is_undone(void **state)
{
    struct world *world = *state;

    committed(world);
    restart_and_compare(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    assert_int_equal(world_named(world, "web")->run.attach, ATTACH_NONE);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    world_readiness(world, NET0, PF_READY);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH)); /* which VFs has it? */
    world_vf(world, NET0, 0, true, true);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
}

/* The old order was still on its way in lead: the thaw comes after it was undone. */
static void late_thaw_is_frozen_again(void **state)
{
    struct world *world = *state;

    committed(world);
    restart_and_compare(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    const struct lead_order *detach = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    assert_non_null(detach);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_result(world, "web", detach->header.id, 0);
    world_vf(world, NET0, 0, true, true);
    world_readiness(world, NET0, PF_READY);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
}

static void undoing_goes_on_after_a_restart(void **state)
{
    struct world *world = *state;

    committed(world);
    world_readiness(world, NET0, PF_NO_ANSWER);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
    restart_and_compare(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    const struct lead_order *detach = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    assert_non_null(detach);
    world_vf(world, NET0, 0, true, true);
    world_readiness(world, NET0, PF_READY);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    world_lead_result(world, "web", detach->header.id, 0);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
}

static void running_goes_on_untouched(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    world_run(world, "web");
    for (int i = 0; i < 3; i++) {
        restart_and_compare(world);
        world_monitor(world, "web", STATES_BEFORE_GATE, false);
        world_lead_sync(world);
        for (size_t s = 0; s < world->sent_count; s++)
            assert_int_not_equal(world->sent[s].peer, PROCESS_LEAD);
        assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
    }
}

static void monitor_gone_in_between_fails_the_partition(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    world_run(world, "web");
    restart_and_compare(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING); /* not known yet */
    world_lead_sync(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_FAILED);
    assert_int_equal(db_pf(world->control->db, NET0)->vfs[0].owner.kind, OWNER_INTERCONNECT);
    assert_int_equal(world_start(world, "web"), 0);
}

static void create_that_was_lost_is_sent_again(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    uint64_t id = create->header.id;
    restart_and_compare(world);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    world_lead_sync(world);
    create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    assert_int_equal(create->header.id, id);
    lead_down(world->control); /* and for lead's own death */
    lead_up(world->control);
    world_lead_sync(world);
    create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    assert_int_equal(create->header.id, id);
}

static void orders_are_sent_again_after_leads_death(void **state)
{
    struct world *world = *state;
    uint64_t attach = committed(world);

    lead_down(world->control);
    lead_up(world->control);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    const struct lead_order *again = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_non_null(again);
    assert_int_equal(again->header.id, attach);
}

static void stray_monitor_is_stopped(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    world_monitor(world, "web", OWN_STATES, true);
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_int_equal(stop->force, 1);
    assert_int_equal(stop->partition.value, 1);
}

static void new_boot_resets_what_ran(void **state)
{
    struct world *world = *state;

    define(world, world_partition("one", 2, "net0", 0, NULL));
    define(world, world_partition("two", 1, "net1", 0, NULL));
    world_start(world, "one");
    world_run(world, "one");
    world_start(world, "two");
    world_reboot(world);
    assert_int_equal(world_restart(world, 1), 0);
    const struct db *db = world->control->db;
    assert_int_equal(world_named(world, "one")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_named(world, "two")->run.phase, PHASE_DEFINED);
    assert_int_equal(db->pcpus[0].owner.kind, OWNER_BOOT);
    for (uint32_t i = 1; i < db->pcpus_count; i++)
        assert_int_equal(db->pcpus[i].owner.kind, OWNER_IDLE);
    assert_int_equal(db_memory_of(db, UINT32_MAX, owner_of_kind(OWNER_BOOT)), UINT64_C(1) << 30);
    assert_int_equal(db_memory_of(db, UINT32_MAX, owner_of_kind(OWNER_AVAILABLE)), UINT64_C(7)
                                                                                       << 30);
    world_check(world);
    uint64_t entries = audit_log_next(world->control->log);
    world_restart(world, 2); /* reset once, not at every restart */
    assert_int_equal(audit_log_next(world->control->log), entries);
    world_links_up(world);
    world_lead_sync(world);
    assert_int_equal(world_start(world, "one"), 0);
    restart_and_compare(world);
}

static void smaller_host_after_a_boot_is_no_damage(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 4, "net0", 0, NULL));
    world_start(world, "web");
    world_reboot(world);
    world->inventory.pcpus_count = 4;
    world->inventory.nodes_count = 1;
    world->inventory.nodes[0].memory_bytes = UINT64_C(2) << 30;
    assert_int_equal(world_restart(world, 1), 0);
    world_check(world);
    world_links_up(world);
    world_lead_sync(world);
    assert_int_not_equal(world_start(world, "web"), 0);
    world_check(world);
}

static void first_start_without_monitors_is_no_failure(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    world_run(world, "web");
    world_restart(world, 1);
    world_links_up(world);
    world_lead_sync(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    world_check(world);
    assert_int_equal(world_start(world, "web"), 0);
    lead_down(world->control);
    lead_up(world->control);
    world_lead_sync(world); /* a start of this run is no remnant */
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_STARTING);
}

static void how_it_ended_is_forgotten_at_a_first_start(void **state)
{
    struct world *world = *state;

    define(world, world_partition("one", 1, NULL));
    define(world, world_partition("two", 1, NULL));
    world_start(world, "one");
    world_run(world, "one");
    world_stop(world, "one", true, 0);
    world_monitor_gone(world, "one", EXIT_STOPPED);
    world_start(world, "two");
    world_run(world, "two");
    world_monitor_gone(world, "two", EXIT_PANIC);
    restart_and_compare(world);
    assert_int_equal(world_named(world, "one")->run.exit, EXIT_STOPPED);
    assert_int_equal(world_named(world, "two")->run.phase, PHASE_FAILED);
    world_restart(world, 1);
    assert_int_equal(world_named(world, "one")->run.exit, EXIT_NONE);
    assert_int_equal(world_named(world, "two")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_named(world, "two")->run.exit, EXIT_NONE);
}

static void service_restart_keeps_monitors_that_live(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    world_start(world, "web");
    world_run(world, "web");
    world_restart(world, 1);
    world_links_up(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
}

static void actions_are_applied_again_on_a_new_link(void **state)
{
    struct world *world = *state;

    uint64_t id = world_propose(world, ACTION_PF_CREATE_VFS, NET0, 0, 7);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    uint64_t transaction = apply->transaction;
    restart_and_compare(world);
    apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_int_equal(apply->transaction, transaction);
    tcb_down(world->control);
    tcb_up(world->control);
    apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_int_equal(apply->transaction, transaction);
    assert_int_equal(apply->vfs, 7);
    struct tcb_applied applied = {.header =
                                      frame_header(TCB_APPLIED, sizeof(applied), apply->header.id),
                                  .transaction = transaction,
                                  .writes = 2};
    assert_int_equal(world_say(world, PROCESS_TCB, &applied), 0);
    assert_int_equal(world_say(world, PROCESS_TCB, &applied), 0);  /* twice is once */
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT)); /* who asked is gone */
    assert_int_not_equal(id, 0);
    restart_and_compare(world);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

/* ---- rotation */

/* Every kind of resource, each with something in it that a new map has not. */
static void everything(struct world *world)
{
    define(world, world_partition("one", 2, "net0", 3, "disk0", 1, NULL));
    define(world, world_partition("two", 1, "net1", 0, NULL));
    define(world, world_partition("three", 1, NULL));
    assert_int_equal(world_start(world, "one"), 0);
    world_run(world, "one");
    assert_int_equal(world_start(world, "two"), 0);
    world_propose(world, ACTION_PF_CREATE_VFS, DISK0, 0, 4);
    world_propose(world, ACTION_VF_ACTIVATE, NET1, 0, 0);
    world_to_gate(world, "two");
    for (int i = 0; i < 20; i++)
        world_wait(world, SECOND);
    assert_int_equal(db_pf(world->control->db, NET1)->image.in_error, 1);
}

static int count_kinds(void *context, enum resource_kind kind, uint64_t key0, uint64_t key1,
                       const void *image)
{
    (void)key0, (void)key1;
    assert_non_null(image);
    ((unsigned *)context)[kind]++;
    return 0;
}

static void snapshot_has_every_kind(void **state)
{
    struct world *world = *state;
    unsigned kinds[RESOURCE_KINDS] = {0};

    everything(world);
    assert_int_equal(db_each_image(world->control->db, count_kinds, kinds), 0);
    for (unsigned kind = RESOURCE_NONE + 1; kind < RESOURCE_KINDS; kind++)
        assert_true(kinds[kind] > 0 || kind == RESOURCE_REQUEST); /* those are of no map */
    struct db *before = copy(world->control->db);
    assert_int_equal(rotate(world->control), 0);
    assert_int_equal(rotate(world->control), -EALREADY);
    assert_int_equal(world_restart(world, 2), 0);
    same_map(before, world->control->db);
    db_free(before);
    world_check(world);
}

/* Many rotations with what happens between them; old segments go. */
static void map_is_the_same_after_many_rotations(void **state)
{
    struct world *world = *state;
    struct host_config host = world_host();

    host.audit.keep = 2;
    assert_int_equal(world_host_set(world, &host), 0);
    everything(world);
    for (uint32_t i = 0; i < 12; i++) {
        define(world, world_partition("three", 1 + i % 2, NULL));
        assert_int_equal(rotate(world->control), 0);
        define(world, world_partition("four", 1 + i % 2, NULL));
        restart_and_compare(world);
        world_forget_sent(world);
    }
    int files[16];
    ssize_t count = audit_log_files(world->control->log, files, 16);
    assert_true(count >= 2 && count <= 4);
    for (ssize_t i = 0; i < count; i++)
        close(files[i]);
}

static void requests_are_known_after_a_rotation(void **state)
{
    struct world *world = *state;
    struct control_partition_define request = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(request), 4711),
        .config = world_partition("web", 1, NULL)};

    assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
    assert_int_equal(world_result(world, 4711), 0);
    uint64_t transaction = request_known(world->control, &request.header);
    assert_true(transaction > 0);
    for (int i = 0; i < 3; i++) {
        request.config.vcpus++; /* another one, so that there is something to rotate */
        request.header.id++;
        assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
        assert_int_equal(rotate(world->control), 0);
        assert_int_equal(world_restart(world, 2), 0);
        world_links_up(world);
    }
    request.config.vcpus = 1;
    request.header.id = 4711;
    assert_int_equal(request_known(world->control, &request.header), transaction);
    uint64_t next = audit_log_next(world->control->log);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
    const struct control_result *result = world_take(world, PROCESS_COMMAND, CONTROL_RESULT);
    assert_int_equal(result->transaction, transaction);
    assert_int_equal(audit_log_next(world->control->log), next);
}

/* Of a snapshot of an earlier boot only what outlives a boot is taken. */
static void snapshot_of_an_earlier_boot(void **state)
{
    struct world *world = *state;

    everything(world);
    assert_int_equal(rotate(world->control), 0);
    world_reboot(world);
    world->inventory.pcpus_count = 4;
    assert_int_equal(world_restart(world, 1), 0);
    const struct db *db = world->control->db;
    assert_int_equal(world_named(world, "one")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_named(world, "one")->config.vcpus, 2);
    assert_int_equal(db_memory_of(db, UINT32_MAX, owner_of_kind(OWNER_BOOT)), UINT64_C(1) << 30);
    for (uint32_t i = 1; i < db->pcpus_count; i++)
        assert_int_equal(db->pcpus[i].owner.kind, OWNER_IDLE);
    assert_int_equal(db_pf(world->control->db, NET1)->image.in_error, 0);
    assert_null(db_action(world->control->db, DISK0, ACTION_WHOLE_PF));
    world_check(world);
    world_links_up(world);
    world_lead_sync(world);
    restart_and_compare(world);
}

static void a_large_segment_is_rotated_when_idle(void **state)
{
    struct world *world = *state;
    struct host_config host = world_host();

    host.audit.segment_mib = 1;
    assert_int_equal(world_host_set(world, &host), 0);
    for (uint32_t i = 0; audit_log_segment_bytes(world->control->log) < 1 << 20; i++) {
        control_idle(world->control);
        define(world, world_partition("web", 1 + i % 2, NULL));
        world_forget_sent(world);
    }
    control_idle(world->control);
    assert_true(audit_log_segment_bytes(world->control->log) < 8192);
    restart_and_compare(world);
}

static void damaged_log_stops_the_start(void **state)
{
    struct world *world = *state;

    define(world, world_partition("one", 1, NULL));
    define(world, world_partition("two", 1, NULL));
    int file = openat(world->state, "audit.00000000000000000001", O_RDWR);
    assert_int_equal(pwrite(file, "x", 1, AUDIT_SEGMENT_HEADER + 200), 1);
    close(file);
    assert_int_equal(world_restart(world, 2), -EUCLEAN);
    assert_non_null(strstr(world->text, "entry 1 "));
    assert_non_null(strstr(world->text, "audit.00000000000000000001"));
    assert_non_null(strstr(world->text, "parclose db cut --before 1"));
    control_free(world->control);
    world->control = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(map_is_the_same_after_each_step),
        TEST(waits_on_where_it_waited),
        TEST(channels_wait_for_the_tcb),
        TEST(attach_under_way_that_took_effect_is_completed),
        TEST(attach_under_way_without_effect_is_undone),
        TEST(late_thaw_is_frozen_again),
        TEST(undoing_goes_on_after_a_restart),
        TEST(running_goes_on_untouched),
        TEST(monitor_gone_in_between_fails_the_partition),
        TEST(create_that_was_lost_is_sent_again),
        TEST(orders_are_sent_again_after_leads_death),
        TEST(stray_monitor_is_stopped),
        TEST(new_boot_resets_what_ran),
        TEST(smaller_host_after_a_boot_is_no_damage),
        TEST(first_start_without_monitors_is_no_failure),
        TEST(how_it_ended_is_forgotten_at_a_first_start),
        TEST(service_restart_keeps_monitors_that_live),
        TEST(actions_are_applied_again_on_a_new_link),
        TEST(snapshot_has_every_kind),
        TEST(map_is_the_same_after_many_rotations),
        TEST(requests_are_known_after_a_rotation),
        TEST(snapshot_of_an_earlier_boot),
        TEST(a_large_segment_is_rotated_when_idle),
        TEST(damaged_log_stops_the_start),
    };
    return cmocka_run_group_tests_name("control-replay", tests, NULL, NULL);
}
