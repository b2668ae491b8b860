/* SPDX-License-Identifier: Apache-2.0 */
/* devices.xml: written whole beside the old one and put in its place; at most twice a second. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "map/devices_xml.h"
#include "pci/config_space.h"
#include "pci/function.h"
#include "tcb.h"

#define NAME     "devices.xml"
#define NAME_NEW "devices.xml.new"
#define DELAY_US 500000

/* What one PF is printed from; it lives as long as the printing. */
struct page {
    struct map_vf vfs[PARCLOSE_MAX_VFS_PER_PF];
};

static bool seen_any(const struct vf_attributes *seen)
{
    return seen->present || seen->nvme_queues || seen->nvme_vectors;
}

static void fill_vfs(const struct tcb_pf_state *pf, struct map_pf *map, struct map_vf *vfs)
{
    map->vfs = vfs;
    for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++) {
        const struct tcb_vf_state *vf = &pf->vfs[v];
        if (!vf->present)
            continue;
        vfs[map->vfs_count++] =
            (struct map_vf){.observed = &vf->observed,
                            .owner = vf->owner,
                            .desired = vf->owner.kind == OWNER_GUEST ? &vf->desired : NULL,
                            .seen = seen_any(&vf->seen) ? &vf->seen : NULL,
                            .capabilities = &vf->capabilities,
                            .requested = vf->requested,
                            .aer = vf->errors};
    }
}

/* What nobody needs to decide: the lists of capabilities. Of one that may sleep, as last read. */
static void read_lists(struct tcb_pf_state *pf)
{
    int folder = function_open(SYSFS_ROOT, pf->card.bdf);
    int size = folder < 0 ? 0 : config_space_read(folder, 0, pf->config, sizeof(pf->config));

    pf->config_size = size > 0 ? (size_t)size : 0;
    pf->capabilities = (struct function_capabilities){0};
    if (folder < 0)
        return;
    capabilities_read(folder, &pf->capabilities);
    close(folder);
}

static void fill(struct tcb_pf_state *pf, struct map_pf *map, struct page *page)
{
    if (!pf->config_size || !picture_quiet(pf))
        read_lists(pf);
    *map = (struct map_pf){.card = &pf->card,
                           .disabled = pf->disabled,
                           .idle_power = pf->idle_power,
                           .observed = &pf->observed,
                           .config = pf->config,
                           .config_size = pf->config_size,
                           .capabilities = &pf->capabilities,
                           .aer = pf->errors};
    fill_vfs(pf, map, page->vfs);
}

static int print(struct tcb *tcb, FILE *out)
{
    static struct map_pf maps[HOST_MAX_CARDS];
    struct page *pages = calloc(HOST_MAX_CARDS, sizeof(*pages));
    size_t count = 0;

    if (!pages)
        return -ENOMEM;
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        if (tcb->pfs[i]) {
            fill(tcb->pfs[i], &maps[count], &pages[count]);
            count++;
        }
    int error = devices_xml_print(out, ++tcb->generation, maps, count);
    free(pages);
    return error;
}

static int publish(struct tcb *tcb)
{
    int file = openat(tcb->run_folder, NAME_NEW,
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    FILE *out = file < 0 ? NULL : fdopen(file, "w");

    if (!out)
        return -errno;
    int error = fchmod(file, 0644) < 0 ? -errno : print(tcb, out);
    if (fclose(out) && !error)
        error = -errno;
    if (!error && renameat(tcb->run_folder, NAME_NEW, tcb->run_folder, NAME) < 0)
        error = -errno;
    return error;
}

int document_on_due(sd_event_source *source, uint64_t time, void *data)
{
    struct tcb *tcb = data;
    (void)source;
    (void)time;

    int error = publish(tcb);
    if (error)
        log_error("/run/parclose/" NAME " is not written: %s", strerror(-error));
    tcb->published = !error && tcb->pictured;
    edits_run(tcb);
    return 0;
}

bool document_is_due(const struct tcb *tcb)
{
    return sd_event_source_get_enabled(tcb->document, NULL) > 0;
}

void document_due(struct tcb *tcb)
{
    if (document_is_due(tcb))
        return;
    sd_event_source_set_time_relative(tcb->document, DELAY_US);
    sd_event_source_set_enabled(tcb->document, SD_EVENT_ONESHOT);
}
