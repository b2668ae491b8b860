/* SPDX-License-Identifier: Apache-2.0 */
#include "device_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "netlink.h"
#include "nvme.h"

static uint64_t current_transaction;
static uint32_t count;

void device_write_begin(uint64_t transaction)
{
    current_transaction = transaction;
    count = 0;
}

uint32_t device_writes(void)
{
    return count;
}

static int write_sysfs(const char *path, const char *value)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    int error = write(file, value, strlen(value)) < 0 ? -errno : 0;
    close(file);
    return error;
}

static int perform(const struct device_write *w)
{
    switch (w->way) {
    case WAY_SYSFS:
        return write_sysfs(w->where, w->value);
    case WAY_NETLINK:
        return netlink_set_vf(w->where, w->index, w->mask, w->attributes);
    case WAY_LINK_UP:
    case WAY_LINK_DOWN:
        return netlink_set_up(w->where, w->way == WAY_LINK_UP);
    case WAY_NVME:
        return nvme_manage(w->where, w->index, w->action, w->resource, w->count);
    }
    return -EINVAL;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
                                                         const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

static void describe_attributes(const struct device_write *w, char *text, size_t size)
{
    const struct vf_attributes *a = w->attributes;

    snprintf(text, size, "%s VF %u <-", w->where, w->index);
    if (w->mask & VF_ATTR_MAC)
        append(text, size, " mac %02x:%02x:%02x:%02x:%02x:%02x", a->mac[0], a->mac[1], a->mac[2],
               a->mac[3], a->mac[4], a->mac[5]);
    if (w->mask & VF_ATTR_VLAN)
        append(text, size, " vlan %u qos %u", a->vlan, a->qos);
    if (w->mask & VF_ATTR_TRUST)
        append(text, size, " trust %u", a->trust);
    if (w->mask & VF_ATTR_SPOOFCHK)
        append(text, size, " spoofchk %u", a->spoofchk);
    if (w->mask & VF_ATTR_RATE)
        append(text, size, " rate %u..%u", a->min_tx_rate, a->max_tx_rate);
    if (w->mask & VF_ATTR_LINK)
        append(text, size, " link-state %u", a->link_state);
}

static void describe(const struct device_write *w, char *text, size_t size)
{
    if (w->way == WAY_SYSFS)
        snprintf(text, size, "%s <- %s", w->where, w->value[0] == '\n' ? "nothing" : w->value);
    else if (w->way == WAY_NETLINK)
        describe_attributes(w, text, size);
    else if (w->way == WAY_LINK_UP || w->way == WAY_LINK_DOWN)
        snprintf(text, size, "%s <- %s", w->where, w->way == WAY_LINK_UP ? "up" : "down");
    else
        snprintf(text, size, "%s controller %u <- action %u resource %u count %u", w->where,
                 w->index + 1, w->action, w->resource, w->count);
}

int device_write(const struct device_write *w)
{
    char text[256];
    int error = perform(w);

    count++;
    describe(w, text, sizeof(text));
    log_notice("device write: %s: %s (transaction %llu)", text, error ? strerror(-error) : "ok",
               (unsigned long long)current_transaction);
    return error;
}
