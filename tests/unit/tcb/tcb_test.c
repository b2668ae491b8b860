/* SPDX-License-Identifier: Apache-2.0 */
/* The TCB towards its peers: what it observes and says, what it writes, and what it refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage.h"
#include "tree.h"

#define VFS 2

static void name_card(struct stage *stage)
{
    struct tcb_card card = {.header = frame_header(TCB_CARD, sizeof(card), 0),
                            .card = {.name = "net0", .bdf = TREE_PF, .vfs = VFS, .driver = "igb"}};
    stage_say(stage, PROCESS_CONTROL, &card);
}

static void assign(struct stage *stage, uint32_t index, uint32_t partition)
{
    struct tcb_assign message = {
        .header = frame_header(TCB_ASSIGN, sizeof(message), 0),
        .pf = TREE_PF,
        .index = index,
        .owner = {.kind = partition ? OWNER_GUEST : OWNER_INTERCONNECT, .partition = {partition}}};
    stage_say(stage, PROCESS_CONTROL, &message);
}

static void sync_control(struct stage *stage)
{
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};
    stage_say(stage, PROCESS_CONTROL, &sync);
}

static void sync_lead(struct stage *stage)
{
    const struct vfio_sync sync = {.header = frame_header(VFIO_SYNC, sizeof(sync), 0)};
    stage_say(stage, PROCESS_LEAD, &sync);
}

static struct vfio_open vfio(uint16_t type, uint32_t partition, uint32_t vf)
{
    return (struct vfio_open){.header = frame_header(type, sizeof(struct vfio_open), 5),
                              .partition = {partition},
                              .vfs_count = 1,
                              .vfs = {tree_vf(vf)}};
}

static void apply(struct stage *stage, uint64_t id, uint32_t action, uint32_t index)
{
    const struct tcb_apply message = {.header = frame_header(TCB_APPLY, sizeof(message), id),
                                      .transaction = id,
                                      .action = action,
                                      .pf = TREE_PF,
                                      .index = index,
                                      .vfs = VFS};
    stage_say(stage, PROCESS_CONTROL, &message);
}

static struct tcb_applied applied(struct stage *stage, uint64_t id)
{
    struct tcb_applied result;
    struct frame frame;

    stage_hear(stage, PROCESS_CONTROL, TCB_APPLIED, &frame);
    memcpy(&result, frame.bytes, sizeof(result));
    assert_int_equal(result.header.id, id);
    assert_int_equal(result.transaction, id);
    return result;
}

static void bind_vfs(const char *root)
{
    for (unsigned i = 0; i < VFS; i++)
        tree_link(root, tree_vf(i), "driver", "../../../../bus/pci/drivers/vfio-pci");
}

static void root_of(void **state, char root[80])
{
    stage_root(*state, root);
}

static void begin(struct stage *stage)
{
    struct frame frame;

    name_card(stage);
    sync_control(stage);
    sync_lead(stage);
    stage_hear(stage, PROCESS_CONTROL, TCB_SYNC, &frame);
}

/* A partition is to have a VF of it. */
static void want_vf(struct stage *stage)
{
    name_card(stage);
    assign(stage, 0, 1);
    sync_control(stage);
}

/* ---- what it says */

static void a_new_link_hears_everything(void **state)
{
    struct stage *stage = *state;
    struct frame frame;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    begin(stage);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_SYNC, &frame);
    stage_link(stage, PROCESS_SR_PCIM);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_PF, &frame);
    const struct observed_pf *pf = (const void *)frame.bytes;
    assert_int_equal(pf->pf.bdf.value, TREE_PF.value);
    assert_int_equal(pf->pf.status, FUNCTION_ACTIVE);
    assert_int_equal(pf->pf.sriov.num_vfs, VFS);
    assert_true(pf->pf.event_ns != 0);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_SYNC, &frame);
}

static void nothing_is_said_before_control_named_the_cards(void **state)
{
    struct stage *stage = *state;

    assert_true(stage_silent(stage, PROCESS_SR_PCIM, 300));
    assert_true(stage_silent(stage, PROCESS_CONTROL, 1));
}

/* Within a tick, and by configuration space alone: no uevent comes from a played /sys. */
static void a_change_behind_our_back_is_noticed(void **state)
{
    struct stage *stage = *state;
    struct frame frame;
    char root[80];

    root_of(state, root);
    begin(stage);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_SYNC, &frame);
    tree_create_vfs(root, VFS);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_VF, &frame);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_PF, &frame);
    assert_int_equal(((const struct observed_pf *)(const void *)frame.bytes)->pf.numvfs, VFS);
    stage_hear(stage, PROCESS_CONTROL, TCB_PF, &frame);
}

static void a_vf_that_was_reset_under_its_user_is_in_error(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 0);
    struct stage *stage = *state;
    uint8_t config[64] = {0xff, 0xff, 0xff, 0xff, 0x06, 0x04, [0x34] = 0x70};
    struct frame frame;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_write(root, tree_vf(0), "config", config, sizeof(config));
    stage_say(stage, PROCESS_LEAD, &held);
    begin(stage);
    sleep(2); /* it is seen as its user has it */
    config[4] = 0;
    tree_write(root, tree_vf(0), "config", config, sizeof(config));
    const struct tcb_vf *vf = (const void *)frame.bytes;
    do
        stage_hear(stage, PROCESS_CONTROL, TCB_VF, &frame);
    while (vf->vf.status != FUNCTION_ERROR);
    assert_int_equal(vf->vf.index, 0);
    assert_int_equal(vf->vf.answers, 1);
    assert_int_equal(vf->vf.open, 1);
}

/* Until it is said; what was said before may come twice. */
static struct error_counts hear_recovery(struct stage *stage, enum error_recovery recovery)
{
    struct frame frame;
    const struct observed_pf *seen = (const void *)frame.bytes;

    do
        stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_PF, &frame);
    while (seen->pf.recovery != recovery);
    return seen->pf.errors;
}

/* Told within a tick; its driver, bound anew, has let go of it. */
static void an_uncorrectable_error_is_said_until_the_driver_begins_anew(void **state)
{
    struct stage *stage = *state;
    struct error_counts errors;
    char root[80], driver[160];

    root_of(state, root);
    tree_text(root, TREE_PF, "aer_dev_correctable", "TOTAL_ERR_COR 3\n");
    tree_text(root, TREE_PF, "aer_dev_nonfatal", "TOTAL_ERR_NONFATAL 0\n");
    tree_text(root, TREE_PF, "aer_dev_fatal", "TOTAL_ERR_FATAL 0\n");
    begin(stage);
    errors = hear_recovery(stage, RECOVERY_NONE);
    assert_int_equal(errors.known, 1);
    assert_int_equal(errors.correctable, 3);
    tree_text(root, TREE_PF, "aer_dev_fatal", "TOTAL_ERR_FATAL 1\n");
    assert_int_equal(hear_recovery(stage, RECOVERY_UNDER_WAY).fatal, 1);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"", "/igb", "/igb/unbind"};
        snprintf(driver, sizeof(driver), "%s/bus/pci/drivers%s", root, names[i]);
        assert_int_equal(i < 2 ? mkdir(driver, 0700) : mknod(driver, S_IFREG | 0600, 0), 0);
    }
    apply(stage, 9, ACTION_PF_RESTART, 0);
    assert_int_equal(applied(stage, 9).error, 0);
    assert_int_equal(hear_recovery(stage, RECOVERY_NONE).fatal, 1);
}

static void a_card_named_no_more_is_gone(void **state)
{
    struct stage *stage = *state;
    struct frame frame;

    begin(stage);
    sync_control(stage);
    stage_hear(stage, PROCESS_CONTROL, TCB_GONE, &frame);
    assert_int_equal(((const struct tcb_gone *)(const void *)frame.bytes)->bdf.value,
                     TREE_PF.value);
}

/* The next word about a function. */
static struct tcb_function function_said(struct stage *stage)
{
    struct tcb_function message;
    struct frame frame;

    stage_hear(stage, PROCESS_CONTROL, TCB_FUNCTION, &frame);
    memcpy(&message, frame.bytes, sizeof(message));
    return message;
}

#define BRIDGE ((struct bdf){0x0000})

static void every_other_function_is_said(void **state)
{
    struct stage *stage = *state;
    struct tcb_function said;
    char root[80];

    root_of(state, root);
    tree_text(root, BRIDGE, "vendor", "0x8086\n");
    tree_text(root, BRIDGE, "device", "0x2918\n");
    tree_text(root, BRIDGE, "class", "0x060100\n");
    tree_link(root, BRIDGE, "driver", "../../../../bus/pci/drivers/lpc_ich");
    name_card(stage);
    sync_control(stage);
    said = function_said(stage);
    assert_int_equal(said.present, 1);
    assert_int_equal(said.function.bdf.value, BRIDGE.value);
    assert_int_equal(said.function.pf.value, 0);
    assert_int_equal(said.function.vendor, 0x8086);
    assert_int_equal(said.function.device, 0x2918);
    assert_int_equal(said.function.class_code, 0x060100);
    assert_int_equal(said.function.iommu_group, UINT32_MAX);
    assert_string_equal(said.function.driver, "lpc_ich");
    stage_link(stage, PROCESS_CONTROL); /* a new link hears it again */
    name_card(stage);
    sync_control(stage);
    assert_int_equal(function_said(stage).function.bdf.value, BRIDGE.value);
}

/* Of a card that is managed the PF and the VFs are said as such, else they are functions as any. */
static void a_managed_card_is_no_other_function(void **state)
{
    struct stage *stage = *state;
    struct tcb_function said;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, 1);
    sync_control(stage);
    for (int i = 0; i < 2; i++) { /* in the order of the folder */
        said = function_said(stage);
        assert_int_equal(said.present, 1);
        bool is_vf = said.function.bdf.value == tree_vf(0).value;
        assert_true(is_vf || said.function.bdf.value == TREE_PF.value);
        assert_int_equal(said.function.pf.value, is_vf ? TREE_PF.value : 0);
    }
    name_card(stage);
    sync_control(stage);
    for (int i = 0; i < 2; i++)
        assert_int_equal(function_said(stage).present, 0);
}

static void devices_xml_follows(void **state)
{
    struct stage *stage = *state;
    char path[128];

    begin(stage);
    snprintf(path, sizeof(path), "%s/devices.xml", stage->folder);
    for (int i = 0; i < 50 && access(path, R_OK) < 0; i++)
        usleep(100000);
    assert_int_equal(access(path, R_OK), 0);
}

/* ---- what it writes */

static void vfs_are_created_once(void **state)
{
    struct stage *stage = *state;
    char root[80], text[32];

    root_of(state, root);
    begin(stage);
    apply(stage, 7, ACTION_PF_CREATE_VFS, 0);
    struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 2);
    tree_read(root, TREE_PF, "sriov_drivers_autoprobe", text, sizeof(text));
    assert_int_equal(text[0], '0');
    tree_read(root, TREE_PF, "sriov_numvfs", text, sizeof(text));
    assert_string_equal(text, "2");
    tree_create_vfs(root, VFS); /* as a kernel would */
    bind_vfs(root);
    apply(stage, 8, ACTION_PF_CREATE_VFS, 0);
    result = applied(stage, 8);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
}

/* Until it is said of the VF. */
static struct vf_observed hear_bind_error(struct stage *stage, uint32_t index, uint32_t error)
{
    struct frame frame;
    const struct observed_vf *said = (const void *)frame.bytes;

    do
        stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_VF, &frame);
    while (said->vf.index != index || said->vf.bind_error != error);
    return said->vf;
}

/* A kernel that lets it be ordered and does nothing: why is said of each VF, until it is bound. */
static void vfs_that_do_not_bind_are_said(void **state)
{
    struct stage *stage = *state;
    char root[80], text[32];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_text(root, tree_vf(1), "driver_override", "igbvf\n");
    tree_text(root, TREE_PF, "../../drivers_probe", "-");
    begin(stage);
    apply(stage, 7, ACTION_PF_BIND_VFS, 0);
    struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -ENOENT); /* no vfio-pci here */
    assert_int_equal(result.writes, 2);
    tree_read(root, tree_vf(0), "driver_override", text, sizeof(text));
    assert_string_equal(text, "vfio-pci");
    tree_read(root, tree_vf(1), "driver_override", text, sizeof(text));
    assert_string_equal(text, "igbvf\n");
    assert_int_equal(hear_bind_error(stage, 0, ENOENT).for_host, 0);
    bind_vfs(root);
    apply(stage, 8, ACTION_PF_BIND_VFS, 0);
    result = applied(stage, 8);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
    assert_string_equal(hear_bind_error(stage, 0, 0).driver, "vfio-pci");
}

/* What root has meant for the host, and takes back: said within a tick. */
static void a_vf_for_the_host_is_said(void **state)
{
    struct stage *stage = *state;
    struct frame frame;
    const struct tcb_vf *said = (const void *)frame.bytes;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_text(root, tree_vf(1), "driver_override", "igbvf\n");
    begin(stage);
    tree_text(root, tree_vf(1), "driver_override", "(null)\n");
    stage_hear(stage, PROCESS_CONTROL, TCB_VF, &frame);
    assert_int_equal(said->vf.index, 1);
    assert_int_equal(said->vf.for_host, 0);
}

static void another_number_of_vfs_is_refused(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS + 1);
    begin(stage);
    apply(stage, 7, ACTION_PF_CREATE_VFS, 0);
    const struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -EEXIST);
    assert_int_equal(result.writes, 0);
    assert_true(result.text[0] != 0);
}

static void a_pf_whose_vf_is_held_is_not_restarted(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 1);
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    stage_say(stage, PROCESS_LEAD, &held);
    begin(stage);
    apply(stage, 7, ACTION_PF_RESTART, 0);
    const struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -EBUSY);
    assert_int_equal(result.writes, 0);
}

/* ---- after a reset behind our back */

/* Refused while anybody's VF works, and of a VF without MSI-X nothing tells. */
static void who_works_is_not_disturbed(void **state)
{
    const struct vfio_open first = vfio(VFIO_HELD, 1, 0), second = vfio(VFIO_HELD, 2, 1);
    struct stage *stage = *state;
    struct tcb_applied result;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    stage_say(stage, PROCESS_LEAD, &first);
    stage_say(stage, PROCESS_LEAD, &second);
    begin(stage);
    apply(stage, 7, ACTION_PF_RENEW, 0);
    assert_int_equal(applied(stage, 7).error, -EBUSY);
    tree_msix(root, 0, false);
    tree_msix(root, 1, true);
    apply(stage, 8, ACTION_PF_RENEW, 0);
    result = applied(stage, 8);
    assert_int_equal(result.error, -EBUSY);
    assert_string_equal(result.text, "its VF 1 works: Device or resource busy");
    assert_int_equal(result.writes, 0);
    tree_msix(root, 1, false);
    apply(stage, 9, ACTION_PF_RENEW, 0);
    result = applied(stage, 9);
    assert_int_equal(result.writes, 1); /* there is no interface of that name */
    assert_memory_equal(result.text, "interface pf0 does not go down", 30);
}

static void what_nobody_uses_is_not_renewed(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_msix(root, 0, false);
    begin(stage);
    apply(stage, 7, ACTION_PF_RENEW, 0);
    const struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -ENOENT);
    assert_int_equal(result.writes, 0);
}

/* What its own registers say; NULL: nothing. */
static void registers(const struct stage *stage, const char *bit)
{
    char path[80];

    snprintf(path, sizeof(path), "%s/registers", stage->folder);
    FILE *file = bit ? fopen(path, "we") : NULL;
    if (file) {
        assert_true(fputs(bit, file) >= 0);
        fclose(file);
    } else
        assert_true(unlink(path) == 0 && !bit);
}

static uint32_t reset_heard(struct stage *stage)
{
    struct frame frame;

    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_PF, &frame);
    return ((const struct observed_pf *)(const void *)frame.bytes)->pf.reset;
}

/* Nobody has a VF of it, and this is what its registers say. */
static void begin_with_registers(struct stage *stage, char root[80], const char *bit)
{
    stage_root(stage, root);
    tree_create_vfs(root, VFS);
    registers(stage, bit);
    begin(stage);
}

/* While a partition is to have a VF of it and nobody's works. */
static void a_reset_that_no_vf_tells_of(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 0);
    struct stage *stage = *state;
    struct frame frame;
    char root[80];

    begin_with_registers(stage, root, "0");
    assert_int_equal(reset_heard(stage), 0);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_SYNC, &frame);
    assert_true(stage_silent(stage, PROCESS_SR_PCIM, 1500)); /* nobody's concern */
    want_vf(stage);
    assert_int_equal(reset_heard(stage), 1);
    apply(stage, 7, ACTION_VF_ACTIVATE, 0);
    struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -EAGAIN);
    assert_int_equal(result.writes, 0);
    registers(stage, "1"); /* somebody has taken its interface down and up */
    assert_int_equal(reset_heard(stage), 0);
    stage_say(stage, PROCESS_LEAD, &held);
    tree_msix(root, 0, true);
    reset_heard(stage); /* it has an open VF */
    apply(stage, 8, ACTION_PF_RENEW, 0);
    assert_int_equal(applied(stage, 8).error, -EBUSY);
    assert_true(stage_silent(stage, PROCESS_SR_PCIM, 3000)); /* a look at a PF whose VF works */
    registers(stage, "0"); /* a reset would have taken its interrupts: not looked at */
    assert_true(stage_silent(stage, PROCESS_SR_PCIM, 1500));
    tree_msix(root, 0, false);
    assert_int_equal(reset_heard(stage), 1);
    registers(stage, NULL); /* nothing new is known */
    assert_true(stage_silent(stage, PROCESS_SR_PCIM, 1500));
}

/* A guest that begins arms its VF's interrupts, whether its PF lives or not. */
static void a_vf_that_was_armed_after_a_reset_tells_nothing(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 0);
    struct stage *stage = *state;
    struct frame frame;
    char root[80];

    begin_with_registers(stage, root, "1");
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_SYNC, &frame);
    want_vf(stage);
    registers(stage, "0");
    tree_msix(root, 0, true);
    stage_say(stage, PROCESS_LEAD, &held);
    while (!reset_heard(stage))
        ;
    apply(stage, 7, ACTION_PF_RENEW, 0);
    const struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.writes, 1); /* there is no interface of that name */
    assert_memory_equal(result.text, "interface pf0 does not go down", 30);
}

static void what_nobody_uses_is_renewed_after_a_reset(void **state)
{
    struct stage *stage = *state;
    char root[80];

    begin_with_registers(stage, root, "1");
    apply(stage, 7, ACTION_PF_RENEW, 0);
    assert_int_equal(applied(stage, 7).error, -ENOENT);
    registers(stage, "0");
    apply(stage, 8, ACTION_PF_RENEW, 0);
    const struct tcb_applied result = applied(stage, 8);
    assert_int_equal(result.writes, 1); /* there is no interface of that name */
    assert_memory_equal(result.text, "interface pf0 does not go down", 30);
}

/* ---- the interlock: whatever control says */

/* Files that a write could reach; what is in them tells whether one did. */
static void make_targets(const char *root)
{
    tree_text(root, TREE_PF, "../../drivers/igb/unbind", "-");
    tree_text(root, TREE_PF, "../../drivers/igb/bind", "-");
    tree_text(root, TREE_PF, "reset", "-");
    tree_text(root, TREE_PF, "sriov_numvfs", "-");
}

static void assert_untouched(const char *root)
{
    static const char *const names[] = {"../../drivers/igb/unbind", "../../drivers/igb/bind",
                                        "reset", "sriov_numvfs"};
    char text[32];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tree_read(root, TREE_PF, names[i], text, sizeof(text));
        assert_string_equal(text, "-");
    }
}

/* Every action there is, on the PF and on both VFs: not one write. */
static void try_everything(struct stage *stage, uint64_t id)
{
    for (uint32_t action = ACTION_NONE + 1; action < DEVICE_ACTIONS; action++)
        for (uint32_t vf = 0; vf < VFS; vf++) {
            apply(stage, ++id, action, vf);
            const struct tcb_applied result = applied(stage, id);
            if (action == ACTION_PF_RESTART || action == ACTION_PF_RESET ||
                action == ACTION_PF_DISABLE)
                assert_true(result.error == -EBUSY || result.error == -EPERM);
            assert_int_equal(result.writes, 0);
        }
}

static void no_action_takes_a_held_vf_away(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 1);
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    bind_vfs(root);
    make_targets(root);
    stage_say(stage, PROCESS_LEAD, &held);
    begin(stage);
    try_everything(stage, 100);
    assert_untouched(root);
}

/* Control forgets the card and names it anew, as another's, with VFs of other partitions. */
static void nor_does_a_control_that_lies(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 1);
    struct stage *stage = *state;
    struct tcb_card card = {.header = frame_header(TCB_CARD, sizeof(card), 0),
                            .card = {.name = "x", .bdf = TREE_PF, .vfs = 1, .driver = "igb"}};
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    bind_vfs(root);
    make_targets(root);
    stage_say(stage, PROCESS_LEAD, &held);
    begin(stage);
    sync_control(stage); /* without a card */
    stage_say(stage, PROCESS_CONTROL, &card);
    assign(stage, 1, 2);
    sync_control(stage);
    try_everything(stage, 100);
    stage_link(stage, PROCESS_CONTROL);
    name_card(stage);
    assign(stage, 0, 3);
    sync_control(stage);
    tree_link(root, tree_vf(0), "driver", "/drivers/igbvf"); /* so that nothing is due on it */
    try_everything(stage, 200);
    assert_untouched(root);
}

/* A VF's own "driver" is what its user has it by. */
static void a_vf_is_no_card(void **state)
{
    struct stage *stage = *state;
    struct tcb_card card = {
        .header = frame_header(TCB_CARD, sizeof(card), 0),
        .card = {.name = "x", .bdf = tree_vf(0), .vfs = 1, .driver = "vfio-pci"}};
    struct tcb_apply message = {.header = frame_header(TCB_APPLY, sizeof(message), 9),
                                .transaction = 9,
                                .action = ACTION_PF_RESTART,
                                .pf = tree_vf(0)};
    char root[80], text[32];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_text(root, TREE_PF, "../../drivers/vfio-pci/unbind", "-");
    tree_link(root, tree_vf(0), "driver", "../../../../bus/pci/drivers/vfio-pci");
    stage_say(stage, PROCESS_CONTROL, &card);
    sync_control(stage);
    sync_lead(stage);
    stage_say(stage, PROCESS_CONTROL, &message);
    assert_int_equal(applied(stage, 9).error, -EPERM);
    tree_read(root, TREE_PF, "../../drivers/vfio-pci/unbind", text, sizeof(text));
    assert_string_equal(text, "-");
}

/* An interface of the host's, say. */
static void a_vf_with_a_driver_of_the_host_is_in_use(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    make_targets(root);
    tree_link(root, tree_vf(1), "driver", "/drivers/igbvf");
    begin(stage);
    apply(stage, 7, ACTION_PF_RESET, 0);
    const struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -EBUSY);
    assert_non_null(strstr(result.text, "igbvf"));
    assert_untouched(root);
}

/* What the others refuse is done when nobody has a VF. */
static void a_pf_without_a_vf_in_use_is_reset(void **state)
{
    struct stage *stage = *state;
    char root[80], text[32];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    make_targets(root);
    begin(stage);
    apply(stage, 7, ACTION_PF_RESET, 0);
    const struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 3);
    tree_read(root, TREE_PF, "sriov_numvfs", text, sizeof(text));
    assert_string_equal(text, "0");
    tree_read(root, TREE_PF, "../../drivers/igb/unbind", text, sizeof(text));
    assert_string_equal(text, "0000:01:00.0");
    tree_read(root, TREE_PF, "reset", text, sizeof(text));
    assert_string_equal(text, "1");
}

/* ---- runtime power management */

static void name_idle_card(struct stage *stage, uint32_t idle_power)
{
    struct tcb_card card = {.header = frame_header(TCB_CARD, sizeof(card), 0),
                            .card = {.name = "net0", .bdf = TREE_PF, .vfs = VFS, .driver = "igb"},
                            .idle_power = idle_power};
    stage_say(stage, PROCESS_CONTROL, &card);
}

static void set_power(const char *root, const char *control, const char *status)
{
    tree_text(root, TREE_PF, "power/control", control);
    tree_text(root, TREE_PF, "power/runtime_status", status);
}

/* A longer word that was there shows behind it: a file of the kernel's has no rest. */
static void power_is(const char *root, const char *control)
{
    char text[32];

    tree_read(root, TREE_PF, "power/control", text, sizeof(text));
    assert_memory_equal(text, control, strlen(control));
}

/* A PF with VFs, its interface down: there is none to take down. */
static void begin_idle(struct stage *stage, const char *root, uint32_t idle_power)
{
    struct frame frame;

    tree_create_vfs(root, VFS);
    tree_text(root, TREE_PF, "net/pf0/flags", "0x1002\n");
    name_idle_card(stage, idle_power);
    sync_control(stage);
    sync_lead(stage);
    stage_hear(stage, PROCESS_CONTROL, TCB_SYNC, &frame);
}

static void an_idle_pf_is_put_to_sleep_and_woken(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    set_power(root, "on", "active");
    begin_idle(stage, root, IDLE_POWER_AUTO);
    apply(stage, 7, ACTION_PF_SLEEP, 0);
    assert_int_equal(applied(stage, 7).writes, 1);
    power_is(root, "auto");
    apply(stage, 8, ACTION_PF_SLEEP, 0); /* it is so already */
    assert_int_equal(applied(stage, 8).writes, 0);
    apply(stage, 9, ACTION_PF_WAKE, 0);
    assert_int_equal(applied(stage, 9).writes, 1);
    power_is(root, "on");
    apply(stage, 10, ACTION_PF_WAKE, 0);
    const struct tcb_applied again = applied(stage, 10);
    assert_int_equal(again.error, 0);
    assert_int_equal(again.writes, 0);
}

static void not_slept(struct stage *stage, uint64_t id, int error, const char *words)
{
    apply(stage, id, ACTION_PF_SLEEP, 0);
    const struct tcb_applied result = applied(stage, id);
    assert_int_equal(result.error, error);
    assert_int_equal(result.writes, 0);
    if (!strstr(result.text, words))
        fail_msg("\"%s\" has no \"%s\"", result.text, words);
}

/* Control is asked before; it does not matter what it says. */
static void who_may_not_sleep_is_not_put_to_sleep(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    set_power(root, "on", "active");
    begin_idle(stage, root, IDLE_POWER_ON);
    not_slept(stage, 7, -EPERM, "kept awake");
    name_idle_card(stage, IDLE_POWER_AUTO);
    assign(stage, 1, 3);
    sync_control(stage);
    not_slept(stage, 8, -EBUSY, "its VF 1 is a partition's");
    name_idle_card(stage, IDLE_POWER_AUTO);
    sync_control(stage);
    tree_link(root, tree_vf(0), "driver", "/drivers/igbvf");
    not_slept(stage, 9, -EBUSY, "igbvf");
    power_is(root, "on");
}

/* Nobody's by control's word, and a monitor has it all the same. */
static void one_with_a_held_vf_is_not_put_to_sleep(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 1);
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    set_power(root, "on", "active");
    stage_say(stage, PROCESS_LEAD, &held);
    begin_idle(stage, root, IDLE_POWER_AUTO);
    not_slept(stage, 10, -EBUSY, "its VF 1 is in use");
    power_is(root, "on");
}

/* The kernel takes "on", and the device does not come back. */
static void one_that_does_not_wake_is_said_to(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    set_power(root, "auto", "suspended");
    begin_idle(stage, root, IDLE_POWER_AUTO);
    apply(stage, 7, ACTION_PF_WAKE, 0);
    struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -EIO);
    assert_int_equal(result.writes, 1);
    assert_non_null(strstr(result.text, "does not wake: it is suspended"));
    set_power(root, "auto", "error");
    apply(stage, 8, ACTION_PF_LINK_UP, 0);
    result = applied(stage, 8);
    assert_int_equal(result.error, -EIO);
    make_targets(root); /* what may help it is done all the same */
    apply(stage, 9, ACTION_PF_RESTART, 0);
    result = applied(stage, 9);
    assert_int_equal(result.error, 0);
    assert_string_equal(result.text, "");
}

/* Whatever is done for a partition: its PF is awake before, whoever wrote auto. */
static void a_vf_is_activated_on_a_pf_that_is_on(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    set_power(root, "auto", "active");
    tree_text(root, TREE_PF, "class", "0xff0000"); /* so that there are no attributes */
    tree_create_vfs(root, VFS);
    tree_link(root, tree_vf(0), "driver", "/drivers/vfio-pci");
    begin(stage);
    want_vf(stage);
    apply(stage, 7, ACTION_VF_ACTIVATE, 0);
    const struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 1);
    power_is(root, "on");
}

/* The next word of the PF with this power. */
static struct pf_observed heard(struct stage *stage, uint32_t control, uint32_t status)
{
    struct frame frame;
    struct pf_observed pf;

    do {
        stage_hear(stage, PROCESS_CONTROL, TCB_PF, &frame);
        pf = ((const struct tcb_pf *)(const void *)frame.bytes)->pf;
    } while (pf.power_control != control || pf.power_status != status);
    return pf;
}

/* How often configuration space of the PF or its VF 0 is opened within so many ms. */
static size_t config_opened(const char *root, int ms)
{
    static const char *const paths[] = {"0000:01:00.0", "0000:01:10.0"};
    _Alignas(struct inotify_event) char events[4096];
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[160];

    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/config", root, paths[i]);
        assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
    }
    usleep((useconds_t)ms * 1000);
    ssize_t got = read(watch, events, sizeof(events));
    close(watch);
    return got < 0 ? 0 : (size_t)got / sizeof(struct inotify_event);
}

/* A second is a tick: what configuration space says meanwhile is not asked. */
static void one_that_sleeps_is_not_looked_at(void **state)
{
    static const uint8_t spoilt[4096] = {0xff, 0xff};
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    set_power(root, "auto", "active");
    begin_idle(stage, root, IDLE_POWER_AUTO);
    set_power(root, "auto", "suspended");
    assert_int_equal(heard(stage, POWER_AUTO, POWER_ASLEEP).answers, 1);
    tree_write(root, TREE_PF, "config", spoilt, sizeof(spoilt));
    tree_write(root, tree_vf(1), "config", spoilt, 16);
    assert_int_equal(config_opened(root, 2500), 0);
    assert_true(stage_silent(stage, PROCESS_CONTROL, 1));
    set_power(root, "on", "active"); /* by anybody */
    assert_int_equal(heard(stage, POWER_ON, POWER_AWAKE).answers, 0);
    assert_true(config_opened(root, 2500) >= 4);
}

/* After a restart, too: nothing is written to it. */
static void one_that_sleeps_is_left_asleep_by_a_new_tcb(void **state)
{
    struct stage *stage = *state;
    struct frame frame;
    char root[80];

    root_of(state, root);
    set_power(root, "auto", "suspended");
    begin_idle(stage, root, IDLE_POWER_AUTO);
    stage_die(stage);
    stage_start(stage);
    name_idle_card(stage, IDLE_POWER_AUTO);
    sync_control(stage);
    sync_lead(stage);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_PF, &frame);
    const struct pf_observed pf = ((const struct observed_pf *)(const void *)frame.bytes)->pf;
    assert_int_equal(pf.power_status, POWER_ASLEEP);
    assert_int_equal(pf.sriov.num_vfs, VFS);
    assert_int_equal(pf.answers, 1);
    power_is(root, "auto");
}

/* An administrator's: refused for the host's sake, unless it is forced. */
static struct tcb_applied ordered(struct stage *stage, uint64_t id, uint32_t action, uint32_t flags)
{
    struct tcb_apply message = {.header = frame_header(TCB_APPLY, sizeof(message), id),
                                .transaction = id,
                                .action = action,
                                .pf = TREE_PF,
                                .vfs = flags};

    stage_say(stage, PROCESS_CONTROL, &message);
    return applied(stage, id);
}

static void spared(struct stage *stage, uint64_t id, int error, const char *words)
{
    static const uint32_t actions[] = {ACTION_PF_RESTART, ACTION_PF_RESET, ACTION_PF_DISABLE};

    for (size_t i = 0; i < 3; i++) {
        const struct tcb_applied result = ordered(stage, id + i, actions[i], ACTION_SPARE_HOST);
        assert_int_equal(result.error, error);
        assert_int_equal(result.writes, 0);
        if (!strstr(result.text, words))
            fail_msg("\"%s\" has no \"%s\"", result.text, words);
    }
}

static void what_the_host_uses_is_spared(void **state)
{
    struct stage *stage = *state;
    char root[80], path[128];

    root_of(state, root);
    make_targets(root);
    tree_text(root, TREE_PF, "net/pf0/upper_vlan7", "");
    begin(stage);
    spared(stage, 10, -EBUSY, "interface pf0 belongs to another");
    tree_unlink(root, TREE_PF, "net/pf0/upper_vlan7");
    tree_text(root, TREE_PF, "nvme/nvme0/nvme7c1n2/size", "8");
    tree_text(root, TREE_PF, "../../../../block/nvme7n2/holders/dm-0", "");
    spared(stage, 30, -EBUSY, "nvme7n2 is part of dm-0");
    tree_unlink(root, TREE_PF, "../../../../block/nvme7n2/holders/dm-0");
    snprintf(path, sizeof(path), "%s/dev", stage->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/dev/nvme7n2", stage->folder);
    assert_int_equal(symlink("nvme7n2", path), 0);
    spared(stage, 40, -ELOOP, "nvme7n2 cannot be asked");
    tree_text(root, TREE_PF, "net/lo/ifindex", "1"); /* the one that has an address everywhere */
    spared(stage, 60, -EBUSY, "interface lo has an address");
    assert_untouched(root);
    const struct tcb_applied forced = ordered(stage, 50, ACTION_PF_RESTART, 0);
    assert_int_equal(forced.error, 0);
    assert_true(forced.writes > 0);
    unlink(path);
}

static void what_the_host_does_not_use_is_not(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    make_targets(root);
    begin(stage);
    const struct tcb_applied result = ordered(stage, 10, ACTION_PF_RESET, ACTION_SPARE_HOST);
    assert_int_equal(result.error, 0);
    assert_true(result.writes > 0);
    tree_link(root, TREE_PF, "driver", "/drivers/vfio-pci");
    spared(stage, 20, -EBUSY, "driver vfio-pci is bound");
}

static void one_without_a_reset_is_said_to_be(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    make_targets(root);
    tree_unlink(root, TREE_PF, "reset");
    begin(stage);
    const struct tcb_applied result = ordered(stage, 10, ACTION_PF_RESET, 0);
    assert_int_equal(result.error, 0);
    assert_non_null(strstr(result.text, "no way to reset"));
}

/* What nobody could reset may work all the same, and without its driver it never does. */
static void one_whose_reset_fails_gets_its_driver_back(void **state)
{
    struct stage *stage = *state;
    char root[80], path[160], text[32];

    root_of(state, root);
    make_targets(root);
    tree_unlink(root, TREE_PF, "driver");
    tree_unlink(root, TREE_PF, "reset");
    snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:01:00.0/reset", root);
    assert_int_equal(mkdir(path, 0700), 0);
    begin(stage);
    const struct tcb_applied result = ordered(stage, 10, ACTION_PF_RESET, 0);
    assert_int_equal(result.error, -EISDIR);
    assert_non_null(strstr(result.text, "reset <- 1"));
    tree_read(root, TREE_PF, "../../drivers/igb/bind", text, sizeof(text));
    assert_string_equal(text, "0000:01:00.0");
    rmdir(path);
}

/* Closing one that is lost takes as long as the kernel waits for its reset: it is not to have one.
 * One that came back has it again before its next owner. */
static void a_lost_vf_is_not_reset_when_it_is_closed(void **state)
{
    struct stage *stage = *state;
    uint8_t lost[64], config[64] = {0xff, 0xff, 0xff, 0xff, [0x34] = 0x70};
    char root[80], text[32];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_text(root, tree_vf(0), "reset_method", "-"); /* as long as what is written */
    bind_vfs(root);
    begin(stage);
    assign(stage, 0, 1);
    apply(stage, 7, ACTION_VF_ABANDON, 0);
    struct tcb_applied result = applied(stage, 7);
    assert_int_equal(result.error, -EPERM); /* it answers */
    assert_int_equal(result.writes, 0);
    memset(lost, 0xff, sizeof(lost));
    tree_write(root, tree_vf(0), "config", lost, sizeof(lost));
    apply(stage, 8, ACTION_VF_ABANDON, 0);
    result = applied(stage, 8);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 1);
    tree_read(root, tree_vf(0), "reset_method", text, sizeof(text));
    assert_string_equal(text, "\n");
    apply(stage, 9, ACTION_VF_ABANDON, 0);
    assert_int_equal(applied(stage, 9).writes, 0);
    tree_write(root, tree_vf(0), "config", config, sizeof(config));
    apply(stage, 10, ACTION_VF_ACTIVATE, 0);
    (void)applied(stage, 10);
    tree_read(root, tree_vf(0), "reset_method", text, sizeof(text));
    assert_string_equal(text, "default");
}

/* One VF of a partition that goes on: the other one stays its own; and nobody else closes it. */
static void one_vf_is_closed_alone(void **state)
{
    const struct vfio_open first = vfio(VFIO_HELD, 1, 0), second = vfio(VFIO_HELD, 1, 1);
    struct vfio_closed closed = {.header = frame_header(VFIO_CLOSED, sizeof(closed), 0),
                                 .partition = {2},
                                 .vf = first.vfs[0]};
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    stage_say(stage, PROCESS_LEAD, &first);
    stage_say(stage, PROCESS_LEAD, &second);
    stage_say(stage, PROCESS_LEAD, &second); /* said again: the same */
    begin(stage);
    stage_say(stage, PROCESS_LEAD, &closed);
    closed.partition.value = 1;
    closed.vf = second.vfs[0];
    stage_say(stage, PROCESS_LEAD, &closed);
    apply(stage, 7, ACTION_VF_RELEASE, 0);
    assert_int_equal(applied(stage, 7).error, -EBUSY);
    apply(stage, 8, ACTION_VF_RELEASE, 1);
    assert_int_equal(applied(stage, 8).error, 0);
}

static void hear_pf_status(struct stage *stage, enum function_status status)
{
    struct frame frame;
    const struct tcb_pf *seen = (const void *)frame.bytes;

    do
        stage_hear(stage, PROCESS_CONTROL, TCB_PF, &frame);
    while (seen->pf.status != status);
}

/* Its VFs are said to be gone, then itself; who had one lets go of it after that. When it is back,
 * nobody has any. */
static void a_card_that_is_pulled_out_and_comes_back(void **state)
{
    const struct vfio_open held = vfio(VFIO_HELD, 1, 0);
    const struct vfio_closed closed = {.header = frame_header(VFIO_CLOSED, sizeof(closed), 0),
                                       .partition = {1},
                                       .vf = held.vfs[0]};
    struct stage *stage = *state;
    struct frame frame;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    stage_say(stage, PROCESS_LEAD, &held);
    begin(stage);
    for (unsigned i = 0; i < VFS; i++)
        tree_pull(root, tree_vf(i));
    tree_pull(root, TREE_PF);
    for (unsigned i = 0; i < VFS; i++) {
        stage_hear(stage, PROCESS_CONTROL, TCB_GONE, &frame);
        assert_int_equal(((const struct tcb_gone *)(const void *)frame.bytes)->bdf.value,
                         tree_vf(i).value);
    }
    hear_pf_status(stage, FUNCTION_ABSENT);
    stage_say(stage, PROCESS_LEAD, &closed);
    apply(stage, 6, ACTION_PF_BIND, 0);
    assert_int_equal(applied(stage, 6).error, -ENODEV);
    tree_make(root);
    hear_pf_status(stage, FUNCTION_INACTIVE);
    tree_create_vfs(root, VFS);
    hear_pf_status(stage, FUNCTION_ACTIVE);
    apply(stage, 7, ACTION_VF_RELEASE, 0);
    assert_int_equal(applied(stage, 7).error, 0);
}

/* Control, or who speaks for it, gives a VF back that is the next partition's already. */
static void a_late_release_does_not_touch_the_next_owners_vf(void **state)
{
    struct stage *stage = *state;
    char root[80], text[32];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_text(root, tree_vf(0), "driver_override", "vfio-pci");
    begin(stage);
    assign(stage, 0, 1);
    assign(stage, 0, 0); /* the first owner's end, whose release does not come */
    assign(stage, 0, 2);
    apply(stage, 7, ACTION_VF_RELEASE, 0);
    const struct tcb_applied late = applied(stage, 7);
    assert_int_equal(late.error, -EPERM);
    assert_int_equal(late.writes, 0);
    tree_read(root, tree_vf(0), "driver_override", text, sizeof(text));
    assert_string_equal(text, "vfio-pci");
    assign(stage, 0, 0);
    apply(stage, 8, ACTION_VF_RELEASE, 0);
    const struct tcb_applied due = applied(stage, 8);
    assert_int_equal(due.error, 0);
    assert_int_equal(due.writes, 1);
}

/* The links come in any order: what lead will say is held must not be pulled away before. */
static void nothing_is_written_before_lead_has_spoken(void **state)
{
    struct stage *stage = *state;
    struct frame frame;

    name_card(stage);
    sync_control(stage);
    stage_hear(stage, PROCESS_CONTROL, TCB_SYNC, &frame);
    apply(stage, 7, ACTION_PF_CREATE_VFS, 0);
    assert_true(stage_silent(stage, PROCESS_CONTROL, 500));
    sync_lead(stage);
    assert_int_equal(applied(stage, 7).writes, 2);
}

static void an_action_on_a_card_that_is_not_managed_is_refused(void **state)
{
    struct stage *stage = *state;

    sync_control(stage);
    sync_lead(stage);
    apply(stage, 7, ACTION_PF_CREATE_VFS, 0);
    assert_int_equal(applied(stage, 7).error, -ENODEV);
}

static void a_vf_of_nobody_is_not_activated(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    begin(stage);
    apply(stage, 7, ACTION_VF_ACTIVATE, 0);
    assert_int_equal(applied(stage, 7).error, -EPERM);
}

static void an_action_sent_again_while_it_waits_is_done_once(void **state)
{
    struct stage *stage = *state;
    struct frame frame;

    name_card(stage);
    sync_control(stage);
    stage_hear(stage, PROCESS_CONTROL, TCB_SYNC, &frame);
    apply(stage, 7, ACTION_PF_CREATE_VFS, 0);
    apply(stage, 7, ACTION_PF_CREATE_VFS, 0);
    sync_lead(stage);
    applied(stage, 7);
    assert_true(stage_silent(stage, PROCESS_CONTROL, 700));
}

/* A pipe in the place of sriov_numvfs: who writes waits, as for a holder of a VF. */
static void a_writer_that_blocks_blocks_nobody_else(void **state)
{
    struct stage *stage = *state;
    struct frame frame;
    char root[80], path[160];

    root_of(state, root);
    tree_unlink(root, TREE_PF, "sriov_numvfs");
    snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:01:00.0/sriov_numvfs", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    begin(stage);
    apply(stage, 7, ACTION_PF_CREATE_VFS, 0);
    stage_link(stage, PROCESS_SR_PCIM);
    stage_hear(stage, PROCESS_SR_PCIM, OBSERVED_SYNC, &frame);
    assert_true(stage_silent(stage, PROCESS_CONTROL, 200));
    assert_int_equal(applied(stage, 7).error, -ETIMEDOUT);
    sleep(1); /* this one can be killed */
    tree_unlink(root, TREE_PF, "sriov_numvfs");
    tree_text(root, TREE_PF, "sriov_numvfs", "");
    apply(stage, 8, ACTION_PF_CREATE_VFS, 0);
    assert_int_equal(applied(stage, 8).error, 0);
}

/* A death between two links: what is desired and is so, is not written again. */
static void a_restart_writes_nothing(void **state)
{
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    bind_vfs(root);
    begin(stage);
    stage_die(stage);
    stage_start(stage);
    begin(stage);
    apply(stage, 9, ACTION_PF_CREATE_VFS, 0);
    struct tcb_applied result = applied(stage, 9);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
    apply(stage, 10, ACTION_PF_BIND_VFS, 0);
    result = applied(stage, 10);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
}

/* ---- VFIO */

static struct vfio_files opened(struct stage *stage)
{
    struct vfio_files files;
    struct frame frame;

    stage_hear(stage, PROCESS_LEAD, VFIO_FILES, &frame);
    memcpy(&files, frame.bytes, sizeof(files));
    assert_int_equal(files.error ? frame.files_count : 0, 0);
    frame_clear(&frame);
    return files;
}

static void files_are_for_the_owner_only(void **state)
{
    const struct vfio_open open_it = vfio(VFIO_OPEN, 2, 0);
    struct stage *stage = *state;
    char root[80];

    root_of(state, root);
    tree_create_vfs(root, VFS);
    tree_link(root, tree_vf(0), "driver", "/drivers/vfio-pci");
    want_vf(stage);
    sync_lead(stage);
    stage_say(stage, PROCESS_LEAD, &open_it);
    assert_true(opened(stage).error < 0);
}

/* Somebody said auto after it was activated: as long as that stands, and no longer. */
static void one_whose_pf_may_sleep_is_not_handed_out(void **state)
{
    const struct vfio_open open_it = vfio(VFIO_OPEN, 1, 0);
    struct stage *stage = *state;
    struct vfio_files answer;
    char root[80];

    root_of(state, root);
    set_power(root, "on", "active");
    tree_text(root, TREE_PF, "class", "0xff0000"); /* so that there are no attributes */
    tree_create_vfs(root, VFS);
    tree_link(root, tree_vf(0), "driver", "/drivers/vfio-pci");
    begin(stage);
    want_vf(stage);
    apply(stage, 7, ACTION_VF_ACTIVATE, 0);
    assert_int_equal(applied(stage, 7).error, 0);
    set_power(root, "auto", "active");
    heard(stage, POWER_AUTO, POWER_AWAKE);
    stage_say(stage, PROCESS_LEAD, &open_it);
    answer = opened(stage);
    assert_int_equal(answer.error, -EAGAIN);
    assert_non_null(strstr(answer.text, "may sleep"));
    set_power(root, "on", "active");
    heard(stage, POWER_ON, POWER_AWAKE);
    stage_say(stage, PROCESS_LEAD, &open_it);
    answer = opened(stage);
    assert_null(strstr(answer.text, "may sleep"));
}

/* ---- who breaks the protocol loses its link */

static void a_hostile_action_ends_the_link(void **state)
{
    struct stage *stage = *state;

    begin(stage);
    apply(stage, 7, DEVICE_ACTIONS, 0);
    stage_hear_end(stage, PROCESS_CONTROL);
}

static void a_vf_out_of_range_ends_the_link(void **state)
{
    struct stage *stage = *state;

    begin(stage);
    apply(stage, 7, ACTION_VF_ACTIVATE, PARCLOSE_MAX_VFS_PER_PF);
    stage_hear_end(stage, PROCESS_CONTROL);
}

static void a_driver_that_is_a_path_ends_the_link(void **state)
{
    struct stage *stage = *state;
    struct tcb_card card = {.header = frame_header(TCB_CARD, sizeof(card), 0),
                            .card = {.name = "x", .bdf = TREE_PF, .vfs = 1, .driver = "../x"}};

    stage_say(stage, PROCESS_CONTROL, &card);
    stage_hear_end(stage, PROCESS_CONTROL);
}

static void too_many_vfio_files_end_the_link(void **state)
{
    struct vfio_open many = vfio(VFIO_OPEN, 1, 0);
    struct stage *stage = *state;

    many.vfs_count = PARCLOSE_MAX_PARTITION_VFS + 1;
    stage_say(stage, PROCESS_LEAD, &many);
    stage_hear_end(stage, PROCESS_LEAD);
}

static void sr_pcim_may_say_nothing(void **state)
{
    struct stage *stage = *state;
    const struct tcb_sync word = {.header = frame_header(TCB_SYNC, sizeof(word), 0)};

    stage_say(stage, PROCESS_SR_PCIM, &word);
    stage_hear_end(stage, PROCESS_SR_PCIM);
}

#define on_stage(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        on_stage(a_new_link_hears_everything),
        on_stage(nothing_is_said_before_control_named_the_cards),
        on_stage(a_change_behind_our_back_is_noticed),
        on_stage(a_vf_that_was_reset_under_its_user_is_in_error),
        on_stage(an_uncorrectable_error_is_said_until_the_driver_begins_anew),
        on_stage(a_card_named_no_more_is_gone),
        on_stage(every_other_function_is_said),
        on_stage(a_managed_card_is_no_other_function),
        on_stage(devices_xml_follows),
        on_stage(vfs_are_created_once),
        on_stage(vfs_that_do_not_bind_are_said),
        on_stage(a_vf_for_the_host_is_said),
        on_stage(another_number_of_vfs_is_refused),
        on_stage(a_pf_whose_vf_is_held_is_not_restarted),
        on_stage(no_action_takes_a_held_vf_away),
        on_stage(who_works_is_not_disturbed),
        on_stage(what_nobody_uses_is_not_renewed),
        on_stage(a_reset_that_no_vf_tells_of),
        on_stage(a_vf_that_was_armed_after_a_reset_tells_nothing),
        on_stage(what_nobody_uses_is_renewed_after_a_reset),
        on_stage(nor_does_a_control_that_lies),
        on_stage(a_vf_is_no_card),
        on_stage(a_vf_with_a_driver_of_the_host_is_in_use),
        on_stage(a_pf_without_a_vf_in_use_is_reset),
        on_stage(an_idle_pf_is_put_to_sleep_and_woken),
        on_stage(who_may_not_sleep_is_not_put_to_sleep),
        on_stage(one_with_a_held_vf_is_not_put_to_sleep),
        on_stage(one_that_does_not_wake_is_said_to),
        on_stage(a_vf_is_activated_on_a_pf_that_is_on),
        on_stage(one_that_sleeps_is_not_looked_at),
        on_stage(one_that_sleeps_is_left_asleep_by_a_new_tcb),
        on_stage(what_the_host_uses_is_spared),
        on_stage(what_the_host_does_not_use_is_not),
        on_stage(one_without_a_reset_is_said_to_be),
        on_stage(one_whose_reset_fails_gets_its_driver_back),
        on_stage(a_lost_vf_is_not_reset_when_it_is_closed),
        on_stage(one_vf_is_closed_alone),
        on_stage(a_card_that_is_pulled_out_and_comes_back),
        on_stage(a_late_release_does_not_touch_the_next_owners_vf),
        on_stage(nothing_is_written_before_lead_has_spoken),
        on_stage(an_action_on_a_card_that_is_not_managed_is_refused),
        on_stage(a_vf_of_nobody_is_not_activated),
        on_stage(an_action_sent_again_while_it_waits_is_done_once),
        on_stage(a_writer_that_blocks_blocks_nobody_else),
        on_stage(a_restart_writes_nothing),
        on_stage(files_are_for_the_owner_only),
        on_stage(one_whose_pf_may_sleep_is_not_handed_out),
        on_stage(a_hostile_action_ends_the_link),
        on_stage(a_vf_out_of_range_ends_the_link),
        on_stage(a_driver_that_is_a_path_ends_the_link),
        on_stage(too_many_vfio_files_end_the_link),
        on_stage(sr_pcim_may_say_nothing),
    };

    if (argc != 2 && argc != 3)
        return 2;
    stage_executable = argv[1];
    if (argc == 3) /* of a mutant: the test that must find it */
        cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
