/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of network interfaces without being asked (RTM_NEWLINK, RTM_DELLINK;
 * net/core/rtnetlink.c, rtmsg_ifinfo()). Only whose it is counts: what the interface is now is read
 * from its PF.
 */
#pragma once

#include <net/if.h>
#include <stddef.h>

struct tcb;

/*
 * One message of those that came at once. How many bytes it has, or 0: there is none in so few. The
 * interface that it is about, or "": it is no such message, or does not name one. One that is cut
 * off counts as far as it goes.
 */
size_t link_message_parse(const void *bytes, size_t size, char interface[IFNAMSIZ]);

/* All of them: each PF whose interface is named is to be observed again. */
void link_messages(struct tcb *tcb, const void *bytes, size_t size);
