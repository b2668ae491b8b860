/* SPDX-License-Identifier: Apache-2.0 */
#include "hotplug.h"

#include <errno.h>
#include <string.h>

#include "layout.h"
#include "monitor.h"
#include "sys.h"
#include "text.h"

#define PLACES   ((1u << PARCLOSE_MAX_PARTITION_VFS) - 1)
#define AGAIN_NS UINT64_C(1000000000)

static void raise(struct monitor *m)
{
    sys_event_signal(m->router.event);
}

/* A guest that has not begun finds what is there. */
static void tell_guest(struct monitor *m, uint32_t *events, unsigned place)
{
    if (m->phase != PHASE_ATTACHED)
        return;
    *events |= 1u << place;
    raise(m);
}

/* ---- answers ---- */

static void answer(struct monitor *m, uint64_t id, struct bdf vf, int error, const char *text)
{
    static uint32_t next; /* where one goes when all are taken */
    unsigned at = 0;

    while (at < HOTPLUG_ANSWERS && m->hotplug.answers[at].due &&
           m->hotplug.answers[at].message.header.id != id)
        at++;
    if (at == HOTPLUG_ANSWERS)
        at = next++ % HOTPLUG_ANSWERS;
    m->hotplug.answers[at].due = false;
    m->hotplug.answers[at].message =
        (struct monitor_vf_result){.header = {.version = WIRE_VERSION,
                                              .type = MONITOR_VF_RESULT,
                                              .size = sizeof(struct monitor_vf_result),
                                              .id = id},
                                   .vf = vf,
                                   .error = error};
    for (size_t i = 0; text[i] && i + 1 < PARCLOSE_REASON_MAX; i++)
        m->hotplug.answers[at].message.text[i] = text[i];
    m->hotplug.answers[at].due = true;
    m->states.dirty = true;
}

void hotplug_refuse(struct monitor *m, const struct inbox *inbox, int error)
{
    const struct monitor_vf_order *order = (const struct monitor_vf_order *)inbox->bytes;

    answer(m, inbox->header.id, order->vf, error, "refused");
}

/* ---- VF_ADD ---- */

/* Those that the VF has are no longer the message's. */
static void keep_files(const struct vf *vf, struct inbox *inbox)
{
    if (inbox->files[0] == vf->container)
        inbox->files[0] = -1;
    if (inbox->files[1] == vf->group)
        inbox->files[1] = -1;
}

int hotplug_add(struct monitor *m, struct inbox *inbox)
{
    const struct monitor_vf_order *order = (const struct monitor_vf_order *)inbox->bytes;
    int place = pci_find(&m->pci, order->vf);
    const char *what = "the guest was asked to give it up";

    if (place >= 0 && (m->pci.vfs[place].marks & VF_LEAVING))
        place = -EBUSY;
    else if (place < 0)
        place = pci_add(&m->pci, inbox->files[0], inbox->files[1], order->vf, &what);
    if (place >= 0) {
        keep_files(&m->pci.vfs[place], inbox);
        tell_guest(m, &m->hotplug.arrived, (unsigned)place);
    }
    answer(m, inbox->header.id, order->vf, place < 0 ? place : 0, place < 0 ? what : "");
    return 0;
}

/* ---- VF_REMOVE ---- */

/* The answer first: a main that dies behind it does not forget it, and it is sent behind all. */
static void take_off(struct monitor *m, unsigned place, const char *how)
{
    struct vf *vf = &m->pci.vfs[place];

    answer(m, vf->remove, vf->bdf, 0, how);
    m->hotplug.arrived &= ~(1u << place);
    pci_remove(&m->pci, place);
}

int hotplug_remove(struct monitor *m, struct inbox *inbox)
{
    const struct monitor_vf_order *order = (const struct monitor_vf_order *)inbox->bytes;
    int place = pci_find(&m->pci, order->vf);

    if (order->force > 1)
        return -EINVAL;
    if (place < 0) {
        answer(m, inbox->header.id, order->vf, 0, "");
        return 0;
    }
    m->pci.vfs[place].remove = inbox->header.id;
    tell_guest(m, &m->hotplug.wanted, (unsigned)place); /* gone or not: its driver is to let go */
    if (order->force)
        take_off(m, (unsigned)place, "the guest did not give it up");
    else
        m->pci.vfs[place].marks |= VF_LEAVING;
    m->states.dirty = true;
    return 0;
}

/* ---- VF_MEND ---- */

int hotplug_mend(struct monitor *m, struct inbox *inbox)
{
    const struct monitor_vf_order *order = (const struct monitor_vf_order *)inbox->bytes;
    int place = pci_find(&m->pci, order->vf), error = -ENODEV;

    if (order->force)
        return -EINVAL;
    if (place >= 0)
        error = vf_mend(&m->pci.vfs[place], &m->pci.context);
    m->states.dirty = true;
    answer(m, inbox->header.id, order->vf, error,
           place < 0   ? "it is not on the guest's bus"
           : error < 0 ? "MSI-X"
                       : "");
    return 0;
}

/* ---- the guest's side ---- */

bool hotplug_has_port(uint64_t port, unsigned size)
{
    return size == 4 && port >= LAYOUT_EVENTS && port <= LAYOUT_EVENTS + 12 && port % 4 == 0;
}

static void eject(struct monitor *m, uint32_t places)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if ((places & 1u << i) && m->pci.vfs[i].stage == VF_ON &&
            (m->pci.vfs[i].marks & VF_LEAVING))
            take_off(m, i, "");
}

static void write_register(struct monitor *m, uint64_t port, uint32_t value)
{
    struct hotplug *h = &m->hotplug;
    uint32_t left = 0;

    switch (port - LAYOUT_EVENTS) {
    case 0:
        left = h->arrived &= ~value;
        break;
    case 4:
        left = h->wanted &= ~value;
        break;
    case 8:
        eject(m, value & PLACES);
        break;
    default:
        left = h->button &= ~value;
        break;
    }
    if (left)
        raise(m);
}

uint32_t hotplug_access(struct monitor *m, uint64_t port, bool write, uint32_t value)
{
    if (write)
        write_register(m, port, value);
    switch (port - LAYOUT_EVENTS) {
    case 0:
        return m->hotplug.arrived;
    case 4:
        return m->hotplug.wanted;
    case 12:
        return m->hotplug.button;
    default:
        return 0;
    }
}

void hotplug_button(struct monitor *m)
{
    m->hotplug.button = 1;
    raise(m);
}

void hotplug_again(struct monitor *m, uint64_t now_ns)
{
    struct hotplug *h = &m->hotplug;

    if (!h->arrived && !h->wanted && !h->button) {
        h->again_ns = 0;
        return;
    }
    if (h->again_ns && now_ns < h->again_ns)
        return;
    if (h->again_ns)
        raise(m);
    h->again_ns = now_ns + AGAIN_NS;
}

int64_t hotplug_wait_ms(const struct monitor *m, uint64_t now_ns)
{
    return m->hotplug.again_ns ? sys_ms_until(now_ns, m->hotplug.again_ns) : -1;
}

/* ---- in each main ---- */

void hotplug_recover(struct monitor *m)
{
    inbox_recover(&m->inbox);
    if (m->phase < PHASE_COMPLETE)
        return; /* a death while it was built has ended it */
    if (pci_recover(&m->pci, m->inbox.files, m->inbox.pending ? m->inbox.files_count : 0)) {
        m->states.dirty = true;
        text_log("a VF was half there: undone", 0);
    }
}

void hotplug_seats(const struct monitor *m, struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS])
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        const struct vf *vf = &m->pci.vfs[i];

        seats[i] = (struct vf_seat){.marks = 0};
        if (vf->stage == VF_ON)
            seats[i] = (struct vf_seat){
                .vf = vf->bdf, .marks = VF_PRESENT | vf->marks | (vf->mastered ? 0 : VF_IDLE)};
    }
}
