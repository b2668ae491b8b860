/* SPDX-License-Identifier: Apache-2.0 */
/* Which resources policy picks: nodes near, tight fit, what is missing said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/select.h"

#define MIB (UINT64_C(1) << 20)

struct host {
    struct snapshot head;
    struct snapshot_partition partitions[2];
    struct snapshot_pcpu pcpus[8];
    struct snapshot_memory memory[4];
    struct snapshot_pf pfs[2];
    struct snapshot_vf vfs[1];
    struct snapshot_view view;
};

/* Node 0: pCPUs 0 to 3, of which the host keeps 0; 8 GiB. Node 1: pCPUs 4 and 5; 1 GiB. */
static int setup(void **state)
{
    static struct host host;

    memset(&host, 0, sizeof(host));
    host.head.generation = 9;
    host.head.pcpus_count = 6;
    for (uint32_t i = 0; i < 6; i++)
        host.pcpus[i] = (struct snapshot_pcpu){i, i / 4, {i ? OWNER_IDLE : OWNER_BOOT, {0}}};
    host.head.memory_count = 2;
    host.memory[0] = (struct snapshot_memory){.node = 0, .bytes = 8192 * MIB};
    host.memory[1] = (struct snapshot_memory){.node = 1, .bytes = 1024 * MIB};
    host.view = (struct snapshot_view){.head = &host.head,
                                       .partitions = host.partitions,
                                       .pcpus = host.pcpus,
                                       .memory = host.memory,
                                       .pfs = host.pfs,
                                       .vfs = host.vfs};
    *state = &host;
    return 0;
}

static struct partition_config wants(uint32_t vcpus, uint32_t memory_mib)
{
    return (struct partition_config){.name = "db", .vcpus = vcpus, .memory_mib = memory_mib};
}

static void takes_the_tightest_whole_node(void **state)
{
    struct host *host = *state;
    const struct partition_config db = wants(2, 512);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    assert_int_equal(policy_select(&host->view, &db, &selection, reason), 0);
    assert_int_equal(selection.generation, 9);
    assert_int_equal(selection.memory_node, 1);
    assert_int_equal(selection.pcpus_count, 2);
    assert_int_equal(selection.pcpus[0], 4);
    assert_int_equal(selection.pcpus[1], 5);
}

static void memory_decides_the_node(void **state)
{
    struct host *host = *state;
    const struct partition_config db = wants(2, 2048);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    assert_int_equal(policy_select(&host->view, &db, &selection, reason), 0);
    assert_int_equal(selection.memory_node, 0);
    assert_int_equal(selection.pcpus[0], 1);
}

static void borrows_pcpus_of_the_other_node(void **state)
{
    struct host *host = *state;
    const struct partition_config db = wants(5, 512);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    assert_int_equal(policy_select(&host->view, &db, &selection, reason), 0);
    assert_int_equal(selection.memory_node, 0);
    assert_int_equal(selection.pcpus_count, 5);
    assert_int_equal(selection.pcpus[2], 3);
    assert_int_equal(selection.pcpus[3], 4);
}

static void says_how_many_pcpus_are_idle(void **state)
{
    struct host *host = *state;
    const struct partition_config db = wants(6, 512);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    assert_int_equal(policy_select(&host->view, &db, &selection, reason), -ENOSPC);
    assert_string_equal(reason, "needs 6 pCPUs: 5 are idle");
}

static void shared_pcpus_are_not_selected(void **state)
{
    struct host *host = *state;
    struct partition_config db = wants(6, 512);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    db.weight = 100;
    assert_int_equal(policy_select(&host->view, &db, &selection, reason), 0);
    assert_int_equal(selection.pcpus_count, 0);
}

static void says_how_much_memory_is_free(void **state)
{
    struct host *host = *state;
    const struct partition_config db = wants(1, 9000);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    host->memory[0].owner.kind = OWNER_BOOT;
    assert_int_equal(policy_select(&host->view, &db, &selection, reason), -ENOSPC);
    assert_string_equal(reason, "needs 9000 MiB of memory on one NUMA node: at most 1024 MiB are "
                                "free on one");
}

static void counts_all_extents_of_a_node(void **state)
{
    struct host *host = *state;
    const struct partition_config db = wants(1, 1500);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    host->memory[0] = (struct snapshot_memory){.node = 1, .bytes = 512 * MIB};
    assert_int_equal(policy_select(&host->view, &db, &selection, reason), 0);
    assert_int_equal(selection.memory_node, 1);
}

static void refuses_a_vf_of_another_partition(void **state)
{
    struct host *host = *state;
    struct partition_config db = wants(1, 128);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    db.vfs_count = 1;
    strcpy(db.vfs[0].card, "net0");
    host->head.partitions_count = 1;
    host->partitions[0].id.value = 3;
    strcpy(host->partitions[0].config.name, "web");
    host->head.pfs_count = 1;
    strcpy(host->pfs[0].card, "net0");
    host->pfs[0].observed.bdf.value = 0x100;
    host->head.vfs_count = 1;
    host->vfs[0].observed.pf.value = 0x100;
    host->vfs[0].owner = (struct owner){OWNER_GUEST, {3}};
    assert_int_equal(policy_select(&host->view, &db, &selection, reason), -EBUSY);
    assert_string_equal(reason, "VF 0 of card net0 belongs to partition web");
    host->vfs[0].owner = (struct owner){OWNER_INTERCONNECT, {0}};
    assert_int_equal(policy_select(&host->view, &db, &selection, reason), 0);
}

/* Two cards, net0 and disk0, and a partition with a VF of each, and a second one of net0. */
static struct partition_config wants_vfs(struct host *host, uint32_t net0_node, uint32_t disk0_node)
{
    static const char *const cards[] = {"net0", "net0", "disk0"};
    struct partition_config db = wants(2, 512);

    host->head.pfs_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        strcpy(host->pfs[i].card, cards[i + 1]);
        host->pfs[i].observed.bdf.value = 0x100 << i;
        host->pfs[i].observed.status = FUNCTION_ACTIVE;
        host->pfs[i].observed.node = i ? disk0_node : net0_node;
    }
    db.vfs_count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        strcpy(db.vfs[i].card, cards[i]);
        db.vfs[i].index = i;
    }
    return db;
}

static uint32_t node_for(const struct host *host, const struct partition_config *db)
{
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    assert_int_equal(policy_select(&host->view, db, &selection, reason), 0);
    return selection.memory_node;
}

static void goes_where_most_of_its_vfs_are(void **state)
{
    struct host *host = *state;
    struct partition_config db = wants_vfs(host, 0, 1);

    assert_int_equal(node_for(host, &db), 0); /* two of three; without VFs it is node 1 */
    db = wants_vfs(host, 1, 0);
    assert_int_equal(node_for(host, &db), 1);
    db = wants_vfs(host, 0, 1);
    db.vfs_count = 0;
    assert_int_equal(node_for(host, &db), 1);
}

static void processors_and_memory_come_before_vfs(void **state)
{
    struct host *host = *state;
    struct partition_config db = wants_vfs(host, 1, 1);

    assert_int_equal(node_for(host, &db), 1);
    db.vcpus = 3; /* node 1 has two */
    assert_int_equal(node_for(host, &db), 0);
    db.vcpus = 5; /* no node has five: node 0 has most */
    assert_int_equal(node_for(host, &db), 0);
    host->pcpus[3].owner.kind = OWNER_BOOT; /* now two each */
    db.vcpus = 4;
    assert_int_equal(node_for(host, &db), 1);
    db.memory_mib = 2048;
    assert_int_equal(node_for(host, &db), 0);
}

static void a_pf_without_a_known_node_counts_nowhere(void **state)
{
    struct host *host = *state;
    struct partition_config db = wants_vfs(host, UINT32_MAX, PARCLOSE_MAX_NODES);

    assert_int_equal(node_for(host, &db), 1); /* the tightest */
    db = wants_vfs(host, 0, 0);
    host->pfs[0].observed.status = host->pfs[1].observed.status = FUNCTION_ABSENT;
    assert_int_equal(node_for(host, &db), 1);
    host->head.pfs_count = 0; /* no such card yet */
    assert_int_equal(node_for(host, &db), 1);
}

static void ignores_nodes_out_of_range(void **state)
{
    struct host *host = *state;
    const struct partition_config db = wants(6, 128);
    struct selection selection;
    char reason[PARCLOSE_REASON_MAX];

    host->pcpus[5].node = PARCLOSE_MAX_NODES;
    host->memory[1].node = UINT32_MAX;
    assert_int_equal(policy_select(&host->view, &db, &selection, reason), -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(takes_the_tightest_whole_node, setup),
        cmocka_unit_test_setup(memory_decides_the_node, setup),
        cmocka_unit_test_setup(borrows_pcpus_of_the_other_node, setup),
        cmocka_unit_test_setup(says_how_many_pcpus_are_idle, setup),
        cmocka_unit_test_setup(shared_pcpus_are_not_selected, setup),
        cmocka_unit_test_setup(says_how_much_memory_is_free, setup),
        cmocka_unit_test_setup(counts_all_extents_of_a_node, setup),
        cmocka_unit_test_setup(refuses_a_vf_of_another_partition, setup),
        cmocka_unit_test_setup(goes_where_most_of_its_vfs_are, setup),
        cmocka_unit_test_setup(processors_and_memory_come_before_vfs, setup),
        cmocka_unit_test_setup(a_pf_without_a_known_node_counts_nowhere, setup),
        cmocka_unit_test_setup(ignores_nodes_out_of_range, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
