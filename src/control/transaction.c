/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "log/log.h"
#include "store/crc32c.h"

void transaction_begin(struct control *control, enum audit_kind kind, enum audit_phase phase,
                       uint64_t refers_to)
{
    audit_entry_begin(control->entry, kind, phase);
    control->entry->refers_to = refers_to;
    control->entry->who.process = PROCESS_CONTROL;
    control->entry_error = 0;
}

void transaction_who(struct control *control, enum process_kind process,
                     const struct requester *requester)
{
    struct audit_requester *who = &control->entry->who;

    who->process = process;
    if (!requester)
        return;
    who->uid = requester->uid;
    who->pid = requester->pid;
    memcpy(who->reason, requester->reason, sizeof(who->reason));
    who->reason[sizeof(who->reason) - 1] = 0;
}

/* What makes two requests with one id the same. A start that is asked for again may have been
 * selected anew. */
static uint32_t digest(const struct wire_header *request)
{
    size_t size = request->type == CONTROL_PARTITION_START
                      ? offsetof(struct control_partition_start, generation)
                      : request->size;
    return crc32c(0, request + 1, size - sizeof(*request));
}

void transaction_request(struct control *control, const struct wire_header *request)
{
    control->entry->request_id = request->id;
    control->entry->request_type = request->type;
    control->entry->request_digest = digest(request);
}

void transaction_text(struct control *control, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(control->entry->text, sizeof(control->entry->text), format, arguments);
    va_end(arguments);
}

static void keep_error(struct control *control, int error)
{
    if (!control->entry_error)
        control->entry_error = error;
}

void transaction_change(struct control *control, enum resource_kind kind, uint64_t key0,
                        uint64_t key1, const void *after)
{
    const void *before = db_image(control->db, kind, key0, key1);
    keep_error(control, audit_entry_add(control->entry, kind, key0, key1, before, after));
}

void transaction_memory(struct control *control, uint32_t node, uint64_t offset, uint64_t bytes,
                        struct owner after)
{
    struct memory_image from = {.bytes = bytes};
    const struct memory_image to = {bytes, after};

    if (!db_memory_owned(control->db, node, offset, bytes, &from.owner))
        keep_error(control, -EINVAL);
    else
        keep_error(control,
                   audit_entry_add(control->entry, RESOURCE_MEMORY, node, offset, &from, &to));
}

void transaction_run(struct control *control, const struct partition *partition,
                     const struct partition_run *after)
{
    transaction_change(control, RESOURCE_RUN, partition->id.value, 0, after);
}

void transaction_vf(struct control *control, const struct pf *pf, uint32_t index,
                    struct owner after)
{
    transaction_change(control, RESOURCE_VF, pf->bdf.value, index, &after);
}

uint64_t transaction_number(const struct control *control)
{
    return audit_log_next(control->log);
}

static int save(struct control *control, bool durable)
{
    int error = audit_log_append(control->log, control->entry);

    if (!error && durable)
        outbox_hold(control);
    if (error && error != -ENOSPC) {
        log_error("the audit log cannot be written: %s", strerror(-error));
        control->effects->fatal(control->effects_context);
    }
    return error;
}

static int validate(struct control *control)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(control->entry, change)))
        if (!db_matches(control->db, change))
            return -ESTALE;
    return 0;
}

/* Says in the log that the entry had no effect; replay comes to the same result by itself. */
static void save_undone(struct control *control, int reason)
{
    uint64_t undone = control->entry->sequence;
    enum audit_kind kind = (enum audit_kind)control->entry->kind;

    log_error("transaction %llu is undone: %s", (unsigned long long)undone, strerror(-reason));
    transaction_begin(control, kind, AUDIT_UNDONE, undone);
    transaction_text(control, "not applied: %s", strerror(-reason));
    save(control, true);
}

static void check(struct control *control)
{
    char text[PARCLOSE_REASON_MAX];

    if (control->check_each_commit && db_check(control->db, text))
        log_error("the resource map is wrong: %s", text);
}

int transaction_commit(struct control *control, bool durable)
{
    int error = control->entry_error;

    if (!error)
        error = save(control, durable);
    if (error)
        return error;
    error = validate(control);
    if (!error)
        error = db_apply_entry(control->db, control->entry);
    if (error) {
        save_undone(control, error);
        return error;
    }
    request_remember_entry(control, control->entry);
    since_note(control, control->entry);
    apply_note(control, control->entry);
    if (!durable)
        control_sync_later(control);
    check(control);
    control_changed(control);
    return 0;
}

uint64_t request_known(const struct control *control, const struct wire_header *request)
{
    const uint32_t wanted = digest(request); /* once: a peer may use one id for everything */

    if (!request->id)
        return 0;
    for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        const struct request_image *done = &control->requests[i];
        if (done->id == request->id && done->type == request->type && done->digest == wanted)
            return done->transaction;
    }
    return 0;
}

uint64_t request_known_by_id(const struct control *control, uint64_t id, uint32_t type)
{
    for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        const struct request_image *done = &control->requests[i];
        if (id && done->id == id && done->type == type)
            return done->transaction;
    }
    return 0;
}

void request_remember(struct control *control, const struct request_image *request)
{
    if (!request->id)
        return;
    control->requests[control->requests_next] = *request;
    control->requests_next = (control->requests_next + 1) % CONTROL_REQUESTS_MAX;
}

void request_remember_entry(struct control *control, const struct audit_entry *entry)
{
    const struct request_image request = {entry->request_id, entry->request_type,
                                          entry->request_digest, entry->sequence};

    if (entry->phase == AUDIT_BEGUN)
        request_remember(control, &request);
}
