/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console channel behind the serial port: output into the ring, which never waits for a reader,
 * input from it as far as the port has room. Our positions are kept on our side; the other's are
 * checked, never trusted.
 */
#pragma once

#include <stdint.h>

struct monitor;

/* Maps the ring that lead handed over. Negative errno. */
int console_begin(struct monitor *monitor);

uint8_t console_port_read(struct monitor *monitor, unsigned reg);
void console_port_write(struct monitor *monitor, unsigned reg, uint8_t value);

/* There may be input. */
void console_pump(struct monitor *monitor);

/* Tells the reader, once for all that was written since the last time. */
void console_flush(struct monitor *monitor);
