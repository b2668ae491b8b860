/* SPDX-License-Identifier: Apache-2.0 */
/* An order is over: when all of it is done, or its time is; and what is answered then. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device_order.h"
#include "gate.h"
#include "log/log.h"
#include "names/names.h"
#include "orders.h"
#include "orders_parts.h"
#include "replies.h"
#include "transaction.h"

#define NS_PER_MS UINT64_C(1000000)
#define ORDER_NS  UINT64_C(60000000000) /* answered then, however far it is */

/* What was read last and what SR-PCIM made of it: either may still be of before. */
static bool ready_again(struct db *db, const struct pf *pf)
{
    const struct card_config *card = db_card(db, pf->bdf);
    const struct pf_observed *seen = &pf->observed;

    return device_order_settled(pf) && pf->present && card && !strcmp(seen->driver, card->driver) &&
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
        append_text(text, PARCLOSE_REASON_MAX, "%s%s", what, db->host.cards[i].name);
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

    append_text(text, PARCLOSE_REASON_MAX, "%s: ", card ? card->name : "?");
    if (device_order_sets_idle_power(order->order))
        append_text(text, PARCLOSE_REASON_MAX, "%s",
                    order->order == DEVICE_ORDER_PF_IDLE_AUTO
                        ? "may sleep while no partition has or wants a VF of it"
                        : "is kept awake");
    else if (order->error)
        append_text(text, PARCLOSE_REASON_MAX, "not %s: %s", done, order->text);
    else if (order->state == ORDER_ACTING)
        append_text(text, PARCLOSE_REASON_MAX, "the TCB has not answered yet");
    else
        append_text(text, PARCLOSE_REASON_MAX, "%s in %u ms (%u writes)%s%.60s", done,
                    order->took_ms, order->writes, order->text[0] ? "; " : "", order->text);
}

static void pcim_text(struct control *control, const struct order_image *order, char *text)
{
    append_text(text, PARCLOSE_REASON_MAX, "SR-PCIM: %s",
                pcim_is_new(control, order) ? "restarted" : "not restarted yet");
    names_text(control->db, order->cards_reset, "; PFs reset: ", text);
    names_text(control->db, order->cards_in_use, "; left alone, VFs in use: ", text);
    names_text(control->db, order->cards_spared, "; left alone, the host uses it: ", text);
    if (order->error)
        append_text(text, PARCLOSE_REASON_MAX, "; %s", order->text);
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
        append_text(order.text, sizeof(order.text), "; given up after %llu ms",
                    (unsigned long long)ms);
    else if (!order.error && !device_order_sets_idle_power(order.order))
        append_text(order.text, sizeof(order.text), "; all over after %llu ms",
                    (unsigned long long)ms);
    if (late && waited && waited->readiness != PF_READY)
        append_text(order.text, sizeof(order.text), ": not ready: %s",
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
    if (order.error && device_order_sets_state(order.order))
        orders_tell_state(control);
    if (order.edit)
        orders_say_edited(control, order.edit, order.error, order.begun, order.text);
    else
        reply_command(control, order.request, order.error, order.error ? 0 : number, order.text,
                      NULL, 0);
    control_arm(control);
}

/* Boot may not have heard of it: control died on the way. */
static void remind_boot(struct control *control)
{
    const struct boot_status *status = &control->processes[PROCESS_SR_PCIM];

    if (device_order_under_way(&control->db->order) && !control->pcim_reset_told &&
        status->header.type && status->pid && status->pid == control->db->order.pid)
        orders_tell_boot(control);
}

void orders_follow(struct control *control)
{
    uint64_t now = control_boottime(control);

    remind_boot(control);
    for (size_t i = 0; i <= PARCLOSE_MAX_PFS; i++) {
        const struct order_image *order = device_order_at(control->db, i);
        if (order && device_order_under_way(order) &&
            (is_over(control, order) || now >= order->begun_boottime_ns + ORDER_NS))
            finish(control, order);
    }
}

uint64_t orders_deadline(const struct control *control)
{
    uint64_t earliest = 0;

    for (size_t i = 0; i <= PARCLOSE_MAX_PFS; i++) {
        const struct order_image *order = device_order_at(control->db, i);
        if (order && device_order_under_way(order) &&
            (!earliest || order->begun_boottime_ns + ORDER_NS < earliest))
            earliest = order->begun_boottime_ns + ORDER_NS;
    }
    return earliest;
}
