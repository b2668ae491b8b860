/* SPDX-License-Identifier: Apache-2.0 */
/* The check of structures, as a receiver of hostile ones needs it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/config_check.h"

static char reason[PARCLOSE_REASON_MAX];

static struct host_config good_host(void)
{
    struct host_config host;

    host_config_defaults(&host);
    host.cards_count = 2;
    host.cards[0] = (struct card_config){"net0", {0x100}, 7, "igb"};
    host.cards[1] = (struct card_config){"nvme0", {0x200}, 4, "nvme"};
    return host;
}

static struct partition_config good_partition(void)
{
    struct partition_config partition = {.name = "db",
                                         .vcpus = 2,
                                         .memory_mib = 128,
                                         .vfs_count = 1,
                                         .monitor = "native",
                                         .kernel = "/k",
                                         .vfs = {{.card = "net0", .index = 6}},
                                         .channels_count = 2,
                                         .channels = {{.name = "lan",
                                                       .kind = CHANNEL_DEVICE_NETWORK,
                                                       .mac = {2, 0, 0, 0, 0, 1},
                                                       .server = "/run/lan.sock"},
                                                      {.name = "data",
                                                       .kind = CHANNEL_DEVICE_BLOCK,
                                                       .mode = CHANNEL_DIRECT,
                                                       .server = "/run/data.sock"}}};
    return partition;
}

/* A good structure with one member changed is refused. */
#define REFUSES_HOST(change)                                                                       \
    do {                                                                                           \
        struct host_config host = good_host();                                                     \
        change;                                                                                    \
        assert_int_equal(host_config_check(&host, reason), -EINVAL);                               \
        assert_true(reason[0]);                                                                    \
    } while (0)
#define REFUSES(change)                                                                            \
    do {                                                                                           \
        struct partition_config partition = good_partition();                                      \
        change;                                                                                    \
        assert_int_equal(partition_config_check(&partition, reason), -EINVAL);                     \
        assert_true(reason[0]);                                                                    \
    } while (0)

static void good_ones_pass(void **state)
{
    const struct host_config host = good_host();
    const struct partition_config partition = good_partition();

    (void)state;
    assert_int_equal(host_config_check(&host, reason), 0);
    assert_int_equal(partition_config_check(&partition, reason), 0);
    assert_int_equal(partition_config_check_cards(&partition, &host, reason), 0);
}

static void bad_hosts(void **state)
{
    (void)state;
    REFUSES_HOST(host.cards_count = HOST_MAX_CARDS + 1);
    REFUSES_HOST(host.cards_count = UINT32_MAX);
    REFUSES_HOST(host.reserved_pcpus = 0);
    REFUSES_HOST(host.reserved_pcpus = PARCLOSE_MAX_PCPUS + 1);
    REFUSES_HOST(host.reserved_memory_mib = CONFIG_RESERVED_MAX + 1);
    REFUSES_HOST(host.watchdog_ms = 999);
    REFUSES_HOST(host.watchdog_ms = 600001);
    REFUSES_HOST(host.audit.segment_mib = 0);
    REFUSES_HOST(host.audit.segment_mib = 4097);
    REFUSES_HOST(host.audit.keep = 1);
    REFUSES_HOST(host.audit.keep = 1001);
    REFUSES_HOST(host.gate.wait_ms[0] = 99);
    REFUSES_HOST(host.gate.wait_ms[3] = 3600001);
    REFUSES_HOST(host.gate.budget[2] = 101);
    REFUSES_HOST(host.gate.budget[3] = 1);
    REFUSES_HOST(host.cards[1].vfs = 0);
    REFUSES_HOST(host.cards[1].vfs = PARCLOSE_MAX_VFS_PER_PF + 1);
    REFUSES_HOST(host.cards[1].bdf.value = 0);
    REFUSES_HOST(host.cards[1].bdf.value = 0x100);
    REFUSES_HOST(strcpy(host.cards[1].name, "net0"));
    REFUSES_HOST(host.cards[0].name[0] = '\0');
    REFUSES_HOST(strcpy(host.cards[0].name, "0net"));
    REFUSES_HOST(strcpy(host.cards[0].name, "net/0"));
    REFUSES_HOST(memset(host.cards[0].name, 'a', sizeof(host.cards[0].name)));
    REFUSES_HOST(memset(host.cards[0].driver, 'a', sizeof(host.cards[0].driver)));
    REFUSES_HOST(strcpy(host.cards[0].driver, "../../x"));
}

static void bad_partitions(void **state)
{
    (void)state;
    REFUSES(partition.vcpus = 0);
    REFUSES(partition.vcpus = PARCLOSE_MAX_VCPUS + 1);
    REFUSES(partition.memory_mib = 62);
    REFUSES(partition.memory_mib = 65);
    REFUSES(partition.memory_mib = CONFIG_MEMORY_MIB_MAX + 2);
    REFUSES(partition.autostart = 2);
    REFUSES(partition.vfs_count = PARCLOSE_MAX_PARTITION_VFS + 1);
    REFUSES(strcpy(partition.name, "Db"));
    REFUSES(strcpy(partition.name, "a b"));
    REFUSES(memset(partition.name, 'a', sizeof(partition.name)));
    REFUSES(strcpy(partition.monitor, "xen"));
    REFUSES(memset(partition.monitor, 'a', sizeof(partition.monitor)));
    REFUSES(strcpy(partition.kernel, "relative"));
    REFUSES(strcpy(partition.kernel, ""));
    REFUSES(strcpy(partition.kernel, "/a\nb"));
    REFUSES(memset(partition.kernel, '/', sizeof(partition.kernel)));
    REFUSES(strcpy(partition.initrd, "relative"));
    REFUSES(memset(partition.initrd, '/', sizeof(partition.initrd)));
    REFUSES(strcpy(partition.cmdline, "a\033b"));
    REFUSES(memset(partition.cmdline, 'a', sizeof(partition.cmdline)));
    REFUSES(partition.firmware = FIRMWARE_UEFI);
    REFUSES(strcpy(partition.disk, "/d"));
    REFUSES(strcpy(partition.variables, "/v"));
    REFUSES(partition.on_outage = OUTAGE_POLICIES);
    REFUSES(partition.standby_of[0] = 1); /* its own */
    REFUSES(partition.standby_of[0] = 255);
    REFUSES(partition.standby_of[PARCLOSE_MAX_PARTITION_VFS - 1] = 1); /* no VF */
    REFUSES(partition.reserved = 1);
}

/* VF 1 stands by for VF 0, VF 2 is alone. */
static struct partition_config with_standby(void)
{
    struct partition_config partition = good_partition();

    partition.channels_count = 0;
    partition.vfs_count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        partition.vfs[i] = (struct partition_vf){.index = i};
        strcpy(partition.vfs[i].card, "net0");
        partition.vfs[i].card[3] = (char)('0' + i);
    }
    partition.standby_of[1] = 1;
    return partition;
}

#define REFUSES_STANDBY(change)                                                                    \
    do {                                                                                           \
        struct partition_config partition = with_standby();                                        \
        assert_int_equal(partition_config_check(&partition, reason), 0);                           \
        change;                                                                                    \
        assert_int_equal(partition_config_check(&partition, reason), -EINVAL);                     \
    } while (0)

static void bad_standbys(void **state)
{
    (void)state;
    REFUSES_STANDBY(partition.standby_of[2] = 1); /* two of one */
    REFUSES_STANDBY(partition.standby_of[2] = 2); /* of a stand-by */
    REFUSES_STANDBY(partition.standby_of[2] = 3); /* of itself */
    REFUSES_STANDBY(partition.standby_of[2] = 4); /* of none */
    REFUSES_STANDBY(partition.standby_of[0] = 2); /* each of the other */
    REFUSES_STANDBY(partition.vfs_count = 1);
    REFUSES_STANDBY(strcpy(partition.vfs[1].card, "net0"));
    REFUSES_STANDBY(partition.vfs[1].attributes.present = VF_ATTR_TRUST);
    REFUSES_STANDBY(strcpy(partition.monitor, "qemu"));
}

/* The same for one with a firmware, which needs no kernel. */
#define REFUSES_UEFI(change)                                                                       \
    REFUSES(strcpy(partition.monitor, "qemu"); partition.firmware = FIRMWARE_UEFI;                 \
            partition.kernel[0] = 0; partition.channels_count = 0; change)

static void bad_ones_with_a_firmware(void **state)
{
    struct partition_config uefi = good_partition();
    (void)state;

    strcpy(uefi.monitor, "qemu");
    strcpy(uefi.disk, "/d");
    uefi.channels_count = 0;
    assert_int_equal(partition_config_check(&uefi, reason), 0);
    uefi.kernel[0] = 0;
    uefi.firmware = FIRMWARE_UEFI;
    strcpy(uefi.variables, "/v");
    assert_int_equal(partition_config_check(&uefi, reason), 0);
    REFUSES_UEFI(partition.firmware = GUEST_FIRMWARES);
    REFUSES_UEFI(partition.channels_count = 1);
    REFUSES_UEFI(partition.firmware = FIRMWARE_BIOS);
    REFUSES_UEFI(strcpy(partition.kernel, "/k"); partition.firmware = FIRMWARE_BIOS;
                 strcpy(partition.variables, "/v"));
    REFUSES_UEFI(strcpy(partition.initrd, "/i"));
    REFUSES_UEFI(strcpy(partition.cmdline, "quiet"));
    REFUSES_UEFI(strcpy(partition.disk, "disk"));
    REFUSES_UEFI(memset(partition.disk, '/', sizeof(partition.disk)));
    REFUSES_UEFI(strcpy(partition.variables, "vars"));
    REFUSES_UEFI(memset(partition.variables, '/', sizeof(partition.variables)));
}

static void bad_channels(void **state)
{
    (void)state;
    REFUSES(partition.channels_count = PARCLOSE_MAX_CHANNELS + 1);
    REFUSES(partition.channels[0].reserved = 1);
    REFUSES(partition.channels[1].kind = CHANNEL_DEVICES);
    REFUSES(partition.channels[1].mode = CHANNEL_MODES);
    REFUSES(strcpy(partition.channels[1].name, "lan"));
    REFUSES(strcpy(partition.channels[1].name, ""));
    REFUSES(memset(partition.channels[1].name, 'a', PARCLOSE_NAME_MAX));
    REFUSES(strcpy(partition.channels[1].server, "run/data.sock"));
    REFUSES(memset(partition.channels[1].server, '/', CHANNEL_SERVER_MAX));
    REFUSES(partition.channels[1].mac[0] = 2);
    REFUSES(partition.channels[1].mtu = 1500);
    REFUSES(partition.channels[0].mtu = 67);
    REFUSES(partition.channels[0].mac[0] = 1);
    REFUSES(memset(partition.channels[0].mac, 0, 6));
}

static void bad_vfs(void **state)
{
    (void)state;
    REFUSES(partition.vfs[0].index = PARCLOSE_MAX_VFS_PER_PF);
    REFUSES(strcpy(partition.vfs[0].card, "-"));
    REFUSES(memset(partition.vfs[0].card, 'a', sizeof(partition.vfs[0].card)));
    REFUSES(partition.vfs_count = 2; partition.vfs[1] = partition.vfs[0]);
    REFUSES(partition.vfs[0].attributes.present = 0x40);
    REFUSES(partition.vfs[0].attributes.vlan = 4095);
    REFUSES(partition.vfs[0].attributes.qos = 8);
    REFUSES(partition.vfs[0].attributes.trust = 2);
    REFUSES(partition.vfs[0].attributes.spoofchk = 2);
    REFUSES(partition.vfs[0].attributes.link_state = 3);
    REFUSES(partition.vfs[0].attributes.present = VF_ATTR_MAC);
    REFUSES(partition.vfs[0].attributes.present = VF_ATTR_MAC;
            partition.vfs[0].attributes.mac[0] = 1);
    REFUSES(partition.vfs[0].attributes.min_tx_rate = 2;
            partition.vfs[0].attributes.max_tx_rate = 1);
}

static void vfs_that_the_cards_do_not_have(void **state)
{
    struct host_config host = good_host();
    struct partition_config partition = good_partition();

    (void)state;
    partition.vfs[0].index = 7;
    assert_int_equal(partition_config_check_cards(&partition, &host, reason), -EINVAL);
    assert_string_equal(reason, "VF 7 of card net0: VF index 7: card net0 has VFs 0 to 6");
    strcpy(partition.vfs[0].card, "net1");
    assert_int_equal(partition_config_check_cards(&partition, &host, reason), -EINVAL);
    assert_string_equal(reason, "VF 7 of card net1: no such card in host.xml; it has net0, nvme0");
    host.cards_count = 0;
    assert_int_equal(partition_vf_check_card(&partition.vfs[0], &host, reason), -EINVAL);
    assert_string_equal(reason, "no such card in host.xml; it has none");
}

static void many_cards_fit_in_the_reason(void **state)
{
    struct host_config host;
    const struct partition_vf vf = {.card = "x"};

    (void)state;
    host_config_defaults(&host);
    host.cards_count = HOST_MAX_CARDS;
    for (int i = 0; i < HOST_MAX_CARDS; i++)
        memset(host.cards[i].name, 'a' + i % 26, PARCLOSE_NAME_MAX - 1);
    assert_int_equal(partition_vf_check_card(&vf, &host, reason), -EINVAL);
    assert_non_null(memchr(reason, '\0', sizeof(reason)));
    assert_non_null(strstr(reason, ", ..."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_pass),
        cmocka_unit_test(bad_hosts),
        cmocka_unit_test(bad_partitions),
        cmocka_unit_test(bad_channels),
        cmocka_unit_test(bad_ones_with_a_firmware),
        cmocka_unit_test(bad_standbys),
        cmocka_unit_test(bad_vfs),
        cmocka_unit_test(vfs_that_the_cards_do_not_have),
        cmocka_unit_test(many_cards_fit_in_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
