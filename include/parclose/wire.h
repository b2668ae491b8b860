/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of every message between processes: one SEQPACKET datagram of a header and a body of a
 * fixed size for its type, at most WIRE_MAX bytes, with at most WIRE_MAX_FDS files.
 */
#pragma once

#include <stdint.h>

#define WIRE_VERSION 1
#define WIRE_MAX     4096
#define WIRE_MAX_FDS 16

struct wire_header {
    uint16_t version; /* WIRE_VERSION */
    uint16_t type;    /* enum message; see the msg_*.h of the link */
    uint32_t size;    /* of the whole message, header included */
    uint64_t id;      /* of the request; an answer repeats it; 0: an event, no answer is due */
};
_Static_assert(sizeof(struct wire_header) == 16, "wire size");

/* Number ranges of message types: one block a link, so that a type names its link. */
#define MSG_BASE_BOOT            0x0100
#define MSG_BASE_CONTROL_COMMAND 0x0200
#define MSG_BASE_CONTROL_TCB     0x0300
#define MSG_BASE_CONTROL_SR_PCIM 0x0400
#define MSG_BASE_CONTROL_LEAD    0x0500
#define MSG_BASE_TCB_SR_PCIM     0x0600
#define MSG_BASE_TCB_LEAD        0x0700
#define MSG_BASE_LEAD_MONITOR    0x0800
#define MSG_BASE_SESSION         0x0900
