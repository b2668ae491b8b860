/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "command.h"
#include "config/proposal.h"
#include "console_relay.h"
#include "log/log.h"
#include "names/names.h"
#include "plan_report.h"
#include "report.h"
#include "staged.h"

#define STOP_TIMEOUT_MAX 600000

struct verb {
    const char *name;
    bool named;   /* takes a partition's name */
    bool changes; /* logged */
    void (*handle)(struct client *client, const json_t *request, const char *name);
};

/* A reload under way; outlives its client. */
struct reload {
    struct client *client; /* NULL: it is gone */
};

json_t *verbs_refusal(int error, const char *text)
{
    const char *name = strerrorname_np(-error);

    return json_pack("{s:b, s:i, s:s, s:o}", "ok", 0, "errno", -error, "error",
                     name ? name : "EINVAL", "text", report_text(text));
}

/* --- members of a request ------------------------------------------------------------------- */

static bool member_bool(const json_t *request, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(request, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* False: it is there, and no string of less than `size` bytes on one line. */
static bool member_text(const json_t *request, const char *key, char *text, size_t size)
{
    const json_t *value = json_object_get(request, key);

    text[0] = '\0';
    if (!value)
        return true;
    if (!json_is_string(value) || json_string_length(value) >= size ||
        strlen(json_string_value(value)) != json_string_length(value))
        return false;
    strcpy(text, json_string_value(value));
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

static struct requester requester_of(const struct client *client, const json_t *request)
{
    struct requester requester = {.uid = client->uid, .pid = client->pid};

    member_text(request, "reason", requester.reason, sizeof(requester.reason));
    return requester;
}

/* The client's id for its request; 0: it brought none. */
static uint64_t request_id_of(const json_t *request)
{
    const char *text = json_string_value(json_object_get(request, "request"));
    return text ? strtoull(text, NULL, 16) : 0;
}

static bool request_id_ok(const json_t *request)
{
    char text[17];

    return !json_object_get(request, "request") ||
           (member_text(request, "request", text, sizeof(text)) && text[0] &&
            strspn(text, "0123456789abcdef") == strlen(text) && request_id_of(request));
}

/* --- what is ---------------------------------------------------------------------------------- */

static void handle_list(struct client *client, const json_t *request, const char *name)
{
    (void)request;
    (void)name;
    client_answer(client, report_list(client->command));
}

static void handle_show(struct client *client, const json_t *request, const char *name)
{
    json_t *report = report_show(client->command, name);

    (void)request;
    if (report)
        client_answer(client, report);
    else
        client_refuse(client, -ENOENT, "there is no such partition");
}

static void handle_devices(struct client *client, const json_t *request, const char *name)
{
    (void)request;
    (void)name;
    client_answer(client, report_devices(client->command));
}

/* The proposal that came along, to be freed; NULL: it was refused. */
static struct proposal *proposal_of(struct client *client)
{
    struct proposal *proposal = malloc(sizeof(*proposal));
    char reason[PARCLOSE_REASON_MAX] = "";
    int error = proposal ? proposal_open(client->file, proposal, reason) : -ENOMEM;

    if (!error && !client->command->view.head)
        error = -ENOTCONN;
    if (!error)
        return proposal;
    free(proposal);
    client_refuse(client, error,
                  error == -ENOTCONN ? "control is not there just now: try again" : reason);
    return NULL;
}

/* What its proposal would change. Everything in it is checked again by control when it is done. */
static void handle_plan(struct client *client, const json_t *request, const char *name)
{
    struct proposal *proposal = proposal_of(client);
    struct plan *plan = proposal ? calloc(1, sizeof(*plan)) : NULL;

    (void)name;
    if (plan) {
        plan->view = &client->command->view;
        plan->proposal = proposal;
        plan->restart = member_bool(request, "restart", false);
        plan_make(plan);
        client_answer(client, plan_report(plan));
    } else if (proposal) {
        client_refuse(client, -ENOMEM, strerror(ENOMEM));
    }
    free(proposal);
    free(plan);
}

/* "restarted": an array of names; false: it is something else. */
static bool restarted_of(const json_t *request, struct apply_restarted *restarted)
{
    const json_t *names = json_object_get(request, "restarted");

    *restarted = (struct apply_restarted){.count = 0};
    if (names && (!json_is_array(names) || json_array_size(names) > PROPOSAL_PARTITIONS_MAX))
        return false;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name || strlen(name) >= PARCLOSE_NAME_MAX)
            return false;
        strcpy(restarted->names[restarted->count++], name);
    }
    return true;
}

static void handle_apply(struct client *client, const json_t *request, const char *name)
{
    const struct requester requester = requester_of(client, request);
    struct apply_restarted restarted;
    char plan[17];

    (void)name;
    if (!request_id_of(request)) {
        client_refuse(client, -EINVAL, "\"apply\" needs a \"request\": its files have it, too");
        return;
    }
    if (!member_text(request, "plan", plan, sizeof(plan)) ||
        strspn(plan, "0123456789abcdef") != strlen(plan)) {
        client_refuse(client, -EINVAL, "\"plan\" must be the 16 hexadecimal digits of a plan");
        return;
    }
    if (!restarted_of(request, &restarted)) {
        client_refuse(client, -EINVAL, "\"restarted\" must be an array of partitions' names");
        return;
    }
    struct proposal *proposal = proposal_of(client);
    if (proposal)
        apply_ask(client, request_id_of(request), &requester, strtoull(plan, NULL, 16), &restarted,
                  proposal);
}

/* FNV-1a: only to see whether a report changed. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

void verbs_watch(struct client *client)
{
    if (client->dead || client->out_used)
        return; /* it is told the latest when it has read what it has */
    json_t *report = client->watches_devices ? report_devices(client->command)
                     : client->watched[0]    ? report_show(client->command, client->watched)
                                             : report_list(client->command);
    if (!report)
        report = verbs_refusal(-ENOENT, "there is no such partition");
    json_t *plain = json_copy(report);
    json_object_del(plain, "snapshot");
    char *text = json_dumps(plain, JSON_COMPACT);
    uint64_t hash = text ? hash_text(text) : 0;
    if (hash != client->watched_hash) {
        client->watched_hash = hash;
        client_line(client, report);
    }
    free(text);
    json_decref(plain);
    json_decref(report);
}

static void handle_watch(struct client *client, const json_t *request, const char *name)
{
    client->watches_devices = member_bool(request, "devices", false);
    strcpy(client->watched, name);
    client->watched_hash = 0;
    client->mode = CLIENT_WATCH;
    verbs_watch(client);
}

/* --- what control does ------------------------------------------------------------------------ */

static void on_result(void *context, const struct control_result *result, struct frame *frame)
{
    struct client *client = context;

    if (result->error)
        client_refuse(client, result->error,
                      result->text[0] ? result->text : strerror(-result->error));
    else
        client_answer_files(client,
                            json_pack("{s:b, s:I, s:o}", "ok", 1, "transaction",
                                      (json_int_t)result->transaction, "text",
                                      report_text(result->text)),
                            frame->files, frame->files_count);
}

static void ask_control(struct client *client, uint64_t id, uint16_t type, void *message,
                        size_t size)
{
    struct command *command = client->command;

    if (!command->connected) {
        client_refuse(client, -ENOTCONN, "control is not there just now: try again");
        return;
    }
    int error = requests_add_as(&command->requests, id, type, message, size, on_result, client);
    if (error == -EALREADY)
        client_refuse(client, error, "this request is under way");
    else if (error)
        client_refuse(client, error, "too many requests are under way: try again");
}

static void on_started(void *context, int error, uint64_t transaction, const char *text)
{
    struct client *client = context;

    if (error && error != -EALREADY)
        client_refuse(client, error, text);
    else
        client_answer(client,
                      json_pack("{s:b, s:b, s:I, s:o}", "ok", 1, "already", error == -EALREADY,
                                "transaction", (json_int_t)transaction, "text", report_text(text)));
}

static void handle_start(struct client *client, const json_t *request, const char *name)
{
    struct command *command = client->command;
    struct requester requester = requester_of(client, request);

    if (!command->current) {
        client_refuse(client, -ENOTCONN, "control is not there just now: try again");
        return;
    }
    int error =
        starts_add(&command->starts, name, request_id_of(request), &requester, on_started, client);
    if (error)
        client_refuse(client, error, "too many starts are under way: try again");
}

static void handle_stop(struct client *client, const json_t *request, const char *name)
{
    const json_t *timeout = json_object_get(request, "timeout_ms");
    struct control_partition_stop message = {
        .requester = requester_of(client, request),
        .force = member_bool(request, "force", false),
        .timeout_ms = timeout ? (uint32_t)json_integer_value(timeout) : 30000,
    };

    if (timeout && (!json_is_integer(timeout) || json_integer_value(timeout) < 0 ||
                    json_integer_value(timeout) > STOP_TIMEOUT_MAX)) {
        client_refuse(client, -EINVAL, "timeout_ms must be a number from 0 to 600000");
        return;
    }
    strcpy(message.name, name);
    ask_control(client, request_id_of(request), CONTROL_PARTITION_STOP, &message, sizeof(message));
}

static void handle_console(struct client *client, const json_t *request, const char *name)
{
    const struct requester requester = requester_of(client, request);
    const struct console_wish wish = {.input = member_bool(request, "input", false),
                                      .follow = member_bool(request, "follow", true)};

    if (!client->command->connected)
        client_refuse(client, -ENOTCONN, "control is not there just now: try again");
    else
        console_open(client, name, &requester, wish);
}

/* SESSION_KINDS: none of them. */
static uint32_t session_kind_of(const json_t *request)
{
    const char *text = json_string_value(json_object_get(request, "kind"));
    uint32_t kind = SESSION_LOOK;

    while (kind < SESSION_KINDS && (!text || strcmp(name_of_session(kind), text) != 0))
        kind++;
    return kind;
}

static void handle_session(struct client *client, const json_t *request, const char *name)
{
    struct control_session message = {.requester = requester_of(client, request),
                                      .kind = session_kind_of(request)};

    if (message.kind >= SESSION_KINDS) {
        client_refuse(client, -EINVAL, "\"kind\" must be look, dump or debug");
        return;
    }
    if (message.kind != SESSION_LOOK)
        log_info("uid %u, pid %u: %s %s", client->uid, client->pid, name_of_session(message.kind),
                 name);
    strcpy(message.name, name);
    ask_control(client, 0, CONTROL_SESSION_OPEN, &message, sizeof(message));
}

static void handle_audit(struct client *client, const json_t *request, const char *name)
{
    struct control_plain message = {.requester = requester_of(client, request)};

    (void)name;
    ask_control(client, 0, CONTROL_AUDIT_OPEN, &message, sizeof(message));
}

static void handle_check(struct client *client, const json_t *request, const char *name)
{
    struct control_plain message = {.requester = requester_of(client, request)};

    (void)name;
    ask_control(client, 0, CONTROL_CHECK, &message, sizeof(message));
}

/* The PF of that card, or at that address ("0000:01:00.0", "01:00.0"); NULL: there is none. */
static const struct snapshot_pf *pf_named(const struct command *command, const char *text)
{
    const struct snapshot_view *view = &command->view;
    char address[NAME_BDF_MAX];

    for (uint32_t i = 0; view->head && i < view->head->pfs_count; i++) {
        const struct snapshot_pf *pf = &view->pfs[i];
        name_of_bdf(pf->observed.bdf, address);
        if (pf->card[0] && (!strcmp(pf->card, text) || !strcmp(address, text) ||
                            (!strncmp(address, "0000:", 5) && !strcmp(address + 5, text))))
            return pf;
    }
    return NULL;
}

/* DEVICE_ORDERS: none of them. */
static uint32_t order_of(const json_t *request, const char *prefix)
{
    const char *text = json_string_value(json_object_get(request, "order"));
    uint32_t order = DEVICE_ORDER_NONE + 1;
    char name[32];

    snprintf(name, sizeof(name), "%s-%.15s", prefix, text ? text : "");
    while (order < DEVICE_ORDERS && strcmp(name_of_order(order), name) != 0)
        order++;
    return order;
}

static void handle_pf(struct client *client, const json_t *request, const char *name)
{
    struct control_order message = {.requester = requester_of(client, request),
                                    .order = order_of(request, "pf"),
                                    .force = member_bool(request, "force", false)};
    const struct snapshot_pf *pf = NULL;
    char text[PARCLOSE_NAME_MAX];

    (void)name;
    if (member_text(request, "pf", text, sizeof(text)) && text[0])
        pf = pf_named(client->command, text);
    if (message.order >= DEVICE_ORDERS) {
        client_refuse(client, -EINVAL,
                      "\"order\" must be restart, reset, disable, enable, idle-on or idle-auto");
    } else if (!client->command->view.head) {
        client_refuse(client, -ENOTCONN, "control is not there just now: try again");
    } else if (!pf) {
        client_refuse(client, -ENODEV,
                      "\"pf\" must be a card's name or address in host.xml: see parclose devices");
    } else {
        message.pf = pf->observed.bdf;
        ask_control(client, request_id_of(request), CONTROL_ORDER, &message, sizeof(message));
    }
}

static void handle_sr_pcim(struct client *client, const json_t *request, const char *name)
{
    struct control_order message = {.requester = requester_of(client, request),
                                    .order = order_of(request, "sr-pcim"),
                                    .force = member_bool(request, "force", false)};

    (void)name;
    if (message.order >= DEVICE_ORDERS)
        client_refuse(client, -EINVAL, "\"order\" must be reset");
    else
        ask_control(client, request_id_of(request), CONTROL_ORDER, &message, sizeof(message));
}

static void handle_shutdown(struct client *client, const json_t *request, const char *name)
{
    struct control_plain message = {.requester = requester_of(client, request)};

    (void)name;
    ask_control(client, request_id_of(request), CONTROL_SHUTDOWN, &message, sizeof(message));
}

static bool left_by_apply(const struct command *command)
{
    const struct snapshot_apply *apply = &command->view.head->apply;
    int staged = apply->state == APPLY_DONE ? staged_open(command->config_dir, apply) : -1;

    if (staged >= 0)
        close(staged);
    return staged >= 0;
}

static void on_reloaded(void *context, const struct sync_line *lines, size_t count)
{
    struct reload *reload = context;
    struct client *client = reload->client;
    json_t *problems = json_array(), *changes = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(lines[i].problem ? problems : changes, report_text(lines[i].text));
    if (client && left_by_apply(client->command))
        json_array_append_new(changes, json_string(PROPOSAL_STAGED
                                                   ": files of an apply count that are not in "
                                                   "their places yet: run `parclose apply`"));
    free(reload);
    bool ok = json_array_size(problems) == 0;
    json_t *answer =
        json_pack("{s:b, s:o, s:o}", "ok", ok, "changes", changes, "problems", problems);
    if (!client) {
        json_decref(answer);
        return;
    }
    client->reload = NULL;
    client_answer(client, answer);
}

static void handle_reload(struct client *client, const json_t *request, const char *name)
{
    const struct requester requester = requester_of(client, request);
    struct reload *reload = calloc(1, sizeof(*reload));

    (void)name;
    if (!reload) {
        client_refuse(client, -ENOMEM, strerror(ENOMEM));
        return;
    }
    reload->client = client;
    client->reload = reload;
    int error = client->command->current
                    ? command_sync(client->command, &requester, on_reloaded, reload)
                    : -ENOTCONN;
    if (!error)
        return;
    client->reload = NULL;
    free(reload);
    client_refuse(client, error, "control is not there just now: try again");
}

void verbs_forget(struct client *client)
{
    if (client->reload)
        client->reload->client = NULL;
    client->reload = NULL;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct verb verbs[] = {
    {"list", false, false, handle_list},        {"show", true, false, handle_show},
    {"devices", false, false, handle_devices},  {"watch", false, false, handle_watch},
    {"start", true, true, handle_start},        {"stop", true, true, handle_stop},
    {"reload", false, true, handle_reload},     {"console", true, true, handle_console},
    {"audit", false, true, handle_audit},       {"check", false, false, handle_check},
    {"shutdown", false, true, handle_shutdown}, {"session", true, false, handle_session},
    {"plan", false, false, handle_plan},        {"pf", false, true, handle_pf},
    {"sr-pcim", false, true, handle_sr_pcim},   {"apply", false, true, handle_apply},
};

static const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

static void run(struct client *client, const json_t *request)
{
    char verb_name[16], name[PARCLOSE_NAME_MAX] = "", reason[64];
    const struct verb *verb = NULL;

    if (json_is_object(request) && member_text(request, "verb", verb_name, sizeof(verb_name)))
        verb = verb_find(verb_name);
    if (!verb) {
        client_refuse(client, -ENOSYS, "a request is an object with a \"verb\" that is known");
        return;
    }
    if (!member_text(request, "name", name, sizeof(name)) || (name[0] && !config_name_ok(name)) ||
        (verb->named && !name[0])) {
        client_refuse(client, -EINVAL, "\"name\" must be a partition's name, [a-z][a-z0-9-]*");
        return;
    }
    if (!member_text(request, "reason", reason, sizeof(reason))) {
        client_refuse(client, -EINVAL, "\"reason\" must be one line of at most 63 bytes");
        return;
    }
    if (!request_id_ok(request)) {
        client_refuse(client, -EINVAL, "\"request\" must be 1 to 16 hexadecimal digits, not 0");
        return;
    }
    if (verb->changes)
        log_info("uid %u, pid %u: %s%s%s%s%s", client->uid, client->pid, verb->name,
                 name[0] ? " " : "", name, reason[0] ? ": " : "", reason);
    verb->handle(client, request, name);
}

/* Before the parser, whose recursion depends on it. Brackets in strings count, too: no harm. */
static bool depth_ok(const char *line, size_t length)
{
    int depth = 0;

    for (size_t i = 0; i < length && depth <= CLIENT_DEPTH_MAX; i++)
        depth += line[i] == '{' || line[i] == '[';
    return depth <= CLIENT_DEPTH_MAX;
}

void verbs_handle(struct client *client, const char *line, size_t length)
{
    json_error_t error;
    char text[160];

    if (!depth_ok(line, length)) {
        client_refuse(client, -EINVAL, "a request is one flat object");
        return;
    }
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (request) {
        run(client, request);
        json_decref(request);
        return;
    }
    snprintf(text, sizeof(text), "no JSON: %.120s", error.text);
    client_refuse(client, -EINVAL, text);
}
