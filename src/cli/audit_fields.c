/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "names/names.h"
#include "store/audit_text.h"
#include "table.h"

enum field_type { NUMBER, FLAGS, NAMED, TEXT, MAC, OWNER, BDF, BYTES, TIME, PCPUS, FOUR };

struct field_row {
    const char *name;
    enum field_type type;
    size_t offset, size;
    const char *(*name_of)(uint32_t number); /* NAMED */
};

#define ROW(type, structure, member)                                                               \
    {                                                                                              \
#member, type, offsetof(struct structure, member),                                         \
            sizeof(((struct structure *)0)->member), NULL                                          \
    }
#define ROW_NAMED(structure, member, name_of)                                                      \
    {                                                                                              \
#member, NAMED, offsetof(struct structure, member),                                        \
            sizeof(((struct structure *)0)->member), name_of                                       \
    }

/* A list in an image. */
struct list {
    const char *name;
    size_t count_offset; /* uint32_t: how many there are */
    size_t offset, element, max;
    const struct field_row *rows;
    size_t rows_count;
};

struct walk {
    const struct audit_names *names;
    bool all;
    audit_field_visit *visit;
    void *context;
    struct audit_field field;
};

static const char *name_of_attach(uint32_t attach)
{
    static const char *const names[] = {
        [ATTACH_NONE] = "detached",
        [ATTACH_COMMITTED] = "attach-committed",
        [ATTACH_DONE] = "attached",
        [ATTACH_UNDOING] = "detach-ordered",
    };

    return attach < sizeof(names) / sizeof(names[0]) ? names[attach] : "unknown";
}

/* --- the rows --------------------------------------------------------------------------------- */

static const struct field_row control_rows[] = {
    ROW(NUMBER, control_image, shutting_down),
    ROW(NUMBER, control_image, shutdown_boottime_ns),
};

static const struct field_row host_rows[] = {
    ROW(NUMBER, host_config, reserved_memory_mib), ROW(NUMBER, host_config, reserved_pcpus),
    ROW(NUMBER, host_config, shared_pcpus),        ROW(NUMBER, host_config, watchdog_ms),
    ROW(FOUR, host_config, gate.wait_ms),          ROW(FOUR, host_config, gate.budget),
    ROW(NUMBER, host_config, audit.segment_mib),   ROW(NUMBER, host_config, audit.keep),
    ROW(NUMBER, host_config, cards_count),
};

static const struct field_row card_rows[] = {
    ROW(TEXT, card_config, name),
    ROW(BDF, card_config, bdf),
    ROW(NUMBER, card_config, vfs),
    ROW(TEXT, card_config, driver),
    ROW_NAMED(card_config, link, name_of_card_link),
};

static const struct field_row partition_rows[] = {
    ROW(TEXT, partition_config, name),
    ROW(NUMBER, partition_config, vcpus),
    ROW(NUMBER, partition_config, weight),
    ROW(NUMBER, partition_config, memory_mib),
    ROW_NAMED(partition_config, pages, name_of_pages),
    ROW(NUMBER, partition_config, autostart),
    ROW(TEXT, partition_config, monitor),
    ROW(TEXT, partition_config, kernel),
    ROW(TEXT, partition_config, initrd),
    ROW(TEXT, partition_config, cmdline),
    ROW_NAMED(partition_config, firmware, name_of_firmware),
    ROW_NAMED(partition_config, on_outage, name_of_outage_policy),
    ROW(FLAGS, partition_config, standby_of),
    ROW(TEXT, partition_config, variables),
    ROW(TEXT, partition_config, disk),
    ROW(NUMBER, partition_config, vfs_count),
    ROW(NUMBER, partition_config, channels_count),
};

static const struct field_row vf_rows[] = {
    ROW(TEXT, partition_vf, card),
    ROW(NUMBER, partition_vf, index),
    ROW(FLAGS, partition_vf, attributes.present),
    ROW(MAC, partition_vf, attributes.mac),
    ROW(NUMBER, partition_vf, attributes.vlan),
    ROW(NUMBER, partition_vf, attributes.qos),
    ROW(NUMBER, partition_vf, attributes.trust),
    ROW(NUMBER, partition_vf, attributes.spoofchk),
    ROW(NUMBER, partition_vf, attributes.link_state),
    ROW(NUMBER, partition_vf, attributes.min_tx_rate),
    ROW(NUMBER, partition_vf, attributes.max_tx_rate),
    ROW(NUMBER, partition_vf, attributes.nvme_queues),
    ROW(NUMBER, partition_vf, attributes.nvme_vectors),
};

static const struct field_row partition_channel_rows[] = {
    ROW(TEXT, partition_channel, name),
    ROW_NAMED(partition_channel, kind, name_of_channel_device),
    ROW_NAMED(partition_channel, mode, name_of_channel_mode),
    ROW(MAC, partition_channel, mac),
    ROW(NUMBER, partition_channel, mtu),
    ROW(TEXT, partition_channel, server),
};

static const struct field_row run_rows[] = {
    ROW_NAMED(partition_run, phase, name_of_phase),
    ROW_NAMED(partition_run, attach, name_of_attach),
    ROW(TEXT, partition_run, reason),
    ROW_NAMED(partition_run, exit, name_of_exit),
    ROW(NUMBER, partition_run, created),
    ROW(NUMBER, partition_run, channels),
    ROW_NAMED(partition_run, rung, name_of_rung),
    ROW(FOUR, partition_run, rungs_taken),
    ROW(NUMBER, partition_run, deadline_boottime_ns),
    ROW(NUMBER, partition_run, calm),
    ROW(NUMBER, partition_run, skipped),
    ROW(NUMBER, partition_run, start_transaction),
    ROW(NUMBER, partition_run, attach_transaction),
    ROW(NUMBER, partition_run, descriptor_generation),
    ROW(NUMBER, partition_run, memory_node),
    ROW(NUMBER, partition_run, pcpus_count),
    ROW(PCPUS, partition_run, pcpus),
    ROW(NUMBER, partition_run, last_ready_ns),
    ROW(NUMBER, partition_run, thawed_ns),
    ROW(NUMBER, partition_run, frozen_boottime_ns),
    ROW(NUMBER, partition_run, frozen_ns),
    ROW(FLAGS, partition_run, standbys),
    ROW(TIME, partition_run, enabled),
    ROW(TIME, partition_run, active),
    ROW(TIME, partition_run, attached),
    ROW(TIME, partition_run, scheduled),
};

static const struct field_row owner_rows[] = {
    {"owner", OWNER, 0, sizeof(struct owner), NULL},
};

static const struct field_row memory_rows[] = {
    ROW(BYTES, memory_image, bytes),
    ROW(OWNER, memory_image, owner),
};

static const struct field_row pf_rows[] = {
    ROW(OWNER, pf_image, owner),
    ROW(NUMBER, pf_image, in_error),
    ROW(NUMBER, pf_image, disabled),
    ROW(NUMBER, pf_image, idle_power),
};

static const struct field_row action_rows[] = {
    ROW_NAMED(action_image, action, name_of_action),
    ROW(BDF, action_image, pf),
    ROW(NUMBER, action_image, index),
    ROW(NUMBER, action_image, vfs),
    ROW(NUMBER, action_image, transaction),
};

static const struct field_row request_rows[] = {
    ROW(FLAGS, request_image, id),
    ROW(NUMBER, request_image, type),
    ROW(FLAGS, request_image, digest),
    ROW(NUMBER, request_image, transaction),
};

static const struct field_row channel_rows[] = {
    ROW(OWNER, channel_image, owner),
    ROW_NAMED(channel_image, server, name_of_process),
    ROW(NUMBER, channel_image, attached),
};

static const struct field_row edit_rows[] = {
    ROW(FLAGS, edit_image, id),           ROW(NUMBER, edit_image, begun),
    ROW(NUMBER, edit_image, transaction), ROW_NAMED(edit_image, state, audit_edit_state_name),
    ROW(NUMBER, edit_image, uid),         ROW(FLAGS, edit_image, error),
    ROW(TEXT, edit_image, name),          ROW(TEXT, edit_image, text),
    ROW(NUMBER, edit_image, vfs_count),
};

static const struct field_row order_rows[] = {
    ROW(FLAGS, order_image, request),
    ROW(FLAGS, order_image, edit),
    ROW(NUMBER, order_image, begun),
    ROW(NUMBER, order_image, begun_boottime_ns),
    ROW_NAMED(order_image, order, name_of_order),
    ROW_NAMED(order_image, state, audit_order_state_name),
    ROW(FLAGS, order_image, error),
    ROW(NUMBER, order_image, writes),
    ROW(NUMBER, order_image, acting),
    ROW(NUMBER, order_image, took_ms),
    ROW(NUMBER, order_image, pid),
    ROW(BDF, order_image, pf),
    ROW(FLAGS, order_image, cards_reset),
    ROW(FLAGS, order_image, cards_spared),
    ROW(FLAGS, order_image, cards_in_use),
    ROW(FLAGS, order_image, cards_wanted),
    ROW(TEXT, order_image, text),
};

static const struct field_row apply_rows[] = {
    ROW(FLAGS, apply_image, id),
    ROW(NUMBER, apply_image, begun),
    ROW(NUMBER, apply_image, deadline_boottime_ns),
    ROW_NAMED(apply_image, state, name_of_apply_state),
    ROW(FLAGS, apply_image, error),
    ROW(NUMBER, apply_image, uid),
    ROW(FLAGS, apply_image, restarted),
    ROW(TEXT, apply_image, text),
};

#define ATTRIBUTE_ROWS(member)                                                                     \
    ROW(FLAGS, vf_edit, member.present), ROW(MAC, vf_edit, member.mac),                            \
        ROW(NUMBER, vf_edit, member.vlan), ROW(NUMBER, vf_edit, member.qos),                       \
        ROW(NUMBER, vf_edit, member.trust), ROW(NUMBER, vf_edit, member.spoofchk),                 \
        ROW(NUMBER, vf_edit, member.link_state), ROW(NUMBER, vf_edit, member.min_tx_rate),         \
        ROW(NUMBER, vf_edit, member.max_tx_rate), ROW(NUMBER, vf_edit, member.nvme_queues),        \
        ROW(NUMBER, vf_edit, member.nvme_vectors)

static const struct field_row edited_rows[] = {
    ROW(BDF, vf_edit, pf),
    ROW(NUMBER, vf_edit, index),
    ATTRIBUTE_ROWS(before),
    ATTRIBUTE_ROWS(after),
};

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct list cards = {"cards",
                                  offsetof(struct host_config, cards_count),
                                  offsetof(struct host_config, cards),
                                  sizeof(struct card_config),
                                  HOST_MAX_CARDS,
                                  ROWS(card_rows)};
static const struct list vfs = {"vfs",
                                offsetof(struct partition_config, vfs_count),
                                offsetof(struct partition_config, vfs),
                                sizeof(struct partition_vf),
                                PARCLOSE_MAX_PARTITION_VFS,
                                ROWS(vf_rows)};

static const struct list partition_channels = {"channels",
                                               offsetof(struct partition_config, channels_count),
                                               offsetof(struct partition_config, channels),
                                               sizeof(struct partition_channel),
                                               PARCLOSE_MAX_CHANNELS,
                                               ROWS(partition_channel_rows)};

static const struct list edited = {"vfs",
                                   offsetof(struct edit_image, vfs_count),
                                   offsetof(struct edit_image, vfs),
                                   sizeof(struct vf_edit),
                                   PARCLOSE_EDIT_VFS_MAX,
                                   ROWS(edited_rows)};

static const struct {
    const struct field_row *rows;
    size_t rows_count;
    const struct list *lists[2];
} kinds[RESOURCE_KINDS] = {
    [RESOURCE_CONTROL] = {ROWS(control_rows), {NULL}},
    [RESOURCE_HOST] = {ROWS(host_rows), {&cards}},
    [RESOURCE_PARTITION] = {ROWS(partition_rows), {&vfs, &partition_channels}},
    [RESOURCE_RUN] = {ROWS(run_rows), {NULL}},
    [RESOURCE_PCPU] = {ROWS(owner_rows), {NULL}},
    [RESOURCE_MEMORY] = {ROWS(memory_rows), {NULL}},
    [RESOURCE_PF] = {ROWS(pf_rows), {NULL}},
    [RESOURCE_VF] = {ROWS(owner_rows), {NULL}},
    [RESOURCE_ACTION] = {ROWS(action_rows), {NULL}},
    [RESOURCE_REQUEST] = {ROWS(request_rows), {NULL}},
    [RESOURCE_CHANNEL] = {ROWS(channel_rows), {NULL}},
    [RESOURCE_EDIT] = {ROWS(edit_rows), {&edited}},
    [RESOURCE_ORDER] = {ROWS(order_rows), {NULL}},
    [RESOURCE_APPLY] = {ROWS(apply_rows), {NULL}},
};

/* --- one value -------------------------------------------------------------------------------- */

static uint64_t number_at(const uint8_t *at, size_t size)
{
    uint64_t number = 0;

    memcpy(&number, at, size); /* little-endian hosts only, as the log itself is the host's */
    return number;
}

static void named_text(const struct field_row *row, uint64_t number, char *text)
{
    const char *name = row->name_of((uint32_t)number);

    if (strcmp(name, "unknown") != 0)
        snprintf(text, AUDIT_VALUE_MAX, "%s", name);
    else
        snprintf(text, AUDIT_VALUE_MAX, "unknown %" PRIu64, number);
}

static void bytes_text(uint64_t bytes, char *text)
{
    if (bytes % (1 << 20))
        snprintf(text, AUDIT_VALUE_MAX, "%" PRIu64 " bytes", bytes);
    else
        snprintf(text, AUDIT_VALUE_MAX, "%" PRIu64 " MiB", bytes >> 20);
}

static void time_text(const struct state_time *time, char *text)
{
    time_t seconds = (time_t)(time->realtime_ns / 1000000000);
    char day[32] = "?";
    struct tm tm;

    text[0] = '\0';
    if (!time->realtime_ns && !time->boottime_ns)
        return;
    if (gmtime_r(&seconds, &tm))
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, AUDIT_VALUE_MAX, "%s.%09uZ (%" PRIu64 ".%09u s after boot)", day,
             (unsigned)(time->realtime_ns % 1000000000), time->boottime_ns / 1000000000,
             (unsigned)(time->boottime_ns % 1000000000));
}

static void numbers_list(const uint8_t *at, size_t count, char *text)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += number_at(at + 4 * i, 4) == PCPU_NONE
                    ? (size_t)snprintf(text + used, AUDIT_VALUE_MAX - used, "%snone", i ? "," : "")
                    : (size_t)snprintf(text + used, AUDIT_VALUE_MAX - used, "%s%" PRIu64,
                                       i ? "," : "", number_at(at + 4 * i, 4));
}

static void pcpus_text(const uint8_t *image, const uint8_t *at, char *text)
{
    uint64_t count = number_at(image + offsetof(struct partition_run, pcpus_count), 4);

    numbers_list(at, count < PARCLOSE_MAX_VCPUS ? count : PARCLOSE_MAX_VCPUS, text);
}

static void copy_text(const uint8_t *at, size_t size, char *text)
{
    char copy[AUDIT_VALUE_MAX];

    snprintf(copy, sizeof(copy), "%.*s", (int)size - 1, (const char *)at);
    printable(copy, text, AUDIT_VALUE_MAX);
}

static void value_text(const struct walk *walk, const struct field_row *row, const uint8_t *image,
                       char text[AUDIT_VALUE_MAX])
{
    const uint8_t *at = image + row->offset;

    switch (row->type) {
    case NUMBER:
        snprintf(text, AUDIT_VALUE_MAX, "%" PRIu64, number_at(at, row->size));
        break;
    case FLAGS:
        snprintf(text, AUDIT_VALUE_MAX, "0x%" PRIx64, number_at(at, row->size));
        break;
    case NAMED:
        named_text(row, number_at(at, row->size), text);
        break;
    case TEXT:
        copy_text(at, row->size, text);
        break;
    case MAC:
        snprintf(text, AUDIT_VALUE_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1], at[2], at[3],
                 at[4], at[5]);
        break;
    case OWNER:
        audit_owner_text(walk->names, (const struct owner *)at, text, AUDIT_VALUE_MAX);
        break;
    case BDF:
        name_of_bdf(*(const struct bdf *)at, text);
        break;
    case BYTES:
        bytes_text(number_at(at, row->size), text);
        break;
    case TIME:
        time_text((const struct state_time *)at, text);
        break;
    case PCPUS:
        pcpus_text(image, at, text);
        break;
    case FOUR:
        numbers_list(at, 4, text);
        break;
    }
}

/* --- one field -------------------------------------------------------------------------------- */

static void value_fill(const struct walk *walk, const struct field_row *row, const uint8_t *image,
                       struct audit_value *value)
{
    value->there = image;
    value->number = row->type == NUMBER;
    value->text[0] = '\0';
    if (image)
        value_text(walk, row, image, value->text);
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

/* Before anything is formatted: most members do not change. */
static bool dull(const struct field_row *row, const uint8_t *before, const uint8_t *after)
{
    if (before && after)
        return row->type != PCPUS && !memcmp(before + row->offset, after + row->offset, row->size);
    return row->type != OWNER && row->type != NAMED &&
           all_zero((before ? before : after) + row->offset, row->size);
}

static void visit_row(struct walk *walk, const char *prefix, const struct field_row *row,
                      const uint8_t *before, const uint8_t *after)
{
    struct audit_field *field = &walk->field;

    if ((!before && !after) || (!walk->all && dull(row, before, after)))
        return;
    value_fill(walk, row, before, &field->before);
    value_fill(walk, row, after, &field->after);
    if (!walk->all && before && after && !strcmp(field->before.text, field->after.text))
        return;
    snprintf(field->name, sizeof(field->name), "%s%s", prefix, row->name);
    walk->visit(walk->context, field);
}

static uint64_t count_of(const struct list *list, const uint8_t *image)
{
    uint64_t count = image ? number_at(image + list->count_offset, 4) : 0;

    return count < list->max ? count : list->max;
}

static void visit_list(struct walk *walk, const struct list *list, const uint8_t *before,
                       const uint8_t *after)
{
    uint64_t before_count = count_of(list, before), after_count = count_of(list, after);
    char prefix[AUDIT_FIELD_MAX];

    for (size_t i = 0; i < before_count || i < after_count; i++) {
        size_t at = list->offset + i * list->element;
        snprintf(prefix, sizeof(prefix), "%s[%zu].", list->name, i);
        for (size_t row = 0; row < list->rows_count; row++)
            visit_row(walk, prefix, &list->rows[row], i < before_count ? before + at : NULL,
                      i < after_count ? after + at : NULL);
    }
}

void audit_fields(const struct audit_names *names, uint32_t kind, const void *before,
                  const void *after, bool all, audit_field_visit *visit, void *context)
{
    struct walk walk = {.names = names, .all = all, .visit = visit, .context = context};

    if (kind >= RESOURCE_KINDS)
        return;
    for (size_t i = 0; i < kinds[kind].rows_count; i++)
        visit_row(&walk, "", &kinds[kind].rows[i], before, after);
    for (size_t i = 0; i < sizeof(kinds[kind].lists) / sizeof(struct list *); i++)
        if (kinds[kind].lists[i])
            visit_list(&walk, kinds[kind].lists[i], before, after);
}
