/* SPDX-License-Identifier: Apache-2.0 */
#include "processors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "keep.h"
#include "log/log.h"
#include "monitor.h"
#include "names/pcpu_set.h"
#include "order.h"

#define UEVENT_GROUP_KERNEL 1
#define UEVENT_MAX          8192
#define ONLINE              "/sys/devices/system/cpu/online"

/* ---- which are online */

static int read_online(struct pcpu_set *online)
{
    char text[PCPU_SET_TEXT_MAX];
    int file = open(ONLINE, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    ssize_t size = read(file, text, sizeof(text) - 1);
    int error = size < 0 ? -errno : 0;
    close(file);
    text[size < 0 ? 0 : size] = 0;
    return error ? error : pcpu_set_parse(text, online);
}

void processors_tell(struct lead *lead)
{
    struct lead_online message = {.header = frame_header(LEAD_ONLINE, sizeof(message), 0)};
    int error = read_online(&message.online);

    if (error)
        log_error("%s: %s", ONLINE, strerror(-error));
    else
        process_send(lead->process, PROCESS_CONTROL, &message, NULL, 0);
}

/* All that is there is taken at once: many events, or lost ones (ENOBUFS), are one look. */
static int on_uevent(sd_event_source *source, int fd, uint32_t events, void *data)
{
    bool cpu = false;
    char text[UEVENT_MAX];
    struct iovec part = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    (void)source;
    (void)events;

    for (;;) {
        ssize_t size = recvmsg(fd, &message, 0);
        if (size < 0 && errno == ENOBUFS)
            cpu = true;
        else if (size < 0)
            break;
        text[size < 0 ? 0 : size] = 0;
        cpu |= strstr(text, "@/devices/system/cpu/cpu") != NULL;
    }
    if (cpu)
        processors_tell(data);
    return 0;
}

int processors_watch(struct lead *lead)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP_KERNEL};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0)
        return -errno;
    int error = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    if (!error)
        error = sd_event_add_io(process_event(lead->process), NULL, fd, EPOLLIN, on_uevent, lead);
    if (error < 0)
        close(fd);
    return error < 0 ? error : 0;
}

/* ---- on which vCPUs run */

int on_processors(void *context, struct frame *frame)
{
    const struct lead_order *order = (const void *)frame->bytes;
    struct partition *partition = lead_find(context, order->partition);
    struct partition_descriptor descriptor;

    if (descriptor_take(frame->files[0], &descriptor) ||
        descriptor.partition.value != order->partition.value)
        return -EBADMSG;
    if (!partition || partition->gone || !lead_spawned(partition)) {
        order_refuse(context, order, -ESRCH, "it has no monitor");
        return 0;
    }
    if (!descriptor_follows(&partition->descriptor, &descriptor))
        return -EBADMSG;
    int error = cgroup_set_pcpus(&partition->cgroup, &descriptor);
    if (!error) {
        descriptor_changed(partition, &descriptor, frame_take(frame, 0));
        log_notice("partition %s: its vCPUs run on other pCPUs", descriptor.name);
    }
    lead_answer(partition, order->header.id, error,
                error ? "the cpuset of a vCPU cannot be written" : "");
    if (!error)
        lead_tell(partition);
    return 0;
}
