/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One VF on the guest's bus: configuration space, BARs, MSI-X or MSI, in front of its VFIO device.
 *
 * BAR contents are mapped into the guest straight (KVM memory slots) but for the pages that hold
 * the MSI-X table and pending bits. We give each BAR an address before the guest can find it; if
 * the guest moves one or switches memory decoding, the slots follow.
 *
 * A VF comes and goes while the guest runs, and main may die at any instruction of that. So its
 * stage is written first, then all that it holds is known from here, and undoing it twice does no
 * harm:
 *
 *   stage       group and container are   a new main that finds it
 *   NONE        -                         leaves it
 *   MAKING      still the inbox's         undoes it; the message is then carried out anew
 *   ON          the VF's                  leaves it: it is whole
 *   UNMAKING    the VF's                  goes on undoing it
 *
 * Example: main dies in VFIO_GROUP_GET_DEVICE_FD, after the kernel gave the file a number that
 * nobody has noted. The new main finds MAKING: closes every VFIO file that no VF and no message has
 * (pci_recover): the device is closed. Then it unmaps what is mapped (nothing), takes the group out
 * of the container, and carries out the message, which is still there with its group file.
 *
 * The container is one for all; each VF knows it, and the last one to go closes it.
 */
#pragma once

#include "irq.h"
#include "vfio.h"

#define VF_PIECES 3 /* directly mapped parts of a BAR: before, between, after two trapped areas */

struct vf_area {
    uint64_t start, end; /* in the BAR; empty when equal */
};

struct vf_bar {
    uint64_t address;           /* where the guest sees it now; 0: nowhere */
    uint64_t mapped[VF_PIECES]; /* slot's guest address, 0: no slot */
    struct vf_area pieces[VF_PIECES];
};

enum vf_stage {
    VF_NONE = 0,
    VF_MAKING = 1,
    VF_ON = 2,
    VF_UNMAKING = 3,
};

struct vf {
    enum vf_stage stage;
    unsigned index;
    struct bdf bdf;
    int container, group;
    int notes[VFIO_NOTES]; /* eventfds; -1: none */
    uint32_t marks;        /* enum vf_mark, but VF_PRESENT */
    uint32_t unarmed;      /* looks in a row at which the device itself had MSI-X off */
    uint64_t remove;       /* id of the order that asks for it back */
    struct vfio_device device;
    struct pci_config config;
    struct msix msix;
    uint32_t
        armed; /* vectors that are on in the device; MSI: no more than the guest enabled last */
    uint32_t table_bar, pba_bar;
    uint64_t table_offset, pba_offset;
    struct vf_bar bars[PCI_BARS];
    bool mastered;    /* the guest's driver enabled bus mastering */
    uint16_t command; /* register Command, as the guest left it */
};

/* What of a VF's surroundings it uses. */
struct vf_context {
    struct irq_router *router;
    const struct guest_memory *memory;
    int vm;
    int groups;           /* KVM's VFIO device, which wants to know the groups; negative errno */
    uint64_t pci64;       /* start of the 64-bit window */
    const struct vf *vfs; /* all of the bus, PARCLOSE_MAX_PARTITION_VFS: BARs must not overlap */
};

struct vf_files {
    int container, group;
    bool first; /* the container has no group yet */
};

/*
 * Everything from the open group to "the guest can find it on its bus". The stage is NONE before;
 * then ON, and the VF has the files; or, with a negative errno and in *what the step, NONE.
 */
int vf_attach(struct vf *vf, const struct vf_context *context, const struct vf_files *files,
              struct bdf bdf, const char **what);

/* Undoes it, from any stage. `last`: no other VF uses the container. */
void vf_detach(struct vf *vf, const struct vf_context *context, bool last);

/*
 * Was the function reset behind VFIO's back, by a reset of its PF? MSI-X Enable of the device says
 * so: the kernel armed it for us, and no guest reaches it. A function-level reset that the kernel
 * does takes it away for at most 100 ms, so that two looks that far apart are sure. True when this
 * one was: it has the mark VF_RESET now. One without MSI-X cannot be asked.
 */
bool vf_was_reset(struct vf *vf);

/*
 * It was: registers and MSI-X become as the guest left them, so that its driver can find out and
 * set the rest up anew; the mark goes. Harmless when it was not reset. Negative errno.
 */
int vf_mend(struct vf *vf, const struct vf_context *context);

/*
 * The lowest place in the 32-bit or 64-bit window for a BAR of `size` bytes (a power of two) where
 * no BAR of the bus is, wherever the guest has moved it; 0: there is none.
 */
uint64_t vf_room(const struct vf_context *context, uint64_t size, bool high);

uint32_t vf_config_read(const struct vf *vf, uint32_t offset, unsigned size);
void vf_config_write(struct vf *vf, const struct vf_context *context, uint32_t offset,
                     unsigned size, uint32_t value);

/* The BAR at a guest address, or -1. */
int vf_find_bar(const struct vf *vf, uint64_t address);
uint64_t vf_bar_read(const struct vf *vf, const struct vf_context *context, unsigned bar,
                     uint64_t offset, unsigned size);
void vf_bar_write(struct vf *vf, const struct vf_context *context, unsigned bar, uint64_t offset,
                  unsigned size, uint64_t value);
