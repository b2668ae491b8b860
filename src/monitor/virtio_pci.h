/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of one virtio-pci function, modern only (virtio 1.2, section 4.1). Pure logic:
 * nothing here makes a system call or looks into guest memory.
 *
 * Every register holds what was written last and no read changes anything, so an access that a
 * killed main did not finish is carried out again (bus.h). There is no INTx, so the ISR status
 * always reads 0. A reset takes as long as the queues' server needs to let go of them: until
 * virtio_reset() the status reads as before and nothing else can be written.
 *
 *   BAR 0   0x0000 common   0x1000 ISR   0x2000 device   0x3000 notify, 4 bytes a queue
 *           0x4000 MSI-X table   0x5000 its pending bits
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "msix.h"
#include "pci_config.h"
#include "virtio_kind.h"

#define VIRTIO_NO_VECTOR  0xffff
#define VIRTIO_BAR_SIZE   0x8000
#define VIRTIO_NOTIFY     0x3000
#define VIRTIO_NOTIFY_ONE 4
#define VIRTIO_TABLE      0x4000
#define VIRTIO_PENDING    0x5000

#define VIRTIO_FEATURES_OK 8
#define VIRTIO_DRIVER_OK   4
#define VIRTIO_NEEDS_RESET 64

struct virtio_queue {
    uint16_t size;
    uint16_t vector; /* VIRTIO_NO_VECTOR */
    bool enabled;
    uint64_t addresses[3]; /* descriptors, available, used */
};

struct virtio_pci {
    const struct virtio_kind *kind;
    struct pci_config config;
    struct msix msix;
    uint64_t offered, accepted; /* features */
    uint32_t offered_select, accepted_select;
    uint16_t queue_select, config_vector;
    uint8_t status, generation;
    bool resetting;
    uint8_t device[VIRTIO_CONFIG_MAX];
    struct virtio_queue queues[VIRTIO_QUEUES_MAX];
};

/* What the caller has to look at after a write: bits. */
enum virtio_news {
    VIRTIO_NEWS_STATUS = 1,
    VIRTIO_NEWS_MSIX = 2,
    VIRTIO_NEWS_BAR = 4,
    VIRTIO_NEWS_NOTIFY = 8, /* << queue: each queue has one */
};

/* As after power-on, with nothing offered yet. */
void virtio_begin(struct virtio_pci *v, const struct virtio_kind *kind);

/* What a server has made known. */
void virtio_offer(struct virtio_pci *v, uint64_t features, const uint8_t config[VIRTIO_CONFIG_MAX]);

/* The end of a reset. PCI registers stay. */
void virtio_reset(struct virtio_pci *v);

/* The guest's driver has made its queues known and wants them served. */
bool virtio_running(const struct virtio_pci *v);

/* Configuration space: offset + size <= PCI_CONFIG_SIZE, size <= 4. */
uint32_t virtio_config_read(const struct virtio_pci *v, uint32_t offset, unsigned size);
unsigned virtio_config_write(struct virtio_pci *v, uint32_t offset, unsigned size, uint32_t value);

/* BAR 0 but for the pending bits, which read 0. What is not there, or not of a register's width,
 * reads all ones and takes nothing. */
uint64_t virtio_bar_read(const struct virtio_pci *v, uint64_t offset, unsigned size);
unsigned virtio_bar_write(struct virtio_pci *v, uint64_t offset, unsigned size, uint64_t value);
