/* SPDX-License-Identifier: Apache-2.0 */
/* Starts are all or nothing; what cannot be is refused with a reason, and nothing is changed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

static struct owner vf_owner(struct world *world, struct bdf pf, uint32_t index)
{
    return db_pf(world->control->db, pf)->vfs[index].owner;
}

static uint64_t guest_memory(struct world *world, const char *name)
{
    return db_memory_of(world->control->db, UINT32_MAX, owner_guest(world_named(world, name)->id));
}

static void define(struct world *world, struct partition_config config)
{
    if (world_define(world, &config))
        fail_msg("%s", world_result_text);
}

static void start_reserves_everything(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 2, "net0", 2, "disk0", 0, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    const struct partition *partition = world_named(world, "web");
    assert_int_equal(partition->run.phase, PHASE_STARTING);
    assert_int_equal(db_pcpu(world->control->db, 1)->owner.partition.value, partition->id.value);
    assert_int_equal(db_pcpu(world->control->db, 2)->owner.partition.value, partition->id.value);
    assert_int_equal(db_pcpu(world->control->db, 3)->owner.kind, OWNER_IDLE);
    assert_int_equal(guest_memory(world, "web"), UINT64_C(512) << 20);
    assert_int_equal(vf_owner(world, NET0, 2).partition.value, partition->id.value);
    assert_int_equal(vf_owner(world, DISK0, 0).partition.value, partition->id.value);
    const struct tcb_assign *assign = world_take(world, PROCESS_TCB, TCB_ASSIGN);
    assert_int_equal(assign->owner.kind, OWNER_GUEST);
    assert_int_equal(
        ((const struct pcim_want *)world_take(world, PROCESS_SR_PCIM, PCIM_WANT))->wanted, 1);
    /* the host keeps its first GiB */
    struct owner owner;
    assert_true(db_memory_owned(world->control->db, 0, 0, UINT64_C(1) << 30, &owner));
    assert_int_equal(owner.kind, OWNER_BOOT);
}

static void descriptor_is_sealed_and_its_own(void **state)
{
    struct world *world = *state;
    struct partition_descriptor descriptor;

    define(world, world_partition("web", 2, "net0", 2, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    struct frame *frame = world_take_frame(world, PROCESS_LEAD, LEAD_CREATE);
    assert_int_equal(frame->files_count, 1);
    assert_int_equal(fcntl(frame->files[0], F_GET_SEALS),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(pread(frame->files[0], &descriptor, sizeof(descriptor), 0),
                     sizeof(descriptor));
    assert_int_equal(descriptor.magic, DESCRIPTOR_MAGIC);
    assert_int_equal(descriptor.uid, 0x70000000 + world_named(world, "web")->id.value);
    assert_int_equal(descriptor.vcpus_count, 2);
    assert_int_equal(descriptor.vcpus[1].pcpu, 2);
    assert_int_equal(descriptor.vfs[0].bdf.value, 0);
    frame_clear(frame);
    world_monitor(world, "web", OWN_STATES, true);
    world_vf(world, NET0, 2, true, false);
    struct frame *channels = world_take_frame(world, PROCESS_LEAD, LEAD_CHANNELS);
    uint64_t generation = descriptor.generation;
    assert_int_equal(pread(channels->files[0], &descriptor, sizeof(descriptor), 0),
                     sizeof(descriptor));
    assert_int_equal(descriptor.generation, generation + 1);
    assert_int_equal(descriptor.vfs[0].bdf.value, 0x0184);
    assert_int_equal(descriptor.vfs[0].pf.value, NET0.value);
    frame_clear(channels);
}

static enum owner_kind owner_of(struct world *world, uint32_t pcpu)
{
    return db_pcpu(world->control->db, pcpu)->owner.kind;
}

static int share(struct world *world, uint32_t pcpus)
{
    struct host_config host = world_host();

    host.shared_pcpus = pcpus;
    return world_host_set(world, &host);
}

/* pCPUs that several partitions run on have one owner, and no partition's number. */
static void shared_processors_have_one_owner(void **state)
{
    struct world *world = *state;
    struct partition_config one = world_partition("one", 2, NULL),
                            two = world_partition("two", 1, NULL),
                            own = world_partition("own", 1, NULL);
    struct partition_descriptor descriptor;

    one.weight = 100, two.weight = 300;
    assert_int_equal(world_define(world, &one), -ENOSPC);
    assert_non_null(strstr(world_result_text, "0 shared pCPUs"));
    assert_int_equal(share(world, 2), 0);
    assert_int_equal(owner_of(world, 0), OWNER_BOOT);
    assert_int_equal(owner_of(world, 1), OWNER_SHARED);
    assert_int_equal(owner_of(world, 2), OWNER_SHARED);
    assert_int_equal(owner_of(world, 3), OWNER_IDLE);
    define(world, one);
    define(world, two);
    define(world, own);
    assert_int_equal(world_start(world, "one"), 0);
    struct frame *frame = world_take_frame(world, PROCESS_LEAD, LEAD_CREATE);
    assert_int_equal(pread(frame->files[0], &descriptor, sizeof(descriptor), 0),
                     sizeof(descriptor));
    assert_int_equal(descriptor.weight, 100);
    assert_int_equal(descriptor.vcpus_count, 2);
    assert_int_equal(descriptor.vcpus[1].pcpu, DESCRIPTOR_SHARED);
    assert_int_equal(descriptor.shared_pcpus.words[0], 6);
    frame_clear(frame);
    assert_int_equal(world_start(world, "two"), 0);
    assert_int_equal(world_start(world, "own"), 0);
    assert_int_equal(owner_of(world, 3), OWNER_GUEST);
    assert_int_equal(owner_of(world, 1), OWNER_SHARED);
    world_check(world);
}

static void shared_processors_stay_while_somebody_runs_on_them(void **state)
{
    struct world *world = *state;
    struct partition_config one = world_partition("one", 2, NULL);

    one.weight = 100;
    assert_int_equal(share(world, 8), -EINVAL); /* and one is reserved */
    assert_int_equal(share(world, 2), 0);
    define(world, one);
    assert_int_equal(world_start(world, "one"), 0);
    assert_int_equal(share(world, 3), -EBUSY);
    assert_string_equal(world_result_text, "the shared pCPUs are to change, but partition one runs "
                                           "on them: stop it first");
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    world_lead_sync(world);
    assert_int_equal(owner_of(world, 2), OWNER_SHARED);
    assert_int_equal(world_stop(world, "one", true, 0), 0);
    world_monitor(world, "one", 0, true);
    world_monitor_gone(world, "one", EXIT_STOPPED);
    assert_int_equal(share(world, 1), 0);
    assert_int_equal(owner_of(world, 2), OWNER_IDLE);
    control_idle(world->control);
    assert_int_equal(world_start(world, "one"), -EBUSY);
    assert_string_equal(world_result_text, "needs 2 shared pCPUs: this host has 1 online");
    assert_int_equal(share(world, 0), 0);
}

static void two_partitions_want_one_vf(void **state)
{
    struct world *world = *state;

    define(world, world_partition("one", 1, "net0", 1, "net1", 0, NULL));
    define(world, world_partition("two", 1, "disk0", 0, "net1", 0, NULL));
    assert_int_equal(world_start(world, "one"), 0);
    uint64_t next = audit_log_next(world->control->log);
    assert_int_equal(world_start(world, "two"), -EBUSY);
    assert_string_equal(world_result_text, "VF 0 of card net1 belongs to partition one: stop it or "
                                           "choose another VF");
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_int_equal(vf_owner(world, DISK0, 0).kind, OWNER_INTERCONNECT);
    assert_int_equal(guest_memory(world, "two"), 0);
    assert_int_equal(world_named(world, "two")->run.phase, PHASE_DEFINED);
    /* and once the first is gone the second can */
    assert_int_equal(world_stop(world, "one", true, 0), 0);
    world_monitor(world, "one", 0, true);
    world_monitor_gone(world, "one", EXIT_STOPPED);
    assert_int_equal(world_start(world, "two"), 0);
}

static void too_much_is_refused(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("big", 8, NULL);

    assert_int_equal(world_define(world, &config), -ENOSPC);
    config = world_partition("big", 1, NULL);
    config.memory_mib = 8192;
    assert_int_equal(world_define(world, &config), -ENOMEM);
    config.memory_mib = 4096; /* fits the host, not node 0 beside the reservation */
    assert_int_equal(world_define(world, &config), 0);
    control_idle(world->control);
    assert_int_equal(world_start(world, "big"), -ENOMEM);
    assert_non_null(strstr(world_result_text, "node 0 has 3072 MiB available"));
    world_check(world);
}

static void what_is_unknown_is_refused(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net9", 0, NULL);

    assert_int_equal(world_define(world, &config), -EINVAL);
    assert_non_null(strstr(world_result_text, "no such card"));
    config = world_partition("web", 1, "net0", 7, NULL);
    assert_int_equal(world_define(world, &config), -EINVAL);
    config = world_partition("web", 1, "net0", 1, "net0", 1, NULL);
    assert_int_equal(world_define(world, &config), -EINVAL);
    config = world_partition("Web", 1, NULL);
    assert_int_equal(world_define(world, &config), -EINVAL);
    config = world_partition("web", 1, NULL);
    memset(config.kernel, '/', sizeof(config.kernel));
    assert_int_equal(world_define(world, &config), -EINVAL);
    assert_int_equal(world_start(world, "nobody"), -ENOENT);
    assert_int_equal(world_stop(world, "nobody", false, 0), -ENOENT);
    assert_int_equal(world_undefine(world, "no body"), -EINVAL);
    assert_int_equal(audit_log_next(world->control->log), 2); /* only HOST_SET */
}

static void selection_is_validated(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 2, NULL));
    for (int i = 0; i < 5; i++) {
        struct control_partition_start request = world_start_request(world, "web");
        request.header.id = 100 + (uint64_t)i;
        switch (i) {
        case 0: /* the host's */
            request.pcpus[0] = 0;
            break;
        case 1: /* none */
            request.pcpus[0] = 77;
            break;
        case 2: /* twice */
            request.pcpus[0] = request.pcpus[1];
            break;
        case 3: /* too few */
            request.pcpus_count = 1;
            break;
        default: /* no node */
            request.memory_node = 5;
        }
        world_say(world, PROCESS_COMMAND, &request);
        assert_int_not_equal(world_result(world, request.header.id), 0);
    }
    assert_int_equal(world_start(world, "web"), 0);
    assert_int_equal(world_start(world, "web"), -EALREADY);
}

/* Two starts from one snapshot: the second selects anew, it does not fail. */
static void selection_from_an_old_snapshot_is_stale(void **state)
{
    struct world *world = *state;

    define(world, world_partition("one", 2, NULL));
    define(world, world_partition("two", 2, NULL));
    control_idle(world->control);
    struct control_partition_start request = world_start_request(world, "two");
    request.header.id = 4711;
    assert_int_equal(world_start(world, "one"), 0);
    for (int published = 0; published < 2; published++) {
        world_say(world, PROCESS_COMMAND, &request);
        assert_int_equal(world_result(world, 4711), -ESTALE);
        control_idle(world->control);
    }
    request.generation = world->control->snapshot_generation;
    world_say(world, PROCESS_COMMAND, &request);
    assert_int_equal(world_result(world, 4711), -EBUSY);
    assert_int_equal(world_start(world, "two"), 0);
}

static void definition_stands_while_started(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);

    define(world, config);
    uint64_t next = audit_log_next(world->control->log);
    assert_int_equal(world_define(world, &config), 0); /* identical: no transaction */
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_int_equal(world_start(world, "web"), 0);
    assert_int_equal(world_define(world, &config), 0);
    config.memory_mib = 1024;
    assert_int_equal(world_define(world, &config), -EBUSY);
    assert_int_equal(world_undefine(world, "web"), -EBUSY);
}

static void host_keeps_what_is_used(void **state)
{
    struct world *world = *state;
    struct host_config host = world_host();

    define(world, world_partition("web", 1, "net0", 6, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    host.cards[0].vfs = 6; /* VF 6 would go */
    assert_int_equal(world_host_set(world, &host), -EBUSY);
    host = world_host();
    host.cards_count = 2; /* disk0 goes: nobody has it */
    assert_int_equal(world_host_set(world, &host), 0);
    assert_null(db_pf(world->control->db, DISK0));
    host.cards[0] = host.cards[1];
    host.cards_count = 1;
    assert_int_equal(world_host_set(world, &host), -EBUSY);
    host = world_host();
    host.reserved_pcpus = 3; /* pCPU 1 is web's */
    assert_int_equal(world_host_set(world, &host), -EBUSY);
    host = world_host();
    host.reserved_memory_mib = 1536; /* web's memory begins at 1024 */
    assert_int_equal(world_host_set(world, &host), -EBUSY);
    host.reserved_memory_mib = 512;
    assert_int_equal(world_host_set(world, &host), 0);
    world_check(world);
}

static void vf_must_be_active_again_for_each_owner(void **state)
{
    struct world *world = *state;

    define(world, world_partition("one", 1, "net0", 0, NULL));
    define(world, world_partition("two", 1, "net0", 0, NULL));
    assert_int_equal(world_start(world, "one"), 0);
    world_run(world, "one");
    assert_int_equal(world_stop(world, "one", true, 0), 0);
    world_monitor_gone(world, "one", EXIT_STOPPED);
    assert_int_equal(world_start(world, "two"), 0);
    world_monitor(world, "two", OWN_STATES, true);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
    world_vf(world, NET0, 0, true, false);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
}

static void stop_goes_through_the_power_button(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    assert_int_equal(world_stop(world, "web", false, 1000), -ESRCH);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    assert_int_equal(world_stop(world, "web", false, 4000), 0);
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_int_equal(stop->force, 0);
    assert_int_equal(stop->timeout_ms, 4000);
    assert_int_equal(guest_memory(world, "web"), UINT64_C(512) << 20); /* until it is gone */
    world_wait(world, 10 * SECOND);
    stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_int_equal(stop->force, 1);
    world_forget_sent(world);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(guest_memory(world, "web"), 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_named(world, "web")->run.exit, EXIT_STOPPED);
    assert_int_equal(
        ((const struct tcb_assign *)world_take(world, PROCESS_TCB, TCB_ASSIGN))->owner.kind,
        OWNER_INTERCONNECT);
    const struct pcim_want *want = world_take(world, PROCESS_SR_PCIM, PCIM_WANT);
    assert_int_equal(want->wanted, 0);
    assert_int_equal(want->in_use, 0);
}

static void frozen_partition_is_stopped_by_force(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    world_to_gate(world, "web");
    assert_int_equal(world_stop(world, "web", false, 60000), 0);
    assert_int_equal(((const struct lead_stop *)world_take(world, PROCESS_LEAD, LEAD_STOP))->force,
                     1);
    world_readiness(world, NET0, PF_READY);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
}

static void ends_are_told_apart(void **state)
{
    static const struct {
        enum exit_reason exit;
        enum partition_phase phase;
    } ends[] = {{EXIT_POWER_OFF, PHASE_DEFINED},
                {EXIT_PANIC, PHASE_FAILED},
                {EXIT_MONITOR_ERROR, PHASE_FAILED},
                {EXIT_MONITOR_DIED, PHASE_FAILED}};
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        assert_int_equal(world_start(world, "web"), 0);
        world_run(world, "web");
        world_forget_sent(world);
        world_monitor_gone(world, "web", ends[i].exit);
        assert_int_equal(world_named(world, "web")->run.phase, ends[i].phase);
        assert_int_equal(world_named(world, "web")->run.exit, ends[i].exit);
        assert_int_equal(guest_memory(world, "web"), 0);
        world_check(world);
    }
}

/* The same processors, memory and VF, and a new monitor behind the same gate. */
static void keeps_what_it_has(struct world *world, enum exit_reason exit)
{
    define(world, world_partition("web", 1, "net0", 0, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    const struct partition_run before = world_named(world, "web")->run;
    uint64_t memory = guest_memory(world, "web");
    world_wait(world, 60 * SECOND);
    world_forget_sent(world);
    world_monitor_gone(world, "web", exit);
    const struct partition_run *run = &world_named(world, "web")->run;
    assert_int_equal(run->phase, PHASE_STARTING);
    assert_int_equal(run->exit, exit);
    assert_int_equal(run->attach, ATTACH_NONE);
    assert_memory_equal(run->pcpus, before.pcpus, sizeof(before.pcpus));
    assert_int_equal(guest_memory(world, "web"), memory);
    world_check(world);
    assert_true(run->start_transaction > before.start_transaction);
    world_run(world, "web"); /* CREATE, CHANNELS, ATTACH */
    assert_int_equal(run->phase, PHASE_RUNNING);
}

static void who_reboots_keeps_what_it_has(void **state)
{
    keeps_what_it_has(*state, EXIT_REBOOT);
}

static void who_hung_keeps_what_it_has(void **state)
{
    keeps_what_it_has(*state, EXIT_WATCHDOG);
}

/* One that cannot come up does not keep the host busy. */
static void who_reboots_at_once_waits_a_moment(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_forget_sent(world);
    world_monitor_gone(world, "web", EXIT_REBOOT);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    world_wait(world, SECOND);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
}

static void stopped_does_not_reboot(struct world *world, enum exit_reason exit)
{
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    assert_int_equal(world_stop(world, "web", false, 60000), 0);
    world_monitor_gone(world, "web", exit);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    assert_int_equal(world_console(world, "web", 50), 0);
    world_monitor_gone(world, "web", exit);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    assert_int_equal(world_stop(world, "web", false, 60000), 0);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_named(world, "web")->run.exit, EXIT_STOPPED);
}

static void who_is_stopped_does_not_reboot(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    stopped_does_not_reboot(world, EXIT_REBOOT);
    stopped_does_not_reboot(world, EXIT_WATCHDOG);
}

static void failed_create_fails_the_start(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    world_lead_result(world, "web", create->header.id, -ENOENT);
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_int_equal(stop->force, 1);
    world_lead_result(world, "web", stop->header.id, -ESRCH);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_FAILED);
    assert_string_equal(world_named(world, "web")->run.reason, "it cannot be done");
    assert_int_equal(guest_memory(world, "web"), 0);
    assert_int_equal(world_start(world, "web"), 0); /* and may be tried again */
}

/* Its last monitor is still being cleared away. */
static void create_that_comes_too_early_is_tried_again(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    for (int i = 0; i < 3; i++) {
        const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
        assert_non_null(create);
        world_lead_result(world, "web", create->header.id, -EAGAIN);
        assert_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
        assert_int_equal(world_named(world, "web")->run.phase, PHASE_STARTING);
        world_wait(world, SECOND);
    }
    world_to_gate(world, "web");
}

static void failed_channels_are_tried_again(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, "net0", 0, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    world_monitor(world, "web", OWN_STATES, true);
    world_vf(world, NET0, 0, true, false);
    for (int i = 0; i < 3; i++) {
        const struct lead_order *channels = world_take(world, PROCESS_LEAD, LEAD_CHANNELS);
        assert_non_null(channels);
        world_lead_result(world, "web", channels->header.id, -EBUSY);
        assert_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
        world_wait(world, 2 * SECOND);
    }
    const struct lead_order *channels = world_take(world, PROCESS_LEAD, LEAD_CHANNELS);
    world_lead_result(world, "web", channels->header.id, 0);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_readiness(world, NET0, PF_READY);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
}

static void same_id_is_answered_alike(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    struct control_partition_start request = world_start_request(world, "web");
    request.header.id = 4711;
    for (int i = 0; i < 3; i++) {
        if (i == 2) /* the answer was lost with control */
            world_restart(world, 2), world_links_up(world);
        world_say(world, PROCESS_COMMAND, &request);
        const struct control_result *result = world_take(world, PROCESS_COMMAND, CONTROL_RESULT);
        assert_int_equal(result->header.id, 4711);
        assert_int_equal(result->error, 0);
        assert_int_equal(result->transaction, 3);
    }
    request.requester.pid++; /* another request that happens to have the same id */
    world_say(world, PROCESS_COMMAND, &request);
    assert_int_equal(world_result(world, 4711), -EALREADY);
}

static void console_goes_through_lead(void **state)
{
    struct world *world = *state;
    struct control_partition_name request = {
        .header = frame_header(CONTROL_CONSOLE_OPEN, sizeof(request), 50), .name = "web"};

    world_say(world, PROCESS_COMMAND, &request);
    assert_int_equal(world_result(world, 50), -ENOENT);
    define(world, world_partition("web", 1, NULL));
    request.header.id++;
    world_say(world, PROCESS_COMMAND, &request);
    assert_int_equal(world_result(world, 51), -ESRCH);
    assert_int_equal(world_start(world, "web"), 0);
    world_monitor(world, "web", OWN_STATES, true);
    request.header.id++;
    world_say(world, PROCESS_COMMAND, &request);
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_CONSOLE);
    struct lead_result result = {.header =
                                     frame_header(LEAD_RESULT, sizeof(result), order->header.id),
                                 .partition = world_named(world, "web")->id};
    struct frame frame = {.size = sizeof(result), .files_count = 3};
    memcpy(frame.bytes, &result, sizeof(result));
    for (int i = 0; i < 3; i++)
        frame.files[i] = memfd_create("console", MFD_CLOEXEC);
    assert_int_equal(frame_dispatch(lead_rows, lead_rows_count, 0, world->control, &frame), 0);
    frame_clear(&frame);
    world_settle(world);
    struct frame *answer = world_take_frame(world, PROCESS_COMMAND, CONTROL_RESULT);
    assert_int_equal(answer->header.id, 52);
    assert_int_equal(answer->files_count, 3);
    frame_clear(answer);
    request.header.id++;
    world_say(world, PROCESS_COMMAND, &request);
    lead_down(world->control);
    assert_int_equal(world_result(world, 53), -EAGAIN);
}

static void audit_is_read_only(void **state)
{
    struct world *world = *state;
    const struct control_plain request = {
        .header = frame_header(CONTROL_AUDIT_OPEN, sizeof(request), 60)};

    world_say(world, PROCESS_COMMAND, &request);
    struct frame *answer = world_take_frame(world, PROCESS_COMMAND, CONTROL_RESULT);
    while (answer && answer->header.id != 60)
        answer = world_take_frame(world, PROCESS_COMMAND, CONTROL_RESULT);
    assert_int_equal(answer->files_count, 1);
    assert_int_equal(fcntl(answer->files[0], F_GETFL) & O_ACCMODE, O_RDONLY);
    frame_clear(answer);
}

static void shutdown_waits_for_the_guests(void **state)
{
    struct world *world = *state;
    struct control_plain request = {.header = frame_header(CONTROL_SHUTDOWN, sizeof(request), 70)};

    define(world, world_partition("web", 1, "net0", 0, NULL));
    define(world, world_partition("two", 1, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_say(world, PROCESS_COMMAND, &request);
    assert_int_equal(world_result(world, 70), 0);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_STOP));
    assert_null(world_take(world, PROCESS_BOOT, BOOT_SHUTDOWN));
    assert_int_equal(world_start(world, "two"), -ESHUTDOWN);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    assert_non_null(world_take(world, PROCESS_BOOT, BOOT_SHUTDOWN));
    world_restart(world, 2); /* still shutting down */
    world_links_up(world);
    assert_int_equal(world_start(world, "two"), -ESHUTDOWN);
    world_restart(world, 1); /* the service was started again */
    world_links_up(world);
    world_lead_sync(world);
    assert_int_equal(world_start(world, "two"), 0);
}

static void shutdown_does_not_wait_for_ever(void **state)
{
    struct world *world = *state;
    struct control_plain request = {.header = frame_header(CONTROL_SHUTDOWN, sizeof(request), 70)};

    define(world, world_partition("web", 1, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_say(world, PROCESS_COMMAND, &request);
    world_wait(world, 120 * SECOND);
    assert_non_null(world_take(world, PROCESS_BOOT, BOOT_SHUTDOWN));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start_reserves_everything),
        TEST(descriptor_is_sealed_and_its_own),
        TEST(shared_processors_have_one_owner),
        TEST(shared_processors_stay_while_somebody_runs_on_them),
        TEST(two_partitions_want_one_vf),
        TEST(too_much_is_refused),
        TEST(what_is_unknown_is_refused),
        TEST(selection_is_validated),
        TEST(selection_from_an_old_snapshot_is_stale),
        TEST(definition_stands_while_started),
        TEST(host_keeps_what_is_used),
        TEST(vf_must_be_active_again_for_each_owner),
        TEST(stop_goes_through_the_power_button),
        TEST(frozen_partition_is_stopped_by_force),
        TEST(ends_are_told_apart),
        TEST(who_reboots_keeps_what_it_has),
        TEST(who_hung_keeps_what_it_has),
        TEST(who_reboots_at_once_waits_a_moment),
        TEST(who_is_stopped_does_not_reboot),
        TEST(failed_create_fails_the_start),
        TEST(create_that_comes_too_early_is_tried_again),
        TEST(failed_channels_are_tried_again),
        TEST(same_id_is_answered_alike),
        TEST(console_goes_through_lead),
        TEST(audit_is_read_only),
        TEST(shutdown_waits_for_the_guests),
        TEST(shutdown_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests_name("control-start", tests, NULL, NULL);
}
