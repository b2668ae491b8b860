/* SPDX-License-Identifier: Apache-2.0 */
#include "uart.h"

#include <string.h>

#define IER_RECEIVE  0x01
#define IER_SEND     0x02
#define IIR_NONE     0x01
#define IIR_SEND     0x02
#define IIR_RECEIVE  0x04
#define IIR_FIFO     0xc0
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define LCR_DLAB     0x80
#define MCR_LOOP     0x10
#define LSR_READY    0x01
#define LSR_EMPTY    0x60
#define MSR_LINE_UP  0xb0 /* carrier, data set ready, clear to send */

static uint8_t sources(const struct uart *uart)
{
    uint8_t set = 0;

    if (uart->received && (uart->ier & IER_RECEIVE))
        set |= IER_RECEIVE;
    if (uart->sent && (uart->ier & IER_SEND))
        set |= IER_SEND;
    return set;
}

bool uart_interrupt(struct uart *uart)
{
    uint8_t now = sources(uart);
    bool news = now & (uint8_t)~uart->raised;

    uart->raised = now;
    return news;
}

unsigned uart_room(const struct uart *uart)
{
    return UART_FIFO - uart->received;
}

void uart_receive(struct uart *uart, uint8_t byte)
{
    if (uart->received < UART_FIFO)
        uart->fifo[uart->received++] = byte;
}

static uint8_t take_byte(struct uart *uart)
{
    uint8_t byte = uart->fifo[0];

    if (uart->received == 0)
        return 0;
    uart->received--;
    memmove(uart->fifo, uart->fifo + 1, uart->received);
    return byte;
}

/* Receive comes before send; reading "send" answers it. */
static uint8_t identify(struct uart *uart)
{
    uint8_t set = sources(uart);
    uint8_t fifo = uart->fcr & FCR_ENABLE ? IIR_FIFO : 0;

    if (set & IER_RECEIVE)
        return fifo | IIR_RECEIVE;
    if (set & IER_SEND) {
        uart->sent = false;
        return fifo | IIR_SEND;
    }
    return fifo | IIR_NONE;
}

/* In loop-back the modem lines read back what MCR drives: RTS→CTS, DTR→DSR, OUT1→RI, OUT2→DCD. */
static uint8_t modem_status(const struct uart *uart)
{
    uint8_t m = uart->mcr;

    if (!(m & MCR_LOOP))
        return MSR_LINE_UP;
    return (uint8_t)((m & 0x02) << 3 | (m & 0x01) << 5 | (m & 0x04) << 4 | (m & 0x08) << 4);
}

uint8_t uart_read(struct uart *uart, unsigned reg)
{
    bool dlab = uart->lcr & LCR_DLAB;

    switch (reg) {
    case 0:
        return dlab ? uart->divisor[0] : take_byte(uart);
    case 1:
        return dlab ? uart->divisor[1] : uart->ier;
    case 2:
        return identify(uart);
    case 3:
        return uart->lcr;
    case 4:
        return uart->mcr;
    case 5:
        return uart->received ? LSR_EMPTY | LSR_READY : LSR_EMPTY;
    case 6:
        return modem_status(uart);
    default:
        return uart->scr;
    }
}

static int send_byte(struct uart *uart, uint8_t byte)
{
    uart->sent = true;
    uart->raised &= (uint8_t)~IER_SEND; /* empty again: a new cause */
    if (!(uart->mcr & MCR_LOOP))
        return byte;
    uart_receive(uart, byte);
    return -1;
}

static void set_ier(struct uart *uart, uint8_t value)
{
    if (!(uart->ier & IER_SEND) && (value & IER_SEND)) {
        uart->sent = true; /* the transmitter is empty: say so at once */
        uart->raised &= (uint8_t)~IER_SEND;
    }
    uart->ier = value & 0x0f;
}

int uart_write(struct uart *uart, unsigned reg, uint8_t value)
{
    bool dlab = uart->lcr & LCR_DLAB;

    if (reg < 2 && dlab)
        uart->divisor[reg] = value;
    else if (reg == 0)
        return send_byte(uart, value);
    else if (reg == 1)
        set_ier(uart, value);
    else if (reg == 2 && (value & FCR_CLEAR_RX))
        uart->received = 0;
    if (reg == 2)
        uart->fcr = value;
    else if (reg == 3)
        uart->lcr = value;
    else if (reg == 4)
        uart->mcr = value & 0x1f;
    else if (reg == 7)
        uart->scr = value;
    return -1;
}
