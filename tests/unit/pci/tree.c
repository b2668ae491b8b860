/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static void path_of(char path[512], const char *root, struct bdf bdf, const char *name)
{
    snprintf(path, 512, "%s/bus/pci/devices/%04x:%02x:%02x.%x%s%s", root, bdf.value >> 16,
             bdf.value >> 8 & 0xff, bdf.value >> 3 & 0x1f, bdf.value & 7, *name ? "/" : "", name);
}

static void folders(const char *path)
{
    char text[512];

    snprintf(text, sizeof(text), "%s", path);
    for (char *at = strchr(text + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = 0;
        must(mkdir(text, 0755) == 0 || errno == EEXIST, text);
        *at = '/';
    }
}

void tree_write(const char *root, struct bdf bdf, const char *name, const void *bytes, size_t size)
{
    char path[512];

    path_of(path, root, bdf, name);
    folders(path);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    must(file >= 0, path);
    must(write(file, bytes, size) == (ssize_t)size, path); /* who reads meanwhile finds no hole */
    must(ftruncate(file, (off_t)size) == 0, path);
    close(file);
}

void tree_text(const char *root, struct bdf bdf, const char *name, const char *text)
{
    tree_write(root, bdf, name, text, strlen(text));
}

void tree_unlink(const char *root, struct bdf bdf, const char *name)
{
    char path[512];

    path_of(path, root, bdf, name);
    unlink(path);
}

void tree_link(const char *root, struct bdf bdf, const char *name, const char *target)
{
    char path[512];

    tree_unlink(root, bdf, name);
    path_of(path, root, bdf, name);
    folders(path);
    must(symlink(target, path) == 0, path);
}

void tree_read(const char *root, struct bdf bdf, const char *name, char *text, size_t size)
{
    char path[512];

    path_of(path, root, bdf, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    must(file >= 0, path);
    ssize_t got = read(file, text, size - 1);
    must(got >= 0, path);
    text[got] = 0;
    close(file);
}

static void put(uint8_t *config, size_t offset, uint32_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        config[offset + i] = (uint8_t)(value >> 8 * i);
}

static void write_config(const char *root, struct bdf bdf, unsigned vfs)
{
    uint8_t config[4096] = {0};

    put(config, 0x00, 0x10c98086, 4);
    put(config, 0x04, 0x0006, 2);
    put(config, 0x10, TREE_BAR, 4);
    put(config, 0x34, 0x40, 1);
    put(config, 0x100, 0x14010003, 4); /* serial number, next 0x140 */
    put(config, 0x104, 0x89abcdef, 4);
    put(config, 0x108, 0x01234567, 4);
    put(config, 0x140, 0x16010001, 4); /* AER, next 0x160 */
    put(config, TREE_SRIOV, 0x00010010, 4);
    put(config, TREE_SRIOV + 0x08, vfs ? 0x0009 : 0, 2);
    put(config, TREE_SRIOV + 0x0c, 8, 2);
    put(config, TREE_SRIOV + 0x0e, 8, 2);
    put(config, TREE_SRIOV + 0x10, vfs, 2);
    put(config, TREE_SRIOV + 0x14, 128, 2);
    put(config, TREE_SRIOV + 0x16, 2, 2);
    put(config, TREE_SRIOV + 0x1a, 0x10ca, 2);
    tree_write(root, bdf, "config", config, sizeof(config));
}

void tree_make_pf(const char *root, struct bdf bdf, const char *interface)
{
    char flags[64];

    write_config(root, bdf, 0);
    tree_text(root, bdf, "vendor", "0x8086\n");
    tree_text(root, bdf, "device", "0x10c9\n");
    tree_text(root, bdf, "class", "0x020000\n");
    tree_text(root, bdf, "sriov_totalvfs", "7\n");
    tree_text(root, bdf, "sriov_numvfs", "");
    tree_text(root, bdf, "sriov_drivers_autoprobe", "1\n");
    tree_text(root, bdf, "resource",
              "0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
    snprintf(flags, sizeof(flags), "net/%s/flags", interface);
    tree_text(root, bdf, flags, "0x1003\n");
    tree_link(root, bdf, "driver", "../../../../bus/pci/drivers/igb");
    tree_text(root, bdf, "numa_node", "1\n");
    tree_link(root, bdf, "iommu_group", "../../../kernel/iommu_groups/12");
}

void tree_forget(const char *root, struct bdf bdf, unsigned bar)
{
    char path[512];
    const uint32_t nothing = 0;

    path_of(path, root, bdf, "config");
    int file = open(path, O_WRONLY | O_CLOEXEC);
    must(file >= 0, path);
    must(pwrite(file, &nothing, sizeof(nothing), 0x10 + 4 * bar) == sizeof(nothing), path);
    close(file);
}

void tree_make(const char *root)
{
    tree_make_pf(root, TREE_PF, "pf0");
}

void tree_msix(const char *root, unsigned vf, bool on)
{
    uint8_t config[4096] = {0};

    put(config, 0x00, 0xffffffff, 4);
    put(config, 0x34, 0x70, 1);
    put(config, 0x70, 0x11, 1);
    put(config, 0x72, on ? 0x8002 : 0x0002, 2);
    tree_write(root, tree_vf(vf), "config", config, sizeof(config));
}

struct bdf tree_vf(unsigned index)
{
    return (struct bdf){TREE_PF.value + 128 + 2 * index};
}

void tree_create_vfs(const char *root, unsigned count)
{
    write_config(root, TREE_PF, count);
    for (unsigned i = 0; i < count; i++) {
        uint8_t config[64] = {0xff, 0xff, 0xff, 0xff};
        struct bdf vf = tree_vf(i);
        char name[32], target[64];
        config[0x34] = 0x70;
        tree_write(root, vf, "config", config, sizeof(config));
        tree_text(root, vf, "resource", "");
        tree_text(root, vf, "driver_override", "(null)\n");
        snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%u", 20 + i);
        tree_link(root, vf, "iommu_group", target);
        snprintf(name, sizeof(name), "virtfn%u", i);
        snprintf(target, sizeof(target), "../0000:%02x:%02x.%x", vf.value >> 8,
                 vf.value >> 3 & 0x1f, vf.value & 7);
        tree_link(root, TREE_PF, name, target);
        tree_link(root, vf, "physfn", "../0000:01:00.0");
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void tree_remove(const char *root)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void tree_pull(const char *root, struct bdf bdf)
{
    char path[512];

    path_of(path, root, bdf, "");
    tree_remove(path);
}
