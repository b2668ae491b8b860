/* SPDX-License-Identifier: Apache-2.0 */
#include "device_order.h"

#include <errno.h>
#include <string.h>

#include "actions.h"
#include "names/names.h"
#include "replies.h"

_Static_assert(HOST_MAX_CARDS <= 64, "a bit for each card");

bool device_order_under_way(const struct order_image *order)
{
    return order->state == ORDER_ACTING || order->state == ORDER_SETTLING;
}

uint64_t device_order_card(const struct db *db, struct bdf pf)
{
    const struct card_config *card = db_card(db, pf);
    return card ? UINT64_C(1) << (card - db->host.cards) : 0;
}

struct order_image *device_order_of(struct db *db, struct bdf bdf)
{
    struct pf *pf = bdf.value ? db_pf(db, bdf) : NULL;

    if (!bdf.value)
        return &db->order;
    return pf && db_card(db, bdf) ? &pf->order : NULL;
}

struct order_image *device_order_at(struct db *db, size_t number)
{
    if (number == PARCLOSE_MAX_PFS)
        return &db->order;
    return db->pfs[number] ? &db->pfs[number]->order : NULL;
}

bool device_order_settled(const struct pf *pf)
{
    return pf->readiness == PF_READY || pf->readiness == PF_ASLEEP;
}

/* ---- may it be? */

/* Who has VFs of it: "web, db". */
static void users_text(struct control *control, const struct pf *pf, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        const struct partition *partition = &control->db->partitions[i];
        for (uint32_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF && partition->defined; v++) {
            if (!action_vf_held(control, pf, v) ||
                !owner_equal(pf->vfs[v].owner, owner_guest(partition->id)))
                continue;
            append_text(text, size, "%s%s", text[0] ? ", " : "", partition->config.name);
            break;
        }
    }
}

int device_order_pf_refusal(struct control *control, const struct pf *pf,
                            char text[PARCLOSE_REASON_MAX])
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

bool device_order_sets_state(uint32_t order)
{
    return order == DEVICE_ORDER_PF_DISABLE || order == DEVICE_ORDER_PF_ENABLE;
}

bool device_order_sets_idle_power(uint32_t order)
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

    if (device_order_sets_state(request->order) && pf->image.disabled == disables)
        return refuse(text, -EALREADY, "card %s is %s already", card->name,
                      disables ? "disabled" : "enabled");
    if (!device_order_sets_state(request->order) && pf->image.disabled)
        return refuse(text, -EPERM, "card %s is disabled: `parclose pf enable %s` first",
                      card->name, card->name);
    return 0;
}

static int judge_pf(struct control *control, const struct control_order *request, char *text)
{
    const struct pf *pf = db_pf(control->db, request->pf);

    if (device_order_sets_idle_power(request->order))
        return judge_idle_power(control, request, pf, text);
    int error = device_order_pf_refusal(control, pf, text);
    return error ? error : judge_state(control, request, pf, text);
}

int device_order_judge(struct control *control, const struct control_order *request,
                       char text[PARCLOSE_REASON_MAX])
{
    const struct order_image *order = device_order_of(control->db, request->pf);
    int error = 0;

    if (request->force && request->requester.uid != 0)
        return refuse(text, -EPERM, "only root may do it though the host uses the PF");
    if (control->db->control.shutting_down)
        return refuse(text, -ESHUTDOWN, "Parclose is shutting down");
    if (request->pf.value)
        error = judge_pf(control, request, text);
    if (!error && order && device_order_under_way(order))
        error = refuse(text, -EBUSY, "%s is under way: try again", name_of_order(order->order));
    return error;
}
