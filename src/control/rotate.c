/* SPDX-License-Identifier: Apache-2.0 */
#include "rotate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "config/config_check.h"
#include "log/log.h"
#include "transaction.h"

#define AGAIN_AFTER_NS UINT64_C(60000000000)

/* As host.xml says; before there is one, as it need not. */
static struct audit_config kept(const struct control *control)
{
    struct host_config defaults;

    host_config_defaults(&defaults);
    return control->db->host_set ? control->db->host.audit : defaults.audit;
}

static int add_image(void *snapshot, enum resource_kind kind, uint64_t key0, uint64_t key1,
                     const void *image)
{
    return audit_snapshot_add(snapshot, kind, key0, key1, image);
}

/* The requests that are remembered, the oldest first. */
static int add_requests(const struct control *control, struct audit_snapshot_writer *snapshot)
{
    uint64_t place = 0;
    int error = 0;

    for (size_t i = 0; i < CONTROL_REQUESTS_MAX && !error; i++) {
        const struct request_image *done =
            &control->requests[(control->requests_next + i) % CONTROL_REQUESTS_MAX];
        if (done->id)
            error = audit_snapshot_add(snapshot, RESOURCE_REQUEST, place++, 0, done);
    }
    return error;
}

static void say_head(const struct control *control)
{
    const uint8_t *head = audit_log_head(control->log);
    char text[2 * AUDIT_HASH_SIZE + 1];

    for (size_t i = 0; i < AUDIT_HASH_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", head[i]);
    log_notice("audit log: new segment from entry %llu on; head of the chain: %s",
               (unsigned long long)transaction_number(control), text);
}

int rotate(struct control *control)
{
    struct audit_snapshot_writer *snapshot;
    int error = audit_rotation_begin(control->log, &snapshot);

    if (error)
        return error;
    error = db_each_image(control->db, add_image, snapshot);
    if (!error)
        error = add_requests(control, snapshot);
    if (error) {
        audit_snapshot_abandon(snapshot);
        return error;
    }
    error = audit_rotation_finish(control->log, snapshot, kept(control).keep);
    if (!error)
        say_head(control);
    return error;
}

void rotate_when_due(struct control *control)
{
    uint64_t limit = (uint64_t)kept(control).segment_mib << 20;

    if (audit_log_segment_bytes(control->log) < limit || apply_under_way(control->db) ||
        control_boottime(control) < control->rotate_boottime_ns)
        return;
    int error = rotate(control);
    if (!error || error == -EALREADY)
        return;
    control->rotate_boottime_ns = control_boottime(control) + AGAIN_AFTER_NS;
    log_warning("the audit log cannot be rotated: %s", strerror(-error));
}
