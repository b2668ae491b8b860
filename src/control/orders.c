/* SPDX-License-Identifier: Apache-2.0 */
#include "orders.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "actions.h"
#include "gate.h"
#include "ladder.h"
#include "log/log.h"
#include "names/names.h"
#include "replies.h"
#include "tell.h"
#include "transaction.h"

#define NS_PER_MS UINT64_C(1000000)
#define ORDER_NS  UINT64_C(60000000000) /* answered then, however far it is */

_Static_assert(HOST_MAX_CARDS <= 64, "a bit for each card");

static bool under_way(const struct order_image *order)
{
    return order->state == ORDER_ACTING || order->state == ORDER_SETTLING;
}

static uint64_t card_bit(const struct db *db, struct bdf pf)
{
    const struct card_config *card = db_card(db, pf);
    return card ? UINT64_C(1) << (card - db->host.cards) : 0;
}

/* Of a managed PF; SR-PCIM's. */
static struct order_image *order_of(struct db *db, struct bdf bdf)
{
    struct pf *pf = bdf.value ? db_pf(db, bdf) : NULL;

    if (!bdf.value)
        return &db->order;
    return pf && db_card(db, bdf) ? &pf->order : NULL;
}

/* The `number`th that there may be: the PFs', then SR-PCIM's. NULL: none of this number. */
static struct order_image *order_at(struct db *db, size_t number)
{
    if (number == PARCLOSE_MAX_PFS)
        return &db->order;
    return db->pfs[number] ? &db->pfs[number]->order : NULL;
}

uint64_t orders_deadline(const struct control *control)
{
    uint64_t earliest = 0;

    for (size_t i = 0; i <= PARCLOSE_MAX_PFS; i++) {
        const struct order_image *order = order_at(control->db, i);
        if (order && under_way(order) &&
            (!earliest || order->begun_boottime_ns + ORDER_NS < earliest))
            earliest = order->begun_boottime_ns + ORDER_NS;
    }
    return earliest;
}

/* ---- may it be? */

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
                                                         const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

/* Who has VFs of it: "web, db". */
static void users_text(struct control *control, const struct pf *pf, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        const struct partition *partition = &control->db->partitions[i];
        for (uint32_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF && partition->defined; v++) {
            if (!action_vf_held(control, &pf->vfs[v]) ||
                !owner_equal(pf->vfs[v].owner, owner_guest(partition->id)))
                continue;
            append(text, size, "%s%s", text[0] ? ", " : "", partition->config.name);
            break;
        }
    }
}

/* Why an action that takes its VFs away is not to be begun; 0: it may. */
static int pf_refusal(struct control *control, const struct pf *pf, char *text)
{
    const struct card_config *card = pf ? db_card(control->db, pf->bdf) : NULL;
    const struct action *action = pf ? db_action(control->db, pf->bdf, ACTION_WHOLE_PF) : NULL;
    char users[100];

    if (!card)
        return refuse(text, -ENODEV, "that PF is of no card in host.xml");
    if (!pf->present)
        return refuse(text, -ENODEV, "card %s is not there", card->name);
    if (pf->observed.driver[0] && strcmp(pf->observed.driver, card->driver) != 0)
        return refuse(text, -EBUSY, "card %s has driver %s, not %s", card->name,
                      pf->observed.driver, card->driver);
    if (action_pf_held(control, pf)) {
        users_text(control, pf, users, sizeof(users));
        return refuse(text, -EBUSY, "VFs of card %s are in use by %s%s: stop %s first", card->name,
                      users[0] ? "partition " : "a process that is none of ours", users,
                      users[0] ? "it" : "that");
    }
    if (action)
        return refuse(text, -EBUSY, "card %s: %s is under way: try again", card->name,
                      name_of_action(action->image.action));
    return 0;
}

static bool sets_state(uint32_t order)
{
    return order == DEVICE_ORDER_PF_DISABLE || order == DEVICE_ORDER_PF_ENABLE;
}

static bool sets_idle_power(uint32_t order)
{
    return order == DEVICE_ORDER_PF_IDLE_ON || order == DEVICE_ORDER_PF_IDLE_AUTO;
}

/* Any PF's, whoever uses it: what follows from it waits until it is idle. */
static int judge_idle_power(const struct control *control, const struct control_order *request,
                            const struct pf *pf, char *text)
{
    const struct card_config *card = pf ? db_card(control->db, pf->bdf) : NULL;
    bool sleeps = request->order == DEVICE_ORDER_PF_IDLE_AUTO;

    if (!card)
        return refuse(text, -ENODEV, "that PF is of no card in host.xml");
    if (sleeps == (pf->image.idle_power == IDLE_POWER_AUTO))
        return refuse(text, -EALREADY, "card %s has idle-power %s already", card->name,
                      name_of_idle_power(pf->image.idle_power));
    return 0;
}

/* Whether the order goes with what is wanted of the PF. */
static int judge_state(const struct control *control, const struct control_order *request,
                       const struct pf *pf, char *text)
{
    const struct card_config *card = db_card(control->db, pf->bdf);
    bool disables = request->order == DEVICE_ORDER_PF_DISABLE;

    if (sets_state(request->order) && pf->image.disabled == disables)
        return refuse(text, -EALREADY, "card %s is %s already", card->name,
                      disables ? "disabled" : "enabled");
    if (!sets_state(request->order) && pf->image.disabled)
        return refuse(text, -EPERM, "card %s is disabled: `parclose pf enable %s` first",
                      card->name, card->name);
    return 0;
}

static int judge_pf(struct control *control, const struct control_order *request, char *text)
{
    const struct pf *pf = db_pf(control->db, request->pf);

    if (sets_idle_power(request->order))
        return judge_idle_power(control, request, pf, text);
    int error = pf_refusal(control, pf, text);
    return error ? error : judge_state(control, request, pf, text);
}

static int judge(struct control *control, const struct control_order *request, char *text)
{
    const struct order_image *order = order_of(control->db, request->pf);
    int error = 0;

    if (request->force && request->requester.uid != 0)
        return refuse(text, -EPERM, "only root may do it though the host uses the PF");
    if (control->db->control.shutting_down)
        return refuse(text, -ESHUTDOWN, "Parclose is shutting down");
    if (request->pf.value)
        error = judge_pf(control, request, text);
    if (!error && order && under_way(order))
        error = refuse(text, -EBUSY, "%s is under way: try again", name_of_order(order->order));
    return error;
}

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

/* As it is to be, used or not. */
static bool settled(const struct pf *pf)
{
    return pf->readiness == PF_READY || pf->readiness == PF_ASLEEP;
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
        else if (!pf->image.disabled && order->acting < room && !pf_refusal(control, pf, text)) {
            add_action(control, pf, ACTION_PF_RESET, force);
            order->cards_reset |= bit;
            order->cards_wanted |= settled(pf) ? bit : 0;
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

static void tell_boot(struct control *control)
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
static void tell_state(struct control *control)
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
    if (pf && sets_idle_power(request->order)) {
        order.state = ORDER_SETTLING; /* there is nothing to wait for */
        change_idle_power(control, pf, request->order);
    } else if (pf) {
        order.acting = 1;
        order.cards_reset = card_bit(control->db, request->pf);
        order.cards_wanted =
            request->order == DEVICE_ORDER_PF_DISABLE ? 0 : card_bit(control->db, request->pf);
        add_action(control, pf, action_of(request->order),
                   request->force || request->order == DEVICE_ORDER_PF_ENABLE);
        if (sets_state(request->order))
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
    if (sets_state(request->order) || sets_idle_power(request->order))
        tell_state(control);
    orders_tell(control, number);
    if (!request->pf.value)
        tell_boot(control);
    control_arm(control);
    if (sets_idle_power(request->order))
        orders_follow(control);
    return 0;
}

/* It was committed before: its answer was lost, or is still to come. */
static void answer_again(struct control *control, const struct control_order *request,
                         uint64_t known)
{
    const struct order_image *order = order_of(control->db, request->pf);
    bool latest = order && order->request == request->header.id;

    if (latest && under_way(order))
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
    int error = judge(control, request, text);
    if (!error)
        error = begin(control, request, 0, text);
    if (!error)
        return;
    log_info("%s is not done: %s", name_of_order(request->order), text);
    reply_command(control, request->header.id, error == -EALREADY ? 0 : error, 0, text, NULL, 0);
}

/* ---- by an edit of devices.xml */

static void say_edited(struct control *control, uint64_t id, int error, uint64_t transaction,
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
        const struct order_image *order = order_at(db, i);
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

    if (asked && !under_way(asked))
        say_edited(control, asked->edit, asked->error, asked->begun, asked->text);
    if (asked || !edit->pf_state)
        return asked != NULL;
    int error = judge(control, &request, text);
    if (!error)
        error = begin(control, &request, edit->header.id, text);
    if (error)
        say_edited(control, edit->header.id, error == -EALREADY ? 0 : error, 0, text);
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
        struct order_image *order = order_at(db, i);
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
        take_error(&order, card_bit(control->db, action->pf), result);
    else if (!order.error && result->text[0])
        memcpy(order.text, result->text, sizeof(order.text));
    if (!order.acting)
        order.state = ORDER_SETTLING;
    transaction_change(control, RESOURCE_ORDER, order.pf.value, 0, &order);
    if (result->error && sets_state(order.order) && db_pf(control->db, order.pf))
        change_state(control, db_pf(control->db, order.pf),
                     order.order == DEVICE_ORDER_PF_ENABLE); /* as it was */
}

/* ---- it is over */

/* What was read last and what SR-PCIM made of it: either may still be of before. */
static bool ready_again(struct db *db, const struct pf *pf)
{
    const struct card_config *card = db_card(db, pf->bdf);
    const struct pf_observed *seen = &pf->observed;

    return settled(pf) && pf->present && card && !strcmp(seen->driver, card->driver) &&
           seen->numvfs == card->vfs &&
           (seen->class == CLASS_OTHER || seen->link_up || pf->readiness == PF_ASLEEP) &&
           !db_action(db, pf->bdf, ACTION_WHOLE_PF);
}

/* The first that is waited for; NULL: none is. */
static const struct pf *missing(struct db *db, const struct order_image *order)
{
    for (uint32_t i = 0; i < db->host.cards_count; i++) {
        const struct pf *pf = db_pf(db, db->host.cards[i].bdf);
        if (pf && (order->cards_wanted & UINT64_C(1) << i) && !ready_again(db, pf))
            return pf;
    }
    return NULL;
}

/* Another SR-PCIM than the one that was to go, which has judged every PF. */
static bool pcim_is_new(struct control *control, const struct order_image *order)
{
    const struct boot_status *status = &control->processes[PROCESS_SR_PCIM];

    if (!control->pcim_up || status->health != PROCESS_UP || status->pid == order->pid)
        return false;
    for (uint32_t i = 0; i < control->db->host.cards_count; i++) {
        const struct pf *pf = db_pf(control->db, control->db->host.cards[i].bdf);
        if (pf && pf->readiness == PF_UNKNOWN)
            return false;
    }
    return true;
}

static bool is_over(struct control *control, const struct order_image *order)
{
    if (order->state != ORDER_SETTLING)
        return false;
    if (order->order == DEVICE_ORDER_SR_PCIM_RESET && !pcim_is_new(control, order))
        return false;
    return !missing(control->db, order);
}

static void names_text(const struct db *db, uint64_t cards, const char *what, char *text)
{
    for (uint32_t i = 0; i < db->host.cards_count; i++) {
        if (!(cards & UINT64_C(1) << i))
            continue;
        append(text, PARCLOSE_REASON_MAX, "%s%s", what, db->host.cards[i].name);
        what = ", ";
    }
}

static void pf_text(const struct db *db, const struct order_image *order, char *text)
{
    static const char *const words[DEVICE_ORDERS] = {[DEVICE_ORDER_PF_RESTART] = "restarted",
                                                     [DEVICE_ORDER_PF_RESET] = "reset",
                                                     [DEVICE_ORDER_PF_DISABLE] = "disabled",
                                                     [DEVICE_ORDER_PF_ENABLE] = "enabled"};
    const struct card_config *card = db_card(db, order->pf);
    const char *done = words[order->order];

    append(text, PARCLOSE_REASON_MAX, "%s: ", card ? card->name : "?");
    if (sets_idle_power(order->order))
        append(text, PARCLOSE_REASON_MAX, "%s",
               order->order == DEVICE_ORDER_PF_IDLE_AUTO
                   ? "may sleep while no partition has or wants a VF of it"
                   : "is kept awake");
    else if (order->error)
        append(text, PARCLOSE_REASON_MAX, "not %s: %s", done, order->text);
    else if (order->state == ORDER_ACTING)
        append(text, PARCLOSE_REASON_MAX, "the TCB has not answered yet");
    else
        append(text, PARCLOSE_REASON_MAX, "%s in %u ms (%u writes)%s%.60s", done, order->took_ms,
               order->writes, order->text[0] ? "; " : "", order->text);
}

static void pcim_text(struct control *control, const struct order_image *order, char *text)
{
    append(text, PARCLOSE_REASON_MAX, "SR-PCIM: %s",
           pcim_is_new(control, order) ? "restarted" : "not restarted yet");
    names_text(control->db, order->cards_reset, "; PFs reset: ", text);
    names_text(control->db, order->cards_in_use, "; left alone, VFs in use: ", text);
    names_text(control->db, order->cards_spared, "; left alone, the host uses it: ", text);
    if (order->error)
        append(text, PARCLOSE_REASON_MAX, "; %s", order->text);
}

static void finish(struct control *control, const struct order_image *now)
{
    uint64_t ms = (control_boottime(control) - now->begun_boottime_ns) / NS_PER_MS;
    const struct pf *waited = missing(control->db, now);
    bool late = !is_over(control, now);
    struct order_image order = *now;

    order.text[0] = '\0';
    if (order.pf.value)
        pf_text(control->db, now, order.text);
    else
        pcim_text(control, now, order.text);
    if (late)
        append(order.text, sizeof(order.text), "; given up after %llu ms", (unsigned long long)ms);
    else if (!order.error && !sets_idle_power(order.order))
        append(order.text, sizeof(order.text), "; all over after %llu ms", (unsigned long long)ms);
    if (late && waited && waited->readiness != PF_READY)
        append(order.text, sizeof(order.text), ": not ready: %s",
               waited->reason[0] ? waited->reason : readiness_text(waited->readiness));
    order.state = ORDER_DONE;
    order.error = late && !order.error ? -ETIMEDOUT : order.error;
    uint64_t number = transaction_number(control);
    transaction_begin(control, AUDIT_ORDER, order.error ? AUDIT_UNDONE : AUDIT_APPLIED,
                      order.begun);
    transaction_text(control, "%s", order.text);
    transaction_change(control, RESOURCE_ORDER, order.pf.value, 0, &order);
    if (transaction_commit(control, true))
        return;
    log_notice("%s: %s", name_of_order(order.order), order.text);
    if (order.error && sets_state(order.order))
        tell_state(control);
    if (order.edit)
        say_edited(control, order.edit, order.error, order.begun, order.text);
    else
        reply_command(control, order.request, order.error, order.error ? 0 : number, order.text,
                      NULL, 0);
    control_arm(control);
}

/* Boot may not have heard of it: control died on the way. */
static void remind_boot(struct control *control)
{
    const struct boot_status *status = &control->processes[PROCESS_SR_PCIM];

    if (under_way(&control->db->order) && !control->pcim_reset_told && status->header.type &&
        status->pid && status->pid == control->db->order.pid)
        tell_boot(control);
}

void orders_follow(struct control *control)
{
    uint64_t now = control_boottime(control);

    remind_boot(control);
    for (size_t i = 0; i <= PARCLOSE_MAX_PFS; i++) {
        const struct order_image *order = order_at(control->db, i);
        if (order && under_way(order) &&
            (is_over(control, order) || now >= order->begun_boottime_ns + ORDER_NS))
            finish(control, order);
    }
}
