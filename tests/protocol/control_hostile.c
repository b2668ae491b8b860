/* SPDX-License-Identifier: Apache-2.0 */
/* parclose-control between hostile command, TCB, SR-PCIM and lead. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config_check.h"
#include "control.h"
#include "hostile.h"
#include "parclose/msg_control_command.h"
#include "parclose/msg_control_lead.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_control_tcb.h"
#include "parclose/proposal.h"

#define PF                                                                                         \
    {                                                                                              \
        0x0100                                                                                     \
    }

static const struct attack_row from_command[] = {
    ATTACK_ROW(CONTROL_HOST_SET, 0, 0, control_host_set, LINK_ENDS),
    ATTACK_ROW(CONTROL_PARTITION_DEFINE, 0, 0, control_partition_define, LINK_ENDS),
    ATTACK_ROW(CONTROL_PARTITION_UNDEFINE, 0, 0, control_partition_name, LINK_ENDS),
    ATTACK_ROW(CONTROL_PARTITION_START, 0, 0, control_partition_start, LINK_ENDS),
    ATTACK_ROW(CONTROL_PARTITION_STOP, 0, 0, control_partition_stop, LINK_ENDS),
    ATTACK_ROW(CONTROL_CONSOLE_OPEN, 0, 0, control_partition_name, LINK_ENDS),
    ATTACK_ROW(CONTROL_SESSION_OPEN, 0, 0, control_session, LINK_ENDS),
    ATTACK_ROW(CONTROL_ORDER, 0, 0, control_order, LINK_ENDS),
    ATTACK_ROW(CONTROL_AUDIT_OPEN, 0, 0, control_plain, LINK_ENDS),
    ATTACK_ROW(CONTROL_CHECK, 0, 0, control_plain, LINK_ENDS),
    ATTACK_ROW(CONTROL_APPLY, 1, 1, control_apply, LINK_ENDS),
    ATTACK_ROW(CONTROL_SHUTDOWN, 0, 0, control_plain, LINK_ENDS),
    ATTACK_ROW(CONTROL_CHANNEL_HELD, 0, 0, control_channel, LINK_ENDS),
    ATTACK_ROW(CONTROL_CHANNEL_SYNC, 0, 0, control_channel_sync, NO_MATTER), /* it has no body */
    ATTACK_ROW(CONTROL_CHANNEL_DETACHED, 0, 0, control_channel, LINK_ENDS),
};

static const struct attack_row from_tcb[] = {
    ATTACK_ROW(TCB_PF, 0, 0, tcb_pf, LINK_ENDS),
    ATTACK_ROW(TCB_VF, 0, 0, tcb_vf, LINK_ENDS),
    ATTACK_ROW(TCB_GONE, 0, 0, tcb_gone, NO_MATTER), /* a function that was never there */
    ATTACK_ROW(TCB_FUNCTION, 0, 0, tcb_function, LINK_ENDS),
    ATTACK_ROW(TCB_SYNC, 0, 0, tcb_sync, NO_MATTER), /* it has no body */
    ATTACK_ROW(TCB_APPLIED, 0, 0, tcb_applied, LINK_ENDS),
    ATTACK_ROW(TCB_EDIT, 0, 0, tcb_edit, LINK_ENDS),
};

static const struct attack_row from_pcim[] = {
    ATTACK_ROW(PCIM_READINESS, 0, 0, pcim_readiness, LINK_ENDS),
    ATTACK_ROW(PCIM_PROPOSE, 0, 0, pcim_propose, LINK_ENDS),
};

static const struct attack_row from_lead[] = {
    ATTACK_ROW(LEAD_RESULT, 0, 3, lead_result, LINK_ENDS),
    ATTACK_ROW(LEAD_MONITOR, 0, 0, lead_monitor, LINK_ENDS),
    ATTACK_ROW(LEAD_SYNC, 0, 0, lead_sync, NO_MATTER),     /* it has no body */
    ATTACK_ROW(LEAD_ONLINE, 0, 0, lead_online, NO_MATTER), /* almost any set may be */
};

#define ROWS(table) table, sizeof(table) / sizeof((table)[0])
static const struct attack_peer peers[] = {
    {PROCESS_COMMAND, ROWS(from_command)},
    {PROCESS_TCB, ROWS(from_tcb)},
    {PROCESS_SR_PCIM, ROWS(from_pcim)},
    {PROCESS_LEAD, ROWS(from_lead)},
};

/* ---- lies */

static int proposal_file(const struct proposal *proposal, int seals)
{
    int file = memfd_create("proposal", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(write(file, proposal, sizeof(*proposal)), sizeof(*proposal));
    assert_int_equal(fcntl(file, F_ADD_SEALS, seals), 0);
    return file;
}

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* One new partition. */
static struct proposal *one_partition(void)
{
    static struct proposal proposal;

    proposal = (struct proposal){
        .magic = PROPOSAL_MAGIC,
        .version = PROPOSAL_VERSION,
        .partitions_count = 1,
        .partitions = {
            {.name = "new", .vcpus = 1, .memory_mib = 64, .monitor = "native", .kernel = "/k"}}};
    return &proposal;
}

static int good_proposal(void)
{
    return proposal_file(one_partition(), SEALS);
}

static int no_proposal(void)
{
    struct proposal *proposal = one_partition();

    proposal->magic++;
    return proposal_file(proposal, SEALS);
}

static int open_proposal(void)
{
    return proposal_file(one_partition(), F_SEAL_GROW);
}

static int endless_proposal(void)
{
    struct proposal *proposal = one_partition();

    memset(proposal->partitions[0].name, 'x', PARCLOSE_NAME_MAX);
    return proposal_file(proposal, SEALS);
}

static int huge_proposal(void)
{
    struct proposal *proposal = one_partition();

    proposal->partitions_count = UINT32_MAX;
    return proposal_file(proposal, SEALS);
}

#define HOST_SET(...)                                                                              \
    PROCESS_COMMAND, &(const struct control_host_set)                                              \
    {                                                                                              \
        LIE_HEADER(CONTROL_HOST_SET, control_host_set, 100), __VA_ARGS__                           \
    }
#define DEFINE(...)                                                                                \
    PROCESS_COMMAND, &(const struct control_partition_define)                                      \
    {                                                                                              \
        LIE_HEADER(CONTROL_PARTITION_DEFINE, control_partition_define, 101), .config = {           \
            .name = "db",                                                                          \
            .vcpus = 1,                                                                            \
            .memory_mib = 64,                                                                      \
            .monitor = "native",                                                                   \
            .kernel = "/k",                                                                        \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define START(...)                                                                                 \
    PROCESS_COMMAND, &(const struct control_partition_start)                                       \
    {                                                                                              \
        LIE_HEADER(CONTROL_PARTITION_START, control_partition_start, 102), __VA_ARGS__             \
    }
#define NAME(type, ...)                                                                            \
    PROCESS_COMMAND, &(const struct control_partition_name)                                        \
    {                                                                                              \
        LIE_HEADER(type, control_partition_name, 103), __VA_ARGS__                                 \
    }
#define SESSION(...)                                                                               \
    PROCESS_COMMAND, &(const struct control_session)                                               \
    {                                                                                              \
        LIE_HEADER(CONTROL_SESSION_OPEN, control_session, 107), __VA_ARGS__                        \
    }
#define STOP(...)                                                                                  \
    PROCESS_COMMAND, &(const struct control_partition_stop)                                        \
    {                                                                                              \
        LIE_HEADER(CONTROL_PARTITION_STOP, control_partition_stop, 104), __VA_ARGS__               \
    }
#define ORDER(...)                                                                                 \
    PROCESS_COMMAND, &(const struct control_order)                                                 \
    {                                                                                              \
        LIE_HEADER(CONTROL_ORDER, control_order, 108), __VA_ARGS__                                 \
    }
#define APPLY(...)                                                                                 \
    PROCESS_COMMAND, &(const struct control_apply)                                                 \
    {                                                                                              \
        LIE_HEADER(CONTROL_APPLY, control_apply, 109), __VA_ARGS__                                 \
    }
#define PLAIN(type, id, ...)                                                                       \
    PROCESS_COMMAND, &(const struct control_plain)                                                 \
    {                                                                                              \
        LIE_HEADER(type, control_plain, id), __VA_ARGS__                                           \
    }
#define CHANNEL(type, ...)                                                                         \
    PROCESS_COMMAND, &(const struct control_channel)                                               \
    {                                                                                              \
        LIE_HEADER(type, control_channel, 0), __VA_ARGS__                                          \
    }
#define SEEN_PF(...)                                                                               \
    PROCESS_TCB, &(const struct tcb_pf)                                                            \
    {                                                                                              \
        LIE_HEADER(TCB_PF, tcb_pf, 0), .pf = { __VA_ARGS__ }                                       \
    }
#define SEEN_VF(...)                                                                               \
    PROCESS_TCB, &(const struct tcb_vf)                                                            \
    {                                                                                              \
        LIE_HEADER(TCB_VF, tcb_vf, 0), .vf = { __VA_ARGS__ }                                       \
    }
#define SEEN_FUNCTION(...)                                                                         \
    PROCESS_TCB, &(const struct tcb_function)                                                      \
    {                                                                                              \
        LIE_HEADER(TCB_FUNCTION, tcb_function, 0), .present = 1, __VA_ARGS__                       \
    }
#define GONE(...)                                                                                  \
    PROCESS_TCB, &(const struct tcb_gone)                                                          \
    {                                                                                              \
        LIE_HEADER(TCB_GONE, tcb_gone, 0), __VA_ARGS__                                             \
    }
#define APPLIED(...)                                                                               \
    PROCESS_TCB, &(const struct tcb_applied)                                                       \
    {                                                                                              \
        LIE_HEADER(TCB_APPLIED, tcb_applied, 105), __VA_ARGS__                                     \
    }
#define EDIT(id, ...)                                                                              \
    PROCESS_TCB, &(const struct tcb_edit)                                                          \
    {                                                                                              \
        LIE_HEADER(TCB_EDIT, tcb_edit, id), __VA_ARGS__                                            \
    }
#define READINESS(...)                                                                             \
    PROCESS_SR_PCIM, &(const struct pcim_readiness)                                                \
    {                                                                                              \
        LIE_HEADER(PCIM_READINESS, pcim_readiness, 0), __VA_ARGS__                                 \
    }
#define PROPOSE(id, ...)                                                                           \
    PROCESS_SR_PCIM, &(const struct pcim_propose)                                                  \
    {                                                                                              \
        LIE_HEADER(PCIM_PROPOSE, pcim_propose, id), __VA_ARGS__                                    \
    }
#define RESULT(id, ...)                                                                            \
    PROCESS_LEAD, &(const struct lead_result)                                                      \
    {                                                                                              \
        LIE_HEADER(LEAD_RESULT, lead_result, id), __VA_ARGS__                                      \
    }
#define MONITOR(...)                                                                               \
    PROCESS_LEAD, &(const struct lead_monitor)                                                     \
    {                                                                                              \
        LIE_HEADER(LEAD_MONITOR, lead_monitor, 0), __VA_ARGS__                                     \
    }

#define ONLINE(...)                                                                                \
    PROCESS_LEAD, &(const struct lead_online)                                                      \
    {                                                                                              \
        LIE_HEADER(LEAD_ONLINE, lead_online, 0), __VA_ARGS__                                       \
    }

/* A lie changes one word of what DEFINE() says. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct attack_lie lies[] = {
    /* Command speaks for people: what they may get wrong is answered. */
    {"host.xml of zeros", HOST_SET(.host = {0}), REQUEST_REFUSED},
    {"too many cards", HOST_SET(.host = {.cards_count = HOST_MAX_CARDS + 1}), REQUEST_REFUSED},
    {"4 G cards", HOST_SET(.host = {.cards_count = UINT32_MAX}), REQUEST_REFUSED},
    {"a name without end", DEFINE(.name = ENDLESS(PARCLOSE_NAME_MAX)), REQUEST_REFUSED},
    {"a name that climbs", DEFINE(.name = "../../etc/x"), REQUEST_REFUSED},
    {"no vCPU", DEFINE(.vcpus = 0), REQUEST_REFUSED},
    {"4 G vCPUs", DEFINE(.vcpus = UINT32_MAX), REQUEST_REFUSED},
    {"too many VFs", DEFINE(.vfs_count = PARCLOSE_MAX_PARTITION_VFS + 1), REQUEST_REFUSED},
    {"4 G VFs", DEFINE(.vfs_count = UINT32_MAX), REQUEST_REFUSED},
    {"a VF of no card", DEFINE(.vfs_count = 1, .vfs = {{.card = "none"}}), REQUEST_REFUSED},
    {"a VF beyond the card's",
     DEFINE(.vfs_count = 1, .vfs = {{.card = "net0", .index = UINT32_MAX}}), REQUEST_REFUSED},
    {"a card without end", DEFINE(.vfs_count = 1, .vfs = {{.card = ENDLESS(PARCLOSE_NAME_MAX)}}),
     REQUEST_REFUSED},
    {"a kernel without end", DEFINE(.kernel = ENDLESS(PARCLOSE_PATH_MAX)), REQUEST_REFUSED},
    {"an initrd without end", DEFINE(.initrd = ENDLESS(PARCLOSE_PATH_MAX)), REQUEST_REFUSED},
    {"arguments without end", DEFINE(.cmdline = ENDLESS(PARCLOSE_CMDLINE_MAX)), REQUEST_REFUSED},
    {"all as it should be", DEFINE(), NO_MATTER}, /* so that the others are wrong for a reason */
    {"nobody is to start", START(.name = "none", .pcpus_count = 1), REQUEST_REFUSED},
    {"a start without end of name", START(.name = ENDLESS(PARCLOSE_NAME_MAX)), REQUEST_REFUSED},
    {"more pCPUs than there is room for", START(.name = "web", .pcpus_count = UINT32_MAX),
     REQUEST_REFUSED},
    {"a pCPU that is not", START(.name = "web", .pcpus_count = 1, .pcpus = {UINT32_MAX}),
     REQUEST_REFUSED},
    {"a node that is not", START(.name = "web", .memory_node = 77, .pcpus_count = 1, .pcpus = {1}),
     REQUEST_REFUSED},
    {"nobody is to stop", STOP(.name = "none"), REQUEST_REFUSED},
    {"a stop without end of name", STOP(.name = ENDLESS(PARCLOSE_NAME_MAX)), REQUEST_REFUSED},
    {"nobody is to go", NAME(CONTROL_PARTITION_UNDEFINE, .name = "none"), REQUEST_REFUSED},
    {"an end without end of name",
     NAME(CONTROL_PARTITION_UNDEFINE, .name = ENDLESS(PARCLOSE_NAME_MAX)), REQUEST_REFUSED},
    {"nobody's console", NAME(CONTROL_CONSOLE_OPEN, .name = "none"), REQUEST_REFUSED},
    {"nobody is looked into", SESSION(.name = "none", .kind = SESSION_DUMP), REQUEST_REFUSED},
    {"an apply from a snapshot that never was", APPLY(.generation = 7, .added = 1), REQUEST_REFUSED,
     good_proposal},
    {"an apply for nobody", APPLY(.requester = {.uid = UINT32_MAX}), REQUEST_REFUSED,
     good_proposal},
    /* What no person could have caused ends the link. */
    {"an apply of what is no proposal", APPLY(.added = 1), LINK_ENDS, no_proposal},
    {"a proposal that is not sealed", APPLY(.added = 1), LINK_ENDS, open_proposal},
    {"a proposal whose partition has no end of name", APPLY(.added = 1), LINK_ENDS,
     endless_proposal},
    {"a proposal of 4 G partitions", APPLY(.added = 1), LINK_ENDS, huge_proposal},
    {"an apply of more partitions than there are", APPLY(.added = UINT32_MAX), LINK_ENDS,
     good_proposal},
    {"an apply to one that is new and runs", APPLY(.added = 1, .running = 1), LINK_ENDS,
     good_proposal},
    {"an apply's reason without end", APPLY(.requester = {.reason = ENDLESS(64)}), LINK_ENDS,
     good_proposal},
    {"a session of no kind", SESSION(.name = "web", .kind = SESSION_KINDS), LINK_ENDS},
    {"a session without end of name",
     SESSION(.name = ENDLESS(PARCLOSE_NAME_MAX), .kind = SESSION_DUMP), LINK_ENDS},
    {"a PF that is not managed is reset", ORDER(.order = DEVICE_ORDER_PF_RESET, .pf = {0xfff8}),
     REQUEST_REFUSED},
    {"somebody has what the host uses reset",
     ORDER(.order = DEVICE_ORDER_SR_PCIM_RESET, .force = 1, .requester = {.uid = 1000}),
     REQUEST_REFUSED},
    {"an order of no kind", ORDER(.order = DEVICE_ORDERS, .pf = PF), LINK_ENDS},
    {"an order about nothing", ORDER(.order = DEVICE_ORDER_PF_RESTART), LINK_ENDS},
    {"an order with more than force", ORDER(.order = DEVICE_ORDER_PF_RESET, .pf = PF, .force = 2),
     LINK_ENDS},
    {"a console without end of name",
     NAME(CONTROL_CONSOLE_OPEN, .name = ENDLESS(PARCLOSE_NAME_MAX)), LINK_ENDS},
    {"a reason without end", PLAIN(CONTROL_SHUTDOWN, 106, .requester = {.reason = ENDLESS(64)}),
     LINK_ENDS},
    {"a request without id", PLAIN(CONTROL_SHUTDOWN, 0), LINK_ENDS},
    {"an audit without id", PLAIN(CONTROL_AUDIT_OPEN, 0), LINK_ENDS},
    {"a check without id", PLAIN(CONTROL_CHECK, 0), LINK_ENDS},

    {"a PF of no address", SEEN_PF(.bdf = {0}), LINK_ENDS},
    {"a PF of no class", SEEN_PF(.bdf = PF, .class = CLASS_NVME + 1), LINK_ENDS},
    {"a PF of no status", SEEN_PF(.bdf = PF, .status = UINT32_MAX), LINK_ENDS},
    {"errors that are known twice", SEEN_PF(.bdf = PF, .errors = {.known = 2}), LINK_ENDS},
    {"a child that is no process", SEEN_PF(.bdf = PF, .stuck_pid = PARCLOSE_PID_MAX + 1),
     LINK_ENDS},
    {"a recovery of no kind", SEEN_PF(.bdf = PF, .recovery = ERROR_RECOVERIES), LINK_ENDS},
    {"a driver without end", SEEN_PF(.bdf = PF, .driver = ENDLESS(DRIVER_NAME_MAX)), LINK_ENDS},
    {"an interface without end", SEEN_PF(.bdf = PF, .netdev = ENDLESS(16)), LINK_ENDS},
    {"a serial number without end", SEEN_PF(.bdf = PF, .serial = ENDLESS(CARD_SERIAL_MAX)),
     LINK_ENDS},
    {"a channel without end of name",
     CHANNEL(CONTROL_CHANNEL_HELD, .name = ENDLESS(PARCLOSE_NAME_MAX)), LINK_ENDS},
    {"a channel let go of before its time", CHANNEL(CONTROL_CHANNEL_DETACHED, .name = "web"),
     LINK_ENDS},
    {"a present that is no truth value", SEEN_FUNCTION(.present = 2), LINK_ENDS},
    {"a function whose driver has no end",
     SEEN_FUNCTION(.function = {.bdf = {0xf8}, .driver = ENDLESS(DRIVER_NAME_MAX)}), LINK_ENDS},
    {"4 G classes", SEEN_FUNCTION(.function = {.bdf = {0xf8}, .class_code = UINT32_MAX}),
     LINK_ENDS},
    {"a VF beyond all", SEEN_VF(.bdf = {0x180}, .pf = PF, .index = PARCLOSE_MAX_VFS_PER_PF),
     LINK_ENDS},
    {"a VF far beyond all", SEEN_VF(.bdf = {0x180}, .pf = PF, .index = UINT32_MAX), LINK_ENDS},
    {"a VF's errors that are known twice",
     SEEN_VF(.bdf = {0x180}, .pf = PF, .errors = {.known = UINT32_MAX}), LINK_ENDS},
    {"a VF of no PF", SEEN_VF(.bdf = {0x180}), LINK_ENDS},
    {"a VF of an unknown PF", SEEN_VF(.bdf = {0x180}, .pf = {0xfff8}), NO_MATTER},
    {"a VF's driver without end",
     SEEN_VF(.bdf = {0x180}, .pf = PF, .driver = ENDLESS(DRIVER_NAME_MAX)), LINK_ENDS},
    {"the end of what never was", GONE(.bdf = {0xfff8}), NO_MATTER},
    {"the end of no function", GONE(.bdf = {0}), NO_MATTER},
    {"a result of nothing", APPLIED(.transaction = UINT64_MAX), NO_MATTER},
    {"a result that is no error", APPLIED(.error = 1), LINK_ENDS},
    {"a result beyond all errors", APPLIED(.error = INT32_MIN), LINK_ENDS},
    {"a result without end", APPLIED(.text = ENDLESS(PARCLOSE_REASON_MAX)), LINK_ENDS},

    {"an edit without id", EDIT(0, .vfs_count = 1), LINK_ENDS},
    {"an edit of too many VFs", EDIT(9, .vfs_count = PARCLOSE_EDIT_VFS_MAX + 1), LINK_ENDS},
    {"an edit of 4 G VFs", EDIT(9, .vfs_count = UINT32_MAX), LINK_ENDS},
    {"an edit without end of name", EDIT(9, .name = ENDLESS(PARCLOSE_EDIT_NAME_MAX)), LINK_ENDS},
    {"an edit to a state of no kind", EDIT(9, .pf = PF, .pf_state = PF_STATES), LINK_ENDS},
    {"an edit of idle power and a VF",
     EDIT(9, .pf = PF, .pf_state = PF_STATE_IDLE_AUTO, .vfs_count = 1), LINK_ENDS},
    {"an edit of the idle power of an unknown PF",
     EDIT(9, .pf = {0xfff8}, .pf_state = PF_STATE_IDLE_AUTO), NO_MATTER},
    {"an edit that never was", EDIT(9, .name = "x.xml"), NO_MATTER},
    {"an edit of an unknown PF", EDIT(9, .vfs_count = 1, .vfs = {{.pf = {0xfff8}}}), NO_MATTER},
    {"an edit of a VF beyond all",
     EDIT(9, .vfs_count = 1, .vfs = {{.pf = PF, .index = UINT32_MAX}}), NO_MATTER},
    {"an edit of nobody's VF", EDIT(9, .vfs_count = 1, .vfs = {{.pf = PF}}), NO_MATTER},

    {"a readiness of no kind", READINESS(.pf = PF, .readiness = PF_READINESS_KINDS), LINK_ENDS},
    {"a reason without end", READINESS(.pf = PF, .reason = ENDLESS(PARCLOSE_REASON_MAX)),
     LINK_ENDS},
    {"readiness of an unknown PF", READINESS(.pf = {0xfff8}, .readiness = PF_READY), NO_MATTER},
    {"a proposal without id", PROPOSE(0, .action = ACTION_PF_BIND, .pf = PF), LINK_ENDS},
    {"no action", PROPOSE(1, .action = ACTION_NONE, .pf = PF), LINK_ENDS},
    {"an action of no kind", PROPOSE(1, .action = DEVICE_ACTIONS, .pf = PF), LINK_ENDS},
    {"an action on an unknown PF", PROPOSE(1, .action = ACTION_PF_BIND, .pf = {0xfff8}), NO_MATTER},
    {"an action on a VF beyond all",
     PROPOSE(2, .action = ACTION_VF_ACTIVATE, .pf = PF, .index = UINT32_MAX), NO_MATTER},
    {"4 G VFs", PROPOSE(3, .action = ACTION_PF_CREATE_VFS, .pf = PF, .vfs = UINT32_MAX), NO_MATTER},

    {"a result of no partition", RESULT(1, .partition = {0}), LINK_ENDS},
    {"a result beyond all partitions", RESULT(1, .partition = {PARCLOSE_MAX_PARTITIONS + 1}),
     LINK_ENDS},
    {"a result that is no error", RESULT(1, .partition = {1}, .error = 1), LINK_ENDS},
    {"a result beyond all errors", RESULT(1, .partition = {1}, .error = INT32_MIN), LINK_ENDS},
    {"a result of no order", RESULT(UINT64_MAX, .partition = {1}), LINK_ENDS},
    {"a result of an order never given", RESULT(0x7771, .partition = {1}), NO_MATTER},
    {"a result without end", RESULT(1, .partition = {1}, .text = ENDLESS(PARCLOSE_REASON_MAX)),
     LINK_ENDS},
    {"a monitor of no partition", MONITOR(.partition = {0}), LINK_ENDS},
    {"a monitor beyond all partitions", MONITOR(.partition = {UINT32_MAX}), LINK_ENDS},
    {"a monitor with states that are not", MONITOR(.partition = {1}, .states = UINT32_MAX),
     LINK_ENDS},
    {"a monitor with too many vCPUs", MONITOR(.partition = {1}, .vcpus_count = UINT32_MAX),
     LINK_ENDS},
    {"a monitor that ended in no way", MONITOR(.partition = {1}, .exit = UINT32_MAX), LINK_ENDS},
    {"a monitor's text without end",
     MONITOR(.partition = {1}, .text = ENDLESS(PARCLOSE_REASON_MAX)), LINK_ENDS},
    {"a monitor nobody ordered", MONITOR(.partition = {64}, .present = 1), NO_MATTER},
    {"no pCPU at all", ONLINE(.online = {{0}}), LINK_ENDS},
};
#pragma GCC diagnostic pop

static const struct attack_lie flood = {
    "an undefined partition", NAME(CONTROL_PARTITION_UNDEFINE, .name = "none"), REQUEST_REFUSED};

/* ---- boot's and the peers' usual part */

static int inventory_file(void)
{
    static struct inventory inventory = {.magic = INVENTORY_MAGIC,
                                         .nodes_count = 1,
                                         .pcpus_count = 4,
                                         .boot_id = {9},
                                         .nodes = {{0, 0, UINT64_C(4) << 30}}};
    for (uint32_t i = 0; i < inventory.pcpus_count; i++)
        inventory.pcpus[i].pcpu = i;
    int file = memfd_create("inventory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(write(file, &inventory, sizeof(inventory)), sizeof(inventory));
    assert_int_equal(
        fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    return file;
}

static void give(struct stage *stage)
{
    stage_give(stage, "inventory", inventory_file());
    stage_give(stage, "state", open(stage->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void say(struct stage *stage, enum process_kind as, const void *message)
{
    assert_int_equal(frame_send(stage->links[as], message, NULL, 0), 0);
    stage_settle(stage, as);
}

/* A card, a partition that wants a VF of it, and the card is seen. */
static void live(struct stage *stage)
{
    struct control_host_set host = {.header = frame_header(CONTROL_HOST_SET, sizeof(host), 1)};
    const struct control_partition_define define = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(define), 2),
        .config = {.name = "web",
                   .vcpus = 1,
                   .memory_mib = 256,
                   .vfs_count = 1,
                   .monitor = "native",
                   .kernel = "/k",
                   .vfs = {{.card = "net0"}}}};
    const struct tcb_pf pf = {.header = frame_header(TCB_PF, sizeof(pf), 0),
                              .pf = {.bdf = PF, .answers = 1}};
    const struct lead_sync sync = {.header = frame_header(LEAD_SYNC, sizeof(sync), 0)};

    host_config_defaults(&host.host);
    host.host.cards_count = 1;
    host.host.cards[0] = (struct card_config){"net0", PF, 7, "igb"};
    say(stage, PROCESS_COMMAND, &host);
    say(stage, PROCESS_COMMAND, &define);
    say(stage, PROCESS_TCB, &pf);
    say(stage, PROCESS_LEAD, &sync);
}

/* ---- against the tables themselves: a row that is new there and is not attacked fails */

struct table {
    enum process_kind from;
    const struct frame_row *rows;
    const size_t *count;
};
static const struct table tables[] = {
    {PROCESS_COMMAND, command_rows, &command_rows_count},
    {PROCESS_TCB, tcb_rows, &tcb_rows_count},
    {PROCESS_SR_PCIM, pcim_rows, &pcim_rows_count},
    {PROCESS_LEAD, lead_rows, &lead_rows_count},
};

static const struct attack_row *attack_on(const struct attack_peer *peer, uint16_t type)
{
    for (size_t i = 0; i < peer->rows_count; i++)
        if (peer->rows[i].type == type)
            return &peer->rows[i];
    fail_msg("message 0x%x of peer %d is not attacked", type, (int)peer->kind);
    return NULL;
}

static size_t lies_about(enum process_kind from, uint16_t type)
{
    size_t count = 0;

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        count +=
            lies[i].from == from && ((const struct wire_header *)lies[i].message)->type == type;
    return count;
}

static void every_row_is_attacked(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        assert_int_equal(peers[t].kind, tables[t].from);
        assert_int_equal(peers[t].rows_count, *tables[t].count);
        for (size_t r = 0; r < *tables[t].count; r++) {
            const struct frame_row *row = &tables[t].rows[r];
            const struct attack_row *attack = attack_on(&peers[t], row->type);
            assert_int_equal(attack->size, row->size);
            assert_int_equal(attack->files_min, row->files_min);
            assert_int_equal(attack->files_max, row->files_max);
            if (row->size > sizeof(struct wire_header) && !lies_about(peers[t].kind, row->type))
                fail_msg("%s has a body and nobody lies in it", attack->name);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest whole[] = {cmocka_unit_test(every_row_is_attacked)};

    static const struct attack attack = {
        .victim = PROCESS_CONTROL,
        .peers = peers,
        .peers_count = sizeof(peers) / sizeof(peers[0]),
        .lies = lies,
        .lies_count = sizeof(lies) / sizeof(lies[0]),
        .flood = &flood,
        .give = give,
        .live = live,
    };
    return cmocka_run_group_tests_name("tables", whole, NULL, NULL) +
           attack_run(&attack, argc, argv);
}
