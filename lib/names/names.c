/* SPDX-License-Identifier: Apache-2.0 */
#include "names/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parclose/config.h"
#include "parclose/msg_boot.h"
#include "parclose/session.h"
#include "parclose/state.h"

#define NAME(table, number)                                                                        \
    ((number) < sizeof(table) / sizeof((table)[0]) && (table)[number] ? (table)[number] : "unknown")

const char *name_of_state(uint32_t state)
{
    static const char *const names[] = {
        [STATE_ENABLED] = "Enabled",
        [STATE_ACTIVE] = "Active",
        [STATE_ALIVE] = "Alive",
        [STATE_CHANNELS_ASSIGNED] = "ChannelsAssigned",
        [STATE_PROCESSOR_ASSIGNED] = "ProcessorAssigned",
        [STATE_MEMORY_ASSIGNED] = "MemoryAssigned",
        [STATE_MEMORY_IMAGE] = "MemoryImage",
        [STATE_PROCESSOR_IMAGE] = "ProcessorImage",
        [STATE_CHANNEL_IMAGE] = "ChannelImage",
        [STATE_PROCESSORS_ATTACHED] = "ProcessorsAttached",
        [STATE_PROCESSORS_SCHEDULED] = "ProcessorsScheduled",
        [STATE_CHANNELS_ATTACHED] = "ChannelsAttached",
        [STATE_CHANNELS_SCHEDULED] = "ChannelsScheduled",
        [STATE_PROCESSORS_OPERATING] = "ProcessorsOperating",
        [STATE_CHANNELS_OPERATING] = "ChannelsOperating",
    };
    return NAME(names, state);
}

const char *name_of_apply_state(uint32_t state)
{
    static const char *const names[] = {
        [APPLY_NONE] = "none", [APPLY_TRIAL] = "trial",   [APPLY_UNDOING] = "undoing",
        [APPLY_DONE] = "done", [APPLY_UNDONE] = "undone",
    };
    return NAME(names, state);
}

const char *name_of_phase(uint32_t phase)
{
    static const char *const names[] = {
        [PHASE_DEFINED] = "defined", [PHASE_STARTING] = "starting",   [PHASE_WAITING] = "waiting",
        [PHASE_RUNNING] = "running", [PHASE_STOPPING] = "stopping",   [PHASE_FAILED] = "failed",
        [PHASE_FROZEN] = "frozen",   [PHASE_RELEASING] = "releasing",
    };
    return NAME(names, phase);
}

const char *name_of_exit(uint32_t reason)
{
    static const char *const names[] = {
        [EXIT_NONE] = "none",
        [EXIT_POWER_OFF] = "power-off",
        [EXIT_REBOOT] = "reboot",
        [EXIT_PANIC] = "panic",
        [EXIT_STOPPED] = "stopped",
        [EXIT_MONITOR_ERROR] = "monitor-error",
        [EXIT_MONITOR_DIED] = "monitor-died",
        [EXIT_WATCHDOG] = "watchdog",
    };
    return NAME(names, reason);
}

const char *name_of_readiness(uint32_t readiness)
{
    static const char *const names[] = {
        [PF_UNKNOWN] = "unknown",
        [PF_READY] = "ready",
        [PF_ABSENT] = "absent",
        [PF_DRIVER_UNBOUND] = "driver-unbound",
        [PF_NO_ANSWER] = "no-answer",
        [PF_VFS_MISSING] = "vfs-missing",
        [PF_VF_NO_ANSWER] = "vf-no-answer",
        [PF_LINK_DOWN] = "link-down",
        [PF_BUSY] = "busy",
        [PF_IN_ERROR] = "in-error",
        [PF_VF_RESET] = "vf-reset",
        [PF_DISABLED] = "disabled",
        [PF_ERRORS] = "errors",
        [PF_ASLEEP] = "asleep",
        [PF_VFS_UNBOUND] = "vfs-unbound",
        [PF_UNHEALTHY] = "unhealthy",
    };
    return NAME(names, readiness);
}

const char *name_of_recovery(uint32_t recovery)
{
    static const char *const names[] = {
        [RECOVERY_NONE] = "none",
        [RECOVERY_UNDER_WAY] = "under-way",
        [RECOVERY_FAILED] = "failed",
    };
    return NAME(names, recovery);
}

const char *name_of_power_control(uint32_t control)
{
    static const char *const names[] = {
        [POWER_CONTROL_UNKNOWN] = "unknown", [POWER_ON] = "on", [POWER_AUTO] = "auto"};
    return NAME(names, control);
}

const char *name_of_power_status(uint32_t status)
{
    static const char *const names[] = {[POWER_STATUS_UNKNOWN] = "unknown",
                                        [POWER_AWAKE] = "awake",
                                        [POWER_ASLEEP] = "asleep",
                                        [POWER_ERROR] = "error"};
    return NAME(names, status);
}

const char *name_of_card_link(uint32_t link)
{
    static const char *const names[] = {[CARD_LINK_UP] = "up", [CARD_LINK_CARRIER] = "carrier"};
    return NAME(names, link);
}

const char *name_of_idle_power(uint32_t power)
{
    static const char *const names[] = {[IDLE_POWER_ON] = "on", [IDLE_POWER_AUTO] = "auto"};
    return NAME(names, power);
}

const char *name_of_bind_error(uint32_t error)
{
    if (error == ENOENT)
        return "the kernel has no vfio-pci: load the module";
    return error == EIO ? "vfio-pci does not take it: see the kernel's log" : strerror((int)error);
}

const char *name_of_status(uint32_t status)
{
    static const char *const names[] = {
        [FUNCTION_ABSENT] = "absent",
        [FUNCTION_INACTIVE] = "inactive",
        [FUNCTION_ACTIVE] = "active",
        [FUNCTION_ERROR] = "error",
    };
    return NAME(names, status);
}

const char *name_of_class(uint32_t class)
{
    static const char *const names[] = {
        [CLASS_OTHER] = "other", [CLASS_NETWORK] = "network", [CLASS_NVME] = "nvme"};
    return NAME(names, class);
}

const char *name_of_class_code(uint32_t code)
{
    static const char *const names[] = {
        [0x00] = "old-device",  [0x01] = "storage",         [0x02] = "network",
        [0x03] = "display",     [0x04] = "multimedia",      [0x05] = "memory",
        [0x06] = "bridge",      [0x07] = "communication",   [0x08] = "system",
        [0x09] = "input",       [0x0a] = "docking-station", [0x0b] = "processor",
        [0x0c] = "serial-bus",  [0x0d] = "wireless",        [0x0e] = "intelligent-io",
        [0x0f] = "satellite",   [0x10] = "encryption",      [0x11] = "signal-processing",
        [0x12] = "accelerator", [0x13] = "instrumentation", [0x40] = "coprocessor",
    };
    return NAME(names, code >> 16);
}

const char *name_of_channel_device(uint32_t kind)
{
    static const char *const names[] = {
        [CHANNEL_DEVICE_NETWORK] = "network",
        [CHANNEL_DEVICE_BLOCK] = "block",
        [CHANNEL_DEVICE_CONSOLE] = "console",
    };
    return NAME(names, kind);
}

const char *name_of_channel_mode(uint32_t mode)
{
    static const char *const names[] = {
        [CHANNEL_CONFINED] = "confined",
        [CHANNEL_DIRECT] = "direct",
    };
    return NAME(names, mode);
}

const char *name_of_channel_state(uint32_t state)
{
    static const char *const names[] = {
        [CHANNEL_WAITING] = "waiting",
        [CHANNEL_READY] = "ready",
        [CHANNEL_OPERATING] = "operating",
        [CHANNEL_LOST] = "lost",
    };
    return NAME(names, state);
}

const char *name_of_pages(uint32_t pages)
{
    static const char *const names[] = {
        [PAGES_ORDINARY] = "no",
        [PAGES_2MIB] = "2MiB",
        [PAGES_1GIB] = "1GiB",
    };
    return NAME(names, pages);
}

const char *name_of_firmware(uint32_t firmware)
{
    static const char *const names[] = {
        [FIRMWARE_BIOS] = "bios",
        [FIRMWARE_UEFI] = "uefi",
    };
    return NAME(names, firmware);
}

const char *name_of_outage_policy(uint32_t policy)
{
    static const char *const names[] = {
        [OUTAGE_CONTINUE] = "continue",
        [OUTAGE_FREEZE] = "freeze",
    };
    return NAME(names, policy);
}

const char *name_of_rung(uint32_t rung)
{
    static const char *const names[] = {
        [RUNG_WAIT] = "wait",
        [RUNG_RESTART_PF] = "restart the PF",
        [RUNG_RESTART_SR_PCIM] = "restart SR-PCIM",
        [RUNG_RESTART_ISP] = "restart the interconnect partition",
        [RUNG_ERROR] = "mark the PF as in error",
    };
    return NAME(names, rung);
}

const char *name_of_action(uint32_t action)
{
    static const char *const names[] = {
        [ACTION_NONE] = "none",
        [ACTION_PF_BIND] = "pf-bind",
        [ACTION_PF_CREATE_VFS] = "pf-create-vfs",
        [ACTION_PF_LINK_UP] = "pf-link-up",
        [ACTION_PF_RESTART] = "pf-restart",
        [ACTION_VF_ACTIVATE] = "vf-activate",
        [ACTION_VF_RELEASE] = "vf-release",
        [ACTION_VF_CONFIGURE] = "vf-configure",
        [ACTION_PF_RESET] = "pf-reset",
        [ACTION_PF_DISABLE] = "pf-disable",
        [ACTION_PF_RENEW] = "pf-renew",
        [ACTION_VF_RENEW] = "vf-renew",
        [ACTION_PF_SLEEP] = "pf-sleep",
        [ACTION_PF_WAKE] = "pf-wake",
        [ACTION_PF_BIND_VFS] = "pf-bind-vfs",
        [ACTION_VF_ABANDON] = "vf-abandon",
    };
    return NAME(names, action);
}

const char *name_of_order(uint32_t order)
{
    static const char *const names[] = {
        [DEVICE_ORDER_NONE] = "none",
        [DEVICE_ORDER_PF_RESTART] = "pf-restart",
        [DEVICE_ORDER_PF_RESET] = "pf-reset",
        [DEVICE_ORDER_SR_PCIM_RESET] = "sr-pcim-reset",
        [DEVICE_ORDER_PF_DISABLE] = "pf-disable",
        [DEVICE_ORDER_PF_ENABLE] = "pf-enable",
        [DEVICE_ORDER_PF_IDLE_ON] = "pf-idle-on",
        [DEVICE_ORDER_PF_IDLE_AUTO] = "pf-idle-auto",
    };
    return NAME(names, order);
}

const char *name_of_process(uint32_t kind)
{
    static const char *const names[] = {
        [PROCESS_NONE] = "none",       [PROCESS_BOOT] = "boot",       [PROCESS_CONTROL] = "control",
        [PROCESS_COMMAND] = "command", [PROCESS_TCB] = "tcb",         [PROCESS_SR_PCIM] = "sr-pcim",
        [PROCESS_LEAD] = "lead",       [PROCESS_MONITOR] = "monitor",
    };
    return NAME(names, kind);
}

const char *name_of_health(uint32_t health)
{
    static const char *const names[] = {
        [PROCESS_DOWN] = "down",
        [PROCESS_STARTING] = "starting",
        [PROCESS_UP] = "up",
        [PROCESS_BACKING_OFF] = "backing-off",
    };
    return NAME(names, health);
}

const char *name_of_owner(uint32_t kind)
{
    static const char *const names[] = {
        [OWNER_AVAILABLE] = "available", [OWNER_IDLE] = "idle",
        [OWNER_BOOT] = "boot",           [OWNER_CONTROL] = "control",
        [OWNER_COMMAND] = "command",     [OWNER_INTERCONNECT] = "interconnect",
        [OWNER_SHARED] = "shared",       [OWNER_GUEST] = "guest",
        [OWNER_OFFLINE] = "offline",
    };
    return NAME(names, kind);
}

const char *name_of_vf_news(uint32_t marks)
{
    static const char *const names[] = {
        "",
        "an error of it was reported",
        "the host asks for it back",
        "an error of it was reported; the host asks for it back",
        "it was reset under its guest",
        "an error of it was reported; it was reset under its guest",
        "the host asks for it back; it was reset under its guest",
        "an error of it was reported; the host asks for it back; it was reset under its guest"};
    return names[(marks & VF_ERROR ? 1 : 0) + (marks & VF_REQUESTED ? 2 : 0) +
                 (marks & VF_RESET ? 4 : 0)];
}

const char *name_of_session(uint32_t kind)
{
    static const char *const names[] = {
        [SESSION_NONE] = "none",
        [SESSION_LOOK] = "look",
        [SESSION_DUMP] = "dump",
        [SESSION_DEBUG] = "debug",
    };
    return NAME(names, kind);
}

const char *name_of_bdf(struct bdf bdf, char text[NAME_BDF_MAX])
{
    snprintf(text, NAME_BDF_MAX, "%04x:%02x:%02x.%x", bdf.value >> 16, bdf.value >> 8 & 0xff,
             bdf.value >> 3 & 0x1f, bdf.value & 7);
    return text;
}
