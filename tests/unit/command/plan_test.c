/* SPDX-License-Identifier: Apache-2.0 */
/* What a proposal would change, by which way, what a guest loses for it, and why not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config_check.h"
#include "config/proposal.h"
#include "plan_report.h"

#define MIB (UINT64_C(1) << 20)
#define MS  UINT64_C(1000000)

static struct {
    struct snapshot head;
    struct snapshot_partition partitions[4];
    struct snapshot_pcpu pcpus[6];
    struct snapshot_memory memory[2];
    struct snapshot_pf pfs[2];
    struct snapshot_vf vfs[8];
    struct snapshot_view view;
} host;

static struct proposal proposal;
static struct plan plan;

static const struct bdf net0 = {0x0100}, net1 = {0x0200};

static struct partition_vf vf(const char *card, uint32_t index)
{
    struct partition_vf vf = {.index = index};

    strcpy(vf.card, card);
    return vf;
}

/* A definition with one VF of net0. */
static struct partition_config definition(const char *name, uint32_t index)
{
    struct partition_config config = {.vcpus = 1,
                                      .memory_mib = 512,
                                      .monitor = "native",
                                      .kernel = "/boot/vmlinuz",
                                      .vfs_count = 1,
                                      .vfs = {vf("net0", index)}};

    strcpy(config.name, name);
    return config;
}

static void add_pf(uint32_t number, const char *card, struct bdf bdf)
{
    struct snapshot_pf *pf = &host.pfs[number];

    pf->observed.bdf = bdf;
    pf->observed.numvfs = 4;
    pf->observed.sriov.offset = 0x160;
    pf->observed.sriov.total_vfs = 7;
    pf->readiness = PF_READY;
    strcpy(pf->card, card);
    for (uint32_t i = 0; i < 4; i++) {
        struct snapshot_vf *vf = &host.vfs[4 * number + i];
        vf->observed.pf = bdf;
        vf->observed.index = i;
        vf->owner.kind = OWNER_INTERCONNECT;
    }
}

static struct card_config card(const char *name, struct bdf bdf, uint32_t vfs)
{
    struct card_config card = {.bdf = bdf, .vfs = vfs, .driver = "igb"};

    strcpy(card.name, name);
    return card;
}

/* Partition 1 web runs with net0/1, for which it took 2,345 ms; db, number 2, is stopped. */
static int setup(void **state)
{
    (void)state;
    memset(&host, 0, sizeof(host));
    memset(&plan, 0, sizeof(plan));
    memset(&proposal, 0, sizeof(proposal));
    host_config_defaults(&host.head.host);
    host.head.host.reserved_memory_mib = 256;
    host.head.host.cards_count = 2;
    host.head.host.cards[0] = card("net0", net0, 4);
    host.head.host.cards[1] = card("net1", net1, 4);
    host.head.pcpus_count = 6;
    for (uint32_t i = 0; i < 6; i++)
        host.pcpus[i] = (struct snapshot_pcpu){i, 0, {i ? OWNER_IDLE : OWNER_BOOT, {0}}};
    host.head.memory_count = 2;
    host.memory[0] = (struct snapshot_memory){.bytes = 256 * MIB, .owner.kind = OWNER_BOOT};
    host.memory[1] = (struct snapshot_memory){.offset = 256 * MIB, .bytes = 1792 * MIB};
    host.head.pfs_count = 2;
    host.head.vfs_count = 8;
    add_pf(0, "net0", net0);
    add_pf(1, "net1", net1);
    host.head.partitions_count = 2;
    host.partitions[0] = (struct snapshot_partition){.id = {1},
                                                     .phase = PHASE_RUNNING,
                                                     .states = STATE_BIT(PARTITION_STATES) - 1,
                                                     .config = definition("web", 1)};
    host.partitions[0].times[STATE_ACTIVE].boottime_ns = 1000 * MS;
    host.partitions[0].times[STATE_CHANNELS_OPERATING].boottime_ns = 3344 * MS + 1;
    host.vfs[1].owner = (struct owner){OWNER_GUEST, {1}};
    host.vfs[1].observed.open = 1;
    host.pcpus[1].owner = (struct owner){OWNER_GUEST, {1}};
    host.partitions[1] = (struct snapshot_partition){.id = {2}, .config = definition("db", 2)};
    host.view = (struct snapshot_view){.head = &host.head,
                                       .partitions = host.partitions,
                                       .pcpus = host.pcpus,
                                       .memory = host.memory,
                                       .pfs = host.pfs,
                                       .vfs = host.vfs};
    proposal.magic = PROPOSAL_MAGIC;
    proposal.version = PROPOSAL_VERSION;
    plan.view = &host.view;
    plan.proposal = &proposal;
    return 0;
}

static struct partition_config *propose(struct partition_config config)
{
    proposal.partitions[proposal.partitions_count] = config;
    return &proposal.partitions[proposal.partitions_count++];
}

static struct host_config *propose_host(void)
{
    proposal.host_given = 1;
    proposal.host = host.head.host;
    return &proposal.host;
}

static void makes(size_t count)
{
    char reason[PARCLOSE_REASON_MAX];

    assert_int_equal(proposal_check(&proposal, reason), 0);
    plan_make(&plan);
    if (plan.count != count) {
        json_t *report = plan_report(&plan);
        json_dumpf(report, stderr, JSON_INDENT(2));
        json_decref(report);
    }
    assert_int_equal(plan.count, count);
}

static void is(size_t number, enum plan_object object, enum plan_change change, enum plan_way way)
{
    assert_true(number < plan.count);
    assert_int_equal(plan.items[number].object, object);
    assert_int_equal(plan.items[number].change, change);
    assert_int_equal(plan.items[number].way, way);
}

static void is_refused(size_t number, const char *reason)
{
    assert_int_equal(plan.items[number].way, PLAN_REFUSED);
    if (!strstr(plan.items[number].reason, reason))
        fail_msg("expected \"%s\" in: %s", reason, plan.items[number].reason);
    assert_true(plan_refused(&plan));
}

static void says(size_t number, const char *text)
{
    if (!strstr(plan.items[number].text, text))
        fail_msg("expected \"%s\" in: %s", text, plan.items[number].text);
}

static void nothing_when_all_is_in_force(void **state)
{
    (void)state;
    propose(definition("web", 1));
    propose(definition("db", 2));
    propose_host();
    makes(0);
    assert_false(plan_refused(&plan));
}

static void a_new_partition_is_defined_at_once(void **state)
{
    (void)state;
    propose(definition("new", 3));
    makes(1);
    is(0, PLAN_PARTITION, PLAN_ADD, PLAN_AT_ONCE);
    says(0, "1 vCPUs, 512 MiB, VF net0/3");
}

static void a_stopped_one_changes_at_once(void **state)
{
    (void)state;
    propose(definition("db", 1))->memory_mib = 1024;
    makes(3);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_AT_ONCE);
    says(0, "memory-mib 512 -> 1024");
    says(0, "it cannot start while partition web has VF net0/1");
    is(1, PLAN_VF, PLAN_REMOVE, PLAN_AT_ONCE);
    assert_int_equal(plan.items[1].index, 2);
    is(2, PLAN_VF, PLAN_ADD, PLAN_AT_ONCE);
    assert_false(plan.items[1].outage.for_good);
}

static void vfs_of_one_that_runs_come_and_go(void **state)
{
    (void)state;
    propose(definition("web", 3));
    makes(3);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_HOT_PLUG);
    assert_false(plan.items[0].outage.restart);
    is(1, PLAN_VF, PLAN_REMOVE, PLAN_HOT_PLUG);
    assert_true(plan.items[1].outage.for_good);
    assert_int_equal(plan.items[1].outage.stop_max_ms, 30000);
    is(2, PLAN_VF, PLAN_ADD, PLAN_HOT_PLUG);
    assert_string_equal(plan.items[2].text, "");
}

static void outages_of_one_that_runs_change_at_once(void **state)
{
    struct partition_config config = definition("web", 1);

    (void)state;
    config.on_outage = OUTAGE_FREEZE;
    propose(config);
    makes(1);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_AT_ONCE);
    says(0, "on-outage continue -> freeze");
    assert_false(plan.items[0].outage.restart);
}

static void a_standby_is_said_as_one(void **state)
{
    struct partition_config config = definition("web", 1);

    (void)state;
    config.vfs[1] = config.vfs[0];
    strcpy(config.vfs[1].card, "net1");
    config.vfs_count = 2;
    config.standby_of[1] = 1;
    propose(config);
    makes(2);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_HOT_PLUG);
    is(1, PLAN_VF, PLAN_ADD, PLAN_HOT_PLUG);
    says(1, "stand-by of none -> net0/1");
    host.partitions[0].config = config;
    host.vfs[5].owner = host.vfs[1].owner;
    proposal.partitions[0].standby_of[1] = 0; /* it is to come to the guest, too */
    makes(2);
    is(1, PLAN_VF, PLAN_CHANGE, PLAN_HOT_PLUG);
    says(1, "stand-by of net0/1 -> none");
    proposal.partitions[0] = definition("web", 1);
    makes(2);
    is(1, PLAN_VF, PLAN_REMOVE, PLAN_HOT_PLUG);
    assert_false(plan.items[1].outage.for_good); /* its guest did not have it */
    host.partitions[0].standbys = 1;
    makes(2);
    assert_true(plan.items[1].outage.for_good);
}

static void vfs_of_one_that_is_frozen_come_and_go(void **state)
{
    (void)state;
    host.partitions[0].phase = PHASE_FROZEN;
    propose(definition("web", 3));
    makes(3);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_HOT_PLUG);
    host.partitions[0].states = STATES_BEFORE_GATE; /* before the gate */
    plan_make(&plan);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_REFUSED);
}

static void a_vf_waits_for_its_pf(void **state)
{
    (void)state;
    host.pfs[0].readiness = PF_LINK_DOWN;
    strcpy(host.pfs[0].reason, "its interface is down");
    propose(definition("web", 3));
    makes(3);
    says(2, "comes when its PF is ready (link-down: its interface is down)");
    assert_false(plan_refused(&plan));
}

static void a_vf_that_another_has(void **state)
{
    (void)state;
    host.vfs[3].owner = (struct owner){OWNER_GUEST, {2}};
    host.partitions[1].phase = PHASE_RUNNING;
    propose(definition("web", 3));
    makes(3);
    is_refused(2, "partition db has it");
}

static void a_vf_that_two_are_to_have(void **state)
{
    (void)state;
    host.partitions[1] = host.partitions[0];
    host.partitions[1].id.value = 2;
    host.partitions[1].config = definition("db", 2);
    host.vfs[2].owner = (struct owner){OWNER_GUEST, {2}};
    propose(definition("web", 3));
    propose(definition("db", 3));
    makes(6);
    is(2, PLAN_VF, PLAN_ADD, PLAN_HOT_PLUG);
    is_refused(5, "another partition of this proposal");
}

static void one_that_waits_takes_no_vf(void **state)
{
    (void)state;
    host.partitions[0].phase = PHASE_WAITING;
    propose(definition("web", 3));
    makes(3);
    is_refused(0, "it is waiting");
}

static void another_cmdline_waits_for_the_next_start(void **state)
{
    (void)state;
    strcpy(propose(definition("web", 1))->cmdline, "quiet");
    makes(1);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_NEXT_START);
    says(0, "cmdline none -> quiet");
    assert_true(plan.items[0].outage.restart);
    assert_int_equal(plan.items[0].outage.start_ms, 2345);
    assert_int_equal(plan.items[0].outage.stop_max_ms, 35000);
    assert_int_equal(plan.items[0].outage.gate_max_ms, 0);
    plan.restart = true;
    makes(1);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_RESTART);
}

/* Never a guess: a start that was not measured has no time, a PF that is not ready the gate's. */
static void times_are_those_that_are_known(void **state)
{
    const uint32_t *wait = host.head.host.gate.wait_ms;

    (void)state;
    host.partitions[0].times[STATE_CHANNELS_OPERATING].boottime_ns = 0;
    host.pfs[0].readiness = PF_DRIVER_UNBOUND;
    propose(definition("web", 1))->memory_mib = 1024;
    makes(1);
    assert_int_equal(plan.items[0].outage.start_ms, 0);
    assert_int_equal(plan.items[0].outage.gate_max_ms, wait[0] + wait[1] + wait[2] + wait[3]);
    json_t *report = plan_report(&plan);
    const json_t *outage =
        json_object_get(json_array_get(json_object_get(report, "items"), 0), "outage");
    assert_true(json_is_null(json_object_get(outage, "start_ms")));
    assert_int_equal(json_array_size(json_object_get(outage, "vfs")), 1);
    json_decref(report);
}

static void attributes_of_a_vf_that_stays(void **state)
{
    struct partition_config *web = propose(definition("web", 1));

    (void)state;
    web->vfs[0].attributes = (struct vf_attributes){.present = VF_ATTR_VLAN, .vlan = 7};
    makes(2);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_NEXT_START);
    assert_non_null(strstr(plan.items[0].reason, "devices.xml"));
    is(1, PLAN_VF, PLAN_CHANGE, PLAN_NEXT_START);
    says(1, "vlan 0 -> 7");
}

static void qemu_takes_no_vf_while_it_runs(void **state)
{
    (void)state;
    strcpy(host.partitions[0].config.monitor, "qemu");
    strcpy(propose(definition("web", 3))->monitor, "qemu");
    makes(3);
    is(0, PLAN_PARTITION, PLAN_CHANGE, PLAN_NEXT_START);
    is(2, PLAN_VF, PLAN_ADD, PLAN_NEXT_START);
}

static void what_the_host_has_not(void **state)
{
    (void)state;
    propose(definition("db", 2))->memory_mib = 2046;
    propose(definition("web", 1))->vcpus = 6;
    propose(definition("new", 9));
    propose(definition("other", 1))->vfs[0] = vf("net9", 0);
    makes(4);
    is_refused(0, "memory-mib is 2046: this host has 2048 MiB, 256 of them reserved");
    is_refused(1, "vcpus is 6: this host has 6 pCPUs, 1 of them reserved or shared");
    is_refused(2, "net0");
    is_refused(3, "net9");
}

static void a_card_in_use_stays(void **state)
{
    struct host_config *new = propose_host();

    (void)state;
    new->cards_count = 1;
    new->cards[0] = new->cards[1];
    new->cards[1] = (struct card_config){.vfs = 0};
    makes(3);
    is_refused(0, "VF 1 is in use by partition web: the card is to go");
    is_refused(1, "its definition would be none"); /* db's, which is not in the proposal */
    is_refused(2, "its definition would be none");
}

static void an_idle_card_goes_and_a_new_one_comes(void **state)
{
    struct host_config *new = propose_host();

    (void)state;
    new->cards[1] = card("net2", (struct bdf){0x0300}, 2);
    makes(2);
    is(0, PLAN_CARD, PLAN_REMOVE, PLAN_AT_ONCE);
    is(1, PLAN_CARD, PLAN_ADD, PLAN_AT_ONCE);
    says(1, "igb at 0000:03:00.0, 2 VFs");
}

static void more_vfs_than_there_are(void **state)
{
    struct host_config *new = propose_host();

    (void)state;
    new->cards[0].vfs = 6;
    new->cards[1].vfs = 6;
    makes(2);
    is_refused(0, "for more VFs all of them are made anew");
    is(1, PLAN_CARD, PLAN_CHANGE, PLAN_AT_ONCE);
    says(1, "vfs 4 -> 6, its 4 VFs are made anew");
    new->cards[1].vfs = 8;
    makes(2);
    is_refused(1, "it has at most 7 VFs");
}

static void fewer_vfs(void **state)
{
    struct host_config *new = propose_host();

    (void)state;
    new->cards[0].vfs = 3; /* db's net0/2 and web's net0/1 stay */
    makes(1);
    is(0, PLAN_CARD, PLAN_CHANGE, PLAN_AT_ONCE);
    new->cards[0].vfs = 1;
    makes(3);
    is_refused(0, "VF 1 is in use by partition web");
}

static void settings_are_changed_at_once(void **state)
{
    struct host_config *new = propose_host();

    (void)state;
    new->watchdog_ms = 5000;
    new->gate.wait_ms[0] = 1234;
    makes(1);
    is(0, PLAN_HOST, PLAN_CHANGE, PLAN_AT_ONCE);
    says(0, "watchdog timeout-ms");
    says(0, "rung 1 after-ms");
    says(0, "-> 1234");
}

static void what_a_guest_has_is_not_reserved(void **state)
{
    struct host_config *new = propose_host();

    (void)state;
    new->reserved_pcpus = 2;
    makes(1);
    is_refused(0, "pCPU 1 is to be reserved, but partition web has it");
    new->reserved_pcpus = 1;
    new->reserved_memory_mib = 512;
    host.memory[1].owner = (struct owner){OWNER_GUEST, {1}};
    makes(1);
    is_refused(0, "512 MiB of node 0 are to be reserved, but a partition has some");
    host.memory[1].owner = (struct owner){OWNER_AVAILABLE, {0}};
    makes(1);
    is(0, PLAN_HOST, PLAN_CHANGE, PLAN_AT_ONCE);
}

static void edits_of_devices_xml(void **state)
{
    (void)state;
    proposal.edits_count = 3;
    for (uint32_t i = 0; i < 3; i++)
        proposal.edits[i] = (struct vf_edit){
            .pf = net0, .index = i + 1, .after = {.present = VF_ATTR_VLAN, .vlan = 9}};
    proposal.edits[2].index = 3;
    makes(3);
    is(0, PLAN_VF, PLAN_CHANGE, PLAN_AT_ONCE);
    assert_string_equal(plan.items[0].partition, "web");
    assert_string_equal(plan.items[0].card, "net0");
    says(0, "vlan 0 -> 9");
    is_refused(1, "no partition has it");
    proposal.edits_count = 1;
    proposal.edits[0].after =
        (struct vf_attributes){.present = VF_ATTR_MAC, .mac = {2, 0, 0, 0, 0, 1}};
    makes(1);
    is_refused(0, "it is in use");
}

/* One way to a new definition at a time. */
static void an_edit_of_one_that_is_redefined(void **state)
{
    (void)state;
    propose(definition("web", 1))->autostart = 1;
    proposal.edits_count = 1;
    proposal.edits[0] =
        (struct vf_edit){.pf = net0, .index = 1, .after = {.present = VF_ATTR_VLAN, .vlan = 9}};
    makes(2);
    is_refused(1, "one after the other");
}

/* Its PF must be managed before a guest that runs can have it. */
static void a_vf_that_the_host_is_to_have(void **state)
{
    (void)state;
    propose_host()->cards[0].vfs = 6;
    struct partition_config *web = propose(definition("web", 1));
    web->vfs[web->vfs_count++] = vf("net0", 5);
    makes(3);
    is_refused(2, "apply host.xml first");
    host.partitions[0].phase = PHASE_DEFINED;
    host.vfs[1].owner = (struct owner){OWNER_INTERCONNECT, {0}};
    host.pfs[0].observed.numvfs = 0;
    makes(3);
    assert_false(plan_refused(&plan));
}

static void the_digest_is_of_what_it_does(void **state)
{
    (void)state;
    strcpy(propose(definition("web", 1))->cmdline, "quiet");
    makes(1);
    uint64_t digest = plan_digest(&plan);
    host.partitions[0].times[STATE_CHANNELS_OPERATING].boottime_ns += 5000 * MS;
    makes(1);
    assert_true(plan_digest(&plan) == digest); /* a time is no change */
    host.partitions[0].phase = PHASE_DEFINED;
    makes(1);
    assert_true(plan_digest(&plan) != digest); /* another way is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_when_all_is_in_force, setup),
        cmocka_unit_test_setup(a_new_partition_is_defined_at_once, setup),
        cmocka_unit_test_setup(a_stopped_one_changes_at_once, setup),
        cmocka_unit_test_setup(vfs_of_one_that_runs_come_and_go, setup),
        cmocka_unit_test_setup(outages_of_one_that_runs_change_at_once, setup),
        cmocka_unit_test_setup(vfs_of_one_that_is_frozen_come_and_go, setup),
        cmocka_unit_test_setup(a_standby_is_said_as_one, setup),
        cmocka_unit_test_setup(a_vf_waits_for_its_pf, setup),
        cmocka_unit_test_setup(a_vf_that_another_has, setup),
        cmocka_unit_test_setup(a_vf_that_two_are_to_have, setup),
        cmocka_unit_test_setup(one_that_waits_takes_no_vf, setup),
        cmocka_unit_test_setup(another_cmdline_waits_for_the_next_start, setup),
        cmocka_unit_test_setup(times_are_those_that_are_known, setup),
        cmocka_unit_test_setup(attributes_of_a_vf_that_stays, setup),
        cmocka_unit_test_setup(qemu_takes_no_vf_while_it_runs, setup),
        cmocka_unit_test_setup(what_the_host_has_not, setup),
        cmocka_unit_test_setup(a_card_in_use_stays, setup),
        cmocka_unit_test_setup(an_idle_card_goes_and_a_new_one_comes, setup),
        cmocka_unit_test_setup(more_vfs_than_there_are, setup),
        cmocka_unit_test_setup(fewer_vfs, setup),
        cmocka_unit_test_setup(settings_are_changed_at_once, setup),
        cmocka_unit_test_setup(what_a_guest_has_is_not_reserved, setup),
        cmocka_unit_test_setup(edits_of_devices_xml, setup),
        cmocka_unit_test_setup(an_edit_of_one_that_is_redefined, setup),
        cmocka_unit_test_setup(a_vf_that_the_host_is_to_have, setup),
        cmocka_unit_test_setup(the_digest_is_of_what_it_does, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
