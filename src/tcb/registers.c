/* SPDX-License-Identifier: Apache-2.0 */
/* A driver's own registers, through ETHTOOL_GREGS (the kernel's net/ethtool/ioctl.c). */
#include "registers.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS_MAX 64
#define WORD      sizeof(uint32_t)

static int read_bit(int socket, const char *interface, const struct driver_registers *known)
{
    _Alignas(struct ethtool_regs)
        uint8_t bytes[sizeof(struct ethtool_regs) + WORDS_MAX * WORD] = {0};
    struct ethtool_regs *registers = (struct ethtool_regs *)bytes;
    struct ifreq request = {.ifr_data = (void *)registers};
    uint32_t word;

    registers->cmd = ETHTOOL_GREGS;
    registers->len = WORDS_MAX * WORD;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    if (ioctl(socket, SIOCETHTOOL, &request) < 0)
        return -errno;
    if (registers->version >> 24 != known->version || registers->len / WORD <= known->word)
        return -ENODATA;
    memcpy(&word, bytes + sizeof(*registers) + known->word * WORD, sizeof(word));
    return (word & known->mask) != 0;
}

int registers_up(const char *interface, const struct driver_registers *known)
{
    if (!known->mask || known->word >= WORDS_MAX)
        return -ENODATA;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    int up = read_bit(fd, interface, known);
    close(fd);
    return up;
}
