/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log does not say how big its host was, and may be checked on another one. So it is read twice:
 * first to learn which pCPUs and how much memory of which node its newest boot of the host speaks
 * of, then to build the map from it.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay.h"
#include "replies.h"
#include "store/audit_reader.h"

#define NODE_STEP (UINT64_C(1) << 30) /* the end of a node is not known more exactly */

struct reading {
    int directory;
    uint64_t snapshot; /* the newest whole one; 0: none */
    uint64_t entries, last;
};

/* --- going over a log ------------------------------------------------------------------------- */

static int newest_snapshot(struct reading *reading)
{
    struct audit_snapshot header;
    uint64_t *numbers;
    ssize_t count = audit_files_list(reading->directory, AUDIT_SNAPSHOT_PREFIX, &numbers);

    if (count < 0)
        return (int)count;
    while (count-- > 0 && !reading->snapshot)
        if (!audit_snapshot_read(reading->directory, numbers[count], &header, NULL, NULL))
            reading->snapshot = numbers[count];
    free(numbers);
    return 0;
}

static int visit_entries(struct reading *reading, struct audit_reader *reader, audit_visit *visit,
                         void *context)
{
    const struct audit_entry *entry;
    int got, error = 0;

    while (!error && (got = audit_reader_next(reader, &entry)) == 1) {
        reading->last = entry->sequence;
        if (entry->sequence < reading->snapshot)
            continue;
        reading->entries++;
        error = visit(context, entry);
    }
    if (error)
        return error;
    return got == -EAGAIN ? 0 : got; /* a torn tail is cut off at a start */
}

static int walk(struct reading *reading, audit_load *load, audit_visit *visit, void *context)
{
    struct audit_snapshot header;
    struct audit_reader *reader;
    struct audit_place place;
    int error = 0;

    reading->entries = reading->last = 0;
    if (reading->snapshot)
        error = audit_snapshot_read(reading->directory, reading->snapshot, &header, load, context);
    if (!error)
        error = audit_reader_open_directory(&reader, reading->directory, &place);
    if (error)
        return error;
    if (!reading->snapshot && place.entry > 1)
        error = -ENODATA;
    if (!error)
        error = visit_entries(reading, reader, visit, context);
    audit_reader_close(reader);
    return error;
}

/* --- what host it is of ----------------------------------------------------------------------- */

static void learn_boot(struct inventory *inventory, const uint8_t boot_id[16])
{
    if (!memcmp(inventory->boot_id, boot_id, sizeof(inventory->boot_id)))
        return;
    *inventory = (struct inventory){.pcpus_count = 1}; /* pCPU 0: every host has it */
    memcpy(inventory->boot_id, boot_id, sizeof(inventory->boot_id));
}

static void learn_pcpu(struct inventory *inventory, uint64_t pcpu)
{
    uint32_t at = inventory->pcpus_count;

    for (uint32_t i = 0; i < at; i++)
        if (inventory->pcpus[i].pcpu == pcpu)
            return;
    if (at == PARCLOSE_MAX_PCPUS || pcpu >= UINT32_MAX)
        return;
    for (; at > 1 && inventory->pcpus[at - 1].pcpu > pcpu; at--)
        inventory->pcpus[at] = inventory->pcpus[at - 1];
    inventory->pcpus[at] = (struct inventory_pcpu){.pcpu = (uint32_t)pcpu};
    inventory->pcpus_count++;
}

static uint64_t bytes_of(const struct memory_image *image)
{
    return image ? image->bytes : 0;
}

static void learn_memory(struct inventory *inventory, const struct audit_change *change)
{
    uint64_t before = bytes_of(audit_change_before(change));
    uint64_t after = bytes_of(audit_change_after(change));
    uint64_t end = change->key[1] + (before > after ? before : after);
    uint32_t i = 0;

    while (i < inventory->nodes_count && inventory->nodes[i].node != change->key[0])
        i++;
    if (i == PARCLOSE_MAX_NODES || end < change->key[1] || end > DB_NODE_MAX)
        return;
    if (i == inventory->nodes_count)
        inventory->nodes[inventory->nodes_count++].node = (uint32_t)change->key[0];
    end = (end + NODE_STEP - 1) / NODE_STEP * NODE_STEP;
    if (end > inventory->nodes[i].memory_bytes)
        inventory->nodes[i].memory_bytes = end;
}

static void learn(struct inventory *inventory, const struct audit_change *change)
{
    if (change->kind == RESOURCE_PCPU)
        learn_pcpu(inventory, change->key[0]);
    if (change->kind == RESOURCE_MEMORY)
        learn_memory(inventory, change);
}

static int learn_resource(void *inventory, const struct audit_snapshot *snapshot,
                          const struct audit_change *change)
{
    learn_boot(inventory, snapshot->boot_id);
    learn(inventory, change);
    return 0;
}

static int learn_entry(void *inventory, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    learn_boot(inventory, entry->boot_id);
    while ((change = audit_entry_next(entry, change)))
        learn(inventory, change);
    return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static int build(struct reading *reading, struct control *control)
{
    struct inventory *inventory = calloc(1, sizeof(*inventory));

    if (!inventory)
        return -ENOMEM;
    int error = walk(reading, learn_resource, learn_entry, inventory);
    if (!error)
        error = db_new(&control->db, inventory);
    free(inventory);
    return error ? error : walk(reading, replay_snapshot, replay_entry, control);
}

static size_t partitions_of(struct db *db)
{
    size_t count = 0;

    for (uint32_t id = 1; id <= PARCLOSE_MAX_PARTITIONS; id++)
        count += db_partition(db, (struct partition_id){id}) != NULL;
    return count;
}

static int say_wrong(const char *text)
{
    printf("wrong %s\n", text);
    return EXIT_FAILURE;
}

static int judge(const struct reading *reading, struct control *control)
{
    char text[PARCLOSE_REASON_MAX];

    if (reading->snapshot)
        printf("snapshot %" PRIu64 "\n", reading->snapshot);
    printf("entries %" PRIu64 "\nlast %" PRIu64 "\npartitions %zu\n", reading->entries,
           reading->last, partitions_of(control->db));
    return db_check(control->db, text) ? say_wrong(text) : EXIT_SUCCESS;
}

static const char *error_text(int error)
{
    if (error == -EUCLEAN)
        return "the audit log is damaged: parclose audit --verify says where";
    if (error == -ENODATA)
        return "the audit log does not begin at entry 1, and no snapshot is whole";
    return strerror(-error);
}

int check_files(const char *path)
{
    static const struct effects none;
    struct reading reading = {.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int error = reading.directory < 0 ? -errno : newest_snapshot(&reading);
    struct control *control = error ? NULL : control_new(&none, NULL);

    if (!error)
        error = control ? build(&reading, control) : -ENOMEM;
    int status = error ? say_wrong(error_text(error)) : judge(&reading, control);
    control_free(control);
    if (reading.directory >= 0)
        close(reading.directory);
    return status;
}

/* --- at command's request --------------------------------------------------------------------- */

int on_check(void *context, struct frame *frame)
{
    const struct control_plain *request = (const void *)frame->bytes;
    struct control *control = context;
    char text[PARCLOSE_REASON_MAX] = "";

    if (!request->header.id ||
        !frame_string_ok(request->requester.reason, sizeof(request->requester.reason)))
        return -EBADMSG;
    int error = db_check(control->db, text);
    reply_command(control, request->header.id, error, 0, text, NULL, 0);
    return 0;
}
