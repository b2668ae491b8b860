/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process on each processor computes the checksum of the same bytes again and again, in
 * registers of integers and of floating point: a processor whose state was lost or doubled once
 * computes another one. A line about every second, with the guest's two clocks:
 * L2: sums done=N errors=N cpus=N least=N monotonic_ms=N realtime_ms=N     least: of one processor
 */
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX 64
#define BYTES    65536

struct counts {
    _Atomic uint64_t done, errors;
};

static uint8_t bytes[BYTES];

static uint64_t checksum(void)
{
    uint64_t sum = 14695981039346656037u;
    double product = 1;
    for (size_t i = 0; i < BYTES; i++) {
        sum = (sum ^ bytes[i]) * 1099511628211u;
        product = product * 1.0000001 + bytes[i];
    }
    return sum ^ (uint64_t)product;
}

static void work(int cpu, uint64_t expected, struct counts *counts)
{
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(cpu, &own);
    if (sched_setaffinity(0, sizeof(own), &own) < 0)
        err(1, "sums: processor %d", cpu);
    for (;;) {
        if (checksum() != expected)
            counts->errors++;
        counts->done++;
    }
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void report(const struct counts *counts, int cpus)
{
    uint64_t done = 0, errors = 0, least = UINT64_MAX;
    for (int i = 0; i < cpus; i++) {
        uint64_t own = counts[i].done;
        done += own;
        errors += counts[i].errors;
        least = own < least ? own : least;
    }
    printf("L2: sums done=%llu errors=%llu cpus=%d least=%llu monotonic_ms=%lld realtime_ms=%lld\n",
           (unsigned long long)done, (unsigned long long)errors, cpus, (unsigned long long)least,
           (long long)clock_ms(CLOCK_MONOTONIC), (long long)clock_ms(CLOCK_REALTIME));
}

int main(void)
{
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (cpus > CPUS_MAX)
        cpus = CPUS_MAX;
    struct counts *counts = mmap(NULL, sizeof(*counts) * CPUS_MAX, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED)
        err(1, "sums");
    uint64_t seed = 88172645463325252u;
    for (size_t i = 0; i < BYTES; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        bytes[i] = (uint8_t)seed;
    }
    uint64_t expected = checksum();
    for (int i = 0; i < cpus; i++)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work(i, expected, &counts[i]);
        }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        sleep(1);
        report(counts, cpus);
    }
}
