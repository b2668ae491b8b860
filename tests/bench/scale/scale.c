/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-scale FOLDER PART   FOLDER: on a real disk; a folder of its own is made in it and
 * removed again. PART: the host has 1 / PART of the full size.
 *
 * Prints medians over ROUNDS, in microseconds, and the memory that is resident at the end, in KiB:
 *   SCALE part transaction selection snapshot check rotation resident
 * transaction: START, from the request to its answer, with its audit entry on disk; selection: by
 * command's policy; snapshot: published by control, opened and checked by command; rotation: the
 * whole map into a snapshot of the audit log, on disk.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "policy/select.h"
#include "rotate.h"
#include "snapshot.h"

#define ROUNDS 21 /* at 1/16 there are pCPUs for no more */

enum measured { TRANSACTION, SELECTION, SNAPSHOT, CHECK, ROTATION, MEASURED };

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void select_next(const struct host *host)
{
    struct partition_config config;
    struct selection selection;
    char text[PARCLOSE_REASON_MAX] = "";

    host_next(host, &config);
    if (policy_select(&host->view, &config, &selection, text))
        errx(1, "nothing is selected: %s", text);
}

static void check(const struct host *host)
{
    char text[PARCLOSE_REASON_MAX] = "";

    if (db_check(host->control->db, text))
        errx(1, "the map is wrong: %s", text);
}

static void measure(struct host *host, double times[MEASURED])
{
    double start = now_us();
    snapshot_publish(host->control);
    times[SNAPSHOT] = now_us() - start;
    start = now_us();
    select_next(host);
    times[SELECTION] = now_us() - start;
    start = now_us();
    host_start(host);
    times[TRANSACTION] = now_us() - start;
    start = now_us();
    check(host);
    times[CHECK] = now_us() - start;
    start = now_us();
    if (rotate(host->control))
        errx(1, "the log cannot be rotated");
    times[ROTATION] = now_us() - start;
}

/* Not getrusage(): its maximum is that of the program before exec, too. */
static unsigned long resident_kib(void)
{
    unsigned long size, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file || fscanf(file, "%lu %lu", &size, &pages) != 2)
        errx(1, "/proc/self/statm cannot be read");
    fclose(file);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double times[MEASURED][ROUNDS];
    struct host host;

    if (argc != 3)
        errx(2, "usage: bench-scale FOLDER PART");
    host_make(&host, argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
    for (int i = 0; i < ROUNDS; i++) {
        double one[MEASURED];
        measure(&host, one);
        for (int m = 0; m < MEASURED; m++)
            times[m][i] = one[m];
    }
    printf("SCALE %s", argv[2]);
    for (int m = 0; m < MEASURED; m++) {
        qsort(times[m], ROUNDS, sizeof(times[m][0]), compare);
        printf(" %.1f", times[m][ROUNDS / 2]);
    }
    printf(" %lu\n", resident_kib());
    host_free(&host);
    return 0;
}
