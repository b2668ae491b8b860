/* SPDX-License-Identifier: Apache-2.0 */
/* parclose-sr-pcim between a hostile control and a hostile TCB. */
#include "hostile.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_tcb_sr_pcim.h"

#define PF                                                                                         \
    {                                                                                              \
        0x0100                                                                                     \
    }

static const struct attack_row from_control[] = {
    ATTACK_ROW(PCIM_CARD, 0, 0, pcim_card, LINK_ENDS),
    ATTACK_ROW(PCIM_WANT, 0, 0, pcim_want, LINK_ENDS),
    ATTACK_ROW(PCIM_SYNC, 0, 0, pcim_sync, NO_MATTER), /* it has no body */
    ATTACK_ROW(PCIM_RECOVER, 0, 0, pcim_recover, LINK_ENDS),
    ATTACK_ROW(PCIM_VERDICT, 0, 0, pcim_verdict, LINK_ENDS),
};
static const struct attack_row from_tcb[] = {
    ATTACK_ROW(OBSERVED_PF, 0, 0, observed_pf, LINK_ENDS),
    ATTACK_ROW(OBSERVED_VF, 0, 0, observed_vf, LINK_ENDS),
    ATTACK_ROW(OBSERVED_GONE, 0, 0, observed_gone, NO_MATTER), /* of what was never there */
    ATTACK_ROW(OBSERVED_SYNC, 0, 0, observed_sync, NO_MATTER), /* it has no body */
};
static const struct attack_peer peers[] = {
    {PROCESS_CONTROL, from_control, sizeof(from_control) / sizeof(from_control[0])},
    {PROCESS_TCB, from_tcb, sizeof(from_tcb) / sizeof(from_tcb[0])},
};

#define CARD(...)                                                                                  \
    PROCESS_CONTROL, &(const struct pcim_card)                                                     \
    {                                                                                              \
        LIE_HEADER(PCIM_CARD, pcim_card, 0), .card = { __VA_ARGS__ }                               \
    }
#define MORE(...)                                                                                  \
    PROCESS_CONTROL, &(const struct pcim_card)                                                     \
    {                                                                                              \
        LIE_HEADER(PCIM_CARD, pcim_card, 0),                                                       \
            .card = {.name = "net0", .bdf = PF, .vfs = 1, .driver = "igb"}, __VA_ARGS__            \
    }
#define WANT(...)                                                                                  \
    PROCESS_CONTROL, &(const struct pcim_want)                                                     \
    {                                                                                              \
        LIE_HEADER(PCIM_WANT, pcim_want, 0), __VA_ARGS__                                           \
    }
#define RECOVER(...)                                                                               \
    PROCESS_CONTROL, &(const struct pcim_recover)                                                  \
    {                                                                                              \
        LIE_HEADER(PCIM_RECOVER, pcim_recover, 0), __VA_ARGS__                                     \
    }
#define VERDICT(id, ...)                                                                           \
    PROCESS_CONTROL, &(const struct pcim_verdict)                                                  \
    {                                                                                              \
        LIE_HEADER(PCIM_VERDICT, pcim_verdict, id), __VA_ARGS__                                    \
    }
#define SEEN_PF(...)                                                                               \
    PROCESS_TCB, &(const struct observed_pf)                                                       \
    {                                                                                              \
        LIE_HEADER(OBSERVED_PF, observed_pf, 0), .pf = { __VA_ARGS__ }                             \
    }
#define SEEN_VF(...)                                                                               \
    PROCESS_TCB, &(const struct observed_vf)                                                       \
    {                                                                                              \
        LIE_HEADER(OBSERVED_VF, observed_vf, 0), .vf = { __VA_ARGS__ }                             \
    }

static const struct attack_lie lies[] = {
    {"a card without VFs", CARD(.bdf = PF), LINK_ENDS},
    {"a card of 4 G VFs", CARD(.bdf = PF, .vfs = UINT32_MAX), LINK_ENDS},
    {"a card without end", CARD(.bdf = PF, .vfs = 1, .name = ENDLESS(PARCLOSE_NAME_MAX)),
     LINK_ENDS},
    {"a driver without end", CARD(.bdf = PF, .vfs = 1, .driver = ENDLESS(CARD_DRIVER_MAX)),
     LINK_ENDS},
    {"a card that is more than disabled", MORE(.disabled = 2), LINK_ENDS},
    {"an idle power of no kind", MORE(.idle_power = IDLE_POWERS), LINK_ENDS},
    {"a reserved word of a card", MORE(.reserved = 1), LINK_ENDS},
    {"a card", CARD(.name = "net0", .bdf = PF, .vfs = 1, .driver = "igb"), NO_MATTER},
    {"a VF beyond all", WANT(.pf = PF, .index = PARCLOSE_MAX_VFS_PER_PF), LINK_ENDS},
    {"a VF far beyond all", WANT(.pf = PF, .index = UINT32_MAX), LINK_ENDS},
    {"wanted twice", WANT(.pf = PF, .wanted = 2), LINK_ENDS},
    {"in use twice", WANT(.pf = PF, .in_use = 2), LINK_ENDS},
    {"reset twice", WANT(.pf = PF, .in_use = 1, .reset = 2), LINK_ENDS},
    {"requested twice", WANT(.pf = PF, .in_use = 1, .requested = 2), LINK_ENDS},
    {"no rung", RECOVER(.pf = PF, .rung = RUNG_WAIT), LINK_ENDS},
    {"a rung of others", RECOVER(.pf = PF, .rung = RUNG_RESTART_ISP), LINK_ENDS},
    {"recovery of an unknown PF", RECOVER(.pf = {0xfff8}, .rung = RUNG_RESTART_PF), NO_MATTER},
    {"a verdict on nothing", VERDICT(UINT64_MAX, .error = -5), NO_MATTER},
    {"a verdict without id", VERDICT(0, .error = 0), LINK_ENDS},
    {"a verdict that is no error", VERDICT(1, .error = 1), LINK_ENDS},
    {"a verdict beyond all errors", VERDICT(1, .error = INT32_MIN), LINK_ENDS},
    {"a verdict without end", VERDICT(1, .text = ENDLESS(PARCLOSE_REASON_MAX)), LINK_ENDS},

    {"a PF's driver without end", SEEN_PF(.bdf = PF, .driver = ENDLESS(DRIVER_NAME_MAX)),
     LINK_ENDS},
    {"an interface without end", SEEN_PF(.bdf = PF, .netdev = ENDLESS(16)), LINK_ENDS},
    {"a power of no kind", SEEN_PF(.bdf = PF, .power_status = POWER_STATUSES), LINK_ENDS},
    {"a child that is no process", SEEN_PF(.bdf = PF, .stuck_pid = PARCLOSE_PID_MAX + 1),
     LINK_ENDS},
    {"a power control of no kind", SEEN_PF(.bdf = PF, .power_control = POWER_CONTROLS), LINK_ENDS},
    {"a serial number without end", SEEN_PF(.bdf = PF, .serial = ENDLESS(CARD_SERIAL_MAX)),
     LINK_ENDS},
    {"a VF beyond all", SEEN_VF(.bdf = {0x180}, .pf = PF, .index = PARCLOSE_MAX_VFS_PER_PF),
     LINK_ENDS},
    {"a VF's driver without end",
     SEEN_VF(.bdf = {0x180}, .pf = PF, .driver = ENDLESS(DRIVER_NAME_MAX)), LINK_ENDS},
    {"a VF for the host twice", SEEN_VF(.bdf = {0x180}, .pf = PF, .for_host = 2), LINK_ENDS},
    {"a VF with an error beyond all", SEEN_VF(.bdf = {0x180}, .pf = PF, .bind_error = 4096),
     LINK_ENDS},
    {"a VF with a negative error", SEEN_VF(.bdf = {0x180}, .pf = PF, .bind_error = UINT32_MAX),
     LINK_ENDS},
};

static void give(struct stage *stage)
{
    (void)stage; /* it needs none */
}

int main(int argc, char **argv)
{
    static const struct attack attack = {
        .victim = PROCESS_SR_PCIM,
        .peers = peers,
        .peers_count = sizeof(peers) / sizeof(peers[0]),
        .lies = lies,
        .lies_count = sizeof(lies) / sizeof(lies[0]),
        .give = give,
    };
    return attack_run(&attack, argc, argv);
}
