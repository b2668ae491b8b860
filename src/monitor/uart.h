/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 16550A as far as Linux's 8250 driver uses it. Pure: no I/O, no time. Output never waits, so the
 * transmitter is always empty again at once.
 *
 *   0 RBR/THR (DLAB: DLL)  1 IER (DLAB: DLM)  2 IIR/FCR  3 LCR  4 MCR  5 LSR  6 MSR  7 SCR
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UART_FIFO 16

struct uart {
    uint8_t divisor[2];
    uint8_t ier, fcr, lcr, mcr, scr;
    bool sent;        /* the "transmitter empty" interrupt is due */
    uint8_t raised;   /* interrupt sources that were told by uart_interrupt() */
    uint8_t received; /* bytes in fifo */
    uint8_t fifo[UART_FIFO];
};

uint8_t uart_read(struct uart *uart, unsigned reg);

/* The byte sent on the line, or -1. */
int uart_write(struct uart *uart, unsigned reg, uint8_t value);

/* How many more bytes uart_receive() takes. */
unsigned uart_room(const struct uart *uart);
void uart_receive(struct uart *uart, uint8_t byte);

/* True once for each new cause: the line (edge-triggered) must be pulsed. */
bool uart_interrupt(struct uart *uart);
