/* SPDX-License-Identifier: Apache-2.0 */
#include "pci/function.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci/config_space.h"

#define BDF_TEXT 16
#define ROM_LINE 6 /* of the file "resource", after the six BARs */

static void bdf_text(struct bdf bdf, char text[BDF_TEXT])
{
    snprintf(text, BDF_TEXT, "%04x:%02x:%02x.%x", bdf.value >> 16, bdf.value >> 8 & 0xff,
             bdf.value >> 3 & 0x1f, bdf.value & 7);
}

/* `digits` hexadecimal digits, then `end`; moves *text behind them. */
static bool hex_field(const char **text, size_t digits, char end, uint32_t max, uint32_t *value)
{
    const char *at = *text;

    *value = 0;
    for (size_t i = 0; i < digits; i++, at++) {
        if (!isxdigit((unsigned char)*at))
            return false;
        *value = *value << 4 | (uint32_t)(*at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10);
    }
    if (*at != end || *value > max)
        return false;
    *text = at + (end != 0);
    return true;
}

bool function_parse(const char *text, struct bdf *bdf)
{
    uint32_t domain, bus, device, function;

    if (!hex_field(&text, 4, ':', 0xffff, &domain) || !hex_field(&text, 2, ':', 0xff, &bus) ||
        !hex_field(&text, 2, '.', 31, &device) || !hex_field(&text, 1, 0, 7, &function))
        return false;
    bdf->value = domain << 16 | bus << 8 | device << 3 | function;
    return true;
}

int function_open(const char *root, struct bdf bdf)
{
    char path[256], name[BDF_TEXT];

    bdf_text(bdf, name);
    snprintf(path, sizeof(path), "%.200s/bus/pci/devices/%s", root, name);
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -errno : folder;
}

int function_read(int folder, const char *name, char *text, size_t size)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    ssize_t got = read(file, text, size - 1);
    int error = errno;
    close(file);
    if (got < 0)
        return -error;
    text[got] = 0;
    text[strcspn(text, "\n")] = 0;
    return (int)strlen(text);
}

int function_link(int folder, const char *name, char *text, size_t size)
{
    char target[512];
    ssize_t got = readlinkat(folder, name, target, sizeof(target) - 1);

    text[0] = 0;
    if (got < 0)
        return -errno;
    target[got] = 0;
    const char *slash = strrchr(target, '/');
    int length = snprintf(text, size, "%s", slash ? slash + 1 : target);
    return (size_t)length < size ? length : -ENAMETOOLONG;
}

uint32_t function_number(int folder, const char *name)
{
    char text[32];
    int length = function_read(folder, name, text, sizeof(text));
    return length < 0 ? 0 : (uint32_t)strtoul(text, NULL, 0);
}

static uint32_t iommu_group(int folder)
{
    char text[32];
    return function_link(folder, "iommu_group", text, sizeof(text)) <= 0
               ? UINT32_MAX
               : (uint32_t)strtoul(text, NULL, 10);
}

/* "-1" where the firmware does not say, or on a host of one node. */
static uint32_t numa_node(int folder)
{
    char text[32] = "";
    if (function_read(folder, "numa_node", text, sizeof(text)) <= 0 || text[0] == '-')
        return UINT32_MAX;
    return (uint32_t)strtoul(text, NULL, 10);
}

/* "first last flags", each 0x and hexadecimal digits */
static void set_bar(struct bar *bar, uint32_t index, const char *line)
{
    char *end;

    *bar = (struct bar){.index = index};
    uint64_t first = strtoull(line, &end, 16);
    uint64_t last = strtoull(end, &end, 16);
    uint64_t flags = strtoull(end, &end, 16);
    if (!last || last < first)
        return;
    bar->address = first;
    bar->size = last - first + 1;
    bar->flags = (uint32_t)flags;
}

static void read_bars(int folder, struct bar bars[6], struct bar *rom)
{
    char text[2048] = "", *line = text;
    int file = openat(folder, "resource", O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

    if (file >= 0)
        close(file);
    text[got < 0 ? 0 : got] = 0;
    for (uint32_t i = 0; i <= ROM_LINE; i++) {
        if (i < ROM_LINE)
            set_bar(&bars[i], i, line);
        else if (rom)
            set_bar(rom, i, line);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
}

/* The one entry of a folder like net/ or nvme/. */
static void child_name(int folder, const char *name, char *text, size_t size)
{
    int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = inner < 0 ? NULL : fdopendir(inner);

    text[0] = 0;
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < size)
            strcpy(text, entry->d_name);
    if (list)
        closedir(list);
    else if (inner >= 0)
        close(inner);
}

static bool link_is_up(int folder, const struct pf_observed *pf)
{
    char path[64], state[32] = "";

    if (!pf->netdev[0])
        return false;
    if (pf->class == CLASS_NETWORK) {
        snprintf(path, sizeof(path), "net/%s/flags", pf->netdev);
        return function_number(folder, path) & IFF_UP;
    }
    snprintf(path, sizeof(path), "nvme/%s/state", pf->netdev);
    return function_read(folder, path, state, sizeof(state)) > 0 && !strcmp(state, "live");
}

/* Not "carrier": reading that waits for the rtnl lock (the kernel's carrier_show()). */
static bool has_carrier(int folder, const struct pf_observed *pf)
{
    char path[64], state[32] = "";

    snprintf(path, sizeof(path), "net/%s/operstate", pf->netdev);
    return pf->class == CLASS_NETWORK && pf->netdev[0] &&
           function_read(folder, path, state, sizeof(state)) > 0 &&
           (!strcmp(state, "up") || !strcmp(state, "unknown"));
}

bool function_link_up(const char *root, const struct pf_observed *pf)
{
    int folder = function_open(root, pf->bdf);
    bool up = folder >= 0 && link_is_up(folder, pf);

    if (folder >= 0)
        close(folder);
    return up;
}

static void observe_link(int folder, struct pf_observed *pf)
{
    if (pf->class == CLASS_OTHER) {
        pf->link_up = pf->driver[0] != 0;
        return;
    }
    child_name(folder, pf->class == CLASS_NVME ? "nvme" : "net", pf->netdev, sizeof(pf->netdev));
    pf->link_up = link_is_up(folder, pf);
    pf->carrier = has_carrier(folder, pf);
}

uint32_t function_class_of(uint32_t class_code)
{
    if (class_code >> 16 == 0x02)
        return CLASS_NETWORK;
    return class_code == 0x010802 ? CLASS_NVME : CLASS_OTHER;
}

/* The SR-IOV capability, if it is there. */
static bool read_sriov(int folder, uint32_t offset, struct sriov_capability *sriov)
{
    uint8_t bytes[64];

    if (!offset || config_space_read(folder, offset, bytes, sizeof(bytes)) != (int)sizeof(bytes) ||
        (bytes[0] | bytes[1] << 8) != EXTENDED_SRIOV)
        return false;
    config_space_sriov(bytes, offset, sriov);
    return true;
}

/* Where it is and the serial number are asked once: the walk costs a read of 4 KiB. Asked again
 * when it is not there any more: another card may have come to the address. */
static void observe_config(int folder, struct pf_observed *pf)
{
    uint8_t config[CONFIG_SPACE_SIZE], first[4];

    pf->answers = config_space_read(folder, 0, first, 4) == 4 && (first[0] & first[1]) != 0xff;
    if (!pf->answers || read_sriov(folder, pf->sriov.offset, &pf->sriov))
        return;
    pf->sriov = (struct sriov_capability){0};
    memset(pf->serial, 0, sizeof(pf->serial));
    int size = config_space_read(folder, 0, config, sizeof(config));
    if (size <= 0)
        return;
    config_space_serial(config, (size_t)size, pf->serial);
    read_sriov(folder, config_space_extended(config, (size_t)size, EXTENDED_SRIOV), &pf->sriov);
}

/* How many VFs the kernel knows: the links, because reading sriov_numvfs may hang. */
static uint32_t count_vfs(int folder)
{
    char name[32], target[32];
    uint32_t count = 0;

    for (; count < PARCLOSE_MAX_VFS_PER_PF; count++) {
        snprintf(name, sizeof(name), "virtfn%u", count);
        if (function_link(folder, name, target, sizeof(target)) < 0)
            break;
    }
    return count;
}

void function_power(int folder, struct pf_observed *pf)
{
    static const char *const asleep[] = {"suspended", "suspending", "resuming"};
    char control[16] = "", status[16] = "";

    function_read(folder, "power/control", control, sizeof(control));
    function_read(folder, "power/runtime_status", status, sizeof(status));
    pf->power_control = !strcmp(control, "on")     ? POWER_ON
                        : !strcmp(control, "auto") ? POWER_AUTO
                                                   : POWER_CONTROL_UNKNOWN;
    pf->power_status = !strcmp(status, "active")  ? POWER_AWAKE
                       : !strcmp(status, "error") ? POWER_ERROR
                                                  : POWER_STATUS_UNKNOWN;
    for (size_t i = 0; i < sizeof(asleep) / sizeof(asleep[0]); i++)
        if (!strcmp(status, asleep[i]))
            pf->power_status = POWER_ASLEEP;
}

bool function_may_sleep(const struct pf_observed *pf)
{
    return pf->power_control == POWER_AUTO && !pf->open_vfs;
}

/* Whether what configuration space said before can be taken to be so still, without a look. */
static bool same_as_read(const struct pf_observed *before, const struct pf_observed *now)
{
    return before->answers && before->sriov.offset && now->driver[0] &&
           !strcmp(before->driver, now->driver) && before->numvfs == now->numvfs;
}

void function_observe_pf(const char *root, struct bdf bdf, struct pf_observed *pf)
{
    const struct pf_observed before = *pf;
    int folder = function_open(root, bdf);

    memset(pf, 0, sizeof(*pf));
    pf->bdf = bdf;
    pf->iommu_group = UINT32_MAX;
    pf->node = UINT32_MAX;
    if (folder < 0)
        return;
    pf->open_vfs = before.open_vfs;
    pf->answers = before.answers;
    pf->sriov = before.sriov;
    memcpy(pf->serial, before.serial, sizeof(pf->serial));
    pf->vendor = (uint16_t)function_number(folder, "vendor");
    pf->device = (uint16_t)function_number(folder, "device");
    pf->class_code = function_number(folder, "class");
    pf->class = function_class_of(pf->class_code);
    function_link(folder, "driver", pf->driver, sizeof(pf->driver));
    pf->iommu_group = iommu_group(folder);
    pf->node = numa_node(folder);
    pf->numvfs = count_vfs(folder);
    read_bars(folder, pf->bars, &pf->rom);
    function_power(folder, pf);
    if (!function_may_sleep(pf) || !same_as_read(&before, pf))
        observe_config(folder, pf);
    observe_link(folder, pf);
    close(folder);
}

/* The kernel's IORESOURCE_MEM_64 (include/linux/ioport.h): the next register is its upper half. */
#define BAR_64 0x100000U

bool function_forgot(const char *root, struct bdf bdf)
{
    struct bar bars[6];
    uint32_t registers[16], low;
    bool forgot = false;
    int folder = function_open(root, bdf);

    if (folder < 0)
        return false;
    read_bars(folder, bars, NULL);
    int got = config_space_read(folder, 0, registers, sizeof(registers));
    close(folder);
    if (got != (int)sizeof(registers))
        return false;
    for (uint32_t i = 0; i < 6; i++) {
        low = registers[CONFIG_BARS / 4 + i] & ~(bars[i].flags & 0xf); /* what kind it is */
        if (bars[i].address && !low &&
            (!(bars[i].flags & BAR_64) || i == 5 || !registers[CONFIG_BARS / 4 + i + 1]))
            forgot = true;
    }
    return forgot;
}

/* What root has written there, for whoever binds it next. */
static bool is_for_host(int folder)
{
    char text[DRIVER_NAME_MAX] = "";

    function_read(folder, "driver_override", text, sizeof(text));
    return text[0] && strcmp(text, "(null)") != 0 && strcmp(text, "vfio-pci") != 0;
}

/* A VF's identity registers read all ones by definition: its capability pointer does not. */
static bool vf_answers(int folder)
{
    uint8_t bytes[64];

    return config_space_read(folder, 0, bytes, sizeof(bytes)) == (int)sizeof(bytes) &&
           bytes[CONFIG_POINTER] != 0xff;
}

int function_observe_vf(const char *root, struct bdf pf, uint32_t index, bool quietly,
                        struct vf_observed *vf)
{
    bool answered = quietly && vf->answers;
    char name[32], text[32] = "";

    memset(vf, 0, sizeof(*vf));
    vf->pf = pf;
    vf->index = index;
    vf->iommu_group = UINT32_MAX;
    int folder = function_open(root, pf);
    if (folder < 0)
        return folder;
    snprintf(name, sizeof(name), "virtfn%u", index);
    int found = function_link(folder, name, text, sizeof(text));
    close(folder);
    if (found < 0 || !function_parse(text, &vf->bdf))
        return -ENOENT;
    folder = function_open(root, vf->bdf);
    if (folder < 0)
        return folder;
    function_link(folder, "driver", vf->driver, sizeof(vf->driver));
    vf->for_host = !vf->driver[0] && is_for_host(folder);
    vf->iommu_group = iommu_group(folder);
    read_bars(folder, vf->bars, NULL);
    vf->answers = quietly ? answered : vf_answers(folder);
    close(folder);
    return 0;
}

int function_observe(const char *root, struct bdf bdf, struct function_observed *function)
{
    char text[32] = "";
    int folder = function_open(root, bdf);

    if (folder < 0)
        return folder;
    *function = (struct function_observed){.bdf = bdf,
                                           .vendor = (uint16_t)function_number(folder, "vendor"),
                                           .device = (uint16_t)function_number(folder, "device"),
                                           .class_code = function_number(folder, "class"),
                                           .iommu_group = iommu_group(folder),
                                           .node = numa_node(folder)};
    function_link(folder, "driver", function->driver, sizeof(function->driver));
    if (function_link(folder, "physfn", text, sizeof(text)) > 0)
        function_parse(text, &function->pf);
    close(folder);
    return 0;
}
