/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness for each kind of trouble, and what is proposed: nothing when all is as desired. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pcim.h"

#define VFS 2

/* An igb as it is when everything is as desired; each test spoils one thing. */
static int setup(void **state)
{
    static struct pcim_pf pf;
    pf = (struct pcim_pf){
        .bdf = {0x100},
        .managed = true,
        .card = {.name = "net0", .bdf = {0x100}, .vfs = VFS, .driver = "igb"},
        .present = true,
        .observed = {.bdf = {0x100},
                     .class = CLASS_NETWORK,
                     .vendor = 0x8086,
                     .status = FUNCTION_ACTIVE,
                     .answers = 1,
                     .numvfs = VFS,
                     .link_up = 1,
                     .driver = "igb",
                     .netdev = "eth0",
                     .sriov = {.offset = 0x160,
                               .control = SRIOV_CTRL_VF_ENABLE | SRIOV_CTRL_VF_MSE,
                               .num_vfs = VFS}},
    };
    for (uint32_t i = 0; i < VFS; i++)
        pf.vfs[i] = (struct pcim_vf){.present = true,
                                     .observed = {.bdf = {0x180 + 2 * i},
                                                  .index = i,
                                                  .answers = 1,
                                                  .driver = "vfio-pci",
                                                  .status = FUNCTION_INACTIVE}};
    *state = &pf;
    return 0;
}

static uint32_t judged(const struct pcim_pf *pf)
{
    struct judgement judgement;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness == PF_READY, judgement.reason[0] == 0);
    return judgement.readiness;
}

static void as_desired_is_ready_and_proposes_nothing(void **state)
{
    struct pcim_pf *pf = *state;
    assert_int_equal(judged(pf), PF_READY);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
}

/* Other cards, again and again: what is neither there nor ours any more makes room. */
static void one_that_is_gone_makes_room(void **state)
{
    struct pcim_pf *pfs[PARCLOSE_MAX_PFS] = {0};
    (void)state;

    for (uint32_t i = 1; i <= PARCLOSE_MAX_PFS; i++) {
        struct pcim_pf *pf = pcim_pf_get(pfs, (struct bdf){i << 8});
        assert_non_null(pf);
        assert_ptr_equal(pcim_pf_find(pfs, (struct bdf){i << 8}), pf);
        pf->managed = pf->present = true;
    }
    assert_null(pcim_pf_get(pfs, (struct bdf){0x8000}));
    pfs[7]->managed = false;
    assert_null(pcim_pf_get(pfs, (struct bdf){0x8000}));
    pfs[7]->present = false;
    struct pcim_pf *pf = pcim_pf_get(pfs, (struct bdf){0x8000});
    assert_ptr_equal(pf, pfs[7]);
    assert_int_equal(pf->bdf.value, 0x8000);
    assert_int_equal(pf->readiness, PF_UNKNOWN);
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        free(pfs[i]);
}

static void absent_card(void **state)
{
    struct pcim_pf *pf = *state;
    pf->present = false;
    assert_int_equal(judged(pf), PF_ABSENT);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

/* As the TCB says of a managed one that was pulled out: whatever was ordered waits for it. */
static void a_card_that_was_pulled_out(void **state)
{
    struct pcim_pf *pf = *state;
    pf->observed = (struct pf_observed){.bdf = {0x100}, .status = FUNCTION_ABSENT};
    pf->recover = true;
    assert_int_equal(judged(pf), PF_ABSENT);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.vendor = 0x8086;
    pf->observed.answers = 1;
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND);
}

static void silent_configuration_space(void **state)
{
    struct pcim_pf *pf = *state;
    pf->observed.answers = 0;
    assert_int_equal(judged(pf), PF_NO_ANSWER);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

static void unbound_driver_waits_for_rung_1(void **state)
{
    struct pcim_pf *pf = *state;
    pf->observed.driver[0] = 0;
    assert_int_equal(judged(pf), PF_DRIVER_UNBOUND);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->recover = true;
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND);
}

static void wrong_driver(void **state)
{
    struct pcim_pf *pf = *state;
    strcpy(pf->observed.driver, "pci-pf-stub");
    assert_int_equal(judged(pf), PF_DRIVER_UNBOUND);
    pf->recover = true;
    assert_int_equal(next_for_pf(pf), ACTION_PF_RESTART);
}

static void rebind_that_left_no_vfs_creates_them(void **state)
{
    struct pcim_pf *pf = *state;
    pf->observed.sriov.control = 0;
    pf->observed.sriov.num_vfs = 0;
    pf->observed.numvfs = 0;
    assert_int_equal(judged(pf), PF_VFS_MISSING);
    assert_int_equal(next_for_pf(pf), ACTION_PF_CREATE_VFS);
    pf->observed.open_vfs = 1;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

static void fewer_vfs_than_configured_is_not_ours_to_mend(void **state)
{
    struct pcim_pf *pf = *state;
    pf->observed.sriov.num_vfs = 1;
    pf->observed.numvfs = 1;
    assert_int_equal(judged(pf), PF_VFS_MISSING);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

/* A PF reset behind the kernel's back: sysfs still says 2, the capability says 0. */
static void sysfs_is_not_the_truth(void **state)
{
    struct pcim_pf *pf = *state;
    pf->observed.sriov.num_vfs = 0;
    pf->observed.sriov.control = 0;
    assert_int_equal(judged(pf), PF_VFS_MISSING);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

/* Whatever is wrong with it, rung 1 included: nothing is done to it. */
static void one_that_is_disabled_is_left_alone(void **state)
{
    struct pcim_pf *pf = *state;

    pf->disabled = true;
    assert_int_equal(judged(pf), PF_DISABLED);
    pf->observed.numvfs = pf->observed.sriov.num_vfs = pf->observed.sriov.control = 0;
    pf->observed.link_up = 0;
    pf->vfs[0].wanted = true;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
    pf->observed.driver[0] = '\0';
    pf->recover = true;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    assert_int_equal(judged(pf), PF_DISABLED);
    pf->present = false;
    assert_int_equal(judged(pf), PF_DISABLED);
    pf->disabled = false;
    assert_int_equal(judged(pf), PF_ABSENT);
}

/* Everything else looks well. Under way: it is the kernel's turn. */
static void one_that_was_not_recovered_begins_anew(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    strcpy(pf->card.driver, "ixgbe");
    strcpy(pf->observed.driver, "ixgbe");
    pf->observed.errors = (struct error_counts){.known = 1, .correctable = 9, .fatal = 2};
    assert_int_equal(judged(pf), PF_READY);
    pf->observed.recovery = RECOVERY_UNDER_WAY;
    assert_int_equal(judged(pf), PF_ERRORS);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.recovery = RECOVERY_FAILED;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_ERRORS);
    assert_non_null(strstr(judgement.reason, "2 fatal, 0 non-fatal"));
    assert_non_null(strstr(judgement.reason, "recovery failed"));
    assert_int_equal(next_for_pf(pf), ACTION_PF_RESTART);
    pf->observed.open_vfs = 1; /* a guest has one: it is told, and keeps it */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.driver[0] = 0;
    assert_int_equal(judged(pf), PF_DRIVER_UNBOUND);
}

/* Whoever unbinds it hangs, and holds what all of the host's network needs. */
static void a_driver_that_would_hang_is_left_alone(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    pf->observed.recovery = RECOVERY_FAILED;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_ERRORS);
    assert_non_null(strstr(judgement.reason, "restart the host"));
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->recover = true;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.link_up = 0; /* its queues were not on */
    assert_int_equal(next_for_pf(pf), ACTION_PF_RESTART);
}

static void any_silent_vf(void **state)
{
    struct pcim_pf *pf = *state;
    pf->vfs[1].observed.answers = 0;
    assert_int_equal(judged(pf), PF_VF_NO_ANSWER);
    pf->vfs[1].observed.answers = 1;
    pf->vfs[0].present = false;
    assert_int_equal(judged(pf), PF_VF_NO_ANSWER);
}

static void link_down_is_brought_up_for_network_only(void **state)
{
    struct pcim_pf *pf = *state;
    pf->observed.link_up = 0;
    assert_int_equal(judged(pf), PF_LINK_DOWN);
    assert_int_equal(next_for_pf(pf), ACTION_PF_LINK_UP);
    pf->observed.class = CLASS_NVME;
    assert_int_equal(judged(pf), PF_LINK_DOWN);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

static void a_vf_that_was_reset_has_its_pf_renewed(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    pf->vfs[1].wanted = pf->vfs[1].in_use = pf->vfs[1].reset = true;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_VF_RESET);
    assert_string_equal(judgement.reason, "its VF 1 was reset under its guest");
    assert_int_equal(next_for_pf(pf), ACTION_PF_RENEW);
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    pf->observed.link_up = 0; /* renewing brings it up */
    assert_int_equal(next_for_pf(pf), ACTION_PF_RENEW);
    pf->observed.driver[0] = 0; /* nothing can be done through it */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

static void a_vf_that_is_waited_for_is_told_of(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    pf->vfs[1].wanted = pf->vfs[1].in_use = pf->vfs[1].requested = true;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_READY);
    assert_non_null(strstr(judgement.reason, "waits for its VF 1 to be let go"));
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    pf->observed.link_up = 0;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_LINK_DOWN);
    assert_string_equal(judgement.reason, "its interface is down");
}

static void one_that_was_reset_is_renewed_before_its_vfs_are_used(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    pf->observed.reset = 1;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_VF_RESET);
    assert_string_equal(judgement.reason, "it was reset behind its driver's back");
    assert_int_equal(next_for_pf(pf), ACTION_PF_RENEW);
    pf->observed.recovery = RECOVERY_UNDER_WAY; /* the kernel is at it */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

static void a_carrier_is_asked_for_only_by_definition(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    pf->observed.carrier = 0;
    assert_int_equal(judged(pf), PF_READY);
    pf->card.link = CARD_LINK_CARRIER;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_LINK_DOWN);
    assert_string_equal(judgement.reason, "its interface has no carrier");
    assert_int_equal(next_for_pf(pf), ACTION_NONE); /* nobody but a cable helps */
    pf->observed.carrier = 1;
    assert_int_equal(judged(pf), PF_READY);
}

static void one_whose_driver_is_in_error_is_not_ready(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    strcpy(pf->observed.health, "fw_fatal");
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_UNHEALTHY);
    assert_string_equal(judgement.reason, "its driver's health reporter fw_fatal is in error");
    assert_int_equal(next_for_pf(pf), ACTION_NONE); /* the driver is at it; then the ladder */
    pf->recover = true;
    assert_int_equal(next_for_pf(pf), ACTION_PF_RESTART);
}

/* Said beside whatever else it is: nothing can be done about it until that child ends. */
static void a_write_that_does_not_come_back_is_told_of(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    pf->observed.stuck_pid = 815;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_READY); /* guests go on */
    assert_string_equal(judgement.reason, "process 815 has not come back from a write to it");
    pf->observed.link_up = 0;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_LINK_DOWN);
    assert_string_equal(judgement.reason, "its interface is down; process 815 has not come back "
                                          "from a write to it");
}

/* ---- runtime power management */

static const char *reason(const struct pcim_pf *pf)
{
    static struct judgement judgement;

    judge_pf(pf, &judgement);
    return judgement.reason;
}

static void an_idle_one_that_may_is_put_to_sleep(void **state)
{
    struct pcim_pf *pf = *state;

    pf->observed.power_control = POWER_ON;
    pf->observed.power_status = POWER_AWAKE;
    assert_int_equal(next_for_pf(pf), ACTION_NONE); /* nobody asks for it */
    pf->idle_power = IDLE_POWER_AUTO;
    assert_int_equal(next_for_pf(pf), ACTION_PF_SLEEP);
    assert_int_equal(judged(pf), PF_READY);
    pf->observed.link_up = 0; /* not to be brought up just before */
    assert_int_equal(next_for_pf(pf), ACTION_PF_SLEEP);
    assert_int_equal(judged(pf), PF_ASLEEP);
    pf->observed.power_control = POWER_CONTROL_UNKNOWN; /* a kernel without it */
    assert_int_equal(next_for_pf(pf), ACTION_PF_LINK_UP);
}

/* One VF of it is enough, whoever has it. */
static void one_that_is_used_stays_awake(void **state)
{
    struct pcim_pf *pf = *state;

    pf->observed.power_control = POWER_ON;
    pf->idle_power = IDLE_POWER_AUTO;
    pf->vfs[1].wanted = true;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].wanted = false;
    pf->vfs[1].in_use = true;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].in_use = false;
    pf->vfs[1].observed.open = 1; /* it is being given back */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].observed.open = 0;
    pf->observed.open_vfs = 1;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.open_vfs = 0;
    strcpy(pf->vfs[0].observed.driver, "igbvf"); /* the host's */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    strcpy(pf->vfs[0].observed.driver, "vfio-pci");
    assert_int_equal(next_for_pf(pf), ACTION_PF_SLEEP);
    pf->disabled = true;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

/* Nobody would see it any more. */
static void one_that_lacks_something_is_not_put_to_sleep(void **state)
{
    struct pcim_pf *pf = *state;

    pf->observed.power_control = POWER_ON;
    pf->idle_power = IDLE_POWER_AUTO;
    pf->vfs[1].observed.answers = 0;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].observed.answers = 1;
    pf->observed.recovery = RECOVERY_UNDER_WAY;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.recovery = RECOVERY_NONE;
    pf->observed.numvfs = pf->observed.sriov.num_vfs = pf->observed.sriov.control = 0;
    assert_int_equal(next_for_pf(pf), ACTION_PF_CREATE_VFS);
}

/* A VF that vfio-pci does not take keeps nobody awake. */
static void vfs_are_bound_before_their_pf_sleeps(void **state)
{
    struct pcim_pf *pf = *state;

    pf->observed.power_control = POWER_ON;
    pf->idle_power = IDLE_POWER_AUTO;
    memset(pf->vfs[1].observed.driver, 0, DRIVER_NAME_MAX);
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND_VFS);
    pf->vfs[1].observed.bind_error = EIO;
    assert_int_equal(next_for_pf(pf), ACTION_PF_SLEEP);
    pf->observed.power_control = POWER_AUTO;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].observed.bind_error = 0; /* not even one that was not tried wakes it */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

static void one_that_sleeps_is_left_alone(void **state)
{
    struct pcim_pf *pf = *state;

    pf->idle_power = IDLE_POWER_AUTO;
    pf->observed.power_control = POWER_AUTO;
    pf->observed.power_status = POWER_AWAKE;
    assert_int_equal(judged(pf), PF_READY); /* its link is a use of it */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.link_up = 0;
    assert_int_equal(judged(pf), PF_ASLEEP);
    assert_string_equal(reason(pf), "no partition has or wants a VF of it: it may sleep");
    pf->observed.power_status = POWER_ASLEEP;
    assert_string_equal(reason(pf), "no partition has or wants a VF of it");
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
    pf->observed.driver[0] = 0; /* that is said first */
    assert_int_equal(judged(pf), PF_DRIVER_UNBOUND);
}

static void one_that_is_wanted_is_woken_first(void **state)
{
    struct pcim_pf *pf = *state;

    pf->idle_power = IDLE_POWER_AUTO;
    pf->observed.power_control = POWER_AUTO;
    pf->observed.power_status = POWER_ASLEEP;
    pf->observed.link_up = 0;
    pf->vfs[0].wanted = true;
    assert_int_equal(judged(pf), PF_ASLEEP);
    assert_string_equal(reason(pf), "it is asleep; it is being woken");
    assert_int_equal(next_for_pf(pf), ACTION_PF_WAKE);
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
    pf->observed.power_control = POWER_ON;
    assert_int_equal(next_for_pf(pf), ACTION_PF_LINK_UP);
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE); /* not back yet */
    pf->observed.power_status = POWER_AWAKE;
    assert_int_equal(judged(pf), PF_LINK_DOWN);
    assert_int_equal(next_for_vf(pf, 0), ACTION_VF_ACTIVATE);
    pf->observed.power_status = POWER_ERROR;
    assert_int_equal(judged(pf), PF_ASLEEP);
    pf->recover = true; /* what the ladder orders comes first */
    assert_int_equal(next_for_pf(pf), ACTION_PF_RESTART);
}

/* Whoever wrote it: kept awake, when nobody asked for the other, or somebody uses it. */
static void auto_from_outside_is_taken_back(void **state)
{
    struct pcim_pf *pf = *state;

    pf->observed.power_control = POWER_AUTO;
    pf->observed.power_status = POWER_AWAKE;
    assert_int_equal(next_for_pf(pf), ACTION_PF_WAKE);
    pf->idle_power = IDLE_POWER_AUTO;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].wanted = pf->vfs[1].in_use = true;
    assert_int_equal(judged(pf), PF_READY); /* its guest loses nothing by it */
    assert_int_equal(next_for_pf(pf), ACTION_PF_WAKE);
}

static void an_nvme_in_auto_is_judged_as_ever(void **state)
{
    struct pcim_pf *pf = *state;

    pf->idle_power = IDLE_POWER_AUTO;
    pf->observed.class = CLASS_NVME;
    pf->observed.power_control = POWER_AUTO;
    pf->observed.power_status = POWER_AWAKE;
    assert_int_equal(judged(pf), PF_READY);
    pf->observed.link_up = 0;
    assert_int_equal(judged(pf), PF_LINK_DOWN);
}

static void what_the_pf_forgot_of_a_vf_in_use_is_set_again(void **state)
{
    struct pcim_pf *pf = *state;
    struct pcim_vf *vf = &pf->vfs[1];

    vf->wanted = vf->in_use = true;
    vf->observed.open = vf->observed.attributes_set = 1;
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    vf->observed.attributes_set = 0;
    assert_int_equal(next_for_vf(pf, 1), ACTION_VF_RENEW);
    vf->reset = true; /* renewing the PF does that too */
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    vf->reset = false;
    vf->observed.open = 0; /* about to be opened, or just closed */
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    vf->observed.open = 1;
    pf->observed.driver[0] = 0;
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
}

/* Who closes it would stand still until the kernel is tired of waiting for it. */
static void a_vf_that_is_lost_is_abandoned_once(void **state)
{
    struct pcim_pf *pf = *state;
    struct pcim_vf *vf = &pf->vfs[1];

    vf->wanted = vf->in_use = true;
    vf->observed.open = vf->observed.attributes_set = 1;
    pf->observed.open_vfs = 1;
    vf->observed.answers = 0;
    pf->observed.recovery = RECOVERY_UNDER_WAY; /* it may come back */
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    pf->observed.recovery = RECOVERY_FAILED;
    assert_int_equal(next_for_vf(pf, 1), ACTION_VF_ABANDON);
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE); /* it answers */
    vf->proposal = (struct proposal){.action = ACTION_VF_ABANDON};
    proposal_done(&vf->proposal, -5, 0);
    assert_int_equal(next_for_vf(pf, 1), ACTION_VF_ABANDON);
    proposal_done(&vf->proposal, 0, 0);
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    vf->proposal.action = ACTION_VF_ACTIVATE;
    vf->observed.open = 0;
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
}

static void no_interface_is_brought_up_in_a_recovery(void **state)
{
    struct pcim_pf *pf = *state;

    pf->observed.link_up = 0;
    pf->observed.recovery = RECOVERY_UNDER_WAY;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].reset = true; /* by the kernel */
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.recovery = RECOVERY_NONE;
    assert_int_equal(next_for_pf(pf), ACTION_PF_RENEW);
    pf->vfs[1].reset = false;
    assert_int_equal(next_for_pf(pf), ACTION_PF_LINK_UP);
}

static void restart_under_way_is_busy(void **state)
{
    struct pcim_pf *pf = *state;
    pf->proposal = (struct proposal){.id = 7, .action = ACTION_PF_RESTART};
    assert_int_equal(judged(pf), PF_BUSY);
}

static void wanted_vf_is_activated_once(void **state)
{
    struct pcim_pf *pf = *state;
    pf->vfs[1].wanted = true;
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
    assert_int_equal(next_for_vf(pf, 1), ACTION_VF_ACTIVATE);
    pf->vfs[1].observed.status = FUNCTION_ACTIVE;
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
}

static void vf_in_use_or_open_is_never_touched(void **state)
{
    struct pcim_pf *pf = *state;
    pf->vfs[0].wanted = pf->vfs[0].in_use = true;
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
    pf->vfs[0].in_use = false;
    pf->vfs[0].observed.open = 1;
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
}

static void nothing_is_configured_through_a_pf_that_cannot(void **state)
{
    struct pcim_pf *pf = *state;
    pf->vfs[0].wanted = true;
    pf->observed.driver[0] = 0;
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
    strcpy(pf->observed.driver, "igb");
    pf->observed.netdev[0] = 0;
    assert_int_equal(next_for_vf(pf, 0), ACTION_NONE);
}

static void unbind(struct pcim_pf *pf, uint32_t index)
{
    memset(pf->vfs[index].observed.driver, 0, DRIVER_NAME_MAX);
}

/* Whoever wants it, or nobody; with guests beside it the PF is ready all the same. */
static void a_vf_without_a_driver_is_bound(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    unbind(pf, 1);
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_VFS_UNBOUND);
    assert_string_equal(judgement.reason, "its VF 1 is not bound to vfio-pci yet");
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND_VFS);
    assert_int_equal(next_for_vf(pf, 1), ACTION_NONE);
    pf->observed.open_vfs = 1;
    assert_int_equal(judged(pf), PF_READY);
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND_VFS);
    pf->observed.recovery = RECOVERY_UNDER_WAY;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->observed.recovery = RECOVERY_NONE;
    pf->vfs[1].observed.answers = 0;
    assert_int_equal(judged(pf), PF_VF_NO_ANSWER);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

/* Whoever has it; one more than the definition asks for is not ours. */
static void a_vf_that_is_not_ours_is_not_bound(void **state)
{
    struct pcim_pf *pf = *state;

    strcpy(pf->vfs[0].observed.driver, "igbvf");
    unbind(pf, 1);
    pf->vfs[1].observed.for_host = 1;
    assert_int_equal(judged(pf), PF_READY);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].observed.for_host = 0;
    pf->vfs[1].observed.open = 1;
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
    pf->vfs[1].observed.open = 0;
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND_VFS);
    pf->card.vfs = 1;
    assert_int_equal(judged(pf), PF_READY);
    assert_int_equal(next_for_pf(pf), ACTION_NONE);
}

/* Tried again, but neither the PF nor who has another VF waits for it. */
static void a_vf_that_does_not_bind_is_told_of(void **state)
{
    struct pcim_pf *pf = *state;
    struct judgement judgement;

    unbind(pf, 1);
    pf->vfs[1].observed.bind_error = EIO;
    judge_pf(pf, &judgement);
    assert_int_equal(judgement.readiness, PF_READY);
    assert_string_equal(judgement.reason,
                        "its VF 1 is not bound: vfio-pci does not take it: see the kernel's log");
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND_VFS);
    pf->observed.link_up = 0;
    assert_int_equal(judged(pf), PF_LINK_DOWN);
    assert_int_equal(next_for_pf(pf), ACTION_PF_LINK_UP);
    unbind(pf, 0); /* this one was not tried */
    assert_int_equal(next_for_pf(pf), ACTION_PF_BIND_VFS);
    pf->observed.link_up = 1;
    assert_int_equal(judged(pf), PF_VFS_UNBOUND);
    pf->vfs[0].observed.bind_error = ENOENT;
    judge_pf(pf, &judgement);
    assert_string_equal(judgement.reason, "its VF 0 and 1 more are not bound: the kernel has no "
                                          "vfio-pci: load the module");
}

static void failures_back_off_and_other_actions_do_not_wait(void **state)
{
    struct proposal proposal = {.id = 1, .action = ACTION_PF_CREATE_VFS};
    const uint64_t second = UINT64_C(1000000000);
    (void)state;

    assert_false(proposal_due(&proposal, ACTION_PF_CREATE_VFS, 0));
    for (int i = 0; i < 3; i++)
        proposal_done(&proposal, -EIO, 0);
    assert_false(proposal_due(&proposal, ACTION_PF_CREATE_VFS, 4 * second - 1));
    assert_true(proposal_due(&proposal, ACTION_PF_CREATE_VFS, 4 * second));
    assert_true(proposal_due(&proposal, ACTION_PF_LINK_UP, 0));
    for (int i = 0; i < 100; i++)
        proposal_done(&proposal, -EIO, 0);
    assert_true(proposal_due(&proposal, ACTION_PF_CREATE_VFS, 30 * second));
    proposal_done(&proposal, 0, 0);
    assert_true(proposal_due(&proposal, ACTION_PF_CREATE_VFS, second));
}

#define WITH_PF(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PF(as_desired_is_ready_and_proposes_nothing),
        WITH_PF(absent_card),
        WITH_PF(silent_configuration_space),
        WITH_PF(unbound_driver_waits_for_rung_1),
        WITH_PF(wrong_driver),
        WITH_PF(rebind_that_left_no_vfs_creates_them),
        WITH_PF(fewer_vfs_than_configured_is_not_ours_to_mend),
        WITH_PF(sysfs_is_not_the_truth),
        WITH_PF(one_that_is_disabled_is_left_alone),
        WITH_PF(one_that_was_not_recovered_begins_anew),
        WITH_PF(a_card_that_was_pulled_out),
        WITH_PF(a_driver_that_would_hang_is_left_alone),
        WITH_PF(any_silent_vf),
        WITH_PF(link_down_is_brought_up_for_network_only),
        WITH_PF(a_vf_that_was_reset_has_its_pf_renewed),
        WITH_PF(a_vf_that_is_waited_for_is_told_of),
        WITH_PF(one_that_was_reset_is_renewed_before_its_vfs_are_used),
        WITH_PF(a_carrier_is_asked_for_only_by_definition),
        WITH_PF(one_whose_driver_is_in_error_is_not_ready),
        WITH_PF(a_write_that_does_not_come_back_is_told_of),
        WITH_PF(an_idle_one_that_may_is_put_to_sleep),
        WITH_PF(one_that_is_used_stays_awake),
        WITH_PF(one_that_is_gone_makes_room),
        WITH_PF(one_that_lacks_something_is_not_put_to_sleep),
        WITH_PF(vfs_are_bound_before_their_pf_sleeps),
        WITH_PF(one_that_sleeps_is_left_alone),
        WITH_PF(one_that_is_wanted_is_woken_first),
        WITH_PF(auto_from_outside_is_taken_back),
        WITH_PF(an_nvme_in_auto_is_judged_as_ever),
        WITH_PF(what_the_pf_forgot_of_a_vf_in_use_is_set_again),
        WITH_PF(a_vf_that_is_lost_is_abandoned_once),
        WITH_PF(no_interface_is_brought_up_in_a_recovery),
        WITH_PF(restart_under_way_is_busy),
        WITH_PF(wanted_vf_is_activated_once),
        WITH_PF(vf_in_use_or_open_is_never_touched),
        WITH_PF(nothing_is_configured_through_a_pf_that_cannot),
        WITH_PF(a_vf_without_a_driver_is_bound),
        WITH_PF(a_vf_that_is_not_ours_is_not_bound),
        WITH_PF(a_vf_that_does_not_bind_is_told_of),
        WITH_PF(failures_back_off_and_other_actions_do_not_wait),
    };
    return cmocka_run_group_tests_name("sr-pcim", tests, NULL, NULL);
}
