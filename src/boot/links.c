/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links between processes. A pair is made when the later of its two ends has said hello; both get
 * their end with the pair's next generation, and boot keeps neither. Until both have been written
 * to the processes' sockets the pair is marked as `handing` in what outlives boot: if boot dies
 * before, its successor makes the pair anew.
 *
 *   generation 4: control, lead    kill -9 lead: control sees the end; lead 2 says hello:
 *   generation 5: handing = 1, sent to lead 2 (queued), sent to control, … queue empty: handing = 0
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot.h"
#include "log/log.h"

struct kept_link *link_between(struct boot *boot, enum process_kind one, enum process_kind other)
{
    return one < other ? &boot->kept->links[one][other] : &boot->kept->links[other][one];
}

static int hand(struct child *child, enum process_kind peer, uint32_t generation, int end)
{
    const struct boot_link message = {.header = frame_header(BOOT_LINK, sizeof(message), 0),
                                      .peer = peer,
                                      .generation = generation};
    return child_send(child, &message, end);
}

static int make(struct child *one, struct child *other)
{
    struct kept_link *link = link_between(one->boot, one->kind->kind, other->kind->kind);
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -errno;
    link->handing = 1;
    link->generation++;
    int error = hand(one, other->kind->kind, link->generation, ends[0]);
    if (!error && hand(other, one->kind->kind, link->generation, ends[1]))
        log_warning("%s does not take its link to %s", other->kind->name, one->kind->name);
    close(ends[0]);
    close(ends[1]);
    return error;
}

static struct child *peer_of(struct child *child, const struct kind_link *link)
{
    for (int end = 0; end < 2; end++)
        if (link->ends[end] == child->kind->kind)
            return &child->boot->children[link->ends[!end]];
    return NULL;
}

int links_make(struct child *child)
{
    const struct layout *layout = child->boot->layout;

    for (size_t i = 0; i < layout->links_count; i++) {
        struct child *peer = peer_of(child, &layout->links[i]);
        int error = peer && peer->hello && peer->link ? make(child, peer) : 0;
        if (error)
            return error;
    }
    return 0;
}

/* Nothing of it waits for a process that is slow to read; a dead one gets new links anyway. */
static bool flushed(const struct child *child)
{
    return !child->link || link_queued(child->link) == 0;
}

static void for_links(struct boot *boot,
                      void (*each)(struct child *, struct child *, struct kept_link *))
{
    for (size_t i = 0; i < boot->layout->links_count; i++) {
        const struct kind_link *link = &boot->layout->links[i];
        each(&boot->children[link->ends[0]], &boot->children[link->ends[1]],
             link_between(boot, link->ends[0], link->ends[1]));
    }
}

static void check(struct child *one, struct child *other, struct kept_link *link)
{
    if (link->handing && flushed(one) && flushed(other))
        link->handing = 0;
}

static void repair(struct child *one, struct child *other, struct kept_link *link)
{
    if (link->handing && one->hello && one->link && other->hello && other->link)
        make(one, other);
}

void links_check(struct boot *boot)
{
    for_links(boot, check);
}

void links_repair(struct boot *boot)
{
    for_links(boot, repair);
}
