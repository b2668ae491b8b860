/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw system calls for every process of the monitor.
 *
 * All of them share one address space but not one thread library: no function here touches errno
 * or thread-local storage (but the stack protector's canary at %fs:0x28, see birth.h). Each
 * returns what the kernel returned: >= 0, or a negative errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifdef PARCLOSE_FAKE_KERNEL /* a test's kernel: fake_kernel.h there */
long sys_call6(long nr, long a, long b, long c, long d, long e, long f);
#else
static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#endif

static inline long sys_call3(long nr, long a, long b, long c)
{
    return sys_call6(nr, a, b, c, 0, 0, 0);
}

struct msghdr;
struct pollfd;
struct stat;

static inline long sys_write(int fd, const void *buffer, size_t size)
{
    return sys_call3(SYS_write, fd, (long)buffer, (long)size);
}

static inline long sys_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
    return sys_call6(SYS_pread64, fd, (long)buffer, (long)size, (long)offset, 0, 0);
}

static inline long sys_pwrite(int fd, const void *buffer, size_t size, uint64_t offset)
{
    return sys_call6(SYS_pwrite64, fd, (long)buffer, (long)size, (long)offset, 0, 0);
}

static inline long sys_close(int fd)
{
    return sys_call3(SYS_close, fd, 0, 0);
}

static inline long sys_ioctl(int fd, unsigned long request, unsigned long argument)
{
    return sys_call3(SYS_ioctl, fd, (long)request, (long)argument);
}

static inline long sys_ioctl_ptr(int fd, unsigned long request, void *argument)
{
    return sys_ioctl(fd, request, (unsigned long)argument);
}

static inline long sys_lseek(int fd, uint64_t offset)
{
    return sys_call3(SYS_lseek, fd, (long)offset, 0 /* SEEK_SET */);
}

/* From *offset of `from`, and moves it. */
static inline long sys_sendfile(int to, int from, uint64_t *offset, size_t size)
{
    return sys_call6(SYS_sendfile, to, from, (long)offset, (long)size, 0, 0);
}

/* The address, or a negative errno: use sys_is_error(). */
static inline long sys_mmap(void *address, size_t size, int prot, int flags, int fd, uint64_t off)
{
    return sys_call6(SYS_mmap, (long)address, (long)size, prot, flags, fd, (long)off);
}

static inline int sys_is_error(long result)
{
    return result < 0 && result >= -4095;
}

static inline long sys_fstat(int fd, struct stat *out)
{
    return sys_call3(SYS_fstat, fd, (long)out, 0);
}

static inline long sys_fcntl(int fd, int command, long argument)
{
    return sys_call3(SYS_fcntl, fd, command, argument);
}

static inline long sys_recvmsg(int fd, struct msghdr *message, int flags)
{
    return sys_call3(SYS_recvmsg, fd, (long)message, flags);
}

static inline long sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return sys_call3(SYS_sendmsg, fd, (long)message, flags);
}

/* Waits for ever, unless now is set: then it only looks. */
static inline long sys_poll(struct pollfd *fds, unsigned count, int now)
{
    static const int64_t zero[2];

    return sys_call6(SYS_ppoll, (long)fds, count, now ? (long)zero : 0, 0, 0, 0);
}

/* The same for at most so long; < 0: for ever. */
static inline long sys_poll_ms(struct pollfd *fds, unsigned count, int64_t ms)
{
    int64_t time[2] = {ms / 1000, ms % 1000 * 1000000};

    return sys_call6(SYS_ppoll, (long)fds, count, ms < 0 ? 0 : (long)time, 0, 0, 0);
}

static inline long sys_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    return sys_call6(SYS_futex, (long)word, 0 /* FUTEX_WAIT */, expected, 0, 0, 0);
}

static inline long sys_futex_wake(_Atomic uint32_t *word)
{
    return sys_call6(SYS_futex, (long)word, 1 /* FUTEX_WAKE */, INT32_MAX, 0, 0, 0);
}

static inline long sys_eventfd(unsigned flags)
{
    return sys_call3(SYS_eventfd2, 0, flags, 0);
}

static inline void sys_event_signal(int fd)
{
    uint64_t one = 1;

    (void)sys_write(fd, &one, sizeof(one)); /* full counter: the reader is due anyway */
}

/* Never waits, whatever others who have the file did to its flags. */
static inline void sys_event_clear(int fd)
{
    uint64_t count;
    struct iovec iov = {&count, sizeof(count)};

    /* empty: nothing to clear */
    (void)sys_call6(SYS_preadv2, fd, (long)&iov, 1, -1, -1, RWF_NOWAIT);
}

/* How long to poll until then: in whole milliseconds, never too short; 0: it is past. */
static inline int64_t sys_ms_until(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns >= then_ns ? 0 : (int64_t)((then_ns - now_ns) / 1000000) + 1;
}

static inline uint64_t sys_clock_ns(int clock)
{
    int64_t ts[2] = {0, 0};

    (void)sys_call3(SYS_clock_gettime, clock, (long)ts, 0);
    return (uint64_t)ts[0] * UINT64_C(1000000000) + (uint64_t)ts[1];
}

static inline _Noreturn void sys_exit(int status)
{
    for (;;)
        (void)sys_call3(SYS_exit_group, status, 0, 0);
}
