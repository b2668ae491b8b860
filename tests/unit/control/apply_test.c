/* SPDX-License-Identifier: Apache-2.0 */
/* A proposal is applied as one transaction: all of it, or what was before; whoever dies when. */
#include "apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hotplug.h"
#include "world.h"

#define VF(pf, index) ((struct bdf){(pf).value + 0x80 + 2 * (index)})

static const struct bdf net0 = NET0, net1 = NET1;

static void define(struct world *world, struct partition_config config)
{
    if (world_define(world, &config))
        fail_msg("%s", world_result_text);
}

/* web runs with VF 0 of net0; db is defined, with VF 5 of it. */
static struct partition *run_web(struct world *world)
{
    define(world, world_partition("web", 1, "net0", 0, NULL));
    define(world, world_partition("db", 1, "net0", 5, NULL));
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_seats(world, "web", &(struct vf_seat){VF(net0, 0), VF_PRESENT}, 1);
    world_forget_sent(world);
    return world_named(world, "web");
}

/* What is there to try: web gets net1/3 instead of net0/0, db another kernel, mail is new. */
static struct proposal *proposal(void)
{
    struct proposal *proposal = world_proposal();

    proposal->partitions_count = 3;
    proposal->partitions[0] = world_partition("web", 1, "net1", 3, NULL);
    proposal->partitions[1] = world_partition("db", 1, "net0", 5, NULL);
    strcpy(proposal->partitions[1].kernel, "/boot/another");
    proposal->partitions[2] = world_partition("mail", 1, "net1", 4, NULL);
    return proposal;
}

static void seats(struct world *world, bool first, bool second)
{
    const struct vf_seat all[2] = {{VF(net0, 0), first ? VF_PRESENT : 0},
                                   {VF(net1, 3), second ? VF_PRESENT : 0}};

    world_seats(world, "web", all, 2);
}

static const struct apply_image *apply(const struct world *world)
{
    return &world->control->db->apply;
}

static bool is_webs(struct world *world, struct bdf pf, uint32_t index)
{
    return owner_equal(db_pf(world->control->db, pf)->vfs[index].owner,
                       owner_guest(world_named(world, "web")->id));
}

static void idle(struct world *world)
{
    control_idle(world->control);
    world_settle(world);
    world_check(world);
}

/* Lead's answer to the order of this type: done, and the monitor has what it says. */
static void moved(struct world *world, uint16_t type, bool first, bool second)
{
    const struct lead_vf *order = world_take(world, PROCESS_LEAD, type);

    assert_non_null(order);
    seats(world, first, second);
    world_lead_result(world, "web", order->header.id, 0);
    idle(world);
}

/* The new is in force. */
static void is_new(struct world *world)
{
    assert_string_equal(world_named(world, "web")->config.vfs[0].card, "net1");
    assert_string_equal(world_named(world, "db")->config.kernel, "/boot/another");
    assert_non_null(db_partition_named(world->control->db, "mail"));
}

static void is_old(struct world *world)
{
    const struct partition_config web = world_partition("web", 1, "net0", 0, NULL);
    const struct partition_config db = world_partition("db", 1, "net0", 5, NULL);

    assert_memory_equal(&world_named(world, "web")->config, &web, sizeof(web));
    assert_memory_equal(&world_named(world, "db")->config, &db, sizeof(db));
    assert_null(db_partition_named(world->control->db, "mail"));
}

static void begin(struct world *world)
{
    run_web(world);
    if (world_apply(world, 500, proposal()))
        fail_msg("%s", world_result_text);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    is_new(world);
}

/* ---- all goes well */

static void one_transaction_then_done(void **state)
{
    struct world *world = *state;

    run_web(world);
    control_idle(world->control);
    uint64_t next = audit_log_next(world->control->log);
    assert_int_equal(world_apply(world, 500, proposal()), 0);
    assert_int_equal(apply(world)->begun, next);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
    is_new(world);
    assert_int_equal(apply(world)->id, 500);
    assert_true(is_webs(world, net0, 0)); /* until its guest has given it up */
    assert_true(is_webs(world, net1, 3));
    moved(world, LEAD_VF_REMOVE, false, false);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    assert_false(is_webs(world, net0, 0));
    world_vf(world, net1, 3, true, false);
    world_readiness(world, net1, PF_READY);
    moved(world, LEAD_VF_ADD, false, true);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_null(world->control->trial);
    is_new(world);
}

static void without_anything_that_runs_it_is_done_at_once(void **state)
{
    struct world *world = *state;
    struct proposal *proposal = world_proposal();

    define(world, world_partition("db", 1, "net0", 5, NULL));
    proposal->host_given = 1;
    proposal->host = world_host();
    proposal->host.reserved_pcpus = 2;
    proposal->host.cards_count = 2;
    proposal->partitions_count = 3;
    proposal->partitions[0] = world_partition("one", 1, NULL);
    proposal->partitions[1] = world_partition("db", 2, "net1", 5, NULL);
    proposal->partitions[2] = world_partition("two", 1, NULL);
    assert_int_equal(world_apply(world, 500, proposal), 0);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(world->control->db->host.reserved_pcpus, 2);
    assert_int_equal(world->control->db->pcpus[1].owner.kind, OWNER_BOOT);
    assert_int_equal(world_named(world, "db")->config.vcpus, 2);
    assert_true(world_named(world, "one")->id.value != world_named(world, "two")->id.value);
    idle(world);
    assert_int_equal(world_start(world, "two"), 0);
}

/* A definition that waits for the next start is none of control's business yet. */
static void one_that_is_left_is_left(void **state)
{
    struct world *world = *state;
    struct proposal *proposal = world_proposal();
    const struct partition *web = run_web(world);

    proposal->partitions_count = 2;
    proposal->partitions[0] = web->config;
    proposal->partitions[0].vcpus = 2;
    proposal->partitions[1] = world_partition("db", 2, NULL);
    struct control_apply message = world_apply_request(world, 500, proposal);
    message.running = 0;
    message.left = 1;
    assert_int_equal(world_apply_as(world, &message, proposal), 0);
    assert_int_equal(web->config.vcpus, 1);
    assert_int_equal(world_named(world, "db")->config.vcpus, 2);
    assert_int_equal(apply(world)->state, APPLY_DONE);
}

static void asked_again_it_is_not_done_again(void **state)
{
    struct world *world = *state;

    begin(world);
    uint64_t next = audit_log_next(world->control->log);
    assert_int_equal(world_apply(world, 500, proposal()), 0);
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    assert_int_equal(world_apply(world, 500, proposal()), 0);
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_int_equal(world_apply(world, 501, proposal()), -EBUSY); /* another one */
    assert_int_equal(audit_log_next(world->control->log), next);
}

static struct proposal *adds_one(const char *name)
{
    struct proposal *proposal = world_proposal();

    proposal->partitions_count = 1;
    proposal->partitions[0] = world_partition(name, 1, NULL);
    return proposal;
}

/* Its answer was lost with control, and others came after it: it is not the latest any more. */
static void nor_when_another_came_after_it(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_apply(world, 500, adds_one("one")), 0);
    assert_int_equal(world_apply(world, 501, adds_one("two")), 0);
    uint64_t next = audit_log_next(world->control->log);
    assert_int_equal(world_apply(world, 500, adds_one("one")), 0);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    assert_int_equal(world_apply(world, 500, adds_one("one")), 0);
    assert_int_equal(audit_log_next(world->control->log), next);
}

/* A PF that it has nothing to do with is lost while its VFs move. */
static void an_outage_of_another_pf_undoes_nothing(void **state)
{
    struct world *world = *state;
    struct proposal *adds = world_proposal();

    run_web(world);
    adds->partitions_count = 1;
    adds->partitions[0] = world_partition("web", 1, "net0", 0, "net1", 3, NULL);
    assert_int_equal(world_apply(world, 500, adds), 0);
    world_vf(world, net1, 3, true, false);
    world_readiness(world, net1, PF_READY);
    world_readiness(world, net0, PF_DRIVER_UNBOUND);
    moved(world, LEAD_VF_ADD, true, true);
    char waits[PARCLOSE_REASON_MAX] = "";
    assert_int_equal(apply(world)->state, APPLY_DONE);
    hotplug_waiting(world->control->db, world_named(world, "web"), waits);
    world_wait(world, 600 * SECOND);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_DONE);
}

/* It is the partition's, and never on its guest's bus as long as the other one is. */
static void one_that_stands_by_is_not_waited_for(void **state)
{
    struct world *world = *state;
    struct proposal *adds = world_proposal();

    run_web(world);
    adds->partitions_count = 1;
    adds->partitions[0] = world_partition("web", 1, "net0", 0, "net1", 3, NULL);
    adds->partitions[0].standby_of[1] = 1;
    assert_int_equal(world_apply(world, 500, adds), 0);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_true(is_webs(world, net1, 3));
}

/* ---- what is refused changes nothing */

static void refused(struct world *world, int error, const struct proposal *proposal,
                    const char *words)
{
    control_idle(world->control);
    world_settle(world);
    uint64_t next = audit_log_next(world->control->log);

    assert_int_equal(world_apply(world, 600, proposal), error);
    if (!strstr(world_result_text, words))
        fail_msg("\"%s\" has no \"%s\"", world_result_text, words);
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_int_not_equal(apply(world)->id, 600);
    is_old(world);
    world_check(world);
}

static void one_thing_that_cannot_be_refuses_all(void **state)
{
    struct world *world = *state;
    struct proposal *all = proposal();

    run_web(world);
    all->partitions[2].memory_mib = 100000;
    refused(world, -ENOMEM, all, "memory-mib");
    all = proposal();
    all->partitions[0].vcpus = 2;
    refused(world, -EBUSY, all, "but for its VFs");
    all = proposal();
    all->host_given = 1;
    all->host = world_host();
    all->host.cards[0].driver[0] = 'x';
    refused(world, -EBUSY, all, "is used by partition web");
    all->host = world_host();
    all->host.cards_count = 2; /* fine for all that runs; mail's VF would mean nothing */
    strcpy(all->partitions[2].vfs[0].card, "disk0");
    all->partitions[2].vfs[0].index = 0;
    refused(world, -EINVAL, all, "disk0");
}

static void a_vf_of_somebody_else_refuses_all(void **state)
{
    struct world *world = *state;
    struct proposal *all = proposal();

    define(world, world_partition("owner", 1, "net1", 3, NULL));
    assert_int_equal(world_start(world, "owner"), 0);
    run_web(world);
    refused(world, -EBUSY, all, "belongs to partition owner");
}

static void two_cannot_have_one_vf(void **state)
{
    struct world *world = *state;
    struct proposal *both = world_proposal();

    define(world, world_partition("other", 1, "net1", 0, NULL));
    assert_int_equal(world_start(world, "other"), 0);
    world_run(world, "other");
    run_web(world);
    both->partitions_count = 2;
    both->partitions[0] = world_partition("web", 1, "net0", 0, "net1", 3, NULL);
    both->partitions[1] = world_partition("other", 1, "net1", 0, "net1", 3, NULL);
    refused(world, -EINVAL, both, "both web and other");
}

static void only_root(void **state)
{
    struct world *world = *state;
    struct proposal *all = proposal();

    run_web(world);
    struct control_apply message = world_apply_request(world, 500, all);
    message.requester.uid = 1000;
    assert_int_equal(world_apply_as(world, &message, all), -EPERM);
    is_old(world);
}

/* What was planned as one thing is another by now. */
static void what_changed_since_the_plan_is_said(void **state)
{
    struct world *world = *state;
    struct proposal *all = proposal();

    run_web(world);
    struct control_apply planned = world_apply_request(world, 500, all), message = planned;
    struct partition_config db = world_partition("db", 1, "net0", 5, NULL);
    db.autostart = 1;
    uint64_t next = audit_log_next(world->control->log);
    define(world, db);
    assert_int_equal(world_apply_as(world, &message, all), -ESTALE);
    char words[64];
    snprintf(words, sizeof(words), "partition db has changed since, in transaction %llu",
             (unsigned long long)next);
    assert_non_null(strstr(world_result_text, words));
    define(world, world_partition("mail", 1, NULL));
    assert_int_equal(world_undefine(world, "db"), 0);
    message = planned;
    assert_int_equal(world_apply_as(world, &message, all), -ESTALE);
    assert_non_null(strstr(world_result_text, "partition db was removed meanwhile"));
    message.generation = 7;
    all->partitions_count = 1;
    message.added = 0;
    assert_int_equal(world_apply_as(world, &message, all), -ESTALE);
    assert_non_null(strstr(world_result_text, "too old"));
    assert_int_equal(apply(world)->state, APPLY_NONE);
}

static void a_start_since_the_plan_is_said(void **state)
{
    struct world *world = *state;
    struct proposal *all = proposal();

    run_web(world);
    struct control_apply message = world_apply_request(world, 500, all);
    assert_int_equal(world_start(world, "db"), 0);
    assert_int_equal(world_apply_as(world, &message, all), -ESTALE);
    assert_non_null(strstr(world_result_text, "partition db was started meanwhile"));
    all = world_proposal();
    all->host_given = 1;
    all->host = world_host();
    all->host.watchdog_ms++;
    message = world_apply_request(world, 501, all);
    struct host_config host = world_host();
    host.watchdog_ms += 2;
    assert_int_equal(world_host_set(world, &host), 0);
    assert_int_equal(world_apply_as(world, &message, all), -ESTALE);
    assert_non_null(strstr(world_result_text, "the host's configuration has changed since"));
}

/* ---- the way back */

static void one_that_does_not_come_undoes_all(void **state)
{
    struct world *world = *state;

    begin(world);
    moved(world, LEAD_VF_REMOVE, false, false);
    world_wait(world, 30 * SECOND);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    world_vf(world, net1, 3, false, false);
    world_wait(world, 120 * SECOND);
    is_old(world);
    assert_int_equal(apply(world)->state, APPLY_UNDOING);
    assert_int_equal(apply(world)->error, -ETIMEDOUT);
    assert_non_null(strstr(apply(world)->text, "VF 3 of card net1: "));
    assert_true(is_webs(world, net0, 0)); /* again */
    world_vf(world, net0, 0, true, false);
    world_readiness(world, net0, PF_READY);
    assert_false(is_webs(world, net1, 3));
    moved(world, LEAD_VF_ADD, true, false);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
    assert_null(world->control->trial);
    is_old(world);
}

/* What was given up and is not gone yet is just kept. */
static void undone_before_the_guest_gave_up(void **state)
{
    struct world *world = *state;

    begin(world);
    const struct lead_vf *order = world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE);
    assert_non_null(order);
    world_vf(world, net1, 3, false, false);
    world_wait(world, 200 * SECOND);
    assert_int_equal(apply(world)->state, APPLY_UNDOING);
    is_old(world);
    seats(world, false, false);
    world_lead_result(world, "web", order->header.id, 0); /* gone after all */
    world_vf(world, net0, 0, true, false);
    world_readiness(world, net0, PF_READY);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_UNDOING);
    moved(world, LEAD_VF_ADD, true, false);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
}

static void the_host_is_given_back_too(void **state)
{
    struct world *world = *state;
    struct proposal *all = proposal();

    run_web(world);
    all->host_given = 1;
    all->host = world_host();
    all->host.reserved_pcpus = 3;
    all->host.reserved_memory_mib -= 512;
    const struct host_config before = world->control->db->host;
    assert_int_equal(world_apply(world, 500, all), -EBUSY); /* web has pCPU 1 */
    is_old(world);
    all->host.reserved_pcpus = 1;
    assert_int_equal(world_apply(world, 501, all), 0);
    assert_int_equal(world_start(world, "db"), -EBUSY); /* nobody takes of what is given back */
    assert_int_equal(world_host_set(world, &before), -EBUSY);
    world_vf(world, net1, 3, false, false);
    world_wait(world, 200 * SECOND);
    assert_memory_equal(&world->control->db->host, &before, sizeof(before));
    is_old(world);
    world_check(world);
}

/* ---- who dies when */

static void up(struct world *world, bool first, bool second)
{
    world_links_up(world);
    seats(world, first, second);
    world_lead_sync(world);
    idle(world);
}

static void killed_on_trial_it_goes_on(void **state)
{
    struct world *world = *state;

    begin(world);
    assert_int_equal(world_restart(world, 2), 0);
    is_new(world);
    idle(world); /* lead has not said anything yet */
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    assert_non_null(world->control->trial);
    up(world, true, false);
    world_vf(world, net0, 0, true, true);
    moved(world, LEAD_VF_REMOVE, false, false);
    world_vf(world, net1, 3, true, false);
    world_readiness(world, net1, PF_READY);
    moved(world, LEAD_VF_ADD, false, true);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(world_restart(world, 3), 0);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(apply(world)->id, 500);
    is_new(world);
}

static void killed_on_trial_it_is_undone_in_time(void **state)
{
    struct world *world = *state;

    begin(world);
    moved(world, LEAD_VF_REMOVE, false, false);
    assert_int_equal(world_restart(world, 2), 0);
    up(world, false, false);
    world_wait(world, 200 * SECOND);
    is_old(world);
    assert_int_equal(apply(world)->state, APPLY_UNDOING);
    assert_int_equal(world_restart(world, 3), 0);
    is_old(world);
    assert_int_equal(apply(world)->state, APPLY_UNDOING);
    up(world, false, false);
    world_vf(world, net1, 3, false, false);
    world_vf(world, net0, 0, true, false);
    world_readiness(world, net0, PF_READY);
    moved(world, LEAD_VF_ADD, true, false);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
}

/* It was dead when the time was over; all had come before. */
static void what_it_has_not_heard_of_is_not_late(void **state)
{
    struct world *world = *state;

    begin(world);
    world->now_ns += 300 * SECOND;
    assert_int_equal(world_restart(world, 2), 0);
    idle(world);
    world_wait(world, 3 * SECOND);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    world_links_up(world);
    seats(world, false, true);
    world_vf(world, net0, 0, false, false);
    world_vf(world, net1, 3, true, true);
    world_lead_sync(world);
    idle(world);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(apply(world)->error, 0);
    is_new(world);
}

/* The log does not go on in another file before the images are not needed any more. */
static void the_log_is_not_rotated_on_trial(void **state)
{
    struct world *world = *state;
    struct host_config host = world_host();

    host.audit.segment_mib = 1;
    assert_int_equal(world_host_set(world, &host), 0);
    begin(world);
    struct partition_config other = world_partition("other", 1, NULL);
    for (uint32_t i = 0; i < 300; i++) {
        other.memory_mib = 64 + 2 * (i % 2);
        define(world, other);
    }
    idle(world);
    assert_int_equal(world_restart(world, 2), 0);
    assert_non_null(world->control->trial);
    is_new(world);
}

/* Nothing moves any more; the new is in force, and so are its files. */
static void after_a_reboot_of_the_host_it_is_done(void **state)
{
    struct world *world = *state;

    begin(world);
    world_reboot(world);
    assert_int_equal(world_restart(world, 1), 0);
    is_new(world);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(apply(world)->id, 500);
    assert_int_equal(apply(world)->deadline_boottime_ns, 0);
}

static void one_that_ends_on_trial_starts_with_the_new(void **state)
{
    struct world *world = *state;

    begin(world);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    is_new(world);
}

/* Two move; one is stopped, the other's VF does not come: both get back what they had. */
static void one_that_is_stopped_on_trial_is_undone_too(void **state)
{
    struct world *world = *state;
    struct proposal *both = world_proposal();

    define(world, world_partition("other", 1, "net1", 0, NULL));
    assert_int_equal(world_start(world, "other"), 0);
    world_run(world, "other");
    run_web(world);
    both->partitions_count = 2;
    both->partitions[0] = world_partition("web", 1, "net1", 3, NULL);
    both->partitions[1] = world_partition("other", 1, "net1", 0, "net1", 5, NULL);
    assert_int_equal(world_apply(world, 500, both), 0);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    assert_int_equal(world_start(world, "web"), -EBUSY);
    world_wait(world, 200 * SECOND);
    assert_int_equal(apply(world)->state, APPLY_UNDOING);
    assert_string_equal(world_named(world, "web")->config.vfs[0].card, "net0");
    assert_int_equal(world_named(world, "other")->config.vfs_count, 1);
    world_check(world);
}

/* ---- one that is stopped for it, and must run again */

/* db ran and was stopped; it gets two vCPUs. */
static int restart_db(struct world *world)
{
    struct proposal *proposal = world_proposal();

    run_web(world);
    proposal->partitions_count = 2;
    proposal->partitions[0] = world_partition("mail", 1, NULL);
    proposal->partitions[1] = world_partition("db", 2, "net0", 5, NULL);
    struct control_apply message = world_apply_request(world, 500, proposal);
    message.restarted = 2;
    return world_apply_as(world, &message, proposal);
}

static uint32_t vcpus_of_db(struct world *world)
{
    return world_named(world, "db")->config.vcpus;
}

static void done_once_it_runs(void **state)
{
    struct world *world = *state;

    assert_int_equal(restart_db(world), 0);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    assert_int_equal(world_start(world, "mail"), -EBUSY);
    idle(world);
    assert_int_equal(world_start(world, "db"), 0);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    assert_int_equal(world_restart(world, 2), 0);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    world_links_up(world);
    world_lead_sync(world);
    world_forget_sent(world);
    idle(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    lead_down(world->control);
    lead_up(world->control);
    world_lead_sync(world);
    world_run(world, "db");
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(vcpus_of_db(world), 2);
}

static void undone_when_it_fails(void **state)
{
    struct world *world = *state;

    assert_int_equal(restart_db(world), 0);
    idle(world);
    assert_int_equal(world_start(world, "db"), 0);
    world_monitor(world, "db", OWN_STATES, true);
    world_monitor_gone(world, "db", EXIT_MONITOR_ERROR);
    idle(world);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
    assert_int_equal(apply(world)->error, -ECANCELED);
    assert_non_null(strstr(apply(world)->text, "partition db: "));
    assert_int_equal(vcpus_of_db(world), 1);
    assert_null(db_partition_named(world->control->db, "mail"));
    assert_int_equal(world_start(world, "db"), 0);
}

/* It waits before the gate, and is ended for it; nobody starts it meanwhile. */
static void undone_when_it_takes_too_long(void **state)
{
    struct world *world = *state;

    assert_int_equal(restart_db(world), 0);
    idle(world);
    assert_int_equal(world_start(world, "db"), 0);
    world_monitor(world, "db", OWN_STATES, true);
    world_readiness(world, net0, PF_LINK_DOWN);
    world_forget_sent(world);
    world_wait(world, 30 * SECOND);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    assert_int_equal(apply(world)->error, 0);
    world_wait(world, 60 * SECOND);
    assert_int_equal(apply(world)->state, APPLY_TRIAL); /* it is decided; db has to end */
    assert_int_equal(apply(world)->error, -ETIMEDOUT);
    assert_int_equal(world_named(world, "db")->run.phase, PHASE_STOPPING);
    assert_int_equal(world_restart(world, 2), 0);
    assert_int_equal(apply(world)->error, -ETIMEDOUT);
    assert_int_equal(vcpus_of_db(world), 2);
    world_links_up(world);
    world_monitor_gone(world, "db", EXIT_STOPPED);
    world_lead_sync(world);
    idle(world);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
    assert_int_equal(vcpus_of_db(world), 1);
}

static void never_started_it_is_undone_in_time(void **state)
{
    struct world *world = *state;

    assert_int_equal(restart_db(world), 0);
    world_wait(world, 200 * SECOND);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
    assert_int_equal(vcpus_of_db(world), 1);
}

/* ---- others */

static void nobody_gets_in_between(void **state)
{
    struct world *world = *state;
    struct partition_config other = world_partition("other", 1, "net0", 0, NULL);
    struct partition_config db = world_partition("db", 2, NULL);

    begin(world);
    moved(world, LEAD_VF_REMOVE, false, false);
    define(world, other);
    idle(world);
    assert_int_equal(world_start(world, "other"), -EBUSY); /* net0/0 may go back to web */
    assert_non_null(strstr(world_result_text, "VF 0 of card net0"));
    assert_int_equal(world_define(world, &db), -EBUSY);
    assert_int_equal(world_undefine(world, "mail"), -EBUSY);
    assert_int_equal(world_start(world, "mail"), -EBUSY);
    world_vf(world, net1, 3, true, false);
    world_readiness(world, net1, PF_READY);
    moved(world, LEAD_VF_ADD, false, true);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(world_start(world, "other"), 0);
    idle(world);
    assert_int_equal(world_start(world, "mail"), 0);
}

/* ---- attributes */

static struct vf_attributes vlan(uint16_t vlan)
{
    return (struct vf_attributes){.present = VF_ATTR_VLAN, .vlan = vlan};
}

/* net0/0 of web is to be in VLAN 7, db gets another kernel. */
static struct proposal *edit(void)
{
    struct proposal *proposal = world_proposal();

    proposal->partitions_count = 1;
    proposal->partitions[0] = world_partition("db", 1, "net0", 5, NULL);
    strcpy(proposal->partitions[0].kernel, "/boot/another");
    proposal->edits_count = 1;
    proposal->edits[0] = (struct vf_edit){.pf = net0, .index = 0, .after = vlan(7)};
    return proposal;
}

static void configured(struct world *world, int error)
{
    const struct tcb_apply *order = world_take(world, PROCESS_TCB, TCB_APPLY);

    assert_non_null(order);
    assert_int_equal(order->action, ACTION_VF_CONFIGURE);
    const struct tcb_applied message = {
        .header = frame_header(TCB_APPLIED, sizeof(message), order->header.id),
        .transaction = order->transaction,
        .pf = order->pf,
        .index = order->index,
        .error = error,
        .text = "the driver's word"};
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
    idle(world);
}

static uint16_t vlan_of_web(struct world *world)
{
    return world_named(world, "web")->config.vfs[0].attributes.vlan;
}

static void attributes_are_part_of_it(void **state)
{
    struct world *world = *state;

    run_web(world);
    assert_int_equal(world_apply(world, 500, edit()), 0);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    assert_int_equal(vlan_of_web(world), 7);
    assert_string_equal(world_named(world, "db")->config.kernel, "/boot/another");
    configured(world, 0);
    assert_int_equal(apply(world)->state, APPLY_DONE);
    assert_int_equal(vlan_of_web(world), 7);
}

static void attributes_that_fail_undo_all(void **state)
{
    struct world *world = *state;

    run_web(world);
    assert_int_equal(world_apply(world, 500, edit()), 0);
    configured(world, -EOPNOTSUPP);
    assert_int_equal(apply(world)->state, APPLY_TRIAL); /* the edit is being undone */
    configured(world, 0);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
    assert_int_equal(apply(world)->error, -EOPNOTSUPP);
    assert_non_null(strstr(apply(world)->text, "the driver's word"));
    is_old(world);
}

/* A VF that does not come takes the attributes back, too, that were set. */
static void attributes_go_back_with_the_rest(void **state)
{
    struct world *world = *state;
    struct proposal *both = edit();

    define(world, world_partition("other", 1, "net1", 0, NULL));
    assert_int_equal(world_start(world, "other"), 0);
    world_run(world, "other");
    run_web(world);
    both->partitions_count = 2;
    both->partitions[1] = world_partition("other", 1, "net1", 0, "net1", 3, NULL);
    assert_int_equal(world_apply(world, 500, both), 0);
    configured(world, 0);
    assert_int_equal(apply(world)->state, APPLY_TRIAL);
    world_vf(world, net1, 3, false, false);
    world_wait(world, 200 * SECOND);
    assert_int_equal(apply(world)->state, APPLY_UNDOING);
    is_old(world);
    assert_int_equal(world_named(world, "other")->config.vfs_count, 1);
    configured(world, 0);
    idle(world);
    assert_int_equal(apply(world)->state, APPLY_UNDONE);
}

static void a_definition_and_an_edit_of_one_partition_are_refused(void **state)
{
    struct world *world = *state;
    struct proposal *both = proposal();

    run_web(world);
    both->edits_count = 1;
    both->edits[0] = (struct vf_edit){.pf = net0, .index = 0, .after = vlan(7)};
    refused(world, -EINVAL, both, "one after the other");
    both = world_proposal();
    both->edits_count = 1;
    both->edits[0] = (struct vf_edit){.pf = net0, .index = 6, .after = vlan(7)};
    refused(world, -EPERM, both, "no partition has it");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_transaction_then_done),
        TEST(without_anything_that_runs_it_is_done_at_once),
        TEST(one_that_is_left_is_left),
        TEST(asked_again_it_is_not_done_again),
        TEST(nor_when_another_came_after_it),
        TEST(an_outage_of_another_pf_undoes_nothing),
        TEST(one_that_stands_by_is_not_waited_for),
        TEST(one_thing_that_cannot_be_refuses_all),
        TEST(a_vf_of_somebody_else_refuses_all),
        TEST(two_cannot_have_one_vf),
        TEST(only_root),
        TEST(what_changed_since_the_plan_is_said),
        TEST(a_start_since_the_plan_is_said),
        TEST(one_that_does_not_come_undoes_all),
        TEST(undone_before_the_guest_gave_up),
        TEST(the_host_is_given_back_too),
        TEST(killed_on_trial_it_goes_on),
        TEST(killed_on_trial_it_is_undone_in_time),
        TEST(what_it_has_not_heard_of_is_not_late),
        TEST(the_log_is_not_rotated_on_trial),
        TEST(after_a_reboot_of_the_host_it_is_done),
        TEST(one_that_ends_on_trial_starts_with_the_new),
        TEST(one_that_is_stopped_on_trial_is_undone_too),
        TEST(done_once_it_runs),
        TEST(undone_when_it_fails),
        TEST(undone_when_it_takes_too_long),
        TEST(never_started_it_is_undone_in_time),
        TEST(nobody_gets_in_between),
        TEST(attributes_are_part_of_it),
        TEST(attributes_that_fail_undo_all),
        TEST(attributes_go_back_with_the_rest),
        TEST(a_definition_and_an_edit_of_one_partition_are_refused),
    };
    return cmocka_run_group_tests_name("control-apply", tests, NULL, NULL);
}
