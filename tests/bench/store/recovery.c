/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-recovery FOLDER [PAIRS [ENTRIES]]   FOLDER: as of bench-store; 2 GB for a million
 * entries.
 *
 * Makes a log of a snapshot with RESOURCES images and ENTRIES entries behind it, then measures in
 * pairs, all in the page cache: opening it (every entry verified, chained, its before images
 * compared, applied to a map) over reading the same bytes and hashing them with SHA-256:
 *   PAIR R
 * The resources are blocks of memory of a node that is as fragmented as can be.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "contender.h"
#include "db.h"
#include "parclose/msg_boot.h"
#include "store/audit_log.h"

#define RESOURCES 100000u
#define GROUP     1000 /* entries a sync while the log is made */

static char root[4096];
static int directory;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_all(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void add_snapshot(struct audit_log *log)
{
    const struct owner guest = {OWNER_GUEST, {WORKLOAD_PARTITIONS}}, none = {OWNER_AVAILABLE};
    struct audit_snapshot_writer *snapshot;

    if (audit_rotation_begin(log, &snapshot))
        errx(1, "no snapshot");
    for (uint32_t i = 0; i < RESOURCES; i++) {
        const struct memory_image block = {MEMORY_GRAIN, i % 2 ? none : guest};
        if (audit_snapshot_add(snapshot, RESOURCE_MEMORY, 1, i * MEMORY_GRAIN, &block))
            errx(1, "no snapshot");
    }
    if (audit_rotation_finish(log, snapshot, AUDIT_KEEP_MIN))
        errx(1, "no rotation");
}

static void append(struct audit_log *log, struct audit_entry *entry, uint64_t entries)
{
    for (uint64_t n = 0; n < entries; n++) {
        workload_fill(entry, n);
        if (audit_log_append(log, entry) || (n % GROUP == GROUP - 1 && audit_log_sync(log)))
            errx(1, "append");
    }
    if (audit_log_sync(log))
        errx(1, "sync");
}

static void make(uint64_t entries)
{
    static const struct audit_visitor none;
    struct audit_entry *entry = aligned_alloc(8, AUDIT_ENTRY_MAX);
    struct inventory inventory;
    struct audit_opened opened;
    struct audit_log *log;

    workload_inventory(&inventory);
    if (!entry || audit_log_open(&log, directory, inventory.boot_id, &none, &opened))
        errx(1, "no log in %s", root);
    audit_entry_begin(entry, AUDIT_RESET, AUDIT_BEGUN);
    if (audit_log_append(log, entry))
        errx(1, "append");
    add_snapshot(log);
    append(log, entry, entries);
    audit_log_close(log);
    free(entry);
}

static uint64_t open_log(uint64_t entries)
{
    uint64_t start = now_ns();
    void *store = ours.open(root);
    uint64_t took = now_ns() - start;

    if (ours_entries(store) != entries)
        errx(1, "%llu entries were read", (unsigned long long)ours_entries(store));
    ours.close(store);
    return took;
}

static void hash_file(EVP_MD_CTX *context, const char *name)
{
    static uint8_t buffer[1 << 20];
    ssize_t got;
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        err(1, "%s", name);
    while ((got = read(file, buffer, sizeof(buffer))) > 0)
        EVP_DigestUpdate(context, buffer, (size_t)got);
    close(file);
}

static uint64_t hash_all(void)
{
    uint64_t start = now_ns();
    unsigned char result[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    DIR *files = opendir(root);
    struct dirent *file;

    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    while ((file = readdir(files)))
        if (file->d_type == DT_REG)
            hash_file(context, file->d_name);
    closedir(files);
    EVP_DigestFinal_ex(context, result, NULL);
    EVP_MD_CTX_free(context);
    return now_ns() - start;
}

int main(int argc, char **argv)
{
    int pairs = argc > 2 ? atoi(argv[2]) : 20;
    uint64_t entries = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000000;

    if (argc < 2 || argc > 4 || pairs < 1 || entries < 1)
        errx(2, "usage: bench-recovery FOLDER [PAIRS [ENTRIES]]");
    snprintf(root, sizeof(root), "%s/bench-recovery-%d", argv[1], getpid());
    if (mkdir(root, 0700) || (directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        err(1, "%s", root);
    atexit(remove_all);
    make(entries);
    hash_all();
    for (int pair = 0; pair < pairs; pair++) {
        uint64_t ours_ns, floor_ns;
        if (pair % 2) {
            floor_ns = hash_all();
            ours_ns = open_log(entries);
        } else {
            ours_ns = open_log(entries);
            floor_ns = hash_all();
        }
        printf("PAIR %.3f\n", (double)ours_ns / (double)floor_ns);
        fflush(stdout);
    }
    return 0;
}
