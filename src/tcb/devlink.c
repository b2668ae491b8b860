/* SPDX-License-Identifier: Apache-2.0 */
#include "devlink.h"

#include <errno.h>
#include <linux/devlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci/function.h"

/* ---- one message */

static bool parse_reporter(struct nlattr *nested, struct health_reporter *reporter)
{
    static struct nla_policy policy[DEVLINK_ATTR_MAX + 1] = {
        [DEVLINK_ATTR_HEALTH_REPORTER_NAME] = {.type = NLA_STRING},
        [DEVLINK_ATTR_HEALTH_REPORTER_STATE] = {.type = NLA_U8},
    };
    struct nlattr *attributes[DEVLINK_ATTR_MAX + 1];

    if (nla_parse_nested(attributes, DEVLINK_ATTR_MAX, nested, policy) < 0 ||
        !attributes[DEVLINK_ATTR_HEALTH_REPORTER_NAME] ||
        !attributes[DEVLINK_ATTR_HEALTH_REPORTER_STATE])
        return false;
    nla_strlcpy(reporter->name, attributes[DEVLINK_ATTR_HEALTH_REPORTER_NAME],
                sizeof(reporter->name));
    /* 0: healthy, 1: error (the kernel's net/devlink/health.c) */
    reporter->error = nla_get_u8(attributes[DEVLINK_ATTR_HEALTH_REPORTER_STATE]) != 0;
    return reporter->name[0] != 0;
}

bool devlink_parse(struct nlmsghdr *message, struct bdf *bdf, struct health_reporter *reporter)
{
    static struct nla_policy policy[DEVLINK_ATTR_MAX + 1] = {
        [DEVLINK_ATTR_BUS_NAME] = {.type = NLA_STRING},
        [DEVLINK_ATTR_DEV_NAME] = {.type = NLA_STRING},
        [DEVLINK_ATTR_HEALTH_REPORTER] = {.type = NLA_NESTED},
    };
    struct nlattr *attributes[DEVLINK_ATTR_MAX + 1];
    char bus[8], name[32];

    *reporter = (struct health_reporter){0};
    if (!genlmsg_valid_hdr(message, 0) ||
        genlmsg_parse(message, 0, attributes, DEVLINK_ATTR_MAX, policy) < 0 ||
        !attributes[DEVLINK_ATTR_BUS_NAME] || !attributes[DEVLINK_ATTR_DEV_NAME] ||
        !attributes[DEVLINK_ATTR_HEALTH_REPORTER])
        return false;
    nla_strlcpy(bus, attributes[DEVLINK_ATTR_BUS_NAME], sizeof(bus));
    nla_strlcpy(name, attributes[DEVLINK_ATTR_DEV_NAME], sizeof(name));
    return !strcmp(bus, "pci") && function_parse(name, bdf) &&
           parse_reporter(attributes[DEVLINK_ATTR_HEALTH_REPORTER], reporter);
}

/* ---- all of a PF */

void health_set(struct health_reporters *all, const struct health_reporter *one)
{
    uint32_t i = 0;

    while (i < all->count && strcmp(all->reporters[i].name, one->name) != 0)
        i++;
    if (i == HEALTH_REPORTERS_MAX)
        return;
    all->reporters[i] = *one;
    if (i == all->count)
        all->count++;
}

const struct health_reporter *health_bad(const struct health_reporters *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->reporters[i].error)
            return &all->reporters[i];
    return NULL;
}

struct dump {
    struct bdf bdf;
    struct health_reporters *all;
};

static int on_dumped(struct nl_msg *message, void *data)
{
    struct dump *dump = data;
    struct health_reporter reporter;
    struct bdf bdf;

    if (devlink_parse(nlmsg_hdr(message), &bdf, &reporter) && bdf.value == dump->bdf.value)
        health_set(dump->all, &reporter);
    return NL_OK;
}

/* A socket and devlink's number; NULL: there is none. */
static struct nl_sock *connect_devlink(int *family)
{
    struct nl_sock *socket = nl_socket_alloc();

    if (socket && !genl_connect(socket) &&
        (*family = genl_ctrl_resolve(socket, DEVLINK_GENL_NAME)) >= 0)
        return socket;
    nl_socket_free(socket);
    return NULL;
}

/* Of all devices: a kernel before 6.6 does not choose. */
static int dump_all(struct nl_sock *socket, int family)
{
    struct nl_msg *message = nlmsg_alloc();
    int error = -NLE_NOMEM;

    if (message && genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP,
                               DEVLINK_CMD_HEALTH_REPORTER_GET, DEVLINK_GENL_VERSION))
        error = nl_send_auto(socket, message);
    nlmsg_free(message);
    return error < 0 ? error : nl_recvmsgs_default(socket);
}

int devlink_read(struct bdf bdf, struct health_reporters *all)
{
    struct dump dump = {.bdf = bdf, .all = all};
    int family;
    struct nl_sock *socket = connect_devlink(&family);

    *all = (struct health_reporters){0};
    if (!socket)
        return -ENOENT;
    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_dumped, &dump);
    int error = dump_all(socket, family);
    nl_socket_free(socket);
    return error < 0 ? -EIO : 0;
}

/* ---- events */

static struct {
    struct nl_sock *socket;
    devlink_changed *changed;
    void *context;
} events;

static int on_message(struct nl_msg *message, void *data)
{
    struct health_reporter reporter;
    struct bdf bdf;
    (void)data;

    if (devlink_parse(nlmsg_hdr(message), &bdf, &reporter))
        events.changed(events.context, bdf, &reporter);
    return NL_OK;
}

static int on_readable(sd_event_source *source, int fd, uint32_t readable, void *data)
{
    (void)source;
    (void)fd;
    (void)readable;
    (void)data;
    int error = nl_recvmsgs_default(events.socket);
    if (error < 0 && error != -NLE_AGAIN)
        events.changed(events.context, (struct bdf){0}, NULL);
    return 0;
}

int devlink_open(sd_event *event, devlink_changed *changed, void *context)
{
    int family;
    struct nl_sock *socket = connect_devlink(&family);
    int group =
        socket ? genl_ctrl_resolve_grp(socket, DEVLINK_GENL_NAME, DEVLINK_GENL_MCGRP_CONFIG_NAME)
               : -1;

    if (group < 0 || nl_socket_add_membership(socket, group) || nl_socket_set_nonblocking(socket)) {
        nl_socket_free(socket);
        return 0;
    }
    events.socket = socket;
    events.changed = changed;
    events.context = context;
    nl_socket_disable_seq_check(socket);
    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, NULL);
    return sd_event_add_io(event, NULL, nl_socket_get_fd(socket), EPOLLIN, on_readable, NULL);
}
