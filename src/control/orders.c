/* SPDX-License-Identifier: Apache-2.0 */
#include "orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "actions.h"
#include "device_order.h"
#include "ladder.h"
#include "log/log.h"
#include "names/names.h"
#include "orders_parts.h"
#include "replies.h"
#include "tell.h"
#include "transaction.h"

#define NS_PER_MS UINT64_C(1000000)

/* ---- it is begun */

static void add_action(struct control *control, const struct pf *pf, enum device_action action,
                       bool force)
{
    const struct action_image image = {.action = action,
                                       .pf = pf->bdf,
                                       .index = ACTION_WHOLE_PF,
                                       .vfs = force ? 0 : ACTION_SPARE_HOST,
                                       .transaction = transaction_number(control)};

    transaction_change(control, RESOURCE_ACTION, pf->bdf.value, ACTION_WHOLE_PF, &image);
}

static size_t free_actions(const struct db *db)
{
    size_t count = 0;

    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        count += !db->actions[i].used;
    return count;
}

/* One after the other, as the host's configuration has them. */
static void add_resets(struct control *control, struct order_image *order, bool force)
{
    const struct host_config *host = &control->db->host;
    size_t room = free_actions(control->db);
    char text[PARCLOSE_REASON_MAX];

    for (uint32_t i = 0; i < host->cards_count; i++) {
        const struct pf *pf = db_pf(control->db, host->cards[i].bdf);
        uint64_t bit = UINT64_C(1) << i;
        if (!pf)
            continue;
        if (action_pf_held(control, pf))
            order->cards_in_use |= bit;
        else if (!pf->image.disabled && order->acting < room &&
                 !device_order_pf_refusal(control, pf, text)) {
            add_action(control, pf, ACTION_PF_RESET, force);
            order->cards_reset |= bit;
            order->cards_wanted |= device_order_settled(pf) ? bit : 0;
            order->acting++;
        }
    }
}

void orders_add_resets(struct control *control)
{
    struct order_image all = {0};
    add_resets(control, &all, false);
}

void orders_tell(struct control *control, uint64_t transaction)
{
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        if (control->db->actions[i].used &&
            control->db->actions[i].image.transaction == transaction)
            tell_action(control, &control->db->actions[i]);
}

void orders_tell_boot(struct control *control)
{
    const struct boot_restart message = {.header = frame_header(BOOT_RESTART, sizeof(message), 0),
                                         .rung = RUNG_RESTART_SR_PCIM,
                                         .reason = "ordered by an administrator"};

    control->pcim_reset_told = true;
    control_send(control, PROCESS_BOOT, &message, NULL, 0);
}

static void order_text(struct control *control, const struct control_order *request)
{
    const struct card_config *card = db_card(control->db, request->pf);
    char bdf[NAME_BDF_MAX];

    name_of_bdf(request->pf, bdf);
    if (card)
        transaction_text(control, "%s of %s (card %s)%s", name_of_order(request->order), bdf,
                         card->name, request->force ? ", though the host uses it" : "");
    else
        transaction_text(control, "%s%s", name_of_order(request->order),
                         request->force ? ", of PFs that the host uses, too" : "");
}

static enum device_action action_of(uint32_t order)
{
    static const enum device_action actions[DEVICE_ORDERS] = {
        [DEVICE_ORDER_PF_RESTART] = ACTION_PF_RESTART,
        [DEVICE_ORDER_PF_RESET] = ACTION_PF_RESET,
        [DEVICE_ORDER_PF_DISABLE] = ACTION_PF_DISABLE,
        [DEVICE_ORDER_PF_ENABLE] = ACTION_PF_BIND};

    return actions[order];
}

static void change_state(struct control *control, const struct pf *pf, bool disabled)
{
    struct pf_image image = pf->image;

    image.disabled = disabled;
    image.in_error = 0;
    transaction_change(control, RESOURCE_PF, pf->bdf.value, 0, &image);
}

static void change_idle_power(struct control *control, const struct pf *pf, uint32_t order)
{
    struct pf_image image = pf->image;

    image.idle_power = order == DEVICE_ORDER_PF_IDLE_AUTO ? IDLE_POWER_AUTO : IDLE_POWER_ON;
    transaction_change(control, RESOURCE_PF, pf->bdf.value, 0, &image);
}

/* That a PF is to have VFs or none, and may sleep, is said with its card. */
void orders_tell_state(struct control *control)
{
    tell_tcb(control);
    tell_pcim(control);
}

/* `edit`: the id of the one that it came by; 0: command asks. */
static int begin(struct control *control, const struct control_order *request, uint64_t edit,
                 char *text)
{
    uint64_t number = transaction_number(control);
    struct order_image order = {.request = request->header.id,
                                .edit = edit,
                                .begun = number,
                                .begun_boottime_ns = control_boottime(control),
                                .order = request->order,
                                .state = ORDER_ACTING,
                                .pf = request->pf};
    const struct pf *pf = db_pf(control->db, request->pf);

    transaction_begin(control, AUDIT_ORDER, AUDIT_BEGUN, 0);
    transaction_who(control, edit ? PROCESS_TCB : PROCESS_COMMAND, &request->requester);
    if (!edit)
        transaction_request(control, &request->header);
    order_text(control, request);
    if (pf && device_order_sets_idle_power(request->order)) {
        order.state = ORDER_SETTLING; /* there is nothing to wait for */
        change_idle_power(control, pf, request->order);
    } else if (pf) {
        order.acting = 1;
        order.cards_reset = device_order_card(control->db, request->pf);
        order.cards_wanted = request->order == DEVICE_ORDER_PF_DISABLE
                                 ? 0
                                 : device_order_card(control->db, request->pf);
        add_action(control, pf, action_of(request->order),
                   request->force || request->order == DEVICE_ORDER_PF_ENABLE);
        if (device_order_sets_state(request->order))
            change_state(control, pf, request->order == DEVICE_ORDER_PF_DISABLE);
        if (request->order == DEVICE_ORDER_PF_ENABLE)
            ladder_resume(control);
    } else {
        order.pid = control->processes[PROCESS_SR_PCIM].pid;
        add_resets(control, &order, request->force);
        order.state = order.acting ? ORDER_ACTING : ORDER_SETTLING;
    }
    transaction_change(control, RESOURCE_ORDER, request->pf.value, 0, &order);
    int error = commit_or_say(control, text);
    if (error)
        return error;
    if (device_order_sets_state(request->order) || device_order_sets_idle_power(request->order))
        orders_tell_state(control);
    orders_tell(control, number);
    if (!request->pf.value)
        orders_tell_boot(control);
    control_arm(control);
    if (device_order_sets_idle_power(request->order))
        orders_follow(control);
    return 0;
}

/* It was committed before: its answer was lost, or is still to come. */
static void answer_again(struct control *control, const struct control_order *request,
                         uint64_t known)
{
    const struct order_image *order = device_order_of(control->db, request->pf);
    bool latest = order && order->request == request->header.id;

    if (latest && device_order_under_way(order))
        return;
    if (latest)
        reply_command(control, request->header.id, order->error, order->error ? 0 : known,
                      order->text, NULL, 0);
    else
        reply_command(control, request->header.id, 0, known,
                      "it is over, and another one came after it: the audit log has how it went",
                      NULL, 0);
}

void orders_take(struct control *control, const struct control_order *request)
{
    uint64_t known = request_known(control, &request->header);
    char text[PARCLOSE_REASON_MAX] = "";

    if (known) {
        answer_again(control, request, known);
        return;
    }
    int error = device_order_judge(control, request, text);
    if (!error)
        error = begin(control, request, 0, text);
    if (!error)
        return;
    log_info("%s is not done: %s", name_of_order(request->order), text);
    reply_command(control, request->header.id, error == -EALREADY ? 0 : error, 0, text, NULL, 0);
}

/* ---- by an edit of devices.xml */

void orders_say_edited(struct control *control, uint64_t id, int error, uint64_t transaction,
                       const char *text)
{
    struct tcb_edited message = {.header = frame_header(TCB_EDITED, sizeof(message), id),
                                 .error = error,
                                 .transaction = transaction};

    snprintf(message.text, sizeof(message.text), "%s", text);
    control_send(control, PROCESS_TCB, &message, NULL, 0);
}

static const struct order_image *order_of_edit(struct db *db, uint64_t id)
{
    for (size_t i = 0; i <= PARCLOSE_MAX_PFS; i++) {
        const struct order_image *order = device_order_at(db, i);
        if (order && order->edit == id)
            return order;
    }
    return NULL;
}

bool orders_edit(struct control *control, const struct tcb_edit *edit)
{
    static const enum device_order orders[PF_STATES] = {
        [PF_STATE_ENABLED] = DEVICE_ORDER_PF_ENABLE,
        [PF_STATE_DISABLED] = DEVICE_ORDER_PF_DISABLE,
        [PF_STATE_IDLE_ON] = DEVICE_ORDER_PF_IDLE_ON,
        [PF_STATE_IDLE_AUTO] = DEVICE_ORDER_PF_IDLE_AUTO};
    const struct order_image *asked = order_of_edit(control->db, edit->header.id);
    const struct control_order request = {
        .requester = {.uid = edit->uid}, .order = orders[edit->pf_state], .pf = edit->pf};
    char text[PARCLOSE_REASON_MAX] = "";

    if (asked && !device_order_under_way(asked))
        orders_say_edited(control, asked->edit, asked->error, asked->begun, asked->text);
    if (asked || !edit->pf_state)
        return asked != NULL;
    int error = device_order_judge(control, &request, text);
    if (!error)
        error = begin(control, &request, edit->header.id, text);
    if (error)
        orders_say_edited(control, edit->header.id, error == -EALREADY ? 0 : error, 0, text);
    return true;
}

void orders_pcim_hung(struct control *control)
{
    uint64_t number = transaction_number(control);
    struct order_image all = {0};

    transaction_begin(control, AUDIT_ORDER, AUDIT_BEGUN, 0);
    transaction_text(control, "SR-PCIM gave no sign of life: PFs without a VF in use are reset");
    add_resets(control, &all, false);
    if (all.acting && !transaction_commit(control, true))
        orders_tell(control, number);
}

/* ---- its actions are answered */

static struct order_image *order_of_action(struct db *db, const struct action_image *action)
{
    for (size_t i = 0; i <= PARCLOSE_MAX_PFS; i++) {
        struct order_image *order = device_order_at(db, i);
        if (order && order->state == ORDER_ACTING && order->begun == action->transaction)
            return order;
    }
    return NULL;
}

/* Of the resets that come with SR-PCIM's, one that is refused for a user's sake is no failure. */
static void take_error(struct order_image *order, uint64_t card, const struct tcb_applied *result)
{
    bool spared = order->order == DEVICE_ORDER_SR_PCIM_RESET && result->error == -EBUSY;

    order->cards_wanted &= ~card;
    order->cards_reset &= ~card;
    if (spared)
        order->cards_spared |= card;
    if (spared || order->error)
        return;
    order->error = result->error;
    memcpy(order->text, result->text, sizeof(order->text));
}

void orders_answered(struct control *control, const struct action_image *action,
                     const struct tcb_applied *result)
{
    const struct order_image *now = order_of_action(control->db, action);

    if (!now)
        return;
    struct order_image order = *now;
    order.writes += result->writes;
    order.acting -= order.acting > 0;
    order.took_ms = (uint32_t)((control_boottime(control) - order.begun_boottime_ns) / NS_PER_MS);
    if (result->error)
        take_error(&order, device_order_card(control->db, action->pf), result);
    else if (!order.error && result->text[0])
        memcpy(order.text, result->text, sizeof(order.text));
    if (!order.acting)
        order.state = ORDER_SETTLING;
    transaction_change(control, RESOURCE_ORDER, order.pf.value, 0, &order);
    if (result->error && device_order_sets_state(order.order) && db_pf(control->db, order.pf))
        change_state(control, db_pf(control->db, order.pf),
                     order.order == DEVICE_ORDER_PF_ENABLE); /* as it was */
}
