/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of transaction with control dying in its middle: before its messages went, after they
 * went with their effect done, and without (recovery.h has the table). A kind without a case fails.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

struct recovery_case {
    enum audit_kind kind;
    const char *name;
    void (*run)(struct world *world);
};

/* ---- what happens */

static void define(struct world *world, const char *name)
{
    const struct partition_config config = world_partition(name, 1, "net0", 0, NULL);

    if (world_define(world, &config))
        fail_msg("%s", world_result_text);
}

static void start(struct world *world)
{
    define(world, "web");
    assert_int_equal(world_start(world, "web"), 0);
}

/* Control is killed, its successor is there and every link; nobody but the TCB has spoken. */
static void killed(struct world *world)
{
    world->busy = false;
    assert_int_equal(world_restart(world, 2), 0);
    world_check(world);
    world_links_up(world);
}

static const struct partition_run *run(struct world *world)
{
    return &world_named(world, "web")->run;
}

static struct owner vf_owner(struct world *world)
{
    return db_pf(world->control->db, NET0)->vfs[0].owner;
}

static void assert_no_order(struct world *world)
{
    for (size_t i = 0; i < world->sent_count; i++)
        if (!world->sent[i].taken)
            assert_int_not_equal(world->sent[i].peer, PROCESS_LEAD);
}

static void assert_all_back(struct world *world, enum partition_phase phase)
{
    assert_int_equal(run(world)->phase, phase);
    assert_int_equal(vf_owner(world).kind, OWNER_INTERCONNECT);
    assert_int_equal(db_pcpu(world->control->db, 1)->owner.kind, OWNER_IDLE);
    assert_int_equal(
        db_memory_of(world->control->db, UINT32_MAX, owner_guest(world_named(world, "web")->id)),
        0);
}

/* ---- START */

static void start_no_message_went(struct world *world)
{
    define(world, "web");
    world->busy = true;
    struct control_partition_start request = world_start_request(world, "web");
    request.header.id = 900;
    world_say(world, PROCESS_COMMAND, &request);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    killed(world);
    const struct tcb_assign *assign = world_take(world, PROCESS_TCB, TCB_ASSIGN);
    assert_int_equal(assign->owner.kind, OWNER_GUEST);
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_WANT));
    assert_no_order(world);
    world_lead_sync(world);
    const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    assert_int_equal(create->transaction, run(world)->start_transaction);
}

static void start_created(struct world *world)
{
    start(world);
    killed(world);
    world_monitor(world, "web", OWN_STATES, true);
    world_lead_sync(world);
    assert_int_equal(run(world)->created, 1);
    assert_no_order(world);
}

static void start_known_to_be_created_and_gone(struct world *world)
{
    start(world);
    world_monitor(world, "web", OWN_STATES, true);
    killed(world);
    world_lead_sync(world);
    assert_all_back(world, PHASE_FAILED);
}

static void start_before_the_service_was_started_anew(struct world *world)
{
    start(world);
    assert_int_equal(world_restart(world, 1), 0);
    world_links_up(world);
    world_lead_sync(world);
    assert_all_back(world, PHASE_DEFINED);
}

/* Lead cannot create it: taken back from the before images' owners. */
static void start_that_fails_is_undone(struct world *world)
{
    start(world);
    killed(world);
    world_lead_sync(world);
    const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    world_lead_result(world, "web", create->header.id, -ENOMEM);
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    world_lead_result(world, "web", stop->header.id, -ENOENT);
    assert_all_back(world, PHASE_FAILED);
}

/* ---- CHANNELS */

static void to_channels(struct world *world)
{
    start(world);
    world_monitor(world, "web", OWN_STATES, true);
    world_vf(world, NET0, 0, true, false);
    assert_int_equal(run(world)->channels, 1);
}

static void channels_not_handed(struct world *world)
{
    to_channels(world);
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_CHANNELS);
    uint64_t id = order->header.id;
    killed(world);
    world_monitor(world, "web", OWN_STATES, true);
    world_lead_sync(world);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS)); /* no VF is named yet */
    world_vf(world, NET0, 0, true, false);
    order = world_take(world, PROCESS_LEAD, LEAD_CHANNELS);
    assert_int_equal(order->header.id, id);
}

static void channels_handed(struct world *world)
{
    to_channels(world);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_vf(world, NET0, 0, true, true);
    world_lead_sync(world);
    assert_no_order(world);
    assert_int_equal(run(world)->channels, 1);
}

static void channels_that_fail_are_undone(struct world *world)
{
    to_channels(world);
    killed(world);
    world_monitor(world, "web", OWN_STATES, true);
    world_vf(world, NET0, 0, true, false);
    world_lead_sync(world);
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_CHANNELS);
    world_lead_result(world, "web", order->header.id, -EIO);
    assert_int_equal(run(world)->channels, 0);
}

/* ---- WAIT, RUNG, RECOVERED */

static void waits_on(struct world *world)
{
    start(world);
    world_to_gate(world, "web");
    uint64_t deadline = run(world)->deadline_boottime_ns;
    killed(world);
    assert_int_equal(run(world)->phase, PHASE_WAITING);
    assert_int_equal(run(world)->deadline_boottime_ns, deadline);
}

static void first_rung_is_asked_for_again(struct world *world)
{
    start(world);
    world_to_gate(world, "web");
    world->busy = true;
    world_wait(world, SECOND + SECOND / 10);
    assert_int_equal(run(world)->rung, RUNG_RESTART_PF);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    killed(world);
    const struct pcim_recover *recover = world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER);
    assert_int_equal(recover->pf.value, NET0.value);
    assert_int_equal(run(world)->rungs_taken[0], 1);
}

static void recovery_of_a_pf_is_not_forgotten(struct world *world)
{
    start(world);
    world_to_gate(world, "web");
    for (int i = 0; i < 12; i++)
        world_wait(world, SECOND);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 1);
    killed(world);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 1);
    world_readiness(world, NET0, PF_READY);
    killed(world);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 0);
}

/* ---- ATTACH */

static uint64_t to_attach(struct world *world, bool busy)
{
    start(world);
    world_to_gate(world, "web");
    world->busy = busy;
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(run(world)->attach, ATTACH_COMMITTED);
    return run(world)->attach_transaction;
}

static void attach_that_did_not_go_is_undone(struct world *world)
{
    to_attach(world, true);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    assert_int_equal(run(world)->attach, ATTACH_NONE);
    assert_no_order(world);
}

/* SR-PCIM spoke before lead did: the gate is open, the attach stands. */
static void attach_with_an_open_gate_goes_on(struct world *world)
{
    uint64_t transaction = to_attach(world, true);

    killed(world);
    world_readiness(world, NET0, PF_READY);
    world_vf(world, NET0, 0, true, true);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    const struct lead_order *attach = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_int_equal(attach->transaction, transaction);
    world_lead_result(world, "web", attach->header.id, 0);
    assert_int_equal(run(world)->phase, PHASE_RUNNING);
}

static void attach_that_took_effect_is_completed(struct world *world)
{
    to_attach(world, false);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    assert_int_equal(run(world)->attach, ATTACH_DONE);
    assert_int_equal(run(world)->phase, PHASE_RUNNING);
    assert_no_order(world);
}

static void attach_whose_monitor_is_gone(struct world *world)
{
    to_attach(world, false);
    killed(world);
    world_lead_sync(world);
    assert_all_back(world, PHASE_FAILED);
}

static void undone_attach_is_frozen_again(struct world *world)
{
    uint64_t transaction = to_attach(world, false);

    world->busy = true;
    world_readiness(world, NET0, PF_NO_ANSWER);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    const struct lead_order *detach = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    assert_int_equal(detach->transaction, transaction);
    world_lead_result(world, "web", detach->header.id, 0);
    assert_int_equal(run(world)->attach, ATTACH_NONE);
}

/* It was frozen behind our back; it is attached, so it is to run. */
static void attached_and_frozen_is_thawed(struct world *world)
{
    start(world);
    world_run(world, "web");
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
}

/* ---- STOP, RELEASE, SHUTDOWN */

static void stop_is_ordered_again(struct world *world)
{
    start(world);
    world_run(world, "web");
    world->busy = true;
    struct control_partition_stop stop = {
        .header = frame_header(CONTROL_PARTITION_STOP, sizeof(stop), 900),
        .name = "web",
        .timeout_ms = 5000};
    world_say(world, PROCESS_COMMAND, &stop);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_STOP));
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    const struct lead_stop *order = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_int_equal(order->force, 0);
    assert_int_equal(order->timeout_ms, 5000);
}

static void stop_that_took_effect(struct world *world)
{
    start(world);
    world_run(world, "web");
    assert_int_equal(world_stop(world, "web", true, 0), 0);
    killed(world);
    world_lead_sync(world);
    assert_all_back(world, PHASE_DEFINED);
}

static void released(struct world *world)
{
    start(world);
    world_run(world, "web");
    assert_int_equal(world_stop(world, "web", true, 0), 0);
    world_forget_sent(world);
    world->busy = true;
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(world->sent_count, 0);
}

/* A round that does not name the VF takes it back. */
static void release_no_message_went(struct world *world)
{
    released(world);
    killed(world);
    assert_null(world_take(world, PROCESS_TCB, TCB_ASSIGN));
    assert_non_null(world_take(world, PROCESS_TCB, TCB_SYNC));
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_WANT));
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_SYNC));
    world_lead_sync(world);
    assert_all_back(world, PHASE_DEFINED);
}

static void release_of_what_is_still_there(struct world *world)
{
    released(world);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_int_equal(stop->force, 1);
    assert_all_back(world, PHASE_DEFINED);
}

static void shutdown_goes_on(struct world *world)
{
    struct control_plain request = {.header = frame_header(CONTROL_SHUTDOWN, sizeof(request), 900)};

    start(world);
    world_run(world, "web");
    world->busy = true;
    world_say(world, PROCESS_COMMAND, &request);
    killed(world);
    assert_null(world_take(world, PROCESS_BOOT, BOOT_SHUTDOWN));
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_STOP));
    killed(world);
    world_lead_sync(world); /* it is gone */
    assert_all_back(world, PHASE_DEFINED);
    assert_non_null(world_take(world, PROCESS_BOOT, BOOT_SHUTDOWN));
}

/* ---- ACTION */

static struct tcb_applied applied(uint64_t transaction, int error, uint32_t writes)
{
    return (struct tcb_applied){.header = frame_header(TCB_APPLIED, sizeof(struct tcb_applied), 1),
                                .transaction = transaction,
                                .error = error,
                                .writes = writes};
}

static const struct tcb_apply *proposed(struct world *world)
{
    world->busy = true;
    world_propose(world, ACTION_PF_CREATE_VFS, NET0, 0, 7);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    killed(world);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_non_null(apply);
    return apply;
}

static void action_is_applied_again(struct world *world)
{
    const struct tcb_apply *apply = proposed(world);
    const struct tcb_applied done = applied(apply->transaction, 0, 0); /* it was done: no write */

    uint64_t id = world_propose(world, ACTION_PF_CREATE_VFS, NET0, 0, 7); /* a new SR-PCIM */
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    assert_int_equal(world_say(world, PROCESS_TCB, &done), 0);
    const struct pcim_verdict *verdict = world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT);
    assert_int_equal(verdict->header.id, id);
    assert_int_equal(verdict->error, 0);
    killed(world);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

static void action_that_fails_is_undone(struct world *world)
{
    const struct tcb_apply *apply = proposed(world);
    const struct tcb_applied done = applied(apply->transaction, -EIO, 1);

    assert_int_equal(world_say(world, PROCESS_TCB, &done), 0);
    assert_null(db_action(world->control->db, NET0, ACTION_WHOLE_PF));
    killed(world);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

/* The answer comes from a TCB that was told by control's predecessor, and again: once is enough. */
static void action_answered_twice_counts_once(struct world *world)
{
    const struct tcb_apply *apply = proposed(world);
    const struct tcb_applied done = applied(apply->transaction, 0, 3);
    assert_int_equal(world_say(world, PROCESS_TCB, &done), 0);
    uint64_t next = audit_log_next(world->control->log);

    assert_int_equal(world_say(world, PROCESS_TCB, &done), 0);
    assert_int_equal(audit_log_next(world->control->log), next);
}

/* ---- EDIT */

/* VF 0 of "web" is to be in VLAN 9. */
static void edit(struct world *world)
{
    struct tcb_edit message = {.header = frame_header(TCB_EDIT, sizeof(message), 77),
                               .name = "office.xml",
                               .vfs_count = 1,
                               .vfs = {{NET0, 0, {0}, {.present = VF_ATTR_VLAN, .vlan = 9}}}};

    start(world);
    world_forget_sent(world);
    world->busy = true;
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

static void configured(struct world *world, int error, uint16_t vlan)
{
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    const struct tcb_assign *assign = world_take(world, PROCESS_TCB, TCB_ASSIGN);

    assert_non_null(apply);
    assert_non_null(assign);
    assert_int_equal(apply->action, ACTION_VF_CONFIGURE);
    assert_int_equal(assign->attributes.vlan, vlan);
    struct tcb_applied done = applied(apply->transaction, error, 1);
    done.pf = NET0;
    assert_int_equal(world_say(world, PROCESS_TCB, &done), 0);
}

static int edited(struct world *world)
{
    const struct tcb_edited *message = world_take(world, PROCESS_TCB, TCB_EDITED);

    assert_non_null(message);
    assert_int_equal(message->header.id, 77);
    return message->error;
}

static void edit_is_applied_again(struct world *world)
{
    edit(world);
    killed(world);
    configured(world, 0, 9);
    assert_int_equal(edited(world), 0);
    killed(world);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    assert_null(world_take(world, PROCESS_TCB, TCB_EDITED)); /* until it asks */
    const struct tcb_edit ask = {.header = frame_header(TCB_EDIT, sizeof(ask), 77)};
    assert_int_equal(world_say(world, PROCESS_TCB, &ask), 0);
    assert_int_equal(edited(world), 0);
}

static void edit_that_fails_is_undone(struct world *world)
{
    edit(world);
    killed(world);
    world->busy = true;
    configured(world, -EIO, 9);
    killed(world); /* that it is to be undone was committed, nobody was told */
    configured(world, 0, 0);
    assert_int_equal(edited(world), -EIO);
    assert_int_equal(world_named(world, "web")->config.vfs[0].attributes.present, 0);
}

/* ---- HOST_SET, DEFINE, UNDEFINE, RESET */

static void host_is_told_to_all(struct world *world)
{
    struct control_host_set set = {.header = frame_header(CONTROL_HOST_SET, sizeof(set), 900),
                                   .host = world_host()};

    set.host.cards_count = 2;
    set.host.watchdog_ms = 7000;
    world_forget_sent(world);
    world->busy = true;
    world_say(world, PROCESS_COMMAND, &set);
    assert_int_equal(world->sent_count, 0);
    killed(world);
    const struct boot_settings *settings = world_take(world, PROCESS_BOOT, BOOT_SETTINGS);
    assert_int_equal(settings->watchdog_ms, 7000);
    for (int i = 0; i < 2; i++) {
        assert_non_null(world_take(world, PROCESS_TCB, TCB_CARD));
        assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_CARD));
    }
    assert_null(world_take(world, PROCESS_TCB, TCB_CARD));
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_CARD));
}

static void definitions_are_whole(struct world *world)
{
    struct control_partition_define request = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(request), 900),
        .config = world_partition("web", 1, NULL)};

    world->busy = true;
    world_say(world, PROCESS_COMMAND, &request);
    killed(world);
    assert_int_equal(run(world)->phase, PHASE_DEFINED);
}

static void what_was_undefined_is_gone(struct world *world)
{
    struct control_partition_name request = {
        .header = frame_header(CONTROL_PARTITION_UNDEFINE, sizeof(request), 900), .name = "web"};

    define(world, "web");
    world->busy = true;
    world_say(world, PROCESS_COMMAND, &request);
    killed(world);
    assert_null(db_partition_named(world->control->db, "web"));
}

static void reset_is_made_once(struct world *world)
{
    start(world);
    world_reboot(world);
    assert_int_equal(world_restart(world, 1), 0);
    uint64_t next = audit_log_next(world->control->log);
    killed(world);
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_all_back(world, PHASE_DEFINED);
}

/* Its files died with control; command never had them. */
static void channel_whose_files_did_not_go(struct world *world)
{
    start(world);
    world_monitor(world, "web", OWN_STATES, true);
    assert_int_equal(world_console(world, "web", 50), 0);
    assert_int_equal(world_named(world, "web")->console.attached, 1);
    killed(world);
    assert_int_equal(world_named(world, "web")->console.attached, 0);
}

/* Lead says, as ever, what is online and which descriptor it has. */
static void pcpu_whose_order_did_not_go(struct world *world)
{
    start(world);
    world_run(world, "web");
    world->busy = true;
    world_online(world, "0,2-7");
    uint64_t generation = run(world)->descriptor_generation;
    assert_int_equal(run(world)->pcpus[0], 2);
    killed(world);
    assert_int_equal(run(world)->pcpus[0], 2);
    assert_int_equal(db_pcpu(world->control->db, 1)->owner.kind, OWNER_OFFLINE);
    world_online(world, "0,2-7");
    struct lead_monitor stale = {.header = frame_header(LEAD_MONITOR, sizeof(stale), 0),
                                 .partition = world_named(world, "web")->id,
                                 .present = 1,
                                 .states = STATES_BEFORE_GATE,
                                 .descriptor_generation = generation - 1};
    assert_int_equal(world_say(world, PROCESS_LEAD, &stale), 0);
    assert_no_order(world);
    world_lead_sync(world);
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_PROCESSORS);
    assert_non_null(order);
    assert_int_equal(order->transaction, generation);
}

static void pcpu_whose_order_went(struct world *world)
{
    start(world);
    world_run(world, "web");
    world_online(world, "0,2-7");
    killed(world);
    world_online(world, "0,2-7");
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    assert_no_order(world);
}

static void say_marks(struct world *world, uint32_t marks)
{
    struct lead_monitor message = world_named(world, "web")->monitor;

    message.header = frame_header(LEAD_MONITOR, sizeof(message), 0);
    message.vfs[1] = (struct vf_seat){.vf = {0x0180}, .marks = marks};
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

/* Once for each piece of news; a control that was started anew does not know that it was noted. */
static void vf_news_is_noted(struct world *world)
{
    struct lead_monitor monitor;

    start(world);
    world_monitor(world, "web", OWN_STATES, true);
    uint64_t next = audit_log_next(world->control->log);
    say_marks(world, VF_PRESENT);
    assert_int_equal(audit_log_next(world->control->log), next);
    say_marks(world, VF_PRESENT | VF_REQUESTED);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
    say_marks(world, VF_PRESENT | VF_REQUESTED | VF_LEAVING);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
    say_marks(world, VF_PRESENT | VF_REQUESTED | VF_ERROR);
    assert_int_equal(audit_log_next(world->control->log), next + 2);
    monitor = world_named(world, "web")->monitor;
    killed(world);
    monitor.header = frame_header(LEAD_MONITOR, sizeof(monitor), 0);
    assert_int_equal(world_say(world, PROCESS_LEAD, &monitor), 0);
    assert_int_equal(audit_log_next(world->control->log), next + 3);
}

static void say_errors(struct world *world, struct error_counts of_pf, struct error_counts of_vf)
{
    struct tcb_pf pf = {.header = frame_header(TCB_PF, sizeof(pf), 0),
                        .pf = {.bdf = NET0, .answers = 1, .errors = of_pf}};
    struct tcb_vf vf = {
        .header = frame_header(TCB_VF, sizeof(vf), 0),
        .vf = {.bdf = {NET0.value + 0x80}, .pf = NET0, .answers = 1, .errors = of_vf}};

    assert_int_equal(world_say(world, PROCESS_TCB, &pf), 0);
    assert_int_equal(world_say(world, PROCESS_TCB, &vf), 0);
}

/* The first counts that are heard are no news; of the correctable ones each doubling is. */
static void errors_are_noted(struct world *world)
{
    struct error_counts pf = {.known = 1, .fatal = 4}, vf = {.known = 1, .correctable = 4};

    start(world);
    uint64_t next = audit_log_next(world->control->log);
    say_errors(world, pf, vf);
    say_errors(world, pf, vf);
    assert_int_equal(audit_log_next(world->control->log), next);
    pf.fatal = 5;
    say_errors(world, pf, vf);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
    for (uint64_t i = 5; i <= 1000; i++) {
        vf.correctable = i;
        say_errors(world, pf, vf);
    }
    assert_int_equal(audit_log_next(world->control->log), next + 1 + 7); /* 8, 16, … 512 */
    pf = (struct error_counts){.known = 1}; /* another card in its place */
    say_errors(world, pf, vf);
    assert_int_equal(audit_log_next(world->control->log), next + 8);
    pf.nonfatal = 1;
    say_errors(world, pf, vf);
    assert_int_equal(audit_log_next(world->control->log), next + 9);
    killed(world);
    next = audit_log_next(world->control->log);
    say_errors(world, pf, vf);
    assert_int_equal(audit_log_next(world->control->log), next);
}

/* Of a control that was killed in between nobody knows that it was noted, or that it is over. */
static void loss_of_a_pf_is_noted(struct world *world)
{
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    assert_int_equal(world->control->entry->kind, AUDIT_PF_LOST);
    killed(world);
    uint64_t next = audit_log_next(world->control->log);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(audit_log_next(world->control->log), next);
}

/* Who asked is asked again by command, and gets another one. */
static void session_that_did_not_go_is_asked_for_again(struct world *world)
{
    start(world);
    world_monitor(world, "web", OWN_STATES, true);
    assert_int_equal(world_session(world, "web", SESSION_DUMP, 50), 0);
    killed(world);
    world_monitor(world, "web", OWN_STATES, true);
    world_lead_sync(world);
    assert_int_equal(world_session(world, "web", SESSION_DUMP, 50), 0);
}

/* Who had begun it may not have said that it is over; it does not begin twice. */
static void outage_goes_on_and_is_over(struct world *world)
{
    start(world);
    world_run(world, "web");
    world_readiness(world, NET0, PF_LINK_DOWN);
    uint64_t deadline = run(world)->deadline_boottime_ns;
    assert_true(deadline > 0);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    uint64_t next = audit_log_next(world->control->log);
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_int_equal(run(world)->deadline_boottime_ns, deadline);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, DISK0, PF_READY);
    assert_int_equal(run(world)->deadline_boottime_ns, 0);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
}

static uint64_t ordered(struct world *world)
{
    const struct control_order message = {.header =
                                              frame_header(CONTROL_ORDER, sizeof(message), 900),
                                          .order = DEVICE_ORDER_PF_RESTART,
                                          .pf = NET1};
    struct tcb_pf seen = {.header = frame_header(TCB_PF, sizeof(seen), 0),
                          .pf = {.bdf = NET1, .class = CLASS_OTHER, .answers = 1, .numvfs = 7}};

    strcpy(seen.pf.driver, "igb");
    assert_int_equal(world_say(world, PROCESS_TCB, &seen), 0);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    world_readiness(world, NET1, PF_READY);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    return apply ? apply->transaction : 0;
}

/* Its action is applied again; who asks again gets the one answer. */
static void order_goes_on_and_is_over(struct world *world)
{
    uint64_t transaction = ordered(world);
    struct tcb_applied applied = {.header = frame_header(TCB_APPLIED, sizeof(applied), 1),
                                  .transaction = transaction,
                                  .pf = NET1};

    killed(world);
    world_lead_sync(world);
    const struct tcb_apply *again = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_non_null(again);
    assert_int_equal(again->transaction, transaction);
    assert_int_equal(ordered(world), 0);
    assert_null(world_take(world, PROCESS_COMMAND, CONTROL_RESULT));
    assert_int_equal(world_say(world, PROCESS_TCB, &applied), 0);
    const struct control_result *result = world_take(world, PROCESS_COMMAND, CONTROL_RESULT);
    assert_non_null(result);
    assert_int_equal(result->header.id, 900);
    assert_int_equal(result->error, 0);
}

/* It says on-outage="freeze"; whether lead was told cannot be known. */
static void freeze_is_ordered_again_and_is_over(struct world *world)
{
    struct partition_config config;

    start(world);
    world_run(world, "web");
    config = world_named(world, "web")->config;
    config.on_outage = OUTAGE_FREEZE;
    assert_int_equal(world_define(world, &config), 0);
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_true(run(world)->frozen_boottime_ns > 0);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, DISK0, PF_READY);
    assert_int_equal(run(world)->frozen_boottime_ns, 0);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    assert_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
}

/* Nobody has spoken since: what it waits for is not known to be there. */
static void apply_goes_on(struct world *world)
{
    struct proposal *proposal = world_proposal();

    start(world);
    world_run(world, "web");
    proposal->partitions_count = 1;
    proposal->partitions[0] = world_named(world, "web")->config;
    proposal->partitions[0].vfs_count--;
    assert_int_equal(world_apply(world, 77, proposal), 0);
    killed(world);
    control_idle(world->control);
    assert_int_equal(world->control->db->apply.state, APPLY_TRIAL);
    assert_int_equal(world_apply(world, 77, proposal), 0); /* asked again */
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    control_idle(world->control);
    assert_int_equal(world->control->db->apply.state, APPLY_DONE);
}

static void apply_is_undone(struct world *world)
{
    struct proposal *proposal = world_proposal();

    start(world);
    world_run(world, "web");
    proposal->partitions_count = 1;
    proposal->partitions[0] = world_named(world, "web")->config;
    struct partition_config before = proposal->partitions[0];
    proposal->partitions[0].vfs_count--;
    assert_int_equal(world_apply(world, 77, proposal), 0);
    world_wait(world, 600 * SECOND);
    assert_memory_equal(&world_named(world, "web")->config, &before, sizeof(before));
    uint32_t state = world->control->db->apply.state;
    killed(world);
    assert_int_equal(world->control->db->apply.state, state);
    assert_memory_equal(&world_named(world, "web")->config, &before, sizeof(before));
    assert_int_equal(world_apply(world, 77, proposal), 0); /* asked again: not done again */
    assert_memory_equal(&world_named(world, "web")->config, &before, sizeof(before));
}

/* Its PF was in error, the stand-by's ready; nobody was told. */
static void failover_goes_on(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, "net1", 3, NULL);
    struct pf *net0;

    config.standby_of[1] = 1;
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    net0 = db_pf(world->control->db, NET0);
    world_readiness(world, NET0, PF_LINK_DOWN);
    for (unsigned i = 0; i < 20 && !net0->image.in_error; i++)
        world_wait(world, SECOND);
    assert_int_equal(run(world)->standbys, 1);
    killed(world);
    assert_int_equal(run(world)->standbys, 1);
    const struct vf_seat seat = {{NET0.value + 0x80}, VF_PRESENT};
    world_seats(world, "web", &seat, 1);
    world_vf(world, NET0, 0, true, true);
    world_lead_sync(world);
    const struct lead_vf *order = world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, seat.vf.value);
}

#define CASE(kind, name)                                                                           \
    {                                                                                              \
        kind, #name, name                                                                          \
    }
static const struct recovery_case cases[] = {
    CASE(AUDIT_START, start_no_message_went),
    CASE(AUDIT_START, start_created),
    CASE(AUDIT_START, start_known_to_be_created_and_gone),
    CASE(AUDIT_START, start_before_the_service_was_started_anew),
    CASE(AUDIT_START, start_that_fails_is_undone),
    CASE(AUDIT_CHANNELS, channels_not_handed),
    CASE(AUDIT_CHANNELS, channels_handed),
    CASE(AUDIT_CHANNELS, channels_that_fail_are_undone),
    CASE(AUDIT_WAIT, waits_on),
    CASE(AUDIT_RUNG, first_rung_is_asked_for_again),
    CASE(AUDIT_OUTAGE, outage_goes_on_and_is_over),
    CASE(AUDIT_FREEZE, freeze_is_ordered_again_and_is_over),
    CASE(AUDIT_FAILOVER, failover_goes_on),
    CASE(AUDIT_RECOVERED, recovery_of_a_pf_is_not_forgotten),
    CASE(AUDIT_ATTACH, attach_that_did_not_go_is_undone),
    CASE(AUDIT_ATTACH, attach_with_an_open_gate_goes_on),
    CASE(AUDIT_ATTACH, attach_that_took_effect_is_completed),
    CASE(AUDIT_ATTACH, attach_whose_monitor_is_gone),
    CASE(AUDIT_ATTACH, undone_attach_is_frozen_again),
    CASE(AUDIT_ATTACH, attached_and_frozen_is_thawed),
    CASE(AUDIT_STOP, stop_is_ordered_again),
    CASE(AUDIT_STOP, stop_that_took_effect),
    CASE(AUDIT_RELEASE, release_no_message_went),
    CASE(AUDIT_RELEASE, release_of_what_is_still_there),
    CASE(AUDIT_CHANNEL, channel_whose_files_did_not_go),
    CASE(AUDIT_VF_NEWS, vf_news_is_noted),
    CASE(AUDIT_ERRORS, errors_are_noted),
    CASE(AUDIT_PF_LOST, loss_of_a_pf_is_noted),
    CASE(AUDIT_SESSION, session_that_did_not_go_is_asked_for_again),
    CASE(AUDIT_SHUTDOWN, shutdown_goes_on),
    CASE(AUDIT_ACTION, action_is_applied_again),
    CASE(AUDIT_ACTION, action_that_fails_is_undone),
    CASE(AUDIT_ACTION, action_answered_twice_counts_once),
    CASE(AUDIT_EDIT, edit_is_applied_again),
    CASE(AUDIT_EDIT, edit_that_fails_is_undone),
    CASE(AUDIT_ORDER, order_goes_on_and_is_over),
    CASE(AUDIT_APPLY, apply_goes_on),
    CASE(AUDIT_APPLY, apply_is_undone),
    CASE(AUDIT_HOST_SET, host_is_told_to_all),
    CASE(AUDIT_PCPU, pcpu_whose_order_did_not_go),
    CASE(AUDIT_PCPU, pcpu_whose_order_went),
    CASE(AUDIT_DEFINE, definitions_are_whole),
    CASE(AUDIT_UNDEFINE, what_was_undefined_is_gone),
    CASE(AUDIT_RESET, reset_is_made_once),
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static size_t current;

static void one_case(void **state)
{
    cases[current++].run(*state);
    world_check(*state);
}

static void every_kind_has_a_case(void **state)
{
    (void)state;
    for (unsigned kind = AUDIT_NONE + 1; kind < AUDIT_KINDS; kind++) {
        size_t found = 0;
        for (size_t i = 0; i < CASES; i++)
            found += cases[i].kind == kind;
        assert_true(found > 0);
    }
}

int main(void)
{
    struct CMUnitTest tests[CASES + 1];

    for (size_t i = 0; i < CASES; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = one_case,
                                       .setup_func = world_setup,
                                       .teardown_func = world_teardown};
    tests[CASES] = (struct CMUnitTest)cmocka_unit_test(every_kind_has_a_case);
    return cmocka_run_group_tests_name("control-recovery", tests, NULL, NULL);
}
