/* SPDX-License-Identifier: Apache-2.0 */
#include "link_message.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "tcb.h"

#define ATTRIBUTES NLMSG_SPACE(sizeof(struct ifinfomsg))

/* Attributes are copied before they are looked at: nothing need be aligned here. */
static void find_name(const uint8_t *at, size_t left, char interface[IFNAMSIZ])
{
    struct rtattr attribute;

    while (left >= sizeof(attribute)) {
        memcpy(&attribute, at, sizeof(attribute));
        if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > left)
            return;
        if (attribute.rta_type == IFLA_IFNAME)
            snprintf(interface, IFNAMSIZ, "%.*s", (int)(attribute.rta_len - sizeof(attribute)),
                     (const char *)at + sizeof(attribute));
        size_t step = RTA_ALIGN((size_t)attribute.rta_len);
        if (step >= left)
            return;
        at += step;
        left -= step;
    }
}

size_t link_message_parse(const void *bytes, size_t size, char interface[IFNAMSIZ])
{
    struct nlmsghdr header;

    interface[0] = 0;
    if (size < sizeof(header))
        return 0;
    memcpy(&header, bytes, sizeof(header));
    if (header.nlmsg_len < sizeof(header))
        return 0;
    size_t length = header.nlmsg_len < size ? header.nlmsg_len : size;
    if ((header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK) &&
        length > ATTRIBUTES)
        find_name((const uint8_t *)bytes + ATTRIBUTES, length - ATTRIBUTES, interface);
    return NLMSG_ALIGN(length) < size ? NLMSG_ALIGN(length) : size;
}

static void changed(struct tcb *tcb, const char *interface)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        if (tcb->pfs[i] && interface[0] && !strcmp(tcb->pfs[i]->observed.netdev, interface))
            picture_changed(tcb, tcb->pfs[i], tcb_now_ns());
}

void link_messages(struct tcb *tcb, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    char interface[IFNAMSIZ];
    size_t used;

    for (; (used = link_message_parse(at, size, interface)); at += used, size -= used)
        changed(tcb, interface);
}
