/* SPDX-License-Identifier: Apache-2.0 */
#include "nvme.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OPCODE_IDENTIFY       0x06
#define OPCODE_VIRTUALIZATION 0x1c
#define CNS_SECONDARY_LIST    0x15
#define LIST_SIZE             4096
#define ENTRY_SIZE            32
#define ENTRIES_MAX           127
#define TIMEOUT_MS            10000

/* A positive result is the controller's own status: it refused. */
static int command(const char *controller, struct nvme_admin_cmd *admin)
{
    int file = open(controller, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    int status = ioctl(file, NVME_IOCTL_ADMIN_CMD, admin);
    int error = status < 0 ? -errno : status > 0 ? -EREMOTEIO : 0;
    close(file);
    return error;
}

static uint32_t word(const uint8_t *bytes)
{
    return (uint32_t)(bytes[0] | bytes[1] << 8);
}

int nvme_read(const char *controller, uint32_t vf, struct nvme_secondary *secondary)
{
    static _Alignas(4096) uint8_t list[LIST_SIZE];
    struct nvme_admin_cmd admin = {.opcode = OPCODE_IDENTIFY,
                                   .addr = (uint64_t)(uintptr_t)list,
                                   .data_len = LIST_SIZE,
                                   .cdw10 = (vf + 1) << 16 | CNS_SECONDARY_LIST,
                                   .timeout_ms = TIMEOUT_MS};
    int error = command(controller, &admin);

    if (error)
        return error;
    for (size_t i = 0; i < list[0] && i < ENTRIES_MAX; i++) {
        const uint8_t *entry = list + ENTRY_SIZE * (i + 1);
        if (word(entry) != vf + 1 || word(entry + 8) != vf + 1)
            continue;
        *secondary = (struct nvme_secondary){
            .online = entry[4] & 1, .queues = word(entry + 10), .vectors = word(entry + 12)};
        return 0;
    }
    return -ENOENT;
}

int nvme_manage(const char *controller, uint32_t vf, uint32_t action, uint32_t resource,
                uint32_t count)
{
    struct nvme_admin_cmd admin = {.opcode = OPCODE_VIRTUALIZATION,
                                   .cdw10 = (vf + 1) << 16 | resource << 8 | action,
                                   .cdw11 = count,
                                   .timeout_ms = TIMEOUT_MS};
    return command(controller, &admin);
}
