/* SPDX-License-Identifier: Apache-2.0 */
/* What control does for a transaction: saved, validated against the map, applied to it. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contender.h"
#include "db.h"
#include "store/audit_log.h"

struct store {
    struct audit_log *log;
    struct db *db;
    uint64_t entries; /* that were there when it was opened */
};

static int load(void *context, const struct audit_snapshot *snapshot,
                const struct audit_change *change)
{
    (void)snapshot;
    return db_apply(((struct store *)context)->db, change, false);
}

static void apply(struct store *store, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(entry, change)))
        if (!db_matches(store->db, change))
            errx(1, "a before image does not fit: kind %u", change->kind);
    if (db_apply_entry(store->db, entry))
        errx(1, "an entry cannot be applied");
}

static int visit(void *context, const struct audit_entry *entry)
{
    apply(context, entry);
    return 0;
}

static void configure(struct db *db)
{
    struct host_config host = {.cards_count = 1, .reserved_pcpus = 1};
    struct partition_config partition = {.vcpus = 4};
    struct audit_entry *entry = aligned_alloc(8, AUDIT_ENTRY_MAX);

    host.cards[0] = (struct card_config){.name = "net0", .bdf = {0x0300}, .vfs = 24};
    if (!entry)
        err(1, "memory");
    audit_entry_begin(entry, AUDIT_HOST_SET, AUDIT_BEGUN);
    audit_entry_add(entry, RESOURCE_HOST, 0, 0, NULL, &host);
    for (uint32_t id = 1; id <= WORKLOAD_PARTITIONS; id++) {
        snprintf(partition.name, sizeof(partition.name), "p%u", id);
        audit_entry_add(entry, RESOURCE_PARTITION, id, 0, NULL, &partition);
    }
    if (db_apply_entry(db, entry))
        errx(1, "the map takes no host configuration");
    free(entry);
}

static void *ours_open(const char *folder)
{
    struct store *store = calloc(1, sizeof(*store));
    struct inventory inventory;
    struct audit_opened opened;
    const struct audit_visitor visitor = {load, visit, store};

    workload_inventory(&inventory);
    if (!store || db_new(&store->db, &inventory))
        errx(1, "no map");
    configure(store->db);
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 ||
        audit_log_open(&store->log, directory, inventory.boot_id, &visitor, &opened))
        errx(1, "no log in %s", folder);
    close(directory);
    store->entries = opened.entries;
    return store;
}

void ours_append(void *state, struct audit_entry *entry)
{
    struct store *store = state;

    if (audit_log_append(store->log, entry))
        errx(1, "append");
    apply(store, entry);
}

uint64_t ours_entries(const void *state)
{
    return ((const struct store *)state)->entries;
}

void ours_sync(void *state)
{
    if (audit_log_sync(((struct store *)state)->log))
        errx(1, "sync");
}

static void ours_transact(void *state, struct audit_entry *entry)
{
    ours_append(state, entry);
    ours_sync(state);
}

static void ours_close(void *state)
{
    struct store *store = state;

    audit_log_close(store->log);
    db_free(store->db);
    free(store);
}

const struct contender ours = {"ours", ours_open, ours_transact, ours_close};
