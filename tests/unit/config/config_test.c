/* SPDX-License-Identifier: Apache-2.0 */
/* host.xml and partitions' files: every element and attribute, good and bad; hostile files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

static struct config_reader *reader;

static int open_reader(void **state)
{
    (void)state;
    return config_reader_new(&reader);
}

static int close_reader(void **state)
{
    (void)state;
    config_reader_free(reader);
    return 0;
}

/* --- helpers ------------------------------------------------------------------------------------
 */

static struct host_config host;
static struct partition_config partition;
static struct config_error error;

static int read_host(const char *text)
{
    return config_host_parse(reader, "host.xml", text, strlen(text), &host, &error);
}

static int read_partition(const char *text, const struct host_config *cards)
{
    return config_partition_parse(reader, "partitions/db.xml", "db", text, strlen(text), cards,
                                  &partition, &error);
}

/* The file is refused, and the error has this in it. */
static void refuses_host(const char *text, const char *expected)
{
    assert_int_equal(read_host(text), -EINVAL);
    if (!strstr(error.text, expected))
        fail_msg("expected \"%s\" in: %s", expected, error.text);
    assert_int_equal(strncmp(error.text, "host.xml", 8), 0);
}

static void refuses_partition(const char *text, const char *expected)
{
    assert_int_equal(read_partition(text, NULL), -EINVAL);
    if (!strstr(error.text, expected))
        fail_msg("expected \"%s\" in: %s", expected, error.text);
    assert_int_equal(strncmp(error.text, "partitions/db.xml", 17), 0);
}

#define CARD        "name='net0' address='0000:01:00.0' driver='igb' vfs='7'"
#define HOST(body)  "<host>" body "</host>"
#define CARDS(body) HOST("<cards>" body "</cards>")

/* --- host.xml -----------------------------------------------------------------------------------
 */

static void an_empty_host_has_defaults(void **state)
{
    struct host_config defaults;

    (void)state;
    host_config_defaults(&defaults);
    assert_int_equal(read_host("<host/>"), 0);
    assert_memory_equal(&host, &defaults, sizeof(host));
}

static void everything_of_a_host(void **state)
{
    (void)state;
    assert_int_equal(
        read_host("<?xml version='1.0' encoding='utf-8'?>\n<!-- c -->\n"
                  "<host><cards><card " CARD " link='carrier'/>"
                  "<card name='nvme0' address='c1:1f.7' driver='nvme' vfs='256'/></cards>"
                  "<gate><rung number='4' after-ms='3600000'/>"
                  "<rung number='1' after-ms='100' budget='0'/>"
                  "<rung number='3' budget='100'/></gate>"
                  "<watchdog timeout-ms='1000'/><audit segment-mib='1' keep='1000'/>"
                  "<shared pcpus='3'/><reserved pcpus='2' memory-mib='0'/></host>"),
        0);
    assert_int_equal(host.cards_count, 2);
    assert_string_equal(host.cards[0].name, "net0");
    assert_string_equal(host.cards[0].driver, "igb");
    assert_int_equal(host.cards[0].bdf.value, 0x0100);
    assert_int_equal(host.cards[0].vfs, 7);
    assert_int_equal(host.cards[0].link, CARD_LINK_CARRIER);
    assert_int_equal(host.cards[1].link, CARD_LINK_UP);
    assert_int_equal(host.cards[1].bdf.value, 0xc1ff);
    assert_int_equal(host.cards[1].vfs, 256);
    assert_int_equal(host.gate.wait_ms[0], 100);
    assert_int_equal(host.gate.budget[0], 0);
    assert_int_equal(host.gate.budget[2], 100);
    assert_int_equal(host.gate.wait_ms[3], 3600000);
    assert_int_equal(host.watchdog_ms, 1000);
    assert_int_equal(host.audit.segment_mib, 1);
    assert_int_equal(host.audit.keep, 1000);
    assert_int_equal(host.reserved_pcpus, 2);
    assert_int_equal(host.shared_pcpus, 3);
    assert_int_equal(host.reserved_memory_mib, 0);
}

static void numbers_of_a_host_out_of_range(void **state)
{
    (void)state;
    refuses_host(HOST("<reserved pcpus='0'/>"), "pcpus");
    refuses_host(HOST("<reserved pcpus='1025'/>"), "1024");
    refuses_host(HOST("<reserved pcpus='-1'/>"), "-1");
    refuses_host(HOST("<reserved pcpus='many'/>"), "number_1_to_1024");
    refuses_host(HOST("<reserved memory-mib='16777217'/>"), "16777216");
    refuses_host(HOST("<shared/>"), "pcpus");
    refuses_host(HOST("<shared pcpus='1025'/>"), "1024");
    refuses_host(HOST("<watchdog/>"), "timeout-ms");
    refuses_host(HOST("<watchdog timeout-ms='999'/>"), "1000");
    refuses_host(HOST("<watchdog timeout-ms='600001'/>"), "600000");
    refuses_host(HOST("<audit segment-mib='0'/>"), "segment-mib");
    refuses_host(HOST("<audit segment-mib='4097'/>"), "4096");
    refuses_host(HOST("<audit keep='1'/>"), "keep");
    refuses_host(HOST("<audit keep='1001'/>"), "1000");
    refuses_host(HOST("<audit/><audit/>"), "audit");
    refuses_host(HOST("<gate><rung number='0'/></gate>"), "<rung number=\"0\">");
    refuses_host(HOST("<gate><rung number='5'/></gate>"), "<rung number=\"5\">");
    refuses_host(HOST("<gate><rung/></gate>"), "number");
    refuses_host(HOST("<gate><rung number='1' after-ms='99'/></gate>"), "100");
    refuses_host(HOST("<gate><rung number='1' after-ms='3600001'/></gate>"), "3600000");
    refuses_host(HOST("<gate><rung number='1' budget='101'/></gate>"), "100");
    refuses_host(HOST("<gate><rung number='4' budget='1'/></gate>"), "it is the last");
    refuses_host(HOST("<gate><rung number='2'/><rung number='2'/></gate>"), "is there twice");
    refuses_host(CARDS("<card name='a' address='01:00.0' driver='igb' vfs='0'/>"), "vfs");
    refuses_host(CARDS("<card name='a' address='01:00.0' driver='igb' vfs='257'/>"), "256");
    refuses_host(CARDS("<card name='a' address='01:00.0' driver='igb' vfs='99999999999'/>"), "vfs");
}

static void names_and_addresses_of_a_host(void **state)
{
    (void)state;
    refuses_host(CARDS("<card address='01:00.0' driver='igb' vfs='1'/>"), "name");
    refuses_host(CARDS("<card name='Net' address='01:00.0' driver='igb' vfs='1'/>"), "Net");
    refuses_host(CARDS("<card name='' address='01:00.0' driver='igb' vfs='1'/>"), "name");
    refuses_host(CARDS("<card name='abcdefghijklmnopqrstuvwxyz012345' address='01:00.0' "
                       "driver='igb' vfs='1'/>"),
                 "31");
    refuses_host(CARDS("<card name='a' address='01:20.0' driver='igb' vfs='1'/>"), "address");
    refuses_host(CARDS("<card name='a' address='01:00.8' driver='igb' vfs='1'/>"), "address");
    refuses_host(CARDS("<card name='a' address='00:00.0' driver='igb' vfs='1'/>"),
                 "address of a PF");
    refuses_host(CARDS("<card name='a' address='01:00.0' driver='../x' vfs='1'/>"), "driver");
    refuses_host(CARDS("<card name='a' address='01:00.0' driver='' vfs='1'/>"), "driver");
    refuses_host(CARDS("<card name='a' address='01:00.0' driver='sixteen_letters_' vfs='1'/>"),
                 "15");
    refuses_host(CARDS("<card " CARD " link='down'/>"), "link");
    refuses_host(CARDS("<card name='a' address='01:00.0' driver='nvme' vfs='1' link='carrier'/>"),
                 "network card");
    refuses_host(CARDS("<card " CARD "/><card name='net0' address='2:00.0' driver='igb' vfs='1'/>"),
                 "address");
    refuses_host(
        CARDS("<card " CARD "/><card name='net0' address='02:00.0' driver='igb' vfs='1'/>"),
        "another card has this name");
    refuses_host(CARDS("<card " CARD "/><card name='b' address='01:00.0' driver='igb' vfs='1'/>"),
                 "card net0 has this address");
}

static void what_does_not_belong_there(void **state)
{
    (void)state;
    refuses_host("<partition/>", "partition");
    refuses_host(HOST("<card " CARD "/>"), "card");
    refuses_host(HOST("<watchdog timeout-ms='1000' x='1'/>"), "'x'");
    refuses_host(HOST("<watchdog timeout-ms='1000'/><watchdog timeout-ms='1000'/>"), "watchdog");
    refuses_host(HOST("words"), "host");
    refuses_host("<host xmlns='urn:other'/>", "host");
}

static void too_many_cards(void **state)
{
    static char text[8192] = "<host><cards>";

    (void)state;
    for (unsigned i = 0; i <= HOST_MAX_CARDS; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "<card name='c%u' address='%02x:00.0' driver='igb' vfs='1'/>", i, i + 1);
    strcat(text, "</cards></host>");
    refuses_host(text, "card");
}

static void the_line_is_named(void **state)
{
    (void)state;
    refuses_host("<host>\n\n  <reserved\n pcpus='0'/>\n</host>", "host.xml:");
    assert_true(strstr(error.text, "host.xml:3: ") || strstr(error.text, "host.xml:4: "));
    refuses_host("<host>\n<cards>\n</host>", "host.xml:3: ");
}

/* --- partitions
 * ----------------------------------------------------------------------------------- */

#define PARTITION(attributes, body)                                                                \
    "<partition " attributes "><kernel>/k</kernel>" body "</partition>"
#define SMALL          "vcpus='1' memory-mib='64'"
#define VF(attributes) PARTITION(SMALL, "<vfs><vf card='net0' index='0' " attributes "/></vfs>")

static void the_smallest_partition(void **state)
{
    (void)state;
    assert_int_equal(read_partition(PARTITION(SMALL, ""), NULL), 0);
    assert_string_equal(partition.name, "db");
    assert_string_equal(partition.monitor, "native");
    assert_string_equal(partition.kernel, "/k");
    assert_string_equal(partition.initrd, "");
    assert_string_equal(partition.cmdline, "");
    assert_int_equal(partition.vcpus, 1);
    assert_int_equal(partition.memory_mib, 64);
    assert_int_equal(partition.autostart, 0);
    assert_int_equal(partition.vfs_count, 0);
}

static void everything_of_a_partition(void **state)
{
    (void)state;
    assert_int_equal(
        read_partition("<partition vcpus='32' memory-mib='4096' huge-pages='1GiB' autostart='yes' "
                       "monitor='native'>"
                       "<vfs><vf card='net0' index='6' mac='52:54:00:Ab:cD:ef' vlan='4094' qos='7' "
                       "trust='yes' "
                       "spoofchk='no' link='disable' min-tx-mbit='10' max-tx-mbit='100'/>"
                       "<vf card='nvme0' index='3' nvme-queues='8' nvme-vectors='65535'/></vfs>"
                       "<cmdline>\n  console=ttyS0\n\tquiet &amp;&#x20;x <![CDATA[<y>]]> </cmdline>"
                       "<initrd> /boot/initrd </initrd><kernel>/boot/vmlinuz</kernel></partition>",
                       NULL),
        0);
    const struct vf_attributes *net = &partition.vfs[0].attributes;
    const uint8_t mac[6] = {0x52, 0x54, 0, 0xab, 0xcd, 0xef};
    assert_int_equal(partition.pages, PAGES_1GIB);
    assert_int_equal(partition.autostart, 1);
    assert_string_equal(partition.initrd, "/boot/initrd");
    assert_string_equal(partition.cmdline, "console=ttyS0 quiet & x <y>");
    assert_int_equal(partition.vfs_count, 2);
    assert_int_equal(partition.vfs[0].index, 6);
    assert_int_equal(net->present, 0x3f);
    assert_memory_equal(net->mac, mac, sizeof(mac));
    assert_int_equal(net->vlan, 4094);
    assert_int_equal(net->qos, 7);
    assert_int_equal(net->trust, 1);
    assert_int_equal(net->spoofchk, 0);
    assert_int_equal(net->link_state, IFLA_VF_LINK_STATE_DISABLE);
    assert_int_equal(net->min_tx_rate, 10);
    assert_int_equal(net->max_tx_rate, 100);
    assert_int_equal(partition.vfs[1].attributes.present, 0);
    assert_int_equal(partition.vfs[1].attributes.nvme_queues, 8);
    assert_int_equal(partition.vfs[1].attributes.nvme_vectors, 65535);
}

static void processors_of_a_partition(void **state)
{
    (void)state;
    assert_int_equal(read_partition(PARTITION(SMALL, ""), NULL), 0);
    assert_int_equal(partition.weight, 0);
    assert_int_equal(read_partition(PARTITION(SMALL " processors='dedicated'", ""), NULL), 0);
    assert_int_equal(partition.weight, 0);
    assert_int_equal(read_partition(PARTITION(SMALL " processors='shared'", ""), NULL), 0);
    assert_int_equal(partition.weight, 100);
    assert_int_equal(
        read_partition(PARTITION(SMALL " processors='shared' weight='10000'", ""), NULL), 0);
    assert_int_equal(partition.weight, 10000);
    refuses_partition(PARTITION(SMALL " processors='mine'", ""), "dedicated");
    refuses_partition(PARTITION(SMALL " weight='100'", ""), "processors=\"shared\"");
    refuses_partition(PARTITION(SMALL " processors='shared' weight='0'", ""), "'1'");
    refuses_partition(PARTITION(SMALL " processors='shared' weight='10001'", ""), "10000");
}

static void numbers_of_a_partition_out_of_range(void **state)
{
    (void)state;
    refuses_partition(PARTITION("memory-mib='64'", ""), "vcpus");
    refuses_partition(PARTITION("vcpus='1'", ""), "memory-mib");
    refuses_partition(PARTITION("vcpus='0' memory-mib='64'", ""), "vcpus");
    refuses_partition(PARTITION("vcpus='33' memory-mib='64'", ""), "32");
    refuses_partition(PARTITION("vcpus='1' memory-mib='63'", ""), "64");
    refuses_partition(PARTITION("vcpus='1' memory-mib='65'", ""), "multiple of 2");
    refuses_partition(PARTITION("vcpus='1' memory-mib='16777218'", ""), "16777216");
    refuses_partition(PARTITION(SMALL " autostart='true'", ""), "yes");
    refuses_partition(PARTITION(SMALL " monitor='xen'", ""), "native");
    refuses_partition(PARTITION(SMALL " huge-pages='4KiB'", ""), "2MiB");
    refuses_partition(PARTITION("vcpus='1' memory-mib='1026' huge-pages='1GiB'", ""), "1024");
}

static void images_of_a_partition(void **state)
{
    (void)state;
    refuses_partition("<partition " SMALL "/>", "kernel");
    refuses_partition("<partition " SMALL "><kernel/></partition>", "kernel");
    refuses_partition("<partition " SMALL "><kernel>boot</kernel></partition>", "kernel");
    refuses_partition("<partition " SMALL "><kernel>/</kernel></partition>", "kernel");
    refuses_partition(PARTITION(SMALL, "<initrd>x</initrd>"), "initrd");
    refuses_partition(PARTITION(SMALL, "<cmdline>&#x7f;</cmdline>"), "cmdline");
    refuses_partition(PARTITION(SMALL, "<kernel>/k</kernel>"), "kernel");
    refuses_partition(PARTITION(SMALL, "<disk/>"), "disk");
}

static void a_partition_with_a_firmware(void **state)
{
    (void)state;
    assert_int_equal(read_partition("<partition " SMALL " monitor='qemu' firmware='uefi'>"
                                    "<disk>/dev/vg/win</disk><variables> /v </variables>"
                                    "</partition>",
                                    NULL),
                     0);
    assert_string_equal(partition.monitor, "qemu");
    assert_int_equal(partition.firmware, FIRMWARE_UEFI);
    assert_string_equal(partition.kernel, "");
    assert_string_equal(partition.disk, "/dev/vg/win");
    assert_string_equal(partition.variables, "/v");
    assert_int_equal(read_partition(PARTITION(SMALL " monitor='qemu' firmware='bios'", ""), NULL),
                     0);
    assert_int_equal(partition.firmware, FIRMWARE_BIOS);
    refuses_partition(PARTITION(SMALL " monitor='qemu' firmware='efi'", ""), "uefi");
    refuses_partition(PARTITION(SMALL " firmware='uefi'", ""), "monitor=\"qemu\"");
    refuses_partition(PARTITION(SMALL, "<disk>/d</disk>"), "monitor=\"qemu\"");
    refuses_partition(PARTITION(SMALL " monitor='qemu'", "<variables>/v</variables>"),
                      "firmware=\"uefi\"");
    refuses_partition("<partition " SMALL " monitor='qemu'/>", "kernel");
}

static void a_partition_and_outages(void **state)
{
    (void)state;
    assert_int_equal(read_partition(PARTITION(SMALL, ""), NULL), 0);
    assert_int_equal(partition.on_outage, OUTAGE_CONTINUE);
    assert_int_equal(read_partition(PARTITION(SMALL " on-outage='freeze'", ""), NULL), 0);
    assert_int_equal(partition.on_outage, OUTAGE_FREEZE);
    assert_int_equal(
        read_partition(PARTITION(SMALL " on-outage='continue' monitor='qemu'", ""), NULL), 0);
    refuses_partition(PARTITION(SMALL " on-outage='stop'", ""), "freeze");
    refuses_partition(PARTITION(SMALL " on-outage='freeze' monitor='qemu'", ""),
                      "monitor=\"native\"");
}

#define STANDBY(vf, more) PARTITION(SMALL more, "<vfs>" vf "</vfs>")

static void a_vf_with_a_standby(void **state)
{
    (void)state;
    assert_int_equal(read_partition(STANDBY("<vf card='net0' index='0' mac='52:54:00:00:01:00'>"
                                            "<standby card='net1' index='3'/></vf>"
                                            "<vf card='net0' index='1'/>",
                                            ""),
                                    NULL),
                     0);
    assert_int_equal(partition.vfs_count, 3);
    assert_string_equal(partition.vfs[1].card, "net1");
    assert_int_equal(partition.vfs[1].index, 3);
    assert_int_equal(partition.standby_of[1], 1);
    assert_int_equal(partition.standby_of[0] | partition.standby_of[2], 0);
    assert_memory_equal(&partition.vfs[1].attributes, &partition.vfs[0].attributes,
                        sizeof(struct vf_attributes));
    assert_true(partition_vf_in_use(&partition, 0, 0));
    assert_false(partition_vf_in_use(&partition, 0, 1));
    assert_true(partition_vf_in_use(&partition, 0, 2));
    assert_false(partition_vf_in_use(&partition, 1, 0));
    assert_true(partition_vf_in_use(&partition, 1, 1));
    assert_int_equal(partition_vf_mate(&partition, 0), 1);
    assert_int_equal(partition_vf_mate(&partition, 1), 0);
    assert_int_equal(partition_vf_mate(&partition, 2), -1);
    refuses_partition(
        STANDBY("<vf card='net0' index='0'><standby card='net0' index='1'/></vf>", ""),
        "another card");
    refuses_partition(STANDBY("<vf card='net0' index='0'><standby card='net1' index='1'/></vf>"
                              "<vf card='net1' index='1'/>",
                              ""),
                      "named twice");
    refuses_partition(STANDBY("<vf card='net0' index='0'><standby card='net1'/></vf>", ""),
                      "index");
    refuses_partition(STANDBY("<vf card='net0' index='0'><standby card='net1' index='1' mac='x'/>"
                              "</vf>",
                              ""),
                      "mac");
    refuses_partition(STANDBY("<vf card='net0' index='0'><standby card='net1' index='1'/>"
                              "<standby card='net2' index='1'/></vf>",
                              ""),
                      "standby");
    refuses_partition(STANDBY("<vf card='net0' index='0'><standby card='net1' index='1'/></vf>",
                              " monitor='qemu'"),
                      "monitor=\"native\"");
    refuses_partition(STANDBY("<vf card='a' index='0'/><vf card='a' index='1'/>"
                              "<vf card='a' index='2'/><vf card='a' index='3'/>"
                              "<vf card='a' index='4'/><vf card='a' index='5'/>"
                              "<vf card='a' index='6'/><vf card='a' index='7'>"
                              "<standby card='b' index='0'/></vf>",
                              ""),
                      "stand-bys included");
}

static void texts_that_are_too_long(void **state)
{
    static char text[4096];
    char fill[PARCLOSE_CMDLINE_MAX + 1];

    (void)state;
    memset(fill, 'a', sizeof(fill));
    fill[PARCLOSE_CMDLINE_MAX] = '\0';
    snprintf(text, sizeof(text), PARTITION(SMALL, "<cmdline>%s</cmdline>"), fill);
    refuses_partition(text, "1023");
    fill[PARCLOSE_CMDLINE_MAX - 1] = '\0';
    snprintf(text, sizeof(text), PARTITION(SMALL, "<cmdline>%s</cmdline>"), fill);
    assert_int_equal(read_partition(text, NULL), 0);
    fill[PARCLOSE_PATH_MAX - 1] = '\0';
    snprintf(text, sizeof(text), PARTITION(SMALL, "<initrd>/%s</initrd>"), fill);
    refuses_partition(text, "255");
}

/* The schema counts characters, the structure bytes. */
static void bytes_count_not_characters(void **state)
{
    static char text[8192] = "<partition " SMALL "><kernel>/k</kernel><cmdline>";

    (void)state;
    for (int i = 0; i < 600; i++)
        strcat(text, "ä");
    strcat(text, "</cmdline></partition>");
    refuses_partition(text, "too long");
}

static void attributes_of_a_vf(void **state)
{
    (void)state;
    refuses_partition(VF("mac='52:54:00:00:00'"), "mac");
    refuses_partition(VF("mac='52-54-00-00-00-01'"), "mac");
    refuses_partition(VF("mac='01:00:00:00:00:01'"), "unicast");
    refuses_partition(VF("mac='00:00:00:00:00:00'"), "unicast");
    refuses_partition(VF("vlan='4095'"), "4094");
    refuses_partition(VF("vlan='1' qos='8'"), "7");
    refuses_partition(VF("qos='1'"), "qos needs a vlan");
    refuses_partition(VF("trust='on'"), "yes");
    refuses_partition(VF("spoofchk='1'"), "yes");
    refuses_partition(VF("link='up'"), "auto");
    refuses_partition(VF("min-tx-mbit='200' max-tx-mbit='100'"), "at most max-tx-mbit");
    refuses_partition(VF("max-tx-mbit='4294967296'"), "max-tx-mbit");
    refuses_partition(VF("nvme-queues='65536'"), "65535");
    refuses_partition(VF("nvme-vectors='x'"), "nvme-vectors");
    refuses_partition(PARTITION(SMALL, "<vfs><vf index='0'/></vfs>"), "card");
    refuses_partition(PARTITION(SMALL, "<vfs><vf card='net0'/></vfs>"), "index");
    refuses_partition(PARTITION(SMALL, "<vfs><vf card='net0' index='256'/></vfs>"), "255");
    refuses_partition(
        PARTITION(SMALL, "<vfs><vf card='net0' index='1'/><vf card='net0' index='1'/></vfs>"),
        "VF 1 of this card is named twice");
}

#define CHANNEL(attributes) PARTITION(SMALL, "<channels><channel " attributes "/></channels>")
#define DISK                "name='data' kind='block' server='/run/data.sock'"

static void channels_of_a_partition(void **state)
{
    (void)state;
    assert_int_equal(
        read_partition(PARTITION(SMALL, "<channels><channel " DISK "/><channel name='lan' "
                                        "kind='network' mode='direct' mac='52:54:00:00:00:01' "
                                        "mtu='9000' server='/run/lan.sock'/></channels>"),
                       NULL),
        0);
    assert_int_equal(partition.channels_count, 2);
    assert_string_equal(partition.channels[0].name, "data");
    assert_int_equal(partition.channels[0].kind, CHANNEL_DEVICE_BLOCK);
    assert_int_equal(partition.channels[0].mode, CHANNEL_CONFINED);
    assert_string_equal(partition.channels[1].server, "/run/lan.sock");
    assert_int_equal(partition.channels[1].kind, CHANNEL_DEVICE_NETWORK);
    assert_int_equal(partition.channels[1].mode, CHANNEL_DIRECT);
    assert_int_equal(partition.channels[1].mac[5], 1);
    assert_int_equal(partition.channels[1].mtu, 9000);
}

static void bad_channels(void **state)
{
    (void)state;
    refuses_partition(CHANNEL("name='data' kind='block'"), "server");
    refuses_partition(CHANNEL("name='data' server='/s'"), "kind");
    refuses_partition(CHANNEL("kind='block' server='/s'"), "name");
    refuses_partition(CHANNEL("name='data' kind='disk' server='/s'"), "block");
    refuses_partition(CHANNEL("name='data' kind='block' server='s'"), "server");
    refuses_partition(CHANNEL(DISK " mode='shared'"), "confined");
    refuses_partition(CHANNEL(DISK " mtu='1500'"), "mac and mtu are a network's");
    refuses_partition(CHANNEL("name='lan' kind='network' server='/s'"), "mac is needed");
    refuses_partition(CHANNEL("name='lan' kind='network' server='/s' mac='52:54:00:00:00:01' "
                              "mtu='67'"),
                      "68");
    refuses_partition(
        PARTITION(SMALL, "<channels><channel " DISK "/><channel " DISK "/></channels>"),
        "named twice");
}

static void vfs_against_the_cards(void **state)
{
    struct host_config cards;

    (void)state;
    assert_int_equal(read_host(CARDS("<card " CARD "/><card name='nvme0' address='02:00.0' "
                                     "driver='nvme' vfs='4'/>")),
                     0);
    cards = host;
    assert_int_equal(
        read_partition(PARTITION(SMALL, "\n<vfs>\n<vf card='net9' index='0'/></vfs>"), &cards),
        -EINVAL);
    assert_string_equal(error.text, "partitions/db.xml:3: <vf card=\"net9\">: no such card in "
                                    "host.xml; it has net0, nvme0");
    assert_int_equal(
        read_partition(PARTITION(SMALL, "<vfs><vf card='net0' index='7'/></vfs>"), &cards),
        -EINVAL);
    assert_non_null(strstr(error.text, "card net0 has VFs 0 to 6"));
    assert_int_equal(
        read_partition(PARTITION(SMALL, "<vfs><vf card='nvme0' index='0' vlan='1'/></vfs>"),
                       &cards),
        -EINVAL);
    assert_non_null(strstr(error.text, "NVMe controller"));
    assert_int_equal(
        read_partition(PARTITION(SMALL, "<vfs><vf card='net0' index='0' nvme-queues='1'/></vfs>"),
                       &cards),
        -EINVAL);
    assert_non_null(strstr(error.text, "no NVMe controller"));
}

static void too_many_vfs(void **state)
{
    static char text[2048] = "<partition " SMALL "><kernel>/k</kernel><vfs>";

    (void)state;
    for (int i = 0; i <= PARCLOSE_MAX_PARTITION_VFS; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "<vf card='net0' index='%d'/>",
                 i);
    strcat(text, "</vfs></partition>");
    refuses_partition(text, "vf");
}

/* --- hostile text -------------------------------------------------------------------------------
 */

static void a_doctype_of_any_kind(void **state)
{
    (void)state;
    refuses_host("<!DOCTYPE host><host/>", "DOCTYPE");
    refuses_host("<!DOCTYPE host SYSTEM 'file:///etc/passwd'><host/>", "DOCTYPE");
    refuses_host("<!DOCTYPE host [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><host>&x;</host>",
                 "DOCTYPE");
    refuses_host("<!DOCTYPE host [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/x'> %p;]><host/>",
                 "DOCTYPE");
    refuses_partition(
        "<!DOCTYPE l [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
        "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
        "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>]>"
        "<partition>&f;&f;&f;&f;</partition>",
        "DOCTYPE");
}

static void entities_that_nobody_declared(void **state)
{
    (void)state;
    refuses_partition(PARTITION(SMALL, "<cmdline>&x;</cmdline>"), "x");
    refuses_host("<host>&xxe;</host>", "xxe");
}

/* Not followed, not even looked at. */
static void inclusions(void **state)
{
    (void)state;
    refuses_host("<host xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include "
                 "href='file:///etc/passwd' parse='text'/></host>",
                 "include");
    refuses_host("<host xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
                 "xsi:schemaLocation='urn:x file:///dev/zero'><x/></host>",
                 "x");
}

static void deep_nesting(void **state)
{
    static char text[3 * 3000 + 1];

    (void)state;
    for (int i = 0; i < 3000; i++)
        memcpy(text + 3 * i, "<a>", 3);
    refuses_host(text, "too deeply");
}

static void more_tags_or_attributes_than_any_file_needs(void **state)
{
    static char text[CONFIG_FILE_MAX];
    size_t used = 6;

    (void)state;
    strcpy(text, "<host>");
    for (; used + 4 < sizeof(text); used += 4)
        memcpy(text + used, "<a/>", 5);
    refuses_host(text, "more than");
    used = (size_t)sprintf(text, "<host ");
    for (unsigned i = 0; used + 16 < sizeof(text); i++)
        used += (size_t)sprintf(text + used, "a%u='' ", i);
    refuses_host(text, "more than");
    used = (size_t)sprintf(text, "<host ");
    for (unsigned i = 0; i < CONFIG_EQUALS_MAX; i++)
        used += (size_t)sprintf(text + used, "a%u='' ", i);
    strcpy(text + used, "/>");
    refuses_host(text, "");
}

static void what_is_no_text(void **state)
{
    static const char zeros[64], utf16[] = "\xff\xfe<\0h\0o\0s\0t\0/\0>\0";
    char rubbish[4096];

    (void)state;
    assert_int_equal(config_host_parse(reader, "host.xml", zeros, 64, &host, &error), -EINVAL);
    assert_int_equal(config_host_parse(reader, "host.xml", utf16, sizeof(utf16) - 1, &host, &error),
                     -EINVAL);
    assert_non_null(strstr(error.text, "UTF-8"));
    srand(1);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(rubbish); i++)
            rubbish[i] = (char)rand();
        assert_int_equal(
            config_host_parse(reader, "host.xml", rubbish, sizeof(rubbish), &host, &error),
            -EINVAL);
    }
    refuses_host("", "host.xml");
    refuses_host("hello", "host.xml:1: ");
    refuses_host("<host", "host.xml:1: ");
    refuses_host("<host/><host/>", "host.xml:1: ");
    refuses_host("<host>\xc3\x28</host>", "UTF-8");
    refuses_host("<host>\xed\xa0\x80</host>", "UTF-8");
    refuses_host("<host>\xc0\xaf</host>", "UTF-8");
}

static void other_encodings(void **state)
{
    (void)state;
    refuses_host("<?xml version='1.0' encoding='ISO-8859-1'?><host/>", "encoding must be UTF-8");
    refuses_host("<?xml version='1.0' encoding='EUC-JP'?><host/>", "encoding must be UTF-8");
    refuses_host("<?xml version='1.0' encoding = \"UTF-16\"?><host/>", "encoding must be UTF-8");
    refuses_host("\xef\xbb\xbf<?xml version='1.0' encoding='UTF-7'?><host/>", "must be UTF-8");
    assert_int_equal(read_host("\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><host/>"), 0);
    assert_int_equal(read_host("<?xml version='1.0'?><host/>"), 0);
}

static void errors_have_no_control_characters(void **state)
{
    (void)state;
    refuses_partition(PARTITION(SMALL, "<vfs><vf card='&#10;&#13;x' index='0'/></vfs>"), "card");
    for (const char *c = error.text; *c; c++)
        assert_true((unsigned char)*c >= 0x20);
}

/* --- files
 * ---------------------------------------------------------------------------------------- */

static char folder[64];
static int dir = -1;

static int open_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 || mkdirat(dir, "partitions", 0755);
}

static int close_folder(void **state)
{
    char command[96];

    (void)state;
    close(dir);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void put(const char *path, const char *text)
{
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void files_are_read_through_the_folder(void **state)
{
    (void)state;
    put("host.xml", "<host/>");
    put("partitions/db.xml", PARTITION(SMALL, ""));
    assert_int_equal(config_host_read(reader, dir, &host, &error), 0);
    assert_int_equal(config_partition_read(reader, dir, "db", &host, &partition, &error), 0);
    assert_string_equal(partition.name, "db");
    assert_int_equal(config_partition_read(reader, dir, "web", &host, &partition, &error), -ENOENT);
    assert_string_equal(error.text, "partitions/web.xml: no such file");
}

static void a_huge_file_is_refused_at_once(void **state)
{
    struct timespec before, after;
    int fd = openat(dir, "host.xml", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    (void)state;
    assert_int_equal(ftruncate(fd, 100 * 1000 * 1000), 0);
    close(fd);
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(config_host_read(reader, dir, &host, &error), -EFBIG);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_string_equal(error.text, "host.xml: is 100000000 bytes long: at most 1048576 are read");
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <
                100);
}

static void what_is_no_regular_file(void **state)
{
    (void)state;
    put("real.xml", "<host/>");
    assert_int_equal(symlinkat("real.xml", dir, "host.xml"), 0);
    assert_int_equal(config_host_read(reader, dir, &host, &error), -ELOOP);
    assert_non_null(strstr(error.text, "symbolic link"));
    unlinkat(dir, "host.xml", 0);
    assert_int_equal(mkdirat(dir, "host.xml", 0755), 0);
    assert_int_equal(config_host_read(reader, dir, &host, &error), -EINVAL);
    unlinkat(dir, "host.xml", AT_REMOVEDIR);
    assert_int_equal(mkfifoat(dir, "host.xml", 0644), 0);
    assert_int_equal(config_host_read(reader, dir, &host, &error), -EINVAL);
    assert_non_null(strstr(error.text, "no regular file"));
}

static void names_of_partitions(void **state)
{
    struct config_names names;

    (void)state;
    put("partitions/web.xml", "");
    put("partitions/db.xml", "");
    put("partitions/.hidden.xml", "");
    put("partitions/README", "");
    put("partitions/db.xml.orig", "");
    assert_int_equal(config_partition_names(dir, &names, &error), 0);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.names[0], "db");
    assert_string_equal(names.names[1], "web");
    assert_int_equal(names.bad_count, 0);
    put("partitions/Upper.xml", "");
    put("partitions/a-name-that-is-longer-than-any-may-be.xml", "");
    assert_int_equal(config_partition_names(dir, &names, &error), 0);
    assert_int_equal(names.count, 2);
    assert_int_equal(names.bad_count, 2);
}

static void more_partitions_than_there_may_be(void **state)
{
    struct config_names names;

    (void)state;
    for (int i = 0; i < PARCLOSE_MAX_PARTITIONS + 3; i++) {
        char path[64];
        snprintf(path, sizeof(path), "partitions/p%d.xml", i);
        put(path, "");
    }
    assert_int_equal(config_partition_names(dir, &names, &error), 0);
    assert_int_equal(names.count, PARCLOSE_MAX_PARTITIONS);
    assert_int_equal(names.bad_count, 3);
}

static void no_folder_is_no_partition(void **state)
{
    struct config_names names;

    (void)state;
    assert_int_equal(unlinkat(dir, "partitions", AT_REMOVEDIR), 0);
    assert_int_equal(config_partition_names(dir, &names, &error), 0);
    assert_int_equal(names.count, 0);
}

static void the_examples_are_good(void **state)
{
    int examples = open(EXAMPLES, O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(config_host_read(reader, examples, &host, &error), 0);
    assert_int_equal(config_partition_read(reader, examples, "db", &host, &partition, &error), 0);
    assert_int_equal(config_partition_read(reader, examples, "web", &host, &partition, &error), 0);
    close(examples);
}

#define FILES(name) cmocka_unit_test_setup_teardown(name, open_folder, close_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_host_has_defaults),
        cmocka_unit_test(everything_of_a_host),
        cmocka_unit_test(numbers_of_a_host_out_of_range),
        cmocka_unit_test(names_and_addresses_of_a_host),
        cmocka_unit_test(what_does_not_belong_there),
        cmocka_unit_test(too_many_cards),
        cmocka_unit_test(the_line_is_named),
        cmocka_unit_test(the_smallest_partition),
        cmocka_unit_test(everything_of_a_partition),
        cmocka_unit_test(processors_of_a_partition),
        cmocka_unit_test(numbers_of_a_partition_out_of_range),
        cmocka_unit_test(images_of_a_partition),
        cmocka_unit_test(a_partition_with_a_firmware),
        cmocka_unit_test(a_partition_and_outages),
        cmocka_unit_test(a_vf_with_a_standby),
        cmocka_unit_test(texts_that_are_too_long),
        cmocka_unit_test(bytes_count_not_characters),
        cmocka_unit_test(attributes_of_a_vf),
        cmocka_unit_test(channels_of_a_partition),
        cmocka_unit_test(bad_channels),
        cmocka_unit_test(vfs_against_the_cards),
        cmocka_unit_test(too_many_vfs),
        cmocka_unit_test(a_doctype_of_any_kind),
        cmocka_unit_test(entities_that_nobody_declared),
        cmocka_unit_test(inclusions),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(more_tags_or_attributes_than_any_file_needs),
        cmocka_unit_test(what_is_no_text),
        cmocka_unit_test(other_encodings),
        cmocka_unit_test(errors_have_no_control_characters),
        FILES(files_are_read_through_the_folder),
        FILES(a_huge_file_is_refused_at_once),
        FILES(what_is_no_regular_file),
        FILES(names_of_partitions),
        FILES(more_partitions_than_there_may_be),
        FILES(no_folder_is_no_partition),
        cmocka_unit_test(the_examples_are_good),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
