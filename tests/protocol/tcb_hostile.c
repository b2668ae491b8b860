/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-tcb between hostile peers, in front of a /sys without any function. What each action is
 * refused for, with VFs in use, is in tests/unit/tcb.
 */
#include <fcntl.h>

#include "hostile.h"
#include "parclose/msg_control_tcb.h"
#include "parclose/msg_tcb_lead.h"

#define PF                                                                                         \
    {                                                                                              \
        0x0100                                                                                     \
    }

static const struct attack_row from_control[] = {
    ATTACK_ROW(TCB_CARD, 0, 0, tcb_card, LINK_ENDS),
    ATTACK_ROW(TCB_ASSIGN, 0, 0, tcb_assign, LINK_ENDS),
    ATTACK_ROW(TCB_SYNC, 0, 0, tcb_sync, NO_MATTER), /* it has no body */
    ATTACK_ROW(TCB_APPLY, 0, 0, tcb_apply, LINK_ENDS),
    ATTACK_ROW(TCB_EDITED, 0, 0, tcb_edited, LINK_ENDS),
};
static const struct attack_row from_lead[] = {
    ATTACK_ROW(VFIO_OPEN, 0, 0, vfio_open, LINK_ENDS),
    ATTACK_ROW(VFIO_HELD, 0, 0, vfio_open, LINK_ENDS),
    ATTACK_ROW(VFIO_CLOSED, 0, 0, vfio_closed, NO_MATTER), /* of a partition that has none */
    ATTACK_ROW(VFIO_SYNC, 0, 0, vfio_sync, NO_MATTER),     /* it has no body */
};
static const struct attack_peer peers[] = {
    {PROCESS_CONTROL, from_control, sizeof(from_control) / sizeof(from_control[0])},
    {PROCESS_LEAD, from_lead, sizeof(from_lead) / sizeof(from_lead[0])},
    {PROCESS_SR_PCIM, NULL, 0}, /* it may say nothing */
};

#define CARD(...)                                                                                  \
    PROCESS_CONTROL, &(const struct tcb_card)                                                      \
    {                                                                                              \
        LIE_HEADER(TCB_CARD, tcb_card, 0), .card = { __VA_ARGS__ }                                 \
    }
#define MORE(...)                                                                                  \
    PROCESS_CONTROL, &(const struct tcb_card)                                                      \
    {                                                                                              \
        LIE_HEADER(TCB_CARD, tcb_card, 0),                                                         \
            .card = {.name = "net0", .bdf = PF, .vfs = 1, .driver = "igb"}, __VA_ARGS__            \
    }
#define ASSIGN(...)                                                                                \
    PROCESS_CONTROL, &(const struct tcb_assign)                                                    \
    {                                                                                              \
        LIE_HEADER(TCB_ASSIGN, tcb_assign, 0), __VA_ARGS__                                         \
    }
#define APPLY(id, ...)                                                                             \
    PROCESS_CONTROL, &(const struct tcb_apply)                                                     \
    {                                                                                              \
        LIE_HEADER(TCB_APPLY, tcb_apply, id), __VA_ARGS__                                          \
    }
#define OPEN(type, ...)                                                                            \
    PROCESS_LEAD, &(const struct vfio_open)                                                        \
    {                                                                                              \
        LIE_HEADER(type, vfio_open, 1), __VA_ARGS__                                                \
    }

static const struct attack_lie lies[] = {
    {"a card without VFs", CARD(.bdf = PF, .driver = "igb"), LINK_ENDS},
    {"a card of 4 G VFs", CARD(.bdf = PF, .driver = "igb", .vfs = UINT32_MAX), LINK_ENDS},
    {"a card without a driver", CARD(.bdf = PF, .vfs = 1), LINK_ENDS},
    {"a card without end", CARD(.bdf = PF, .vfs = 1, .name = ENDLESS(PARCLOSE_NAME_MAX)),
     LINK_ENDS},
    {"a driver without end", CARD(.bdf = PF, .vfs = 1, .driver = ENDLESS(CARD_DRIVER_MAX)),
     LINK_ENDS},
    {"a driver that is a path", CARD(.bdf = PF, .vfs = 1, .driver = "../../x"), LINK_ENDS},
    {"a card that is not there", CARD(.bdf = PF, .name = "net0", .vfs = 1, .driver = "igb"),
     NO_MATTER},
    {"a card that is more than disabled", MORE(.disabled = 2), LINK_ENDS},
    {"an idle power of no kind", MORE(.idle_power = IDLE_POWERS), LINK_ENDS},
    {"a reserved word of a card", MORE(.reserved = 1), LINK_ENDS},
    {"a VF beyond all", ASSIGN(.pf = PF, .index = PARCLOSE_MAX_VFS_PER_PF), LINK_ENDS},
    {"an owner of no kind", ASSIGN(.pf = PF, .owner = {.kind = OWNER_GUEST + 1}), LINK_ENDS},
    {"a VF requested twice", ASSIGN(.pf = PF, .requested = 2), LINK_ENDS},
    {"a VF of no card", ASSIGN(.pf = {0xfff8}, .owner = {.kind = OWNER_GUEST}), NO_MATTER},

    {"no action", APPLY(1, .transaction = 1, .pf = PF), LINK_ENDS},
    {"an action of no kind", APPLY(1, .transaction = 1, .action = DEVICE_ACTIONS, .pf = PF),
     LINK_ENDS},
    {"an action without a transaction", APPLY(1, .action = ACTION_PF_RESET, .pf = PF), LINK_ENDS},
    {"an action without an id", APPLY(0, .transaction = 1, .action = ACTION_PF_RESET, .pf = PF),
     LINK_ENDS},
    {"an action on a VF beyond all",
     APPLY(1, .transaction = 1, .action = ACTION_VF_ACTIVATE, .pf = PF,
           .index = PARCLOSE_MAX_VFS_PER_PF),
     LINK_ENDS},
    {"sleep of a card that is to be awake",
     APPLY(1, .transaction = 1, .action = ACTION_PF_SLEEP, .pf = PF), NO_MATTER},
    {"sleep of what is no card",
     APPLY(1, .transaction = 1, .action = ACTION_PF_SLEEP, .pf = {0xfff8}), NO_MATTER},
    {"a reset of what is no card",
     APPLY(1, .transaction = 1, .action = ACTION_PF_RESET, .pf = {0xfff8}), NO_MATTER},

    {"files for nobody", OPEN(VFIO_OPEN, .vfs_count = 1), LINK_ENDS},
    {"files for a partition beyond all", OPEN(VFIO_OPEN, .partition = {UINT32_MAX}), LINK_ENDS},
    {"more files than there can be",
     OPEN(VFIO_OPEN, .partition = {1}, .vfs_count = PARCLOSE_MAX_PARTITION_VFS + 1), LINK_ENDS},
    {"more held than can be", OPEN(VFIO_HELD, .partition = {1}, .vfs_count = UINT32_MAX),
     LINK_ENDS},
    {"held by nobody", OPEN(VFIO_HELD, .vfs_count = 1), LINK_ENDS},
    {"a VF that is not there is held",
     OPEN(VFIO_HELD, .partition = {1}, .vfs_count = 1, .vfs = {{0x180}}), NO_MATTER},
};

static void give(struct stage *stage)
{
    stage_give(stage, "state", open(stage->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int main(int argc, char **argv)
{
    static const struct attack attack = {
        .victim = PROCESS_TCB,
        .peers = peers,
        .peers_count = sizeof(peers) / sizeof(peers[0]),
        .lies = lies,
        .lies_count = sizeof(lies) / sizeof(lies[0]),
        .give = give,
    };
    return attack_run(&attack, argc, argv);
}
