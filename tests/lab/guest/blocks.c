/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes blocks past the page cache, reads them back and compares. "once": one block, prints its
 * checksum; "loop": for ever, a line about every second: L2: nvme writes=N errors=N worst_ms=N
 *
 * usage: blocks DEVICE OFFSET_MIB once|loop
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define AREA  1024 /* blocks */

static uint8_t *wrote, *got;
static uint64_t writes, errors;
static int64_t worst_ms;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fill(uint64_t seed)
{
    for (size_t i = 0; i < BLOCK; i += sizeof(seed)) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        memcpy(wrote + i, &seed, sizeof(seed));
    }
}

static uint32_t sum(const uint8_t *block)
{
    uint32_t value = 1;
    for (size_t i = 0; i < BLOCK; i++)
        value = value * 31 + block[i];
    return value;
}

static void write_and_compare(int disk, off_t at)
{
    int64_t start = now_ms();
    fill(writes + 1);
    memset(got, 0, BLOCK);
    writes++;
    if (pwrite(disk, wrote, BLOCK, at) != BLOCK || pread(disk, got, BLOCK, at) != BLOCK) {
        errors++;
        printf("L2: nvme error: errno %d at %lld\n", errno, (long long)at);
    } else if (memcmp(wrote, got, BLOCK) != 0) {
        errors++;
        printf("L2: nvme error: block at %lld reads back wrong\n", (long long)at);
    }
    if (now_ms() - start > worst_ms)
        worst_ms = now_ms() - start;
}

int main(int count, char **values)
{
    if (count != 4)
        errx(2, "usage: blocks DEVICE OFFSET_MIB once|loop");
    off_t base = (off_t)strtoll(values[2], NULL, 10) << 20;
    int disk = open(values[1], O_RDWR | O_DIRECT);
    if (disk < 0)
        err(1, "%s", values[1]);
    wrote = aligned_alloc(BLOCK, BLOCK);
    got = aligned_alloc(BLOCK, BLOCK);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(values[3], "once") == 0) {
        write_and_compare(disk, base);
        printf("L2: nvme once wrote=%08x read=%08x errors=%llu\n", sum(wrote), sum(got),
               (unsigned long long)errors);
        return errors != 0;
    }
    for (int64_t next = now_ms() + 1000;; usleep(20000)) {
        write_and_compare(disk, base + (off_t)(writes % AREA) * BLOCK);
        if (now_ms() < next)
            continue;
        next = now_ms() + 1000;
        printf("L2: nvme writes=%llu errors=%llu worst_ms=%lld\n", (unsigned long long)writes,
               (unsigned long long)errors, (long long)worst_ms);
    }
}
