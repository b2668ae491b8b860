/* SPDX-License-Identifier: Apache-2.0 */
#include "played_kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "device_write.h"
#include "netlink.h"
#include "pci/function.h"
#include "tree.h"

struct tcb_pf_state pf;
struct played played;
static char folder[] = "/tmp/parclose-played-XXXXXX";

int __wrap_netlink_read_vf(const char *interface, uint32_t vf, struct vf_attributes *seen);

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Of a path in its folder, or of what is written to drivers_probe. */
static struct bdf vf_of(const char *text)
{
    struct bdf bdf;

    assert_true(function_parse(text, &bdf));
    return bdf;
}

static struct bdf vf_of_path(const char *path)
{
    char text[13] = "";

    memcpy(text, name_of(path) - 13, 12);
    return vf_of(text);
}

/* As the kernel, it says nothing when no driver takes the function. */
static void probe(struct bdf vf)
{
    char text[64];

    tree_read("sys", vf, "driver_override", text, sizeof(text));
    if (!strcmp(text, "vfio-pci") && vf.value != tree_vf(played.refused).value &&
        !access("sys/bus/pci/drivers/vfio-pci", F_OK))
        tree_link("sys", vf, "driver", "../../../../bus/pci/drivers/vfio-pci");
}

static void have_driver(const char *driver)
{
    char target[64];

    snprintf(target, sizeof(target), "../../../../bus/pci/drivers/%s", driver);
    tree_link("sys", TREE_PF, "driver", target);
}

/* Like the kernel, it binds none that has a driver already. */
static int bind_pf(void)
{
    struct stat is;

    if (!lstat("sys/bus/pci/devices/0000:01:00.0/driver", &is))
        return -EBUSY;
    have_driver("igb");
    return 0;
}

/* As it came from the reset of a bus. */
static void find_anew(void)
{
    if (played.lost)
        return;
    tree_make("sys");
    tree_unlink("sys", TREE_PF, "driver");
    if (played.probes)
        have_driver(played.probes);
}

static int write_sysfs(const struct device_write *w)
{
    const char *name = name_of(w->where);

    if (played.forbidden && !strcmp(name, played.forbidden))
        return -EACCES;
    if (!strcmp(w->where, "sys/class/pci_bus/0000:01/rescan"))
        find_anew();
    else if (!strcmp(w->where, "sys/bus/pci/devices/0000:01:00.0/remove"))
        tree_pull("sys", TREE_PF);
    else if (!strcmp(w->where, "sys/bus/pci/drivers/igb/bind"))
        return bind_pf();
    else if (!strcmp(w->where, "sys/bus/pci/devices/0000:01:00.0/driver/unbind"))
        tree_unlink("sys", TREE_PF, "driver");
    else if (!strcmp(name, "drivers_probe"))
        probe(vf_of(w->value));
    else
        tree_text("sys", vf_of_path(w->where), name, w->value);
    if (!strcmp(name, "sriov_numvfs"))
        tree_create_vfs("sys", (unsigned)atoi(w->value));
    return 0;
}

static int set_attributes(struct vf_attributes *is, uint32_t mask, const struct vf_attributes *a)
{
    if (mask & VF_ATTR_MAC)
        memcpy(is->mac, a->mac, sizeof(is->mac));
    if (mask & VF_ATTR_VLAN) {
        is->vlan = a->vlan;
        is->qos = a->qos;
    }
    assert_int_equal(mask & ~(uint32_t)(VF_ATTR_MAC | VF_ATTR_VLAN), 0); /* no test needs more */
    return 0;
}

/* By the specification: resources are given to one that is offline, and none else. */
static int manage(struct nvme_secondary *is, const struct device_write *w)
{
    switch (w->action) {
    case NVME_ACTION_OFFLINE:
        *is = (struct nvme_secondary){0}; /* and has no resources any more */
        return 0;
    case NVME_ACTION_ONLINE:
        is->online = true;
        return 0;
    case NVME_ACTION_ASSIGN:
        if (is->online)
            return -EREMOTEIO;
        *(w->resource == NVME_RESOURCE_VQ ? &is->queues : &is->vectors) = w->count;
        return 0;
    default:
        fail_msg("action %u", w->action);
        return -EINVAL;
    }
}

static void log_write(const struct device_write *w)
{
    char *line = played.writes < 8 ? played.log[played.writes] : NULL;

    if (line && w->way == WAY_SYSFS)
        snprintf(line, sizeof(played.log[0]), "%s <- %.60s", name_of(w->where), w->value);
    else if (line && w->way == WAY_NETLINK)
        snprintf(line, sizeof(played.log[0]), "VF %u: %#x", w->index, w->mask);
    else if (line)
        snprintf(line, sizeof(played.log[0]), "%s controller of VF %u: action %u, %u of %u",
                 w->where, w->index, w->action, w->count, w->resource);
}

int device_write(const struct device_write *w)
{
    if (!played.lives)
        longjmp(played.death, 1);
    log_write(w);
    played.lives--;
    played.writes++;
    if (w->way == WAY_NETLINK)
        return set_attributes(&played.attributes[w->index], w->mask, w->attributes);
    if (w->way == WAY_NVME)
        return manage(&played.secondaries[w->index], w);
    assert_int_equal(w->way, WAY_SYSFS);
    return write_sysfs(w);
}

void device_write_begin(uint64_t transaction)
{
    assert_int_not_equal(transaction, 0);
    played.writes = 0;
    memset(played.log, 0, sizeof(played.log));
}

uint32_t device_writes(void)
{
    return played.writes;
}

int __wrap_netlink_read_vf(const char *interface, uint32_t vf, struct vf_attributes *seen)
{
    (void)interface;
    *seen = played.attributes[vf];
    seen->present = VF_ATTR_MAC | VF_ATTR_VLAN;
    return 0;
}

int nvme_read(const char *controller, uint32_t vf, struct nvme_secondary *secondary)
{
    assert_string_equal(controller, "/dev/nvme0");
    *secondary = played.secondaries[vf];
    return 0;
}

/* ---- what has no part in it */

int devlink_read(struct bdf bdf, struct health_reporters *all)
{
    (void)bdf;
    *all = (struct health_reporters){0};
    return 0;
}

bool vfio_group_held(uint32_t group)
{
    (void)group;
    return false;
}

int host_use_check(const struct tcb_pf_state *used, struct result *result)
{
    (void)used;
    (void)result;
    return 0;
}

/* ---- the stage */

void played_begin(uint32_t vfs)
{
    tree_remove("sys");
    tree_make("sys");
    assert_int_equal(mkdir("sys/bus/pci/drivers", 0700), 0);
    assert_int_equal(mkdir("sys/bus/pci/drivers/vfio-pci", 0700), 0);
    memset(&pf, 0, sizeof(pf));
    pf.card = (struct card_config){.name = "net0", .bdf = TREE_PF, .vfs = vfs, .driver = "igb"};
    memset(&played, 0, sizeof(played));
    played.refused = PARCLOSE_MAX_VFS_PER_PF;
}

bool played_run_for(uint32_t action, uint32_t index, uint32_t lives, struct result *result)
{
    const struct tcb_apply apply = {
        .transaction = 7, .action = action, .pf = TREE_PF, .index = index, .vfs = pf.card.vfs};

    played.lives = lives;
    if (setjmp(played.death))
        return false;
    action_run(&pf, &apply, result);
    assert_int_equal(result->writes, played.writes);
    return true;
}

struct result played_run(uint32_t action, uint32_t index)
{
    static struct result result;

    assert_true(played_run_for(action, index, FOR_EVER, &result));
    return result;
}

int played_setup(void **state)
{
    (void)state;
    return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

int played_teardown(void **state)
{
    (void)state;
    tree_remove("sys");
    return chdir("/") || rmdir(folder) ? -1 : 0;
}
