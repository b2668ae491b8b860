/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit_fields.h"
#include "names/names.h"
#include "store/audit_hash.h"
#include "store/audit_text.h"
#include "table.h"

#define WHO_MAX 128

/* --- words ------------------------------------------------------------------------------------ */

static void time_text(uint64_t realtime_ns, char *text, size_t size)
{
    time_t seconds = (time_t)(realtime_ns / 1000000000);
    char day[32] = "?";
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, size, "%s.%06uZ", day, (unsigned)(realtime_ns % 1000000000 / 1000));
}

/* "" when the number has no name here; remembers the last one. */
static const char *user_name(uint32_t uid)
{
    static char name[WHO_MAX / 2];
    static uint32_t known;
    static bool asked;

    if (asked && known == uid)
        return name;
    const struct passwd *user = getpwuid(uid);
    snprintf(name, sizeof(name), "%s", user ? user->pw_name : "");
    known = uid;
    asked = true;
    return name;
}

/* "command for alice (uid 1000, pid 77)", "control". */
static void who_text(const struct audit_requester *who, char text[WHO_MAX])
{
    const char *process = name_of_process(who->process);
    const char *user = user_name(who->uid);

    if (who->process != PROCESS_COMMAND)
        snprintf(text, WHO_MAX, "%s", process);
    else
        snprintf(text, WHO_MAX, "%s%s%s (uid %" PRIu32 ", pid %" PRIu32 ")", process,
                 user[0] ? " for " : "", user, who->uid, who->pid);
}

/* Strings of an entry need not be terminated: printable() is given a copy that is. */
static const char *safe(const char *field, size_t field_size, char *text, size_t size)
{
    char copy[PARCLOSE_REASON_MAX];

    snprintf(copy, sizeof(copy), "%.*s", (int)field_size, field);
    return printable(copy, text, size);
}

static const char *hex(const uint8_t *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
    return text;
}

/* --- in short --------------------------------------------------------------------------------- */

struct line {
    bool alone; /* the resource has but one field: its name goes without saying */
    unsigned fields;
};

/* An empty text would look like a mistake. */
static const char *shown(const struct audit_value *value)
{
    return value->there && !value->text[0] ? "\"\"" : value->text;
}

static void print_field(void *context, const struct audit_field *field)
{
    struct line *line = context;

    fputs(line->fields++ ? "; " : " ", stdout);
    if (!line->alone)
        printf("%s ", field->name);
    if (field->before.there)
        printf("%s -> ", shown(&field->before));
    fputs(field->after.there ? shown(&field->after) : "none", stdout);
}

static void print_change(const struct audit_names *names, const struct audit_change *change)
{
    const void *before = audit_change_before(change), *after = audit_change_after(change);
    struct line line = {.alone = change->kind == RESOURCE_PCPU || change->kind == RESOURCE_VF};
    char resource[AUDIT_TEXT_MAX], text[AUDIT_TEXT_MAX], safe_text[AUDIT_TEXT_MAX];

    audit_names_resource(names, change, resource, sizeof(resource));
    printf("      %s:", resource);
    if (before && after) {
        audit_fields(names, change->kind, before, after, false, print_field, &line);
        puts(line.fields ? "" : " as before");
        return;
    }
    audit_image_text(change->kind, before ? before : after, text, sizeof(text));
    printf(" %s, %s\n", before ? "gone" : "new", printable(text, safe_text, sizeof(safe_text)));
}

/* --- memory: the blocks of one extent in one line --------------------------------------------- */

struct blocks {
    uint64_t count, bytes;
    struct owner before, after;
};

static bool same_owner(const struct owner *a, const struct owner *b)
{
    return a->kind == b->kind && a->partition.value == b->partition.value;
}

/* Whether a change is of a block that only changes hands, and from and to whom the others do. */
static bool blocks_take(struct blocks *blocks, const struct audit_change *first,
                        const struct audit_change *change)
{
    const struct memory_image *before = audit_change_before(change);
    const struct memory_image *after = audit_change_after(change);

    if (change->kind != RESOURCE_MEMORY || change->key[0] != first->key[0] || !before || !after ||
        before->bytes != after->bytes)
        return false;
    if (blocks->count && (!same_owner(&before->owner, &blocks->before) ||
                          !same_owner(&after->owner, &blocks->after)))
        return false;
    blocks->before = before->owner;
    blocks->after = after->owner;
    blocks->bytes += before->bytes;
    blocks->count++;
    return true;
}

/* Prints as many as go together, from `first` on; the last of them, or NULL: `first` is no such. */
static const struct audit_change *print_blocks(const struct audit_names *names,
                                               const struct audit_entry *entry,
                                               const struct audit_change *first)
{
    const struct audit_change *change = first, *last = NULL;
    struct blocks blocks = {0};
    char before[AUDIT_TEXT_MAX], after[AUDIT_TEXT_MAX];

    for (; change && blocks_take(&blocks, first, change); change = audit_entry_next(entry, change))
        last = change;
    if (!last)
        return NULL;
    audit_owner_text(names, &blocks.before, before, sizeof(before));
    audit_owner_text(names, &blocks.after, after, sizeof(after));
    printf("      memory of node %" PRIu64 ", %" PRIu64 " MiB in %" PRIu64 " block%s: %s -> %s\n",
           first->key[0], blocks.bytes >> 20, blocks.count, blocks.count == 1 ? "" : "s", before,
           after);
    return last;
}

void audit_print_short(const struct audit_names *names, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;
    char when[64], who[WHO_MAX], text[PARCLOSE_REASON_MAX], reason[PARCLOSE_REASON_MAX];

    time_text(entry->realtime_ns, when, sizeof(when));
    who_text(&entry->who, who);
    printf("%5" PRIu64 " %s %s %s", entry->sequence, when, audit_kind_name(entry->kind),
           audit_phase_name(entry->phase));
    if (entry->refers_to)
        printf(" %" PRIu64, entry->refers_to);
    printf(" by %s", who);
    safe(entry->who.reason, sizeof(entry->who.reason), reason, sizeof(reason));
    safe(entry->text, sizeof(entry->text), text, sizeof(text));
    printf("%s%s%s%s\n", reason[0] ? ", because: " : "", reason, text[0] ? ": " : "", text);
    while ((change = audit_entry_next(entry, change))) {
        const struct audit_change *last = print_blocks(names, entry, change);
        if (last)
            change = last;
        else
            print_change(names, change);
    }
}

/* --- whole ------------------------------------------------------------------------------------ */

static void print_field_line(void *context, const struct audit_field *field)
{
    const char *before = shown(&field->before), *after = shown(&field->after);
    bool same = !strcmp(field->before.text, field->after.text);

    (void)context;
    if (field->before.there && field->after.there && same)
        printf("    %-24s %s\n", field->name, after);
    else if (field->before.there && field->after.there)
        printf("    %-24s %s -> %s\n", field->name, before, after);
    else
        printf("  %c %-24s %s\n", field->after.there ? '+' : '-', field->name,
               field->after.there ? after : before);
}

static void print_change_whole(const struct audit_names *names, const struct audit_change *change,
                               bool all)
{
    const void *before = audit_change_before(change), *after = audit_change_after(change);
    char resource[AUDIT_TEXT_MAX];

    audit_names_resource(names, change, resource, sizeof(resource));
    printf("\n  %s%s\n", resource, !before ? ": new" : !after ? ": gone" : "");
    audit_fields(names, change->kind, before, after, all, print_field_line, NULL);
}

static void print_chain(const struct audit_entry *entry, const uint8_t hash[AUDIT_HASH_SIZE])
{
    char text[AUDIT_HASH_TEXT];

    audit_hash_text(hash, text);
    printf("hash         %s\n", text);
    audit_hash_text(entry->previous, text);
    printf("previous     %s\n", text);
}

static void print_request(const struct audit_entry *entry)
{
    if (entry->request_id)
        printf("request      id %016" PRIx64 ", type 0x%" PRIx32 ", digest %08" PRIx32 "\n",
               entry->request_id, entry->request_type, entry->request_digest);
    if (entry->refers_to)
        printf("refers to    entry %" PRIu64 "\n", entry->refers_to);
}

void audit_print_whole(const struct audit_names *names, const struct audit_entry *entry,
                       const uint8_t hash[AUDIT_HASH_SIZE], bool all)
{
    const struct audit_change *change = NULL;
    char text[PARCLOSE_REASON_MAX], who[WHO_MAX], boot[33];

    printf("entry        %" PRIu64 "\n", entry->sequence);
    time_text(entry->realtime_ns, text, sizeof(text));
    printf("when         %s\n", text);
    printf("boot         %s, %" PRIu64 ".%06" PRIu64 " s after it\n",
           hex(entry->boot_id, sizeof(entry->boot_id), boot), entry->boottime_ns / 1000000000,
           entry->boottime_ns % 1000000000 / 1000);
    printf("what         %s, %s\n", audit_kind_name(entry->kind), audit_phase_name(entry->phase));
    who_text(&entry->who, who);
    printf("asked by     %s\n", who);
    if (*safe(entry->who.reason, sizeof(entry->who.reason), text, sizeof(text)))
        printf("why          %s\n", text);
    if (*safe(entry->text, sizeof(entry->text), text, sizeof(text)))
        printf("text         %s\n", text);
    print_request(entry);
    print_chain(entry, hash);
    while ((change = audit_entry_next(entry, change)))
        print_change_whole(names, change, all);
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Never NULL but without memory: what is not UTF-8 is shown as '?'. */
static json_t *json_text(const char *field, size_t size)
{
    char copy[AUDIT_VALUE_MAX];

    snprintf(copy, sizeof(copy), "%.*s", (int)size, field);
    json_t *text = json_string(copy);
    for (char *c = copy; !text && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return text ? text : json_string(copy);
}

static json_t *json_hex(const uint8_t *bytes, size_t count)
{
    char text[AUDIT_HASH_TEXT];

    return json_string(hex(bytes, count, text));
}

struct images {
    json_t *before, *after; /* NULL: not there */
};

static void set_value(json_t *image, const char *name, const struct audit_value *value)
{
    if (image && value->there)
        json_object_set_new(image, name,
                            value->number
                                ? json_integer((json_int_t)strtoull(value->text, NULL, 10))
                                : json_text(value->text, sizeof(value->text)));
}

static void add_field(void *context, const struct audit_field *field)
{
    struct images *images = context;

    set_value(images->before, field->name, &field->before);
    set_value(images->after, field->name, &field->after);
}

static json_t *change_json(const struct audit_names *names, const struct audit_change *change)
{
    const void *before = audit_change_before(change), *after = audit_change_after(change);
    struct images images = {before ? json_object() : NULL, after ? json_object() : NULL};
    char resource[AUDIT_TEXT_MAX];

    audit_names_resource(names, change, resource, sizeof(resource));
    audit_fields(names, change->kind, before, after, true, add_field, &images);
    return json_pack("{s:s, s:i, s:[I, I], s:o, s:o}", "resource", resource, "zone",
                     (int)change->zone, "key", (json_int_t)change->key[0],
                     (json_int_t)change->key[1], "before",
                     images.before ? images.before : json_null(), "after",
                     images.after ? images.after : json_null());
}

static void add_request(json_t *line, const struct audit_entry *entry)
{
    char id[17];

    if (!entry->request_id)
        return;
    snprintf(id, sizeof(id), "%016" PRIx64, entry->request_id);
    json_object_set_new(line, "request",
                        json_pack("{s:s, s:I, s:I}", "id", id, "type",
                                  (json_int_t)entry->request_type, "digest",
                                  (json_int_t)entry->request_digest));
}

static void add_who(json_t *line, const struct audit_requester *who)
{
    json_object_set_new(line, "by", json_string(name_of_process(who->process)));
    json_object_set_new(line, "uid", json_integer(who->uid));
    json_object_set_new(line, "pid", json_integer(who->pid));
    if (who->process == PROCESS_COMMAND)
        json_object_set_new(line, "user", json_text(user_name(who->uid), WHO_MAX));
    json_object_set_new(line, "reason", json_text(who->reason, sizeof(who->reason)));
}

void audit_print_json(const struct audit_names *names, const struct audit_entry *entry,
                      const uint8_t hash[AUDIT_HASH_SIZE])
{
    const struct audit_change *change = NULL;
    json_t *changes = json_array();
    char when[64];

    time_text(entry->realtime_ns, when, sizeof(when));
    while ((change = audit_entry_next(entry, change)))
        json_array_append_new(changes, change_json(names, change));
    json_t *line = json_pack(
        "{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:o}", "sequence", (json_int_t)entry->sequence,
        "at", when, "kind", audit_kind_name(entry->kind), "phase", audit_phase_name(entry->phase),
        "refers_to", (json_int_t)entry->refers_to, "unsynced_from",
        (json_int_t)entry->unsynced_from, "boottime_ns", (json_int_t)entry->boottime_ns, "zone",
        (int)entry->zone, "boot_id", json_hex(entry->boot_id, sizeof(entry->boot_id)));
    add_who(line, &entry->who);
    json_object_set_new(line, "text", json_text(entry->text, sizeof(entry->text)));
    add_request(line, entry);
    json_object_set_new(line, "previous", json_hex(entry->previous, AUDIT_HASH_SIZE));
    json_object_set_new(line, "hash", json_hex(hash, AUDIT_HASH_SIZE));
    json_object_set_new(line, "changes", changes);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}
