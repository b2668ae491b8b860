/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How changes are learnt: the kernel's uevents (driver bound, device added), rtnetlink's link
 * messages, and once a second a look at configuration space alone, for what root does behind our
 * back; of a PF that may sleep, at its power alone.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_message.h"
#include "pci/config_space.h"
#include "pci/function.h"
#include "tcb.h"
#include "uevent.h"

#define UEVENT_GROUP_KERNEL 1
#define UEVENT_MAX          8192
#define TICK_US             1000000
#define RECEIVE_BUFFER      (1 << 20)
#define LINK_MAX_SIZE       32768 /* the name comes first: what is longer may be cut off */

static void change_all(struct tcb *tcb, uint32_t class)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        if (tcb->pfs[i] && (class == CLASS_OTHER || tcb->pfs[i]->observed.class == class))
            picture_changed(tcb, tcb->pfs[i], tcb_now_ns());
}

/* The PF that a function of a device path belongs to; NULL: none that is managed. */
static struct tcb_pf_state *pf_of(struct tcb *tcb, struct bdf bdf)
{
    struct tcb_pf_state *pf = picture_pf(tcb, bdf);
    struct tcb_vf_state *vf = pf ? NULL : picture_vf(tcb, bdf);

    return pf ? pf : vf ? picture_pf(tcb, vf->observed.pf) : NULL;
}

static void pf_event(struct tcb_pf_state *pf, const char *action)
{
    if (!strcmp(action, "bind"))
        errors_set(pf, RECOVERY_NONE);
    else if (!strcmp(action, "add") || !strcmp(action, "remove"))
        picture_replugged(pf);
}

/* A function that is new to us: a VF of the PF that it names, or of any when it does not yet. */
static void new_function(struct tcb *tcb, struct bdf bdf)
{
    struct function_observed function = {0};
    struct tcb_pf_state *pf =
        function_observe(SYSFS_ROOT, bdf, &function) ? NULL : picture_pf(tcb, function.pf);

    if (pf)
        picture_changed(tcb, pf, tcb_now_ns());
    else
        change_all(tcb, CLASS_OTHER);
}

/* Each "/dddd:bb:dd.f" of the path, the innermost last. */
static void device_event(struct tcb *tcb, const struct uevent *event)
{
    struct tcb_pf_state *pf = NULL;
    struct bdf bdf, last = {0};
    bool pci = false;

    for (const char *at = strchr(event->path, '/'); at; at = strchr(at + 1, '/')) {
        char text[13] = "";
        strncpy(text, at + 1, 12);
        if (!function_parse(text, &bdf))
            continue;
        last = bdf;
        pci = true;
        struct tcb_pf_state *found = pf_of(tcb, bdf);
        pf = found ? found : pf;
    }
    if (pci && event->error[0])
        errors_event(tcb, last, event->error);
    if (pf && uevent_is_of(event, pf->card.bdf))
        pf_event(pf, event->action);
    if (pf)
        picture_changed(tcb, pf, tcb_now_ns());
    else if (pci)
        new_function(tcb, last);
    if (pci)
        functions_look(tcb, last);
}

/* From the kernel alone: another process can send to this group too. */
static ssize_t receive(int socket, char *bytes, size_t size)
{
    struct sockaddr_nl from = {0};
    socklen_t length = sizeof(from);
    ssize_t got = recvfrom(socket, bytes, size, MSG_DONTWAIT, (struct sockaddr *)&from, &length);

    if (got < 0)
        return -errno;
    return from.nl_pid == 0 ? got : 0;
}

static int on_uevent(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct tcb *tcb = data;
    char bytes[UEVENT_MAX + 1];
    struct uevent event;
    ssize_t got;
    (void)source;
    (void)events;

    while ((got = receive(fd, bytes, UEVENT_MAX)) >= 0) {
        if (uevent_parse(bytes, (size_t)got, &event))
            device_event(tcb, &event);
    }
    if (got == -ENOBUFS) { /* some were lost */
        change_all(tcb, CLASS_OTHER);
        functions_scan(tcb);
    }
    return 0;
}

/* New interfaces of our cards and new names come as uevents. */
static int on_link(sd_event_source *source, int fd, uint32_t events, void *data)
{
    char bytes[LINK_MAX_SIZE];
    ssize_t got;
    (void)source;
    (void)events;

    while ((got = receive(fd, bytes, sizeof(bytes))) >= 0)
        link_messages(data, bytes, (size_t)got);
    if (got == -ENOBUFS) /* some were lost */
        change_all(data, CLASS_NETWORK);
    return 0;
}

static bool control_changed_at(const struct tcb_pf_state *pf)
{
    uint8_t sriov[64], first[4];
    struct sriov_capability now;
    int folder = function_open(SYSFS_ROOT, pf->card.bdf);

    if (folder < 0)
        return pf->observed.answers;
    bool answers = config_space_read(folder, 0, first, 4) == 4 && (first[0] & first[1]) != 0xff;
    bool read = pf->observed.sriov.offset &&
                config_space_read(folder, pf->observed.sriov.offset, sriov, 64) == 64;
    close(folder);
    if (answers != (pf->observed.answers != 0))
        return true;
    if (!read)
        return false;
    config_space_sriov(sriov, pf->observed.sriov.offset, &now);
    return now.num_vfs != pf->observed.sriov.num_vfs || now.control != pf->observed.sriov.control;
}

/*
 * A VF that is reset under its user (a reset of the PF does that) answers, but its Command register
 * has lost memory and bus mastering together. For the status alone: where the memory bit is one of
 * the hardware a guest reaches it, too, and its own VF is shown as in error; where it is not, this
 * says nothing. What is mended goes by its monitor's word (src/control/resets.h).
 */
static bool look_at_command(struct tcb_vf_state *vf, uint16_t command)
{
    bool was_lost = vf->lost_ticks >= VF_LOST_TICKS;
    bool none = !(command & (COMMAND_MEMORY | COMMAND_MASTER));

    if (!vf->holder.value)
        vf->memory_seen = false;
    else if (command & COMMAND_MEMORY)
        vf->memory_seen = true;
    if (!none || !vf->memory_seen)
        vf->lost_ticks = 0;
    else if (vf->lost_ticks < VF_LOST_TICKS)
        vf->lost_ticks++;
    return was_lost != (vf->lost_ticks >= VF_LOST_TICKS);
}

static bool vf_changed(struct tcb_vf_state *vf)
{
    uint8_t bytes[64];
    int folder = function_open(SYSFS_ROOT, vf->observed.bdf);

    memset(bytes, 0xff, sizeof(bytes));
    if (folder >= 0) {
        config_space_read(folder, 0, bytes, sizeof(bytes));
        close(folder);
    }
    if ((bytes[CONFIG_POINTER] != 0xff) != (vf->observed.answers != 0))
        return true;
    return look_at_command(vf, (uint16_t)(bytes[CONFIG_COMMAND] | bytes[CONFIG_COMMAND + 1] << 8));
}

/* Nothing tells when root takes back that it is for the host. */
static bool is_given_back(const struct tcb_vf_state *vf)
{
    struct vf_observed now = {0};

    return vf->observed.for_host &&
           !function_observe_vf(SYSFS_ROOT, vf->observed.pf, vf->observed.index, true, &now) &&
           !now.for_host;
}

static bool any_vf_changed(struct tcb_pf_state *pf)
{
    bool changed = false;

    for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
        changed |= pf->vfs[v].present && (vf_changed(&pf->vfs[v]) || is_given_back(&pf->vfs[v]));
    return changed;
}

/* An NVMe controller that leaves "live" says nothing. */
static bool controller_changed(const struct tcb_pf_state *pf)
{
    return pf->observed.class == CLASS_NVME &&
           function_link_up(SYSFS_ROOT, &pf->observed) != (pf->observed.link_up != 0);
}

static bool power_changed(const struct tcb_pf_state *pf)
{
    struct pf_observed now = {0};
    int folder = function_open(SYSFS_ROOT, pf->card.bdf);

    if (folder < 0)
        return false;
    function_power(folder, &now);
    close(folder);
    return now.power_control != pf->observed.power_control ||
           now.power_status != pf->observed.power_status;
}

/* Who reads configuration space each second keeps awake what is to fall asleep. */
static bool look_at(struct tcb_pf_state *pf)
{
    if (power_changed(pf))
        return true;
#ifndef PARCLOSE_MUTANT_READS_SLEEPERS
    if (picture_quiet(pf))
        return false;
#endif
    bool changed = any_vf_changed(pf); /* counts: every time */
    return changed || control_changed_at(pf) || controller_changed(pf);
}

static int on_tick(sd_event_source *source, uint64_t time, void *data)
{
    struct tcb *tcb = data;
    (void)time;

    for (size_t i = 0; i < HOST_MAX_CARDS; i++) {
        struct tcb_pf_state *pf = tcb->pfs[i];
        bool changed = pf && look_at(pf);
        if (pf && (errors_tick(pf) || changed))
            picture_changed(tcb, pf, tcb_now_ns());
        bool look = pf && (resets_tick(pf) || (pf->health_due && !pf->busy));
        if (look && !jobs_stuck(tcb, pf->card.bdf))
            jobs_add(tcb, &(struct tcb_apply){.action = ACTION_LOOK, .pf = pf->card.bdf});
    }
    sd_event_source_set_time_relative(source, TICK_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int open_socket(int protocol, uint32_t groups)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    const int size = RECEIVE_BUFFER;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static int watch(struct tcb *tcb, sd_event *event, int protocol, uint32_t groups,
                 sd_event_io_handler_t handler)
{
    int fd = open_socket(protocol, groups);
    return fd < 0 ? fd : sd_event_add_io(event, NULL, fd, EPOLLIN, handler, tcb);
}

static void on_health(void *context, struct bdf bdf, const struct health_reporter *reporter)
{
    struct tcb *tcb = context;

    for (size_t i = 0; i < HOST_MAX_CARDS; i++) {
        struct tcb_pf_state *pf = tcb->pfs[i];
        if (pf && !reporter)
            pf->health_due = true;
        if (!pf || !reporter || pf->card.bdf.value != bdf.value)
            continue;
        health_set(&pf->health, reporter);
        picture_changed(tcb, pf, tcb_now_ns());
    }
}

int events_open(struct tcb *tcb, sd_event *event)
{
    int error = watch(tcb, event, NETLINK_KOBJECT_UEVENT, UEVENT_GROUP_KERNEL, on_uevent);
    if (error >= 0)
        error = watch(tcb, event, NETLINK_ROUTE, RTMGRP_LINK, on_link);
    if (error >= 0)
        error = devlink_open(event, on_health, tcb);
    if (error >= 0)
        error = sd_event_add_time_relative(event, &tcb->tick, CLOCK_MONOTONIC, TICK_US, 0, on_tick,
                                           tcb);
    return error;
}
