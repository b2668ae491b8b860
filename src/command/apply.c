/* SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "plan_report.h"
#include "staged.h"
#include "verbs.h"

#define ATTEMPTS 8

struct apply {
    struct client *client;
    uint64_t id;
    struct requester requester;
    uint64_t plan;       /* its digest; 0: not planned yet */
    uint64_t generation; /* of the snapshot that it was planned from last */
    unsigned attempts;
    bool stale; /* waits for a newer one */
    struct apply_restarted restarted;
    struct proposal *proposal;
    int file;       /* the same, sealed, as it came */
    json_t *report; /* of the plan; NULL: not asked yet */
};

static void apply_free(struct apply *apply)
{
    apply->client->apply = NULL;
    json_decref(apply->report);
    close(apply->file);
    free(apply->proposal);
    free(apply);
}

static void answer(struct apply *apply, json_t *report)
{
    struct client *client = apply->client;

    apply_free(apply);
    client_answer(client, report);
}

static void refuse(struct apply *apply, int error, const char *text)
{
    answer(apply, verbs_refusal(error, text));
}

/* ---- what control is asked */

static const struct plan_item *item_of(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].object == PLAN_PARTITION && !strcmp(plan->items[i].partition, name))
            return &plan->items[i];
    return NULL;
}

static bool is_restarted(const struct apply *apply, const char *name)
{
    for (uint32_t i = 0; i < apply->restarted.count; i++)
        if (!strcmp(apply->restarted.names[i], name))
            return true;
    return false;
}

/* What each is planned as. */
static void say_ways(const struct apply *apply, const struct plan *plan,
                     struct control_apply *message)
{
    for (uint32_t i = 0; i < plan->proposal->partitions_count; i++) {
        const struct plan_item *item = item_of(plan, plan->proposal->partitions[i].name);
        const uint32_t bit = UINT32_C(1) << i;
        if (!item || item->way == PLAN_NEXT_START)
            message->left |= bit;
        else if (item->change == PLAN_ADD)
            message->added |= bit;
        else if (item->way == PLAN_HOT_PLUG)
            message->running |= bit;
        else if (is_restarted(apply, item->partition))
            message->restarted |= bit;
    }
}

static void on_result(void *context, const struct control_result *result, struct frame *frame);

static void send(struct apply *apply, const struct plan *plan)
{
    struct control_apply message = {
        .requester = apply->requester, .generation = apply->generation, .plan = apply->plan};

    say_ways(apply, plan, &message);
    int error = requests_add_file(&apply->client->command->requests, apply->id, CONTROL_APPLY,
                                  &message, sizeof(message), apply->file, on_result, apply);
    if (error == -EALREADY)
        refuse(apply, error, "this request is under way");
    else if (error)
        refuse(apply, error, strerror(-error));
}

/* ---- planning */

static void known(struct apply *apply)
{
    const struct snapshot_apply *latest = &apply->client->command->view.head->apply;

    answer(apply, json_pack("{s:b, s:I, s:b, s:[]}", "ok", 1, "transaction",
                            (json_int_t)latest->transaction, "refused", 0, "items"));
}

static void planned(struct apply *apply, const struct plan *plan)
{
    uint64_t digest = plan_digest(plan);
    char text[128];

    json_decref(apply->report);
    apply->report = plan_report(plan);
    if (plan_refused(plan)) {
        answer(apply, json_incref(apply->report));
    } else if (apply->plan && apply->plan != digest) {
        snprintf(text, sizeof(text),
                 "the plan is %016" PRIx64 " by now, not %016" PRIx64 ": look at it again", digest,
                 apply->plan);
        refuse(apply, -ESTALE, text);
    } else {
        apply->plan = digest;
        send(apply, plan);
    }
}

static void go(struct apply *apply)
{
    struct command *command = apply->client->command;
    struct plan *plan = calloc(1, sizeof(*plan));

    apply->stale = false;
    apply->generation = command->view.head->generation;
    if (!plan) {
        refuse(apply, -ENOMEM, strerror(ENOMEM));
    } else if (command->view.head->apply.id == apply->id) { /* it was asked before */
        known(apply);
    } else if (staged_id(command->config_dir) != apply->id) {
        refuse(apply, -EINVAL,
               "its files are not laid ready in the service's configuration directory");
    } else {
        plan->view = &command->view;
        plan->proposal = apply->proposal;
        plan_make(plan);
        planned(apply, plan);
    }
    free(plan);
}

static void on_result(void *context, const struct control_result *result, struct frame *frame)
{
    struct apply *apply = context;
    const struct snapshot *head = apply->client->command->view.head;

    (void)frame;
    if (result->error == -ESTALE && ++apply->attempts < ATTEMPTS) {
        apply->stale = true;
        if (head && head->generation != apply->generation)
            go(apply);
    } else if (result->error) {
        refuse(apply, result->error, result->text[0] ? result->text : strerror(-result->error));
    } else {
        json_object_set_new(apply->report, "transaction",
                            json_integer((json_int_t)result->transaction));
        answer(apply, json_incref(apply->report));
    }
}

void apply_ask(struct client *client, uint64_t id, const struct requester *requester, uint64_t plan,
               const struct apply_restarted *restarted, struct proposal *proposal)
{
    struct apply *apply = calloc(1, sizeof(*apply));
    int file = fcntl(client->file, F_DUPFD_CLOEXEC, 3);

    if (!apply || file < 0) {
        if (file >= 0)
            close(file);
        free(apply);
        free(proposal);
        client_refuse(client, -ENOMEM, strerror(ENOMEM));
        return;
    }
    *apply = (struct apply){.client = client,
                            .id = id,
                            .requester = *requester,
                            .plan = plan,
                            .restarted = *restarted,
                            .proposal = proposal,
                            .file = file};
    client->apply = apply;
    if (client->command->connected && client->command->view.head)
        go(apply);
    else
        refuse(apply, -ENOTCONN, "control is not there just now: try again");
}

void apply_snapshot(struct client *client)
{
    if (client->apply && client->apply->stale)
        go(client->apply);
}

void apply_forget(struct client *client)
{
    if (!client->apply)
        return;
    requests_forget(&client->command->requests, client->apply);
    apply_free(client->apply);
}
