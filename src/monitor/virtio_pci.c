/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio_pci.h"

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#define VENDOR        0x1af4
#define DEVICE_MODERN 0x1040
#define AREA          0x1000 /* of each structure in the BAR */
#define AT_ISR        0x1000
#define AT_DEVICE     0x2000
#define CAP_MSIX      0x40
#define CAP_COMMON    0x50
#define CAP_NOTIFY    0x60
#define CAP_ISR       0x74
#define CAP_DEVICE    0x84
#define CAP_WINDOW    0x94
#define WINDOW_DATA   (CAP_WINDOW + 16)
#define COMMAND_TAKEN (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)
#define STATUS_FAILED 128
#define STATUS_DRIVER (1 | 2 | VIRTIO_DRIVER_OK | VIRTIO_FEATURES_OK | STATUS_FAILED)

/* ---- configuration space ---- */

static void put(uint8_t *bytes, uint32_t offset, unsigned size, uint32_t value)
{
    memcpy(bytes + offset, &value, size);
}

static uint32_t get(const uint8_t *bytes, uint32_t offset, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, bytes + offset, size);
    return value;
}

static void put_capability(struct virtio_pci *v, uint32_t at, uint32_t next, uint8_t size,
                           uint8_t type, uint32_t offset, uint32_t length)
{
    uint8_t *image = v->config.image;

    image[at] = PCI_CAP_ID_VNDR;
    image[at + 1] = (uint8_t)next;
    image[at + 2] = size;
    image[at + 3] = type;
    put(image, at + 8, 4, offset);
    put(image, at + 12, 4, length);
}

static void put_capabilities(struct virtio_pci *v)
{
    uint8_t *image = v->config.image;
    uint32_t queues = v->kind->queues_count;

    image[PCI_CAPABILITY_LIST] = CAP_MSIX;
    image[CAP_MSIX] = PCI_CAP_ID_MSIX;
    image[CAP_MSIX + 1] = CAP_COMMON;
    put(image, CAP_MSIX + PCI_MSIX_FLAGS, 2, v->msix.count - 1);
    put(v->config.writable, CAP_MSIX + PCI_MSIX_FLAGS, 2, MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL);
    put(image, CAP_MSIX + PCI_MSIX_TABLE, 4, VIRTIO_TABLE);
    put(image, CAP_MSIX + PCI_MSIX_PBA, 4, VIRTIO_PENDING);
    v->config.msix = CAP_MSIX;

    put_capability(v, CAP_COMMON, CAP_NOTIFY, 16, VIRTIO_PCI_CAP_COMMON_CFG, 0, AREA);
    put_capability(v, CAP_NOTIFY, CAP_ISR, 20, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_NOTIFY,
                   VIRTIO_NOTIFY_ONE * queues);
    put(image, CAP_NOTIFY + 16, 4, VIRTIO_NOTIFY_ONE);
    put_capability(v, CAP_ISR, CAP_DEVICE, 16, VIRTIO_PCI_CAP_ISR_CFG, AT_ISR, 1);
    put_capability(v, CAP_DEVICE, CAP_WINDOW, 16, VIRTIO_PCI_CAP_DEVICE_CFG, AT_DEVICE,
                   v->kind->config_size);
    put_capability(v, CAP_WINDOW, 0, 20, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
    memset(v->config.writable + CAP_WINDOW + 4, 0xff, 1); /* BAR; then offset and length */
    memset(v->config.writable + CAP_WINDOW + 8, 0xff, 8);
}

static void put_header(struct virtio_pci *v)
{
    uint8_t *image = v->config.image, *writable = v->config.writable;
    uint32_t id = VENDOR | (uint32_t)(DEVICE_MODERN + v->kind->device) << 16;

    put(image, PCI_VENDOR_ID, 4, id);
    put(image, PCI_SUBSYSTEM_VENDOR_ID, 4, id);
    put(image, PCI_CLASS_REVISION, 4, v->kind->class << 8 | 1);
    put(image, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
    put(writable, PCI_COMMAND, 2, COMMAND_TAKEN);
    put(writable, PCI_INTERRUPT_LINE, 1, 0xff);
    v->config.bars[0] = (struct pci_bar){VIRTIO_BAR_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY};
    put(writable, PCI_BASE_ADDRESS_0, 4, ~(uint32_t)(VIRTIO_BAR_SIZE - 1));
}

void virtio_begin(struct virtio_pci *v, const struct virtio_kind *kind)
{
    memset(v, 0, sizeof(*v));
    v->kind = kind;
    msix_begin(&v->msix, 1u + kind->queues_count);
    put_header(v);
    put_capabilities(v);
    virtio_reset(v);
}

void virtio_reset(struct virtio_pci *v)
{
    v->accepted = 0;
    v->offered_select = v->accepted_select = 0;
    v->queue_select = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    for (uint32_t i = 0; i < VIRTIO_QUEUES_MAX; i++)
        v->queues[i] =
            (struct virtio_queue){.size = v->kind->queue_size, .vector = VIRTIO_NO_VECTOR};
    v->status = 0;
    v->resetting = false;
}

void virtio_offer(struct virtio_pci *v, uint64_t features, const uint8_t config[VIRTIO_CONFIG_MAX])
{
    v->offered = features;
    memcpy(v->device, config, VIRTIO_CONFIG_MAX);
}

bool virtio_running(const struct virtio_pci *v)
{
    return (v->status & VIRTIO_DRIVER_OK) && !(v->status & VIRTIO_NEEDS_RESET) && !v->resetting;
}

/* Virtio 1.2, 4.1.4.9: the BAR through configuration space. */
static bool window_hit(const struct virtio_pci *v, uint32_t offset, unsigned size, uint32_t *at)
{
    *at = get(v->config.image, CAP_WINDOW + 8, 4);
    return offset == WINDOW_DATA && v->config.image[CAP_WINDOW + 4] == 0 &&
           get(v->config.image, CAP_WINDOW + 12, 4) == size && *at % size == 0;
}

uint32_t virtio_config_read(const struct virtio_pci *v, uint32_t offset, unsigned size)
{
    uint32_t at;

    if (window_hit(v, offset, size, &at))
        return (uint32_t)virtio_bar_read(v, at, size);
    return pci_config_read(&v->config, offset, size, 0);
}

static bool touches(uint32_t offset, unsigned size, uint32_t start, uint32_t end)
{
    return offset < end && offset + size > start;
}

unsigned virtio_config_write(struct virtio_pci *v, uint32_t offset, unsigned size, uint32_t value)
{
    unsigned news = 0;
    uint32_t at;

    if (window_hit(v, offset, size, &at))
        return virtio_bar_write(v, at, size, value);
    (void)pci_config_write(&v->config, offset, size, value);
    if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + 2) ||
        touches(offset, size, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_0 + 4))
        news |= VIRTIO_NEWS_BAR;
    if (touches(offset, size, CAP_MSIX + PCI_MSIX_FLAGS, CAP_MSIX + PCI_MSIX_TABLE)) {
        v->msix.control = pci_config_msix_control(&v->config);
        news |= VIRTIO_NEWS_MSIX;
    }
    return news;
}

/* ---- common configuration (virtio 1.2, 4.1.4.3) ---- */

/* The width of the register there; 0: none. The 64-bit ones are two of 32 bits. */
static unsigned common_width(uint64_t offset)
{
    static const uint8_t widths[] = {
        [VIRTIO_PCI_COMMON_DFSELECT] = 4,  [VIRTIO_PCI_COMMON_DF] = 4,
        [VIRTIO_PCI_COMMON_GFSELECT] = 4,  [VIRTIO_PCI_COMMON_GF] = 4,
        [VIRTIO_PCI_COMMON_MSIX] = 2,      [VIRTIO_PCI_COMMON_NUMQ] = 2,
        [VIRTIO_PCI_COMMON_STATUS] = 1,    [VIRTIO_PCI_COMMON_CFGGENERATION] = 1,
        [VIRTIO_PCI_COMMON_Q_SELECT] = 2,  [VIRTIO_PCI_COMMON_Q_SIZE] = 2,
        [VIRTIO_PCI_COMMON_Q_MSIX] = 2,    [VIRTIO_PCI_COMMON_Q_ENABLE] = 2,
        [VIRTIO_PCI_COMMON_Q_NOFF] = 2,    [VIRTIO_PCI_COMMON_Q_DESCLO] = 4,
        [VIRTIO_PCI_COMMON_Q_DESCHI] = 4,  [VIRTIO_PCI_COMMON_Q_AVAILLO] = 4,
        [VIRTIO_PCI_COMMON_Q_AVAILHI] = 4, [VIRTIO_PCI_COMMON_Q_USEDLO] = 4,
        [VIRTIO_PCI_COMMON_Q_USEDHI] = 4,
    };

    return offset < sizeof(widths) ? widths[offset] : 0;
}

/* Bits 32 × select of a feature word. */
static uint32_t feature_word(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static uint64_t queue_read(const struct virtio_pci *v, uint64_t offset)
{
    const struct virtio_queue *q;
    uint64_t word = (offset - VIRTIO_PCI_COMMON_Q_DESCLO) / 4;

    if (v->queue_select >= v->kind->queues_count)
        return 0; /* size 0: there is no such queue */
    q = &v->queues[v->queue_select];
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        return q->size;
    case VIRTIO_PCI_COMMON_Q_MSIX:
        return q->vector;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        return q->enabled;
    case VIRTIO_PCI_COMMON_Q_NOFF:
        return v->queue_select;
    default:
        return (uint32_t)(q->addresses[word / 2] >> 32 * (word % 2));
    }
}

static uint64_t common_read(const struct virtio_pci *v, uint64_t offset)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        return v->offered_select;
    case VIRTIO_PCI_COMMON_DF:
        return feature_word(v->offered, v->offered_select);
    case VIRTIO_PCI_COMMON_GFSELECT:
        return v->accepted_select;
    case VIRTIO_PCI_COMMON_GF:
        return feature_word(v->accepted, v->accepted_select);
    case VIRTIO_PCI_COMMON_MSIX:
        return v->config_vector;
    case VIRTIO_PCI_COMMON_NUMQ:
        return v->kind->queues_count;
    case VIRTIO_PCI_COMMON_STATUS:
        return v->status;
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return v->generation;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        return v->queue_select;
    default:
        return queue_read(v, offset);
    }
}

static void accept(struct virtio_pci *v, uint32_t word)
{
    unsigned shift = 32 * v->accepted_select;

    if (v->accepted_select < 2 && !(v->status & VIRTIO_FEATURES_OK))
        v->accepted = (v->accepted & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)word << shift;
}

static uint16_t checked_vector(const struct virtio_pci *v, uint16_t vector)
{
    return vector < v->msix.count ? vector : VIRTIO_NO_VECTOR;
}

/* A queue is what it was when it was enabled, until the reset. */
static void queue_write(struct virtio_pci *v, uint64_t offset, uint32_t value)
{
    uint64_t word = (offset - VIRTIO_PCI_COMMON_Q_DESCLO) / 4;
    struct virtio_queue *q;

    if (v->queue_select >= v->kind->queues_count || v->queues[v->queue_select].enabled)
        return;
    q = &v->queues[v->queue_select];
    if (offset == VIRTIO_PCI_COMMON_Q_SIZE && value && value <= v->kind->queue_size &&
        !(value & (value - 1)))
        q->size = (uint16_t)value;
    else if (offset == VIRTIO_PCI_COMMON_Q_MSIX)
        q->vector = checked_vector(v, (uint16_t)value);
    else if (offset == VIRTIO_PCI_COMMON_Q_ENABLE)
        q->enabled = value == 1;
    else if (offset >= VIRTIO_PCI_COMMON_Q_DESCLO)
        q->addresses[word / 2] = word % 2
                                     ? (q->addresses[word / 2] & 0xffffffff) | (uint64_t)value << 32
                                     : (q->addresses[word / 2] & ~UINT64_C(0xffffffff)) | value;
}

static bool features_fit(const struct virtio_pci *v)
{
    return !(v->accepted & ~v->offered) && (v->accepted & VIRTIO_F_VERSION_1);
}

/* Bits of the status are only ever added, each when what it says is so. */
static void status_write(struct virtio_pci *v, uint8_t value)
{
    uint8_t status = v->status | (value & STATUS_DRIVER);

    if (value == 0) {
        v->resetting = true;
        return;
    }
    if (!(v->status & VIRTIO_FEATURES_OK) && !features_fit(v))
        status &= (uint8_t)~VIRTIO_FEATURES_OK;
    if (!(status & VIRTIO_FEATURES_OK))
        status &= (uint8_t)~VIRTIO_DRIVER_OK;
    v->status = status;
}

static unsigned common_write(struct virtio_pci *v, uint64_t offset, uint32_t value)
{
    if (v->resetting)
        return VIRTIO_NEWS_STATUS;
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        v->offered_select = value;
        break;
    case VIRTIO_PCI_COMMON_GFSELECT:
        v->accepted_select = value;
        break;
    case VIRTIO_PCI_COMMON_GF:
        accept(v, value);
        break;
    case VIRTIO_PCI_COMMON_MSIX:
        v->config_vector = checked_vector(v, (uint16_t)value);
        break;
    case VIRTIO_PCI_COMMON_STATUS:
        status_write(v, (uint8_t)value);
        return VIRTIO_NEWS_STATUS;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        v->queue_select = (uint16_t)value;
        break;
    default:
        if (offset >= VIRTIO_PCI_COMMON_Q_SIZE && offset != VIRTIO_PCI_COMMON_Q_NOFF)
            queue_write(v, offset, value);
    }
    return 0;
}

/* ---- the BAR ---- */

static uint64_t device_read(const struct virtio_pci *v, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    if (offset + size > v->kind->config_size)
        return UINT64_MAX;
    memcpy(&value, v->device + offset, size);
    return value;
}

uint64_t virtio_bar_read(const struct virtio_pci *v, uint64_t offset, unsigned size)
{
    if (size == 0 || size > 8 || offset >= VIRTIO_BAR_SIZE)
        return UINT64_MAX;
    if (offset < AT_ISR)
        return common_width(offset) == size ? common_read(v, offset) : UINT64_MAX;
    if (offset < AT_DEVICE)
        return 0;
    if (offset < VIRTIO_NOTIFY)
        return device_read(v, offset - AT_DEVICE, size);
    if (offset >= VIRTIO_TABLE && offset < VIRTIO_PENDING)
        return msix_read(&v->msix, offset - VIRTIO_TABLE, size);
    return offset < VIRTIO_PENDING ? UINT64_MAX : 0;
}

unsigned virtio_bar_write(struct virtio_pci *v, uint64_t offset, unsigned size, uint64_t value)
{
    uint64_t queue = (offset - VIRTIO_NOTIFY) / VIRTIO_NOTIFY_ONE;

    if (offset < AT_ISR)
        return common_width(offset) == size ? common_write(v, offset, (uint32_t)value) : 0;
    if (offset >= VIRTIO_NOTIFY && queue < v->kind->queues_count)
        return VIRTIO_NEWS_NOTIFY << queue;
    if (offset >= VIRTIO_TABLE && offset < VIRTIO_PENDING)
        return msix_write(&v->msix, offset - VIRTIO_TABLE, size, value) ? VIRTIO_NEWS_MSIX : 0;
    return 0;
}
