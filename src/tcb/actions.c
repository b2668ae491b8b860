/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The actions on devices, one function each: look, refuse, write only what is not as desired, read
 * back. They run in a child that has a copy of the TCB's picture. Those on VFs are here, those on
 * PFs in pf_actions.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "action.h"
#include "device_write.h"
#include "netlink.h"
#include "nvme.h"
#include "pci/function.h"

#define NVME_QUEUES_DEFAULT  2
#define NVME_VECTORS_DEFAULT 1

int action_fail(struct result *result, int error, const char *format, ...)
{
    va_list arguments;
    char text[PARCLOSE_REASON_MAX];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    snprintf(result->text, sizeof(result->text), "%.110s: %s", text, strerror(-error));
    return error;
}

void action_path(char *path, size_t size, struct bdf bdf, const char *name)
{
    snprintf(path, size, SYSFS_ROOT "/bus/pci/devices/%04x:%02x:%02x.%x/%s", bdf.value >> 16,
             bdf.value >> 8 & 0xff, bdf.value >> 3 & 0x1f, bdf.value & 7, name);
}

int action_write(struct bdf bdf, const char *name, const char *value)
{
    char path[128];

    action_path(path, sizeof(path), bdf, name);
    const struct device_write w = {.way = WAY_SYSFS, .where = path, .value = value};
    return device_write(&w);
}

int action_write_bdf(const char *path, struct bdf bdf)
{
    char text[32];

    snprintf(text, sizeof(text), "%04x:%02x:%02x.%x", bdf.value >> 16, bdf.value >> 8 & 0xff,
             bdf.value >> 3 & 0x1f, bdf.value & 7);
    const struct device_write w = {.way = WAY_SYSFS, .where = path, .value = text};
    return device_write(&w);
}

int action_read(struct bdf bdf, const char *name, char *text, size_t size)
{
    int folder = function_open(SYSFS_ROOT, bdf);
    if (folder < 0)
        return folder;
    int got = function_read(folder, name, text, size);
    close(folder);
    return got;
}

void action_look(struct tcb_pf_state *pf)
{
    function_observe_pf(SYSFS_ROOT, pf->card.bdf, &pf->observed);
}

/* ---- VF attributes: network */

/*
 * What the definition leaves open is as on a new VF: no VLAN, not trusted, no rate, the PF's link.
 * Else a VF would keep what its last owner was given. Anti-spoofing has no common default: left
 * alone.
 */
static struct vf_attributes complete(const struct vf_attributes *desired)
{
    struct vf_attributes all = {.present = desired->present | VF_ATTR_VLAN | VF_ATTR_TRUST |
                                           VF_ATTR_RATE | VF_ATTR_LINK,
                                .spoofchk = desired->spoofchk};

    if (desired->present & VF_ATTR_MAC)
        memcpy(all.mac, desired->mac, sizeof(all.mac));
    if (desired->present & VF_ATTR_VLAN) {
        all.vlan = desired->vlan;
        all.qos = desired->qos;
    }
    if (desired->present & VF_ATTR_TRUST)
        all.trust = desired->trust;
    if (desired->present & VF_ATTR_LINK)
        all.link_state = desired->link_state;
    if (desired->present & VF_ATTR_RATE) {
        all.min_tx_rate = desired->min_tx_rate;
        all.max_tx_rate = desired->max_tx_rate;
    }
    return all;
}

static bool has_mac(const struct vf_attributes *seen)
{
    static const uint8_t none[sizeof(seen->mac)];
    return memcmp(seen->mac, none, sizeof(none)) != 0;
}

/* What the definition says, and is not so by itself on a VF whose PF has forgotten it. */
static uint32_t said_again(const struct vf_attributes *desired)
{
    return desired->present &
           (VF_ATTR_MAC | VF_ATTR_SPOOFCHK | (desired->vlan ? VF_ATTR_VLAN : 0u) |
            (desired->trust ? VF_ATTR_TRUST : 0u) | (desired->link_state ? VF_ATTR_LINK : 0u) |
            (desired->min_tx_rate || desired->max_tx_rate ? VF_ATTR_RATE : 0u));
}

/* A MAC address that nobody desires is its last owner's, until all was set for this one; after
 * that, and on a VF that is open, it may be the guest's own choice. */
static bool left_behind(const struct tcb_vf_state *vf, const struct vf_attributes *seen)
{
    return !(vf->desired.present & VF_ATTR_MAC) && has_mac(seen) && !vf->prepared &&
           !interlock_vf_in_use(vf);
}

/* What an open VF does not stand is written to one that is closed only: another MAC address. One
 * that the PF has forgotten is what the VF's driver has. */
static int configure_network(struct tcb_pf_state *pf, uint32_t index, bool in_use,
                             struct result *result)
{
    struct vf_attributes seen, all = complete(&pf->vfs[index].desired), *desired = &all;

    int error = netlink_read_vf(pf->observed.netdev, index, &seen);
    if (!error && left_behind(&pf->vfs[index], &seen))
        all.present |= VF_ATTR_MAC;
    uint32_t differs = netlink_differs(&seen, desired);
    if (pf->vfs[index].slept && !in_use)
        differs |= said_again(&pf->vfs[index].desired);
    if (error || !differs)
        return error ? action_fail(result, error, "the attributes cannot be read") : 0;
    if ((differs & VF_ATTR_MAC) && in_use && has_mac(&seen))
        return action_fail(result, -EBUSY, "the MAC address of a VF in use cannot be changed");
    const struct device_write w = {.way = WAY_NETLINK,
                                   .where = pf->observed.netdev,
                                   .index = index,
                                   .mask = differs,
                                   .attributes = desired};
    error = device_write(&w);
    return error ? action_fail(result, error, "the PF refuses the attributes") : 0;
}

/* ---- VF attributes: NVMe */

void action_controller(const struct tcb_pf_state *pf, char path[32])
{
    snprintf(path, 32, "/dev/%.15s", pf->observed.netdev);
}

static uint32_t wanted_queues(const struct vf_attributes *desired)
{
    return desired->nvme_queues ? desired->nvme_queues : NVME_QUEUES_DEFAULT;
}

static uint32_t wanted_vectors(const struct vf_attributes *desired)
{
    return desired->nvme_vectors ? desired->nvme_vectors : NVME_VECTORS_DEFAULT;
}

static bool secondary_ok(const struct nvme_secondary *now, const struct vf_attributes *desired)
{
    return now->online && now->queues == wanted_queues(desired) &&
           now->vectors == wanted_vectors(desired);
}

static int manage(const char *path, uint32_t vf, uint32_t action, uint32_t resource, uint32_t count)
{
    const struct device_write w = {.way = WAY_NVME,
                                   .where = path,
                                   .index = vf,
                                   .action = action,
                                   .resource = resource,
                                   .count = count};
    return device_write(&w);
}

/* Resources can only be given to a controller that is offline. */
static int configure_nvme(struct tcb_pf_state *pf, uint32_t index, bool in_use,
                          struct result *result)
{
    const struct vf_attributes *desired = &pf->vfs[index].desired;
    struct nvme_secondary now;
    char path[32];

    action_controller(pf, path);
    int error = nvme_read(path, index, &now);
    if (error)
        return action_fail(result, error, "its secondary controller cannot be read");
    if (secondary_ok(&now, desired))
        return 0;
    if (in_use && now.online) /* else it does not work anyway */
        return action_fail(result, -EBUSY, "the NVMe resources of a VF in use cannot be changed");
    if (now.online)
        error = manage(path, index, NVME_ACTION_OFFLINE, 0, 0);
    if (!error)
        error = manage(path, index, NVME_ACTION_ASSIGN, NVME_RESOURCE_VQ, wanted_queues(desired));
    if (!error)
        error = manage(path, index, NVME_ACTION_ASSIGN, NVME_RESOURCE_VI, wanted_vectors(desired));
    if (!error)
        error = manage(path, index, NVME_ACTION_ONLINE, 0, 0);
    return error ? action_fail(result, error, "its secondary controller is not configured") : 0;
}

/* ---- the VF */

static enum verified verify_network(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    const struct vf_attributes desired = complete(&pf->vfs[index].desired);

    if (netlink_read_vf(pf->observed.netdev, index, &result->seen))
        return VERIFIED_UNKNOWN;
    if (left_behind(&pf->vfs[index], &result->seen))
        return VERIFIED_NO;
    return netlink_differs(&result->seen, &desired) ? VERIFIED_NO : VERIFIED_YES;
}

static enum verified verify_nvme(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct nvme_secondary now;
    char path[32];

    action_controller(pf, path);
    if (!pf->observed.link_up || nvme_read(path, index, &now))
        return VERIFIED_UNKNOWN;
    result->seen.nvme_queues = (uint16_t)now.queues;
    result->seen.nvme_vectors = (uint16_t)now.vectors;
    return secondary_ok(&now, &pf->vfs[index].desired) ? VERIFIED_YES : VERIFIED_NO;
}

/* Whether everything is as desired; unknown while the PF cannot be asked. Reads only. */
static enum verified verify(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct tcb_vf_state *vf = &pf->vfs[index];

    if (function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, false, &vf->observed) ||
        strcmp(vf->observed.driver, "vfio-pci") != 0 || !vf->observed.answers)
        return VERIFIED_NO;
    if (pf->observed.class == CLASS_NETWORK)
        return verify_network(pf, index, result);
    return pf->observed.class == CLASS_NVME ? verify_nvme(pf, index, result) : VERIFIED_YES;
}

/* vfio-pci has its functions reset: see activate(). */
static int reset_vf(struct bdf bdf, const char *driver, struct result *result)
{
    char path[128];

    action_path(path, sizeof(path), bdf, "reset");
    if (!strcmp(driver, "vfio-pci") || access(path, F_OK) < 0)
        return 0;
    int error = action_write(bdf, "reset", "1");
    return error ? action_fail(result, error, "it does not reset") : 0;
}

/* Whether the kernel has been told not to reset it. */
static bool unresettable(struct bdf bdf)
{
    char methods[128];

    return action_read(bdf, "reset_method", methods, sizeof(methods)) == 0;
}

/*
 * The kernel resets a VF when it is closed, and waits a minute for one that the hardware has lost
 * (drivers/pci/pci.c, pcie_flr() and pci_dev_wait()): whoever closes it stands still until then,
 * and its guest with him. What is written here reaches no device.
 */
static int abandon(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct tcb_vf_state *vf = &pf->vfs[index];

    int error = function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, false, &vf->observed);
    if (error)
        return action_fail(result, error, "VF %u", index);
    if (vf->observed.answers)
        return action_fail(result, -EPERM, "VF %u answers", index);
    if (unresettable(vf->observed.bdf))
        return 0;
    error = action_write(vf->observed.bdf, "reset_method", "\n");
    return error ? action_fail(result, error, "VF %u keeps its resets", index) : 0;
}

/* One that came back after all is reset again between its owners. */
static int resettable_again(struct bdf bdf, struct result *result)
{
    int error = unresettable(bdf) ? action_write(bdf, "reset_method", "default") : 0;

    return error ? action_fail(result, error, "it does not get its resets back") : 0;
}

int action_configure(struct tcb_pf_state *pf, uint32_t index, bool in_use, struct result *result)
{
    if (pf->observed.class == CLASS_NETWORK)
        return configure_network(pf, index, in_use, result);
    return pf->observed.class == CLASS_NVME ? configure_nvme(pf, index, in_use, result) : 0;
}

static int prepare_vf(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct tcb_vf_state *vf = &pf->vfs[index];

    int error = function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, false, &vf->observed);
    if (error)
        return action_fail(result, error, "VF %u", index);
    error = bind_check(vf->observed.driver, result);
    if (!error)
        error = reset_vf(vf->observed.bdf, vf->observed.driver, result);
    if (!error)
        error = action_configure(pf, index, false, result);
    if (!error)
        error = bind_vf(vf->observed.bdf, vf->observed.driver, index, result);
    return error;
}

/*
 * The reset between two owners. A VF without a driver is reset here, before it is bound; when that
 * fails, it is not handed over. One that is bound to vfio-pci the kernel resets when VFIO closes it
 * and when it opens it (Linux 6.12, drivers/vfio/pci/vfio_pci_core.c: vfio_pci_core_disable(),
 * vfio_pci_core_enable()); a monitor opens it before the gate, or before it is on a running guest's
 * bus. There a device whose lock is taken (-EAGAIN) is not opened, so not handed over; any other
 * failure the kernel only notes (no VFIO_DEVICE_FLAGS_RESET), and our monitor refuses it for that
 * (src/monitor/vfio.c); QEMU does not: a VF that does not answer after it is in error as soon as
 * that is seen, within a second. A reset takes 100 ms and then as long as the VF does not answer,
 * 60 s at most (drivers/pci/pci.c: pcie_flr(), pci_dev_wait(), PCIE_RESET_READY_POLL_MS); here a
 * child waits for it, that is given up after 30 s (jobs.c).
 */
static int activate(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct tcb_vf_state *vf = &pf->vfs[index];

    if (vf->owner.kind != OWNER_GUEST)
        return action_fail(result, -EPERM, "VF %u is nobody's", index);
    if (interlock_vf_in_use(vf))
        return action_fail(result, -EBUSY, "VF %u is in use", index);
    int error = action_awake(pf, result);
    if (!error && vf->present)
        error = resettable_again(vf->observed.bdf, result);
    if (!error && action_registers_reset(pf, result))
        error = action_fail(result, -EAGAIN, "its PF was reset behind its driver's back");
    if (!error && (verify(pf, index, result) != VERIFIED_YES || !vf->prepared || vf->slept))
        error = prepare_vf(pf, index, result);
    vf->prepared |= !error;
    result->verified = error ? VERIFIED_NO : verify(pf, index, result);
    if (!error && result->verified != VERIFIED_YES)
        error = action_fail(result, -EIO, "VF %u does not read back as desired", index);
    return error;
}

/* An edit, or what the PF has forgotten: attributes alone, through the PF; the VF may be open, and
 * need not be bound yet. */
static int reconfigure(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct tcb_vf_state *vf = &pf->vfs[index];

    if (vf->owner.kind != OWNER_GUEST)
        return action_fail(result, -EPERM, "VF %u is nobody's", index);
    int error = function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, false, &vf->observed);
    if (error)
        return action_fail(result, error, "VF %u", index);
    error = action_awake(pf, result);
    if (!error)
        error = action_configure(pf, index, interlock_vf_in_use(vf), result);
    vf->prepared |= !error;
    result->verified = verify(pf, index, result);
    /* one that waits for its first activation is read back then */
    if (!error && result->verified != VERIFIED_YES && !strcmp(vf->observed.driver, "vfio-pci"))
        error = action_fail(result, -EIO, "VF %u does not read back as desired", index);
    return error;
}

/* One that comes late finds the next owner, which control has named before: it is not touched. */
static int release(struct tcb_pf_state *pf, uint32_t index, struct result *result)
{
    struct tcb_vf_state *vf = &pf->vfs[index];
    char text[DRIVER_NAME_MAX];

    if (vf->owner.kind == OWNER_GUEST)
        return action_fail(result, -EPERM, "VF %u is a partition's", index);
    if (interlock_vf_in_use(vf))
        return action_fail(result, -EBUSY, "VF %u is in use", index);
    if (function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, false, &vf->observed) ||
        action_read(vf->observed.bdf, "driver_override", text, sizeof(text)) < 0 ||
        strcmp(text, "vfio-pci") != 0)
        return 0;
    int error = action_write(vf->observed.bdf, "driver_override", "\n");
    return error ? action_fail(result, error, "VF %u is not released", index) : 0;
}

/* A reset of a VF that is nobody's: harmless, and seen in configuration space. */
#ifdef PARCLOSE_MUTANT_TCB_EXTRA_WRITE
static void needless(struct tcb_pf_state *pf)
{
    for (size_t v = PARCLOSE_MAX_VFS_PER_PF; v-- > 0;)
        if (pf->vfs[v].present && pf->vfs[v].owner.kind != OWNER_GUEST &&
            !interlock_vf_in_use(&pf->vfs[v])) {
            action_write(pf->vfs[v].observed.bdf, "reset", "1");
            return;
        }
    action_write(pf->card.bdf, "sriov_drivers_autoprobe", "0");
}
#endif

void action_run(struct tcb_pf_state *pf, const struct tcb_apply *apply, struct result *result)
{
    *result = (struct result){.verified = VERIFIED_UNKNOWN};
    device_write_begin(apply->transaction);
    action_look(pf);
    switch (apply->action) {
    case ACTION_NONE:
        result->verified = verify(pf, apply->index, result);
        break;
    case ACTION_LOOK:
        action_was_reset(pf, result);
        result->looked = true;
        devlink_read(pf->card.bdf, &result->health); /* none, when it cannot be read */
        break;
#ifdef PARCLOSE_MUTANT_TCB_EXTRA_WRITE
    case ACTION_NEEDLESS:
        needless(pf);
        break;
#endif
    case ACTION_VF_ACTIVATE:
        result->error = activate(pf, apply->index, result);
        break;
    case ACTION_VF_RELEASE:
        result->error = release(pf, apply->index, result);
        break;
    case ACTION_VF_ABANDON:
        result->error = abandon(pf, apply->index, result);
        break;
    case ACTION_VF_CONFIGURE:
    case ACTION_VF_RENEW:
        result->error = reconfigure(pf, apply->index, result);
        break;
    default:
        result->error = action_pf(pf, apply, result);
    }
    result->writes = device_writes();
}
