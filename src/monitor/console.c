/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "monitor.h"
#include "sys.h"

/* After each change of the port. */
static void show_port(struct monitor *m)
{
    atomic_store_explicit(&m->line_status, uart_read(&m->console.uart, 5), memory_order_release);
    if (uart_interrupt(&m->console.uart))
        sys_event_signal(m->router.uart);
}

int console_begin(struct monitor *m)
{
    int fd = m->files.single[FILE_CONSOLE];
    struct stat st = {.st_size = 0};
    long rc = sys_fstat(fd, &st);

    if (rc < 0)
        return (int)rc;
    if (st.st_size != CONSOLE_SIZE)
        return -EINVAL;
    rc = sys_mmap(NULL, CONSOLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (sys_is_error(rc))
        return (int)rc;
    m->ring = (struct console_ring *)rc;
    m->console.out_head = atomic_load(&m->ring->out_head);
    m->console.in_tail = atomic_load(&m->ring->in_tail);
    show_port(m);
    return 0;
}

static void send_byte(struct monitor *m, uint8_t byte)
{
    m->ring->out[m->console.out_head % CONSOLE_RING] = byte;
    m->console.out_head++;
}

void console_flush(struct monitor *m)
{
    uint64_t shown;

    if (!m->ring)
        return;
    shown = atomic_load_explicit(&m->ring->out_head, memory_order_relaxed);
    if (shown == m->console.out_head)
        return;
    atomic_store_explicit(&m->ring->out_head, m->console.out_head, memory_order_release);
    sys_event_signal(m->files.single[FILE_CONSOLE_OUT]);
}

void console_pump(struct monitor *m)
{
    uint64_t head = atomic_load_explicit(&m->ring->in_head, memory_order_acquire);
    struct console_state *c = &m->console;

    if (head - c->in_tail > CONSOLE_RING)
        c->in_tail = head; /* the writer lies: nothing it said is taken */
    while (c->in_tail != head && uart_room(&c->uart)) {
        uart_receive(&c->uart, m->ring->in[c->in_tail % CONSOLE_RING]);
        c->in_tail++;
    }
    atomic_store_explicit(&m->ring->in_tail, c->in_tail, memory_order_release);
    show_port(m);
}

uint8_t console_port_read(struct monitor *m, unsigned reg)
{
    uint8_t value = uart_read(&m->console.uart, reg);

    if (reg == 0)
        console_pump(m); /* there is room again */
    show_port(m);
    return value;
}

void console_port_write(struct monitor *m, unsigned reg, uint8_t value)
{
    int byte = uart_write(&m->console.uart, reg, value);

    if (byte >= 0)
        send_byte(m, (uint8_t)byte);
    show_port(m);
}
