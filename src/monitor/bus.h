/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exits that vCPU processes have posted (slot.h), carried out on the devices: ports and memory.
 *
 * Journal. Main may be killed while it carries one out; the next main does it again from the start.
 * Before each exit the state of serial port and console ring is copied, and a repeated exit begins
 * from that copy: a character is sent or taken once. An exit that kills main twice is answered with
 * all ones and left at that.
 */
#pragma once

struct monitor;

/* Once in each main: wakes every vCPU that the last main answered and did not wake. */
void bus_begin(struct monitor *monitor);

/* All exits that are posted now. */
void bus_serve(struct monitor *monitor);
