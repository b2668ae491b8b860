/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions that are neither a managed PF nor a VF of one, so that control has an owner for
 * every function of the host. All are looked at when the managed cards change, and one when the
 * kernel speaks of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "pci/function.h"
#include "tcb.h"

static void say(struct tcb *tcb, const struct function_observed *function, bool present)
{
    const struct tcb_function message = {.header = frame_header(TCB_FUNCTION, sizeof(message), 0),
                                         .present = present,
                                         .function = *function};
    process_send(tcb->process, PROCESS_CONTROL, &message, NULL, 0);
}

/* A new link is told everything at once, by functions_say_all(). */
static void say_change(struct tcb *tcb, const struct function_observed *function, bool present)
{
    if (!tcb->control_due)
        say(tcb, function, present);
}

/* Where the function of this address is, or would be. */
static uint32_t place_of(const struct tcb *tcb, struct bdf bdf)
{
    uint32_t low = 0, high = tcb->functions_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tcb->functions[middle].observed.bdf.value < bdf.value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool known_at(const struct tcb *tcb, uint32_t place, struct bdf bdf)
{
    return place < tcb->functions_count && tcb->functions[place].observed.bdf.value == bdf.value;
}

static void move_from(struct tcb *tcb, uint32_t from, uint32_t to)
{
    memmove(&tcb->functions[to], &tcb->functions[from],
            (tcb->functions_count - from) * sizeof(tcb->functions[0]));
}

static void forget(struct tcb *tcb, uint32_t place)
{
    say_change(tcb, &tcb->functions[place].observed, false);
    move_from(tcb, place + 1, place);
    tcb->functions_count--;
}

static void note(struct tcb *tcb, uint32_t place, const struct function_observed *function)
{
    if (!known_at(tcb, place, function->bdf)) {
        if (tcb->functions_count == PARCLOSE_MAX_FUNCTIONS) {
            log_warning("more than %d PCI functions: one is left out", PARCLOSE_MAX_FUNCTIONS);
            return;
        }
        move_from(tcb, place, place + 1);
        tcb->functions_count++;
    } else if (!memcmp(&tcb->functions[place].observed, function, sizeof(*function))) {
        tcb->functions[place].seen = true;
        return;
    }
    tcb->functions[place] = (struct tcb_function_state){.seen = true, .observed = *function};
    say_change(tcb, function, true);
}

static void look(struct tcb *tcb, struct bdf bdf)
{
    struct function_observed function;
    uint32_t place = place_of(tcb, bdf);
    bool other = !picture_pf(tcb, bdf) && !function_observe(SYSFS_ROOT, bdf, &function) &&
                 !picture_pf(tcb, function.pf);

    if (other)
        note(tcb, place, &function);
    else if (known_at(tcb, place, bdf))
        forget(tcb, place);
}

void functions_look(struct tcb *tcb, struct bdf bdf)
{
    if (tcb->pictured) /* else it is not known yet which cards are managed */
        look(tcb, bdf);
}

void functions_scan(struct tcb *tcb)
{
    DIR *list = opendir(SYSFS_ROOT "/bus/pci/devices");
    struct bdf bdf;

    if (!list) {
        log_error("the PCI functions cannot be listed: %s", strerror(errno));
        return;
    }
    for (uint32_t i = 0; i < tcb->functions_count; i++)
        tcb->functions[i].seen = false;
    for (struct dirent *entry; (entry = readdir(list));)
        if (function_parse(entry->d_name, &bdf))
            look(tcb, bdf);
    closedir(list);
    for (uint32_t i = tcb->functions_count; i-- > 0;)
        if (!tcb->functions[i].seen)
            forget(tcb, i);
}

void functions_say_all(struct tcb *tcb)
{
    for (uint32_t i = 0; i < tcb->functions_count; i++)
        say(tcb, &tcb->functions[i].observed, true);
}
