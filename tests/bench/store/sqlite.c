/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite in WAL mode, synchronous FULL: each commit syncs the write-ahead log. */
#include <err.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "contender.h"

struct lite {
    sqlite3 *db;
    sqlite3_stmt *begin, *audit, *resource, *commit;
};

static void run(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        errx(1, "sqlite: %s", sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        errx(1, "sqlite: %s", sqlite3_errmsg(db));
    return statement;
}

static void *lite_open(const char *folder)
{
    struct lite *lite = calloc(1, sizeof(*lite));
    char path[4096];

    snprintf(path, sizeof(path), "%s/db", folder);
    if (sqlite3_open(path, &lite->db) != SQLITE_OK)
        errx(1, "sqlite: %s", path);
    run(lite->db, "PRAGMA journal_mode=WAL");
    run(lite->db, "PRAGMA synchronous=FULL");
    run(lite->db, "PRAGMA locking_mode=EXCLUSIVE");
    run(lite->db, "CREATE TABLE audit (sequence INTEGER PRIMARY KEY, entry BLOB)");
    run(lite->db, "CREATE TABLE resource (kind INT, key0 INT, key1 INT, image BLOB, "
                  "PRIMARY KEY (kind, key0, key1)) WITHOUT ROWID");
    lite->begin = prepare(lite->db, "BEGIN IMMEDIATE");
    lite->audit = prepare(lite->db, "INSERT INTO audit (entry) VALUES (?)");
    lite->resource = prepare(lite->db, "REPLACE INTO resource VALUES (?, ?, ?, ?)");
    lite->commit = prepare(lite->db, "COMMIT");
    return lite;
}

static void step(struct lite *lite, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE)
        errx(1, "sqlite: %s", sqlite3_errmsg(lite->db));
    sqlite3_reset(statement);
}

static void lite_transact(void *state, struct audit_entry *entry)
{
    struct lite *lite = state;
    const struct audit_change *change = NULL;

    step(lite, lite->begin);
    sqlite3_bind_blob(lite->audit, 1, entry, (int)entry->size, SQLITE_STATIC);
    step(lite, lite->audit);
    while ((change = audit_entry_next(entry, change))) {
        sqlite3_bind_int64(lite->resource, 1, change->kind);
        sqlite3_bind_int64(lite->resource, 2, (sqlite3_int64)change->key[0]);
        sqlite3_bind_int64(lite->resource, 3, (sqlite3_int64)change->key[1]);
        sqlite3_bind_blob(lite->resource, 4, audit_change_after(change), (int)change->after_size,
                          SQLITE_STATIC);
        step(lite, lite->resource);
    }
    step(lite, lite->commit);
}

static void lite_close(void *state)
{
    struct lite *lite = state;

    sqlite3_finalize(lite->begin);
    sqlite3_finalize(lite->audit);
    sqlite3_finalize(lite->resource);
    sqlite3_finalize(lite->commit);
    sqlite3_close(lite->db);
    free(lite);
}

const struct contender sqlite = {"sqlite", lite_open, lite_transact, lite_close};
