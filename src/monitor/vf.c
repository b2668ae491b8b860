/* SPDX-License-Identifier: Apache-2.0 */
#include "vf.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "layout.h"
#include "parclose/state.h"
#include "sys.h"
#include "text.h"

#define PAGE          UINT64_C(4096)
#define BAR_32_MOST   (UINT64_C(64) << 20) /* larger 64-bit BARs go above 4 GiB */
#define SLOT_FIRST    8                    /* memory slots before it are RAM's */
#define COMMAND_BYTES 2
#define LOOKS         2 /* in a row, until a VF is known to have been reset */

/* ---- BARs ---- */

static bool in_window(uint64_t address, uint64_t size, uint64_t start, uint64_t length)
{
    return address >= start && size <= length && address - start <= length - size;
}

static bool address_ok(const struct vf_context *context, uint64_t address, uint64_t size)
{
#ifdef PARCLOSE_MUTANT_BAR_ANYWHERE /* also over what is not for BARs */
    return address;
#endif
    return in_window(address, size, LAYOUT_PCI_WINDOW, LAYOUT_PCI_SIZE) ||
           in_window(address, size, context->pci64, LAYOUT_PCI64_SIZE);
}

static void set_slot(struct vf *vf, const struct vf_context *context, unsigned bar, unsigned piece,
                     uint64_t address)
{
    struct vf_bar *b = &vf->bars[bar];
    struct vf_area area = b->pieces[piece];
    struct kvm_userspace_memory_region region = {
        .slot = SLOT_FIRST + (vf->index * PCI_BARS + bar) * VF_PIECES + piece,
        .guest_phys_addr = address ? address + area.start : 0,
        .memory_size = address ? area.end - area.start : 0,
        .userspace_addr = (uint64_t)vf->device.bars[bar].map + area.start,
    };
    long rc;

    if (b->mapped[piece] == address)
        return;
    rc = sys_ioctl_ptr(context->vm, KVM_SET_USER_MEMORY_REGION, &region);
    if (rc < 0 && address)
        text_log_guest("BAR not mapped", rc); /* laid over another: trapped accesses serve */
    b->mapped[piece] = rc < 0 ? 0 : address;
}

static void move_bar(struct vf *vf, const struct vf_context *context, unsigned bar, bool decoding)
{
    struct vf_bar *b = &vf->bars[bar];
    uint64_t address = decoding ? pci_config_bar(&vf->config, bar) : 0;

    if (!address_ok(context, address, vf->config.bars[bar].size))
        address = 0;
    b->address = address;
    for (unsigned i = 0; i < VF_PIECES; i++) {
        if (b->pieces[i].start == b->pieces[i].end || b->mapped[i] == address)
            continue;
        if (b->mapped[i])
            set_slot(vf, context, bar, i, 0);
        set_slot(vf, context, bar, i, address);
    }
}

static void follow_bars(struct vf *vf, const struct vf_context *context)
{
    uint32_t command = vf_config_read(vf, PCI_COMMAND, COMMAND_BYTES);

    vf->command = (uint16_t)command;
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (vf->config.bars[i].size)
            move_bar(vf, context, i, command & PCI_COMMAND_MEMORY);
    if (command & PCI_COMMAND_MASTER)
        vf->mastered = true;
}

/* ---- making it ---- */

/* Pages that hold the table or the pending bits, as far as they are in this BAR. */
static struct vf_area trapped_area(uint32_t bar, uint32_t in_bar, uint64_t offset, uint64_t size,
                                   uint64_t bar_end)
{
    uint64_t start = offset & ~(PAGE - 1), end = (offset + size + PAGE - 1) & ~(PAGE - 1);

    if (bar != in_bar || size == 0 || start >= bar_end)
        return (struct vf_area){0, 0};
    return (struct vf_area){start, end < bar_end ? end : bar_end};
}

static void cut_pieces(struct vf *vf, unsigned bar)
{
    const struct vfio_region *region = &vf->device.bars[bar];
    uint32_t device_vectors = vf->device.msix_vectors;
    uint64_t end = region->size & ~(PAGE - 1);
    struct vf_area first =
        trapped_area(bar, vf->table_bar, vf->table_offset, device_vectors * UINT64_C(16), end);
    struct vf_area second = trapped_area(bar, vf->pba_bar, vf->pba_offset,
                                         (device_vectors + 63) / 64 * UINT64_C(8), end);
    struct vf_area swap = first;

    if (!region->map)
        return;
    if (second.end && second.start < first.start) {
        first = second;
        second = swap;
    }
    if (second.end == 0)
        second = first;
    vf->bars[bar].pieces[0] = (struct vf_area){0, first.end ? first.start : end};
    if (!first.end)
        return;
    if (second.start > first.end)
        vf->bars[bar].pieces[1] = (struct vf_area){first.end, second.start};
    if (second.end < first.end)
        second.end = first.end;
    if (end > second.end)
        vf->bars[bar].pieces[2] = (struct vf_area){second.end, end};
}

/* The end of a BAR, as its register says, that overlaps; 0: none does. */
static uint64_t overlap(const struct vf *vf, uint64_t address, uint64_t size)
{
    for (unsigned i = 0; i < PCI_BARS && vf->stage != VF_NONE; i++) {
        uint64_t start = pci_config_bar(&vf->config, i);
        uint64_t length = vf->config.bars[i].size;

        if (length && start < address + size && address < start + length)
            return start + length;
    }
    return 0;
}

static uint64_t overlap_any(const struct vf_context *context, uint64_t address, uint64_t size)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        uint64_t end = overlap(&context->vfs[i], address, size);

        if (end)
            return end;
    }
    return 0;
}

uint64_t vf_room(const struct vf_context *context, uint64_t size, bool high)
{
    uint64_t align = size < PAGE ? PAGE : size;
    uint64_t window = high ? context->pci64 : LAYOUT_PCI_WINDOW;
    uint64_t length = high ? LAYOUT_PCI64_SIZE : LAYOUT_CHANNELS - LAYOUT_PCI_WINDOW;
    uint64_t next = window, address;

    do {
        address = (next + align - 1) & ~(align - 1);
        if (!in_window(address, align, window, length))
            return 0;
        next = overlap_any(context, address, align);
    } while (next);
    return address;
}

static int place_bar(struct vf *vf, unsigned bar, const struct vf_context *context)
{
    uint64_t size = vf->config.bars[bar].size;
    bool high = (vf->config.bars[bar].flags & PCI_BASE_ADDRESS_MEM_TYPE_64) && size > BAR_32_MOST;
    uint64_t address = vf_room(context, size, high);

    if (address)
        pci_config_set_bar(&vf->config, bar, address);
    return address ? 0 : -ENOSPC;
}

static void read_msix_place(struct vf *vf, const uint8_t *raw)
{
    uint32_t table, pba;

    vf->table_bar = vf->pba_bar = PCI_BARS;
    if (!vf->config.msix)
        return;
    memcpy(&table, raw + vf->config.msix + PCI_MSIX_TABLE, 4);
    memcpy(&pba, raw + vf->config.msix + PCI_MSIX_PBA, 4);
    vf->table_bar = table & PCI_MSIX_TABLE_BIR;
    vf->table_offset = table & PCI_MSIX_TABLE_OFFSET;
    vf->pba_bar = pba & PCI_MSIX_PBA_BIR;
    vf->pba_offset = pba & PCI_MSIX_PBA_OFFSET;
}

/* MSI has 1, 2, 4, … 32 vectors. */
static uint32_t cut_msi(uint32_t count)
{
    while (count & (count - 1))
        count &= count - 1;
    return count < PCI_MSI_VECTORS ? count : PCI_MSI_VECTORS;
}

/* MSI-X; where a function has none, MSI. */
static void begin_vectors(struct vf *vf, const uint8_t *raw, const struct pci_bar *bars)
{
    struct pci_vectors vectors = {.msi = cut_msi(vf->device.msi_vectors)};

    msix_begin(&vf->msix, vf->device.msix_vectors ? vf->device.msix_vectors : vectors.msi);
    if (vf->device.msix_vectors)
        vectors = (struct pci_vectors){.msix = vf->msix.count};
    pci_config_begin(&vf->config, raw, bars, vectors);
    if (!vf->config.msix && !vf->config.msi)
        vf->msix.count = 0;
}

static int read_config(struct vf *vf)
{
    static uint8_t raw[PCI_CONFIG_SIZE]; /* main only */
    struct pci_bar bars[PCI_BARS];
    long got;

    memset(raw, 0, sizeof(raw));
    got = sys_pread(vf->device.fd, raw, sizeof(raw), vf->device.config.offset);
    if (got < PCI_CFG_SPACE_SIZE)
        return got < 0 ? (int)got : -EIO;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint32_t flags = raw[PCI_BASE_ADDRESS_0 + 4 * i] & 15;

        bars[i] = (struct pci_bar){vf->device.bars[i].size, flags};
    }
    begin_vectors(vf, raw, bars);
    read_msix_place(vf, raw);
    return 0;
}

/* KVM learns of the groups: it then honours what devices without cache snooping need. */
static int tell_kvm(const struct vf_context *context, uint64_t what, const int *group)
{
    struct kvm_device_attr attr = {
        .group = KVM_DEV_VFIO_GROUP, .attr = what, .addr = (uint64_t)group};
    long rc = context->groups;

    if (rc >= 0)
        rc = sys_ioctl_ptr(context->groups, KVM_SET_DEVICE_ATTR, &attr);
    return rc == -EEXIST ? 0 : (int)rc; /* two VFs of one group */
}

static int take_notes(struct vf *vf)
{
    for (int i = 0; i < VFIO_NOTES; i++) {
        int event = (int)sys_eventfd(EFD_CLOEXEC | EFD_NONBLOCK);

        if (event < 0)
            return event;
        vf->notes[i] = event;
        if (vfio_set_note(&vf->device, (enum vfio_note)i, event) < 0)
            text_log("the device does not tell of errors or of requests for it", 0);
    }
    return 0;
}

static int make_bars(struct vf *vf, const struct vf_context *context)
{
    int rc = 0;

    for (unsigned i = 0; i < PCI_BARS; i++)
        if (vf->config.bars[i].size)
            cut_pieces(vf, i);
    for (unsigned i = 0; i < PCI_BARS && rc == 0; i++)
        if (vf->config.bars[i].size)
            rc = place_bar(vf, i, context);
    return rc;
}

static int arm(struct vf *vf, const struct vf_context *context, uint32_t count)
{
    int rc = vfio_set_vectors(&vf->device,
                              context->router->vectors + (size_t)vf->index * MSIX_VECTORS, count);

    vf->armed = rc ? 0 : count;
    return rc;
}

/* What is on gets no other number: off, and on again. */
static int arm_anew(struct vf *vf, const struct vf_context *context, uint32_t count)
{
    int rc = count ? vfio_clear_vectors(&vf->device) : 0;

    if (rc >= 0)
        rc = arm(vf, context, count);
    return rc > 0 ? -ENOSPC : rc;
}

static void show_fewer(struct vf *vf, uint32_t count)
{
    vf->msix.count = vf->config.msi ? cut_msi(count) : count;
    pci_config_set_vectors(&vf->config, vf->msix.count);
}

static int make_vectors(struct vf *vf, const struct vf_context *context)
{
    int rc = irq_attach(context->router, vf->index, &vf->msix);

    if (rc >= 0)
        rc = arm(vf, context, vf->msix.count);
    while (rc > 0 && (uint32_t)rc < vf->msix.count) { /* the kernel can give so many */
        show_fewer(vf, (uint32_t)rc);
        rc = arm(vf, context, vf->msix.count);
    }
    return rc > 0 ? -ENOSPC : rc;
}

static int make(struct vf *vf, const struct vf_context *context, const struct vf_files *files,
                const char **what)
{
    int rc;

    *what = "VFIO group";
    rc = vfio_join(files->container, files->group, files->first);
    if (rc >= 0)
        rc = tell_kvm(context, KVM_DEV_VFIO_GROUP_ADD, &vf->group);
    if (rc < 0)
        return rc;
    *what = "VFIO memory map (memory lock limit)";
    if (files->first)
        rc = vfio_map_memory(files->container, context->memory);
    if (rc < 0)
        return rc;
    *what = "VFIO device";
    rc = vfio_open(&vf->device, files->group, vf->bdf);
    if (rc >= 0)
        rc = take_notes(vf);
    if (rc < 0)
        return rc;
    *what = "VF";
    rc = read_config(vf);
    if (rc >= 0)
        rc = make_bars(vf, context);
    if (rc >= 0)
        rc = make_vectors(vf, context);
    if (rc >= 0)
        follow_bars(vf, context);
    return rc < 0 ? rc : 0;
}

static void set_stage(struct vf *vf, enum vf_stage stage)
{
    atomic_signal_fence(memory_order_seq_cst);
    vf->stage = stage;
    atomic_signal_fence(memory_order_seq_cst);
}

int vf_attach(struct vf *vf, const struct vf_context *context, const struct vf_files *files,
              struct bdf bdf, const char **what)
{
    unsigned index = vf->index;
    int rc;

    *vf = (struct vf){.index = index,
                      .bdf = bdf,
                      .container = files->container,
                      .group = files->group,
                      .notes = {-1, -1},
                      .device = {.fd = -1}};
    set_stage(vf, VF_MAKING);
    rc = make(vf, context, files, what);
    if (rc < 0)
        vf_detach(vf, context, files->first);
    else
        set_stage(vf, VF_ON);
    return rc;
}

bool vf_was_reset(struct vf *vf)
{
    uint64_t flags;

    if (vf->stage != VF_ON || !vf->config.msix || (vf->marks & VF_RESET))
        return false;
    flags = vfio_read(&vf->device, &vf->device.config, vf->config.msix + PCI_MSIX_FLAGS, 2);
    vf->unarmed = flags & PCI_MSIX_FLAGS_ENABLE ? 0 : vf->unarmed + 1;
    if (vf->unarmed < LOOKS)
        return false;
    vf->marks |= VF_RESET;
    return true;
}

/* The kernel arms the vectors of a function in its own registers, which are lost. */
int vf_mend(struct vf *vf, const struct vf_context *context)
{
    int rc;

    vfio_write(&vf->device, &vf->device.config, PCI_COMMAND, COMMAND_BYTES, vf->command);
    rc = arm_anew(vf, context, vf->armed ? vf->armed : vf->msix.count);
    vf->unarmed = 0;
    if (rc >= 0)
        vf->marks &= ~(uint32_t)VF_RESET;
    return rc;
}

/* ---- undoing it: each step as if it had been done, and again ---- */

static void unmap_bars(struct vf *vf, const struct vf_context *context)
{
    for (unsigned bar = 0; bar < PCI_BARS; bar++) {
        for (unsigned piece = 0; piece < VF_PIECES; piece++) {
            struct vf_area area = vf->bars[bar].pieces[piece];

            if (area.start == area.end)
                continue;
            vf->bars[bar].mapped[piece] = 1; /* whatever a dead main has noted */
            set_slot(vf, context, bar, piece, 0);
        }
        vf->bars[bar].address = 0;
    }
}

static void close_file(int *file)
{
    int fd = *file;

    *file = -1;
    atomic_signal_fence(memory_order_seq_cst); /* forgotten before its number is free */
    if (fd >= 0)
        (void)sys_close(fd);
}

void vf_detach(struct vf *vf, const struct vf_context *context, bool last)
{
    bool making = vf->stage == VF_MAKING;

    if (!making)
        set_stage(vf, VF_UNMAKING);
    unmap_bars(vf, context);
    irq_detach(context->router, vf->index);
    for (int i = 0; i < VFIO_NOTES; i++)
        close_file(&vf->notes[i]);
    vfio_close(&vf->device);
    if (vf->group >= 0)
        (void)tell_kvm(context, KVM_DEV_VFIO_GROUP_DEL, &vf->group);
    if (making) {
        (void)sys_ioctl(vf->group, VFIO_GROUP_UNSET_CONTAINER, 0);
    } else {
        close_file(&vf->group);
        if (last)
            close_file(&vf->container);
    }
    set_stage(vf, VF_NONE);
}

/* ---- configuration space ---- */

uint32_t vf_config_read(const struct vf *vf, uint32_t offset, unsigned size)
{
    uint32_t device = 0;

    if (pci_config_passes(&vf->config, offset, size))
        device = (uint32_t)vfio_read(&vf->device, &vf->device.config, offset, size);
    return pci_config_read(&vf->config, offset, size, device);
}

static void pass_bytes(struct vf *vf, uint32_t offset, unsigned size, uint32_t value,
                       unsigned which)
{
    if (which == (1u << size) - 1) {
        vfio_write(&vf->device, &vf->device.config, offset, size, value);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        if (which & 1u << i)
            vfio_write(&vf->device, &vf->device.config, offset + i, 1, value >> 8 * i);
}

static bool touches(uint32_t offset, unsigned size, uint32_t start, uint32_t end)
{
    return offset < end && offset + size > start;
}

static int follow_msi(struct vf *vf, const struct vf_context *context)
{
    const struct msi msi = pci_config_msi(&vf->config);
    uint32_t count = msix_from_msi(&vf->msix, &msi);

    return count && count != vf->armed ? arm_anew(vf, context, count) : 0;
}

static void follow_vectors(struct vf *vf, const struct vf_context *context)
{
    int rc = 0;

    if (vf->config.msi)
        rc = follow_msi(vf, context);
    else
        vf->msix.control = pci_config_msix_control(&vf->config);
    if (rc >= 0)
        rc = irq_follow(context->router, vf->index, &vf->msix);
    if (rc < 0)
        text_log_guest("MSI routing", rc);
}

/*
 * The guest has reset the function. VFIO then puts its registers back as they were before; a guest
 * expects them as after power-on: not decoding, no BAR, no vector on, nothing pending.
 */
static void follow_reset(struct vf *vf, const struct vf_context *context)
{
    vfio_write(&vf->device, &vf->device.config, PCI_COMMAND, COMMAND_BYTES, 0);
    pci_config_reset(&vf->config);
    msix_begin(&vf->msix, vf->msix.count);
    follow_vectors(vf, context);
    irq_forget(context->router, vf->index);
    follow_bars(vf, context);
}

void vf_config_write(struct vf *vf, const struct vf_context *context, uint32_t offset,
                     unsigned size, uint32_t value)
{
    unsigned rest = pci_config_write(&vf->config, offset, size, value);

    if (rest)
        pass_bytes(vf, offset, size, value, rest);
    if (pci_config_is_reset(&vf->config, offset, size, value))
        follow_reset(vf, context);
    if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + COMMAND_BYTES) ||
        touches(offset, size, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_0 + 4 * PCI_BARS))
        follow_bars(vf, context);
    if (pci_config_is_vectors(&vf->config, offset, size))
        follow_vectors(vf, context);
}

/* ---- trapped BAR accesses ---- */

int vf_find_bar(const struct vf *vf, uint64_t address)
{
    for (int i = 0; i < PCI_BARS; i++)
        if (vf->bars[i].address && address - vf->bars[i].address < vf->config.bars[i].size)
            return i;
    return -1;
}

/* The part of a BAR that is the table (as long as the device's own), or the pending bits. */
static bool in_table(const struct vf *vf, unsigned bar, uint64_t offset)
{
#ifdef PARCLOSE_MUTANT_MSIX_UNBOUND
    return bar == vf->table_bar && offset - vf->table_offset < PAGE;
#endif
    return bar == vf->table_bar && offset >= vf->table_offset &&
           offset - vf->table_offset < vf->device.msix_vectors * UINT64_C(16);
}

static bool in_pending(const struct vf *vf, unsigned bar, uint64_t offset)
{
    return bar == vf->pba_bar && offset >= vf->pba_offset &&
           offset - vf->pba_offset < (vf->device.msix_vectors + 63) / 64 * UINT64_C(8);
}

static uint64_t read_pending(const struct vf *vf, const struct vf_context *context, uint64_t offset)
{
    if (offset >= 8)
        return 0;
    return irq_pending(context->router, vf->index, &vf->msix) >> (8 * offset);
}

uint64_t vf_bar_read(const struct vf *vf, const struct vf_context *context, unsigned bar,
                     uint64_t offset, unsigned size)
{
    if (in_table(vf, bar, offset))
        return msix_read(&vf->msix, offset - vf->table_offset, size);
    if (in_pending(vf, bar, offset))
        return read_pending(vf, context, offset - vf->pba_offset);
    return vfio_read(&vf->device, &vf->device.bars[bar], offset, size);
}

void vf_bar_write(struct vf *vf, const struct vf_context *context, unsigned bar, uint64_t offset,
                  unsigned size, uint64_t value)
{
    if (in_table(vf, bar, offset)) {
        if (msix_write(&vf->msix, offset - vf->table_offset, size, value))
            follow_vectors(vf, context);
    } else if (!in_pending(vf, bar, offset)) {
        vfio_write(&vf->device, &vf->device.bars[bar], offset, size, value);
    }
}
