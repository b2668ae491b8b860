/* SPDX-License-Identifier: Apache-2.0 */
/* Orders of an administrator: who may give one, what of the devices it touches, how it ends; and
 * what else resets PFs. */
#include "orders.h"

#include <errno.h>
#include <string.h>

#include "gate.h"
#include "world.h"

/* The PF as the TCB sees it: its driver, its link, so many VFs. */
static void seen(struct world *world, struct bdf bdf, const char *driver, uint32_t vfs)
{
    struct tcb_pf message = {
        .header = frame_header(TCB_PF, sizeof(message), 0),
        .pf = {.bdf = bdf, .class = CLASS_NETWORK, .answers = 1, .numvfs = vfs, .link_up = 1}};

    strcpy(message.pf.driver, driver);
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

static void all_well(struct world *world)
{
    seen(world, NET0, "igb", 7);
    seen(world, NET1, "igb", 7);
    seen(world, DISK0, "nvme", 4);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, DISK0, PF_READY);
}

static struct control_order order_of(struct world *world, uint32_t order, struct bdf pf)
{
    struct control_order message = {
        .header = frame_header(CONTROL_ORDER, sizeof(message), ++world->next_id),
        .order = order,
        .pf = pf};
    return message;
}

static uint64_t order(struct world *world, uint32_t what, struct bdf pf)
{
    struct control_order message = order_of(world, what, pf);

    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    return message.header.id;
}

/* The RESULT with this id; NULL: it is not answered. */
static const struct control_result *answer(struct world *world, uint64_t id)
{
    const struct control_result *result;

    while ((result = world_take(world, PROCESS_COMMAND, CONTROL_RESULT)))
        if (result->header.id == id)
            return result;
    return NULL;
}

static void refused(struct world *world, uint64_t id, int error, const char *words)
{
    const struct control_result *result = answer(world, id);

    assert_non_null(result);
    assert_int_equal(result->error, error);
    assert_int_equal(result->transaction, 0);
    if (!strstr(result->text, words))
        fail_msg("\"%s\" has no \"%s\"", result->text, words);
}

static void done(struct world *world, uint64_t id, const char *words)
{
    const struct control_result *result = answer(world, id);

    assert_non_null(result);
    assert_int_equal(result->error, 0);
    assert_true(result->transaction > 0);
    if (!strstr(result->text, words))
        fail_msg("\"%s\" has no \"%s\"", result->text, words);
}

static void applied(struct world *world, uint64_t transaction, struct bdf pf, int error)
{
    struct tcb_applied message = {.header = frame_header(TCB_APPLIED, sizeof(message), transaction),
                                  .transaction = transaction,
                                  .pf = pf,
                                  .error = error,
                                  .writes = error ? 0 : 3};
    if (error)
        strcpy(message.text, "why it is not");
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

/* The APPLY that is due for this PF; its transaction. */
static uint64_t apply(struct world *world, uint32_t action, struct bdf pf, uint32_t flags)
{
    const struct tcb_apply *message = world_take(world, PROCESS_TCB, TCB_APPLY);

    assert_non_null(message);
    assert_int_equal(message->action, action);
    assert_int_equal(message->pf.value, pf.value);
    assert_int_equal(message->vfs, flags);
    return message->transaction;
}

static void no_apply(struct world *world)
{
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

static void run_web(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 3, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    all_well(world);
    world_forget_sent(world);
}

/* Boot's word of SR-PCIM: this process, up or not. */
static void pcim_is(struct world *world, uint32_t pid, uint32_t health)
{
    struct boot_status *status = &world->control->processes[PROCESS_SR_PCIM];

    *status = (struct boot_status){.header = frame_header(BOOT_STATUS, sizeof(*status), 0),
                                   .kind = PROCESS_SR_PCIM,
                                   .health = health,
                                   .pid = pid};
    orders_follow(world->control);
    world_settle(world);
}

static void pcim_comes_back(struct world *world, uint32_t pid)
{
    pcim_down(world->control);
    pcim_is(world, 0, PROCESS_DOWN);
    pcim_up(world->control);
    pcim_is(world, pid, PROCESS_UP);
}

static uint32_t boot_rung(struct world *world)
{
    const struct boot_restart *restart = world_take(world, PROCESS_BOOT, BOOT_RESTART);
    return restart ? restart->rung : 0;
}

/* ---- a PF */

static void answered_when_the_pf_is_ready_again(void **state)
{
    struct world *world = *state;

    all_well(world);
    uint64_t id = order(world, DEVICE_ORDER_PF_RESTART, NET0);
    uint64_t transaction = apply(world, ACTION_PF_RESTART, NET0, ACTION_SPARE_HOST);
    assert_null(answer(world, id));
    world_wait(world, SECOND / 2);
    seen(world, NET0, "igb", 0);
    applied(world, transaction, NET0, 0);
    assert_null(answer(world, id)); /* SR-PCIM's word is still of before */
    world_readiness(world, NET0, PF_VFS_MISSING);
    world_wait(world, SECOND / 4);
    seen(world, NET0, "igb", 7);
    world_readiness(world, NET0, PF_READY);
    done(world, id, "net0: restarted in 500 ms (3 writes); all over after 750 ms");
    assert_int_equal(world->control->entry->kind, AUDIT_ORDER);
    assert_int_equal(world->control->entry->refers_to, transaction);
    no_apply(world);
}

static void one_that_is_lost_is_answered_in_time(void **state)
{
    struct world *world = *state;

    all_well(world);
    uint64_t id = order(world, DEVICE_ORDER_PF_RESET, NET0);
    uint64_t transaction = apply(world, ACTION_PF_RESET, NET0, ACTION_SPARE_HOST);
    seen(world, NET0, "", 0);
    applied(world, transaction, NET0, 0);
    world_wait(world, 60 * SECOND - 1);
    assert_null(answer(world, id));
    world_wait(world, 1);
    refused(world, id, -ETIMEDOUT, "net0: reset in 0 ms");
    id = order(world, DEVICE_ORDER_PF_RESET, NET1);
    world_wait(world, 60 * SECOND); /* the TCB is silent */
    refused(world, id, -ETIMEDOUT, "the TCB has not answered yet");
}

static void what_the_tcb_refuses_is_said(void **state)
{
    struct world *world = *state;

    all_well(world);
    uint64_t id = order(world, DEVICE_ORDER_PF_RESTART, NET0);
    applied(world, apply(world, ACTION_PF_RESTART, NET0, ACTION_SPARE_HOST), NET0, -EBUSY);
    refused(world, id, -EBUSY, "net0: not restarted: why it is not");
    assert_int_equal(world->control->entry->phase, AUDIT_UNDONE);
}

static void users_are_named_and_nothing_is_done(void **state)
{
    struct world *world = *state;

    run_web(world);
    uint64_t next = audit_log_next(world->control->log);
    refused(world, order(world, DEVICE_ORDER_PF_RESTART, NET0), -EBUSY, "partition web");
    refused(world, order(world, DEVICE_ORDER_PF_RESET, NET0), -EBUSY, "partition web");
    world_vf(world, NET1, 5, true, true);
    refused(world, order(world, DEVICE_ORDER_PF_RESET, NET1), -EBUSY, "none of ours");
    assert_int_equal(audit_log_next(world->control->log), next);
    no_apply(world);
}

static void wrong_pfs_are_refused(void **state)
{
    struct world *world = *state;

    refused(world, order(world, DEVICE_ORDER_PF_RESET, NET0), -ENODEV, "net0 is not there");
    all_well(world);
    refused(world, order(world, DEVICE_ORDER_PF_RESET, (struct bdf){0x999}), -ENODEV, "host.xml");
    seen(world, NET0, "vfio-pci", 7);
    refused(world, order(world, DEVICE_ORDER_PF_RESTART, NET0), -EBUSY, "driver vfio-pci, not igb");
    world_propose(world, ACTION_PF_LINK_UP, NET1, 0, 0);
    refused(world, order(world, DEVICE_ORDER_PF_RESTART, NET1), -EBUSY, "pf-link-up");
}

static void force_is_for_root(void **state)
{
    struct world *world = *state;
    struct control_order message = order_of(world, DEVICE_ORDER_PF_RESTART, NET0);

    all_well(world);
    message.force = 1;
    message.requester.uid = 1000;
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    refused(world, message.header.id, -EPERM, "only root");
    no_apply(world);
    message.requester.uid = 0;
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    apply(world, ACTION_PF_RESTART, NET0, 0);
}

static void asked_again_waits_for_the_same_end(void **state)
{
    struct world *world = *state;
    struct control_order message = order_of(world, DEVICE_ORDER_PF_RESTART, NET0);

    all_well(world);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    uint64_t transaction = apply(world, ACTION_PF_RESTART, NET0, ACTION_SPARE_HOST);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    assert_int_equal(apply(world, ACTION_PF_RESTART, NET0, ACTION_SPARE_HOST), transaction);
    all_well(world);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    assert_null(answer(world, message.header.id));
    no_apply(world);
    applied(world, transaction, NET0, 0);
    done(world, message.header.id, "net0: restarted");
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    done(world, message.header.id, "net0: restarted");
    applied(world, transaction, NET0, 0); /* answered twice */
    assert_int_equal(world_restart(world, 3), 0);
    world_links_up(world);
    no_apply(world);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    done(world, message.header.id, "net0: restarted");
}

static void a_failure_is_answered_alike(void **state)
{
    struct world *world = *state;
    struct control_order message = order_of(world, DEVICE_ORDER_PF_RESET, NET0);

    all_well(world);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    applied(world, apply(world, ACTION_PF_RESET, NET0, ACTION_SPARE_HOST), NET0, -EIO);
    refused(world, message.header.id, -EIO, "why it is not");
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    refused(world, message.header.id, -EIO, "why it is not");
    no_apply(world);
}

static void one_at_a_time(void **state)
{
    struct world *world = *state;

    all_well(world);
    order(world, DEVICE_ORDER_PF_RESTART, NET0);
    uint64_t transaction = apply(world, ACTION_PF_RESTART, NET0, ACTION_SPARE_HOST);
    refused(world, order(world, DEVICE_ORDER_PF_RESET, NET0), -EBUSY, "pf-restart is under way");
    seen(world, NET0, "igb", 0);
    applied(world, transaction, NET0, 0);
    refused(world, order(world, DEVICE_ORDER_PF_RESET, NET0), -EBUSY, "pf-restart is under way");
    struct host_config host = world_host();
    host.cards_count = 2;
    assert_int_equal(world_host_set(world, &host), -EBUSY);
}

/* Its VF is active, its PF is ready, and still it is not handed out: it would be taken away. */
static void no_vf_is_handed_out_on_the_way(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 3, NULL);

    all_well(world);
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_monitor(world, "web", OWN_STATES, true);
    order(world, DEVICE_ORDER_PF_RESTART, NET0);
    uint64_t transaction = apply(world, ACTION_PF_RESTART, NET0, ACTION_SPARE_HOST);
    world_vf(world, NET0, 3, true, false);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
    applied(world, transaction, NET0, 0);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
}

/* ---- disabled and enabled */

/* What SR-PCIM and the TCB are told of net0's card, in the latest round. */
static void told(struct world *world, uint32_t disabled)
{
    const struct pcim_card *pcim;
    const struct tcb_card *tcb;
    size_t heard = 0;

    while ((pcim = world_take(world, PROCESS_SR_PCIM, PCIM_CARD)))
        if (pcim->card.bdf.value == NET0.value && ++heard)
            assert_int_equal(pcim->disabled, disabled);
    while ((tcb = world_take(world, PROCESS_TCB, TCB_CARD)))
        if (tcb->card.bdf.value == NET0.value && ++heard)
            assert_int_equal(tcb->disabled, disabled);
    assert_int_equal(heard, 2);
}

static void disable(struct world *world)
{
    uint64_t id = order(world, DEVICE_ORDER_PF_DISABLE, NET0);
    told(world, 1);
    uint64_t transaction = apply(world, ACTION_PF_DISABLE, NET0, ACTION_SPARE_HOST);
    seen(world, NET0, "", 0);
    applied(world, transaction, NET0, 0);
    done(world, id, "net0: disabled");
    world_readiness(world, NET0, PF_DISABLED);
    world_forget_sent(world);
}

static void a_pf_is_disabled_and_enabled(void **state)
{
    struct world *world = *state;

    all_well(world);
    world_forget_sent(world);
    disable(world);
    refused(world, order(world, DEVICE_ORDER_PF_DISABLE, NET0), 0, "disabled already");
    refused(world, order(world, DEVICE_ORDER_PF_RESTART, NET0), -EPERM, "parclose pf enable net0");
    refused(world, order(world, DEVICE_ORDER_PF_RESET, NET0), -EPERM, "parclose pf enable net0");
    no_apply(world);
    uint64_t id = order(world, DEVICE_ORDER_PF_ENABLE, NET0);
    told(world, 0);
    applied(world, apply(world, ACTION_PF_BIND, NET0, 0), NET0, 0);
    assert_null(answer(world, id));
    seen(world, NET0, "igb", 7);
    world_readiness(world, NET0, PF_READY);
    done(world, id, "net0: enabled");
    refused(world, order(world, DEVICE_ORDER_PF_ENABLE, NET0), 0, "enabled already");
}

static void one_in_use_is_not_disabled(void **state)
{
    struct world *world = *state;

    run_web(world);
    refused(world, order(world, DEVICE_ORDER_PF_DISABLE, NET0), -EBUSY, "partition web");
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 0);
    no_apply(world);
}

static void what_fails_is_as_it_was(void **state)
{
    struct world *world = *state;

    all_well(world);
    uint64_t id = order(world, DEVICE_ORDER_PF_DISABLE, NET0);
    uint64_t transaction = apply(world, ACTION_PF_DISABLE, NET0, ACTION_SPARE_HOST);
    world_forget_sent(world);
    applied(world, transaction, NET0, -EBUSY);
    refused(world, id, -EBUSY, "net0: not disabled: why it is not");
    told(world, 0);
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 0);
    world_forget_sent(world);
    disable(world);
    id = order(world, DEVICE_ORDER_PF_ENABLE, NET0);
    applied(world, apply(world, ACTION_PF_BIND, NET0, 0), NET0, -EIO);
    refused(world, id, -EIO, "net0: not enabled");
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 1);
}

/* Who needs it waits with the reason, and no rung is climbed for what only a person can give. */
static void who_needs_it_waits_for_a_person(void **state)
{
    struct world *world = *state;
    struct partition_config web = world_partition("web", 1, "net0", 3, NULL);
    char text[PARCLOSE_REASON_MAX];

    all_well(world);
    world_forget_sent(world);
    disable(world);
    assert_int_equal(world_define(world, &web), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_monitor(world, "web", OWN_STATES, true);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_WAITING);
    assert_false(gate_open(world->control->db, world_named(world, "web"), text));
    assert_non_null(strstr(text, "disabled by an administrator"));
    uint64_t next = audit_log_next(world->control->log);
    world_wait(world, 60 * SECOND);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    assert_int_equal(boot_rung(world), 0);
    no_apply(world);
    assert_int_equal(world_named(world, "web")->run.rung, RUNG_WAIT);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
    order(world, DEVICE_ORDER_SR_PCIM_RESET, (struct bdf){0});
    applied(world, apply(world, ACTION_PF_RESET, NET1, ACTION_SPARE_HOST), NET1, 0); /* not net0 */
    world_forget_sent(world);
    order(world, DEVICE_ORDER_PF_ENABLE, NET0);
    applied(world, apply(world, ACTION_PF_BIND, NET0, 0), NET0, 0);
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, SECOND); /* from now on it is for the ladder again */
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
}

static void it_outlives_control_and_a_boot_of_the_host(void **state)
{
    struct world *world = *state;

    all_well(world);
    world_forget_sent(world);
    disable(world);
    assert_int_equal(world_restart(world, 2), 0);
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 1);
    world_reboot(world);
    assert_int_equal(world_restart(world, 1), 0);
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 1);
    assert_int_equal(db_pf(world->control->db, NET1)->image.disabled, 0);
    world_links_up(world);
    told(world, 1);
    all_well(world);
    uint64_t id = order(world, DEVICE_ORDER_PF_ENABLE, NET0);
    applied(world, apply(world, ACTION_PF_BIND, NET0, 0), NET0, 0);
    done(world, id, "net0: enabled");
    world_reboot(world);
    assert_int_equal(world_restart(world, 1), 0);
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 0);
}

/* ---- by an edit of devices.xml */

static void edit(struct world *world, uint64_t id, uint32_t pf_state)
{
    const struct tcb_edit message = {.header = frame_header(TCB_EDIT, sizeof(message), id),
                                     .uid = 1000,
                                     .pf = pf_state ? NET0 : (struct bdf){0},
                                     .pf_state = pf_state,
                                     .name = "office.xml"};

    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

/* Its answer: an error, or 0; 1: none has come. */
static int edited(struct world *world, uint64_t id)
{
    const struct tcb_edited *message = world_take(world, PROCESS_TCB, TCB_EDITED);

    if (message)
        assert_int_equal(message->header.id, id);
    return message ? message->error : 1;
}

static void an_edit_is_an_order(void **state)
{
    struct world *world = *state;

    all_well(world);
    world_forget_sent(world);
    edit(world, 77, PF_STATE_SAME); /* what became of it? */
    assert_int_equal(edited(world, 77), -ENOENT);
    edit(world, 77, PF_STATE_DISABLED);
    told(world, 1);
    assert_int_equal(world->control->entry->who.process, PROCESS_TCB);
    assert_int_equal(world->control->entry->who.uid, 1000);
    uint64_t transaction = apply(world, ACTION_PF_DISABLE, NET0, ACTION_SPARE_HOST);
    edit(world, 77, PF_STATE_SAME); /* on a new link */
    assert_int_equal(edited(world, 77), 1);
    applied(world, transaction, NET0, 0);
    assert_int_equal(edited(world, 77), 0);
    assert_null(world_take(world, PROCESS_COMMAND, CONTROL_RESULT));
    edit(world, 77, PF_STATE_SAME);
    assert_int_equal(edited(world, 77), 0);
    edit(world, 78, PF_STATE_DISABLED);
    assert_int_equal(edited(world, 78), 0); /* it is so already */
    no_apply(world);
    edit(world, 79, PF_STATE_ENABLED);
    applied(world, apply(world, ACTION_PF_BIND, NET0, 0), NET0, -EIO);
    assert_int_equal(edited(world, 79), -EIO);
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 1);
}

/* ---- idle power */

/* What SR-PCIM and the TCB are told of net0's card; nothing is done at once. */
static void told_power(struct world *world, uint32_t idle_power)
{
    const struct pcim_card *pcim;
    const struct tcb_card *tcb;
    size_t heard = 0;

    while ((pcim = world_take(world, PROCESS_SR_PCIM, PCIM_CARD)))
        if (pcim->card.bdf.value == NET0.value && ++heard)
            assert_int_equal(pcim->idle_power, idle_power);
    while ((tcb = world_take(world, PROCESS_TCB, TCB_CARD)))
        if (tcb->card.bdf.value == NET0.value && ++heard)
            assert_int_equal(tcb->idle_power, idle_power);
    assert_int_equal(heard, 2);
    no_apply(world);
}

/* Of one whose VF a guest has, too; it is remembered over boots of the host, as the state is. */
static void an_idle_pf_may_sleep_or_not(void **state)
{
    struct world *world = *state;

    run_web(world);
    world_forget_sent(world);
    done(world, order(world, DEVICE_ORDER_PF_IDLE_AUTO, NET0), "net0: may sleep");
    told_power(world, IDLE_POWER_AUTO);
    refused(world, order(world, DEVICE_ORDER_PF_IDLE_AUTO, NET0), 0, "idle-power auto already");
    assert_int_equal(world_restart(world, 2), 0);
    assert_int_equal(db_pf(world->control->db, NET0)->image.idle_power, IDLE_POWER_AUTO);
    assert_int_equal(db_pf(world->control->db, NET1)->image.idle_power, IDLE_POWER_ON);
    world_links_up(world);
    world_forget_sent(world);
    done(world, order(world, DEVICE_ORDER_PF_IDLE_ON, NET0), "net0: is kept awake");
    told_power(world, IDLE_POWER_ON);
    refused(world, order(world, DEVICE_ORDER_PF_IDLE_ON, NET0), 0, "idle-power on already");
}

static void idle_power_of_no_card_is_refused(void **state)
{
    struct world *world = *state;

    refused(world, order(world, DEVICE_ORDER_PF_IDLE_AUTO, (struct bdf){0xfff8}), -ENODEV,
            "of no card");
    no_apply(world);
}

static void an_edit_of_idle_power_is_an_order(void **state)
{
    struct world *world = *state;

    all_well(world);
    world_forget_sent(world);
    edit(world, 77, PF_STATE_IDLE_AUTO);
    assert_int_equal(edited(world, 77), 0);
    told_power(world, IDLE_POWER_AUTO);
    edit(world, 77, PF_STATE_SAME); /* what became of it? */
    assert_int_equal(edited(world, 77), 0);
    edit(world, 78, PF_STATE_IDLE_AUTO);
    assert_int_equal(edited(world, 78), 0); /* it is so already */
    disable(world);                         /* beside it */
    assert_int_equal(db_pf(world->control->db, NET0)->image.idle_power, IDLE_POWER_AUTO);
    edit(world, 79, PF_STATE_IDLE_ON);
    assert_int_equal(edited(world, 79), 0);
    assert_int_equal(db_pf(world->control->db, NET0)->image.idle_power, IDLE_POWER_ON);
    assert_int_equal(db_pf(world->control->db, NET0)->image.disabled, 1);
}

/* It has its VFs, and goes back to sleep: that is all that there is to wait for. */
static void one_that_sleeps_is_restarted(void **state)
{
    struct world *world = *state;

    all_well(world);
    world_readiness(world, NET0, PF_ASLEEP);
    uint64_t id = order(world, DEVICE_ORDER_PF_RESTART, NET0);
    uint64_t transaction = apply(world, ACTION_PF_RESTART, NET0, ACTION_SPARE_HOST);
    seen(world, NET0, "igb", 0);
    applied(world, transaction, NET0, 0);
    assert_null(answer(world, id));
    world_readiness(world, NET0, PF_VFS_MISSING);
    seen(world, NET0, "igb", 7);
    world_readiness(world, NET0, PF_ASLEEP);
    done(world, id, "net0: restarted");
}

static void an_edit_takes_no_vf_away(void **state)
{
    struct world *world = *state;

    run_web(world);
    edit(world, 77, PF_STATE_DISABLED);
    assert_int_equal(edited(world, 77), -EBUSY);
    no_apply(world);
}

static void an_edit_goes_on_when_control_dies(void **state)
{
    struct world *world = *state;

    all_well(world);
    edit(world, 77, PF_STATE_DISABLED);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    edit(world, 77, PF_STATE_SAME);
    assert_int_equal(edited(world, 77), 1);
    applied(world, apply(world, ACTION_PF_DISABLE, NET0, ACTION_SPARE_HOST), NET0, 0);
    assert_int_equal(edited(world, 77), 0);
}

/* ---- SR-PCIM (R-RST-1) */

static void idle_pfs_are_reset_with_sr_pcim(void **state)
{
    struct world *world = *state;
    const struct bdf none = {0};

    run_web(world);
    pcim_is(world, 100, PROCESS_UP);
    uint64_t id = order(world, DEVICE_ORDER_SR_PCIM_RESET, none);
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
    uint64_t first = apply(world, ACTION_PF_RESET, NET1, ACTION_SPARE_HOST);
    assert_int_equal(apply(world, ACTION_PF_RESET, DISK0, ACTION_SPARE_HOST), first);
    no_apply(world); /* web has a VF of net0 */
    refused(world, order(world, DEVICE_ORDER_SR_PCIM_RESET, none), -EBUSY, "sr-pcim-reset");
    seen(world, NET1, "igb", 0);
    applied(world, first, NET1, 0);
    applied(world, first, DISK0, -EBUSY); /* a file system of the host is on it */
    pcim_comes_back(world, 101);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, DISK0, PF_READY);
    world_readiness(world, NET1, PF_VFS_MISSING);
    assert_null(answer(world, id));
    seen(world, NET1, "igb", 7);
    world_readiness(world, NET1, PF_READY);
    done(world, id,
         "SR-PCIM: restarted; PFs reset: net1; left alone, VFs in use: net0; left alone, the host "
         "uses it: disk0");
    assert_int_equal(boot_rung(world), 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
    assert_int_equal(world_named(world, "web")->run.attach, ATTACH_DONE);
}

static void without_vfs_in_use_all_pfs_are(void **state)
{
    struct world *world = *state;
    const struct bdf none = {0}, pfs[] = {NET0, NET1, DISK0};

    all_well(world);
    pcim_is(world, 100, PROCESS_UP);
    uint64_t id = order(world, DEVICE_ORDER_SR_PCIM_RESET, none), transaction = 0;
    for (size_t i = 0; i < 3; i++)
        transaction = apply(world, ACTION_PF_RESET, pfs[i], ACTION_SPARE_HOST);
    pcim_comes_back(world, 101);
    all_well(world);
    assert_null(answer(world, id));
    for (size_t i = 0; i < 3; i++)
        applied(world, transaction, pfs[i], 0);
    done(world, id, "PFs reset: net0, net1, disk0");
}

static void the_same_sr_pcim_is_not_a_new_one(void **state)
{
    struct world *world = *state;
    const struct bdf none = {0};

    pcim_is(world, 100, PROCESS_UP);
    uint64_t id = order(world, DEVICE_ORDER_SR_PCIM_RESET, none); /* no PF is there */
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
    world_readiness(world, NET0, PF_ABSENT);
    world_readiness(world, NET1, PF_ABSENT);
    world_readiness(world, DISK0, PF_ABSENT);
    pcim_is(world, 100, PROCESS_UP);
    assert_null(answer(world, id));
    world_wait(world, 60 * SECOND);
    refused(world, id, -ETIMEDOUT, "not restarted yet");
}

/* Boot may have heard of it or not; it is told once. */
static void the_order_outlives_control(void **state)
{
    struct world *world = *state;
    const struct bdf none = {0};

    pcim_is(world, 100, PROCESS_UP);
    uint64_t id = order(world, DEVICE_ORDER_SR_PCIM_RESET, none);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    assert_int_equal(boot_rung(world), 0);
    pcim_is(world, 100, PROCESS_UP);
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
    pcim_is(world, 100, PROCESS_UP);
    assert_int_equal(boot_rung(world), 0);
    pcim_comes_back(world, 101);
    world_readiness(world, NET0, PF_ABSENT);
    world_readiness(world, NET1, PF_ABSENT);
    world_readiness(world, DISK0, PF_ABSENT);
    done(world, id, "SR-PCIM: restarted; all over");
}

/* ---- who else */

static void a_crash_touches_nothing(void **state)
{
    struct world *world = *state;

    all_well(world);
    pcim_is(world, 100, PROCESS_UP);
    pcim_comes_back(world, 101);
    all_well(world);
    no_apply(world);
}

static void one_that_hangs_is_reset_like_by_order(void **state)
{
    struct world *world = *state;

    run_web(world);
    orders_pcim_hung(world->control);
    world_settle(world);
    uint64_t transaction = apply(world, ACTION_PF_RESET, NET1, ACTION_SPARE_HOST);
    apply(world, ACTION_PF_RESET, DISK0, ACTION_SPARE_HOST);
    no_apply(world);
    applied(world, transaction, NET1, 0);
    applied(world, transaction, DISK0, -EBUSY);
    assert_null(db_action(world->control->db, NET1, ACTION_WHOLE_PF));
    assert_null(db_action(world->control->db, DISK0, ACTION_WHOLE_PF));
}

static void rung_3_resets_what_nobody_has(void **state)
{
    struct world *world = *state;
    struct partition_config db = world_partition("db", 1, "net1", 0, NULL);

    run_web(world);
    assert_int_equal(world_define(world, &db), 0);
    assert_int_equal(world_start(world, "db"), 0);
    world_monitor(world, "db", OWN_STATES, true);
    world_readiness(world, NET1, PF_LINK_DOWN);
    world_forget_sent(world);
    world_wait(world, 3 * SECOND); /* rungs 1 and 2 */
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
    no_apply(world);
    world_wait(world, 3 * SECOND);
    assert_int_equal(boot_rung(world), RUNG_RESTART_ISP);
    apply(world, ACTION_PF_RESET, NET1, ACTION_SPARE_HOST);
    apply(world, ACTION_PF_RESET, DISK0, ACTION_SPARE_HOST);
    no_apply(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answered_when_the_pf_is_ready_again),
        TEST(one_that_is_lost_is_answered_in_time),
        TEST(what_the_tcb_refuses_is_said),
        TEST(users_are_named_and_nothing_is_done),
        TEST(wrong_pfs_are_refused),
        TEST(force_is_for_root),
        TEST(asked_again_waits_for_the_same_end),
        TEST(a_failure_is_answered_alike),
        TEST(one_at_a_time),
        TEST(no_vf_is_handed_out_on_the_way),
        TEST(a_pf_is_disabled_and_enabled),
        TEST(one_in_use_is_not_disabled),
        TEST(what_fails_is_as_it_was),
        TEST(who_needs_it_waits_for_a_person),
        TEST(it_outlives_control_and_a_boot_of_the_host),
        TEST(an_edit_is_an_order),
        TEST(an_idle_pf_may_sleep_or_not),
        TEST(idle_power_of_no_card_is_refused),
        TEST(an_edit_of_idle_power_is_an_order),
        TEST(one_that_sleeps_is_restarted),
        TEST(an_edit_takes_no_vf_away),
        TEST(an_edit_goes_on_when_control_dies),
        TEST(idle_pfs_are_reset_with_sr_pcim),
        TEST(without_vfs_in_use_all_pfs_are),
        TEST(the_same_sr_pcim_is_not_a_new_one),
        TEST(the_order_outlives_control),
        TEST(a_crash_touches_nothing),
        TEST(one_that_hangs_is_reset_like_by_order),
        TEST(rung_3_resets_what_nobody_has),
    };
    return cmocka_run_group_tests_name("control-orders", tests, NULL, NULL);
}
