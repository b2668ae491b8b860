/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int console_open(struct console *console, int ring, int out, int in)
{
    struct stat status;

    if (fstat(ring, &status) < 0)
        return -errno;
    if (status.st_size != CONSOLE_SIZE)
        return -EINVAL;
    void *base = mmap(NULL, CONSOLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
    if (base == MAP_FAILED)
        return -errno;
    console->ring = base;
    console->out = out;
    console->in = in;
    /* the ring is the partition's: a monitor before us may have written */
    console->out_head = atomic_load_explicit(&console->ring->out_head, memory_order_relaxed);
    console->in_tail = atomic_load_explicit(&console->ring->in_head, memory_order_relaxed);
    return 0;
}

static void shut(struct console *console)
{
    close(console->socket);
    console->socket = -1;
}

void console_read(struct console *console)
{
    const uint64_t one = 1;
    uint8_t bytes[4096];
    ssize_t got = recv(console->socket, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            shut(console);
        return;
    }
    for (ssize_t i = 0; i < got; i++)
        console->ring->out[console->out_head++ % CONSOLE_RING] = bytes[i];
    atomic_store_explicit(&console->ring->out_head, console->out_head, memory_order_release);
    ssize_t ignored = write(console->out, &one, sizeof(one)); /* full: it is signalled already */
    (void)ignored;
}

/* As much as lies in one piece and QEMU takes; whether to go on. */
static bool write_some(struct console *console, uint64_t head)
{
    uint64_t at = console->in_tail % CONSOLE_RING, size = head - console->in_tail;

    if (size > CONSOLE_RING - at)
        size = CONSOLE_RING - at;
    ssize_t sent = send(console->socket, console->ring->in + at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        console->in_tail += (uint64_t)sent;
    console->full = sent < 0 && errno == EAGAIN;
    return sent > 0;
}

void console_write(struct console *console)
{
    uint64_t head = atomic_load_explicit(&console->ring->in_head, memory_order_acquire);

    if (head - console->in_tail > CONSOLE_RING)
        console->in_tail = head; /* the writer lies: nothing it said is taken */
    console->full = false;
    while (console->socket >= 0 && console->in_tail != head && write_some(console, head))
        continue;
    atomic_store_explicit(&console->ring->in_tail, console->in_tail, memory_order_release);
}
