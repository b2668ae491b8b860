/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB with its default durability: each commit syncs data and meta page. */
#include <err.h>
#include <lmdb.h>
#include <stdlib.h>

#include "contender.h"

struct lightning {
    MDB_env *env;
    MDB_dbi audit, resource;
    uint64_t next;
};

struct resource_key {
    uint64_t kind, key0, key1;
};

static void must(int error, const char *what)
{
    if (error)
        errx(1, "lmdb: %s: %s", what, mdb_strerror(error));
}

static void *lightning_open(const char *folder)
{
    struct lightning *l = calloc(1, sizeof(*l));
    MDB_txn *txn;

    must(mdb_env_create(&l->env), "create");
    must(mdb_env_set_mapsize(l->env, (size_t)1 << 30), "map size");
    must(mdb_env_set_maxdbs(l->env, 2), "databases");
    must(mdb_env_open(l->env, folder, 0, 0600), folder);
    must(mdb_txn_begin(l->env, NULL, 0, &txn), "begin");
    must(mdb_dbi_open(txn, "audit", MDB_CREATE | MDB_INTEGERKEY, &l->audit), "audit");
    must(mdb_dbi_open(txn, "resource", MDB_CREATE, &l->resource), "resource");
    must(mdb_txn_commit(txn), "commit");
    return l;
}

static void lightning_transact(void *state, struct audit_entry *entry)
{
    struct lightning *l = state;
    const struct audit_change *change = NULL;
    MDB_val key = {sizeof(l->next), &l->next}, value = {entry->size, entry};
    MDB_txn *txn;

    must(mdb_txn_begin(l->env, NULL, 0, &txn), "begin");
    must(mdb_put(txn, l->audit, &key, &value, MDB_APPEND), "audit");
    while ((change = audit_entry_next(entry, change))) {
        struct resource_key name = {change->kind, change->key[0], change->key[1]};
        MDB_val at = {sizeof(name), &name};
        MDB_val image = {change->after_size, (void *)(uintptr_t)audit_change_after(change)};
        must(mdb_put(txn, l->resource, &at, &image, 0), "resource");
    }
    must(mdb_txn_commit(txn), "commit");
    l->next++;
}

static void lightning_close(void *state)
{
    mdb_env_close(((struct lightning *)state)->env);
    free(state);
}

const struct contender lmdb = {"lmdb", lightning_open, lightning_transact, lightning_close};
