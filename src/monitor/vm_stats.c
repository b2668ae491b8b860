/* SPDX-License-Identifier: Apache-2.0 */
#include "vm_stats.h"

#include <stdbool.h>
#include <string.h>

#include "sys.h"

#define DESCRIPTORS 128 /* looked through */
#define NAME_MAX    64

/* The layout of the file, which does not change; the values do. Main only. */
static struct {
    bool read;
    uint32_t count;
    char names[VM_STATS_MAX][STATS_NAME_MAX];
    uint64_t offsets[VM_STATS_MAX];
} layout;

union descriptor {
    struct kvm_stats_desc desc;
    char bytes[sizeof(struct kvm_stats_desc) + NAME_MAX + 1];
};

/* A single number, not a histogram, with a name that we can say. */
static bool is_plain(const union descriptor *d)
{
    const char *name = d->bytes + sizeof(struct kvm_stats_desc);

    return d->desc.size == 1 && (d->desc.flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_PEAK &&
           strlen(name) > 0 && strlen(name) < STATS_NAME_MAX;
}

static void add(const union descriptor *d, uint64_t data_offset)
{
    if (!is_plain(d) || layout.count == VM_STATS_MAX)
        return;
    strcpy(layout.names[layout.count], d->bytes + sizeof(struct kvm_stats_desc));
    layout.offsets[layout.count++] = data_offset + d->desc.offset;
}

static void read_layout(int fd)
{
    struct kvm_stats_header header = {.name_size = 0};
    union descriptor entry;
    size_t step;

    if (layout.read || fd < 0 || sys_pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
        header.name_size > NAME_MAX)
        return;
    layout.count = 0; /* a main that died here has begun */
    step = sizeof(struct kvm_stats_desc) + header.name_size;
    for (uint32_t i = 0; i < header.num_desc && i < DESCRIPTORS; i++) {
        memset(&entry, 0, sizeof(entry));
        if (sys_pread(fd, &entry, step, header.desc_offset + i * step) != (long)step)
            break;
        add(&entry, header.data_offset);
    }
    layout.read = true;
}

uint32_t vm_stats_names(int fd, char names[][STATS_NAME_MAX])
{
    read_layout(fd);
    memcpy(names, layout.names, layout.count * sizeof(layout.names[0]));
    return layout.count;
}

void vm_stats_values(int fd, uint64_t *values)
{
    for (uint32_t i = 0; i < layout.count; i++)
        if (fd < 0 ||
            sys_pread(fd, &values[i], sizeof(values[i]), layout.offsets[i]) != sizeof(values[i]))
            values[i] = 0;
}

uint64_t vm_stats_offset(int fd, const char *name)
{
    read_layout(fd);
    for (uint32_t i = 0; i < layout.count; i++)
        if (strcmp(layout.names[i], name) == 0)
            return layout.offsets[i];
    return 0;
}
