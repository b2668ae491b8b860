/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/config_read.h"

static int read_reserved(const struct xml_source *source, const xmlNode *node,
                         struct host_config *host)
{
    int error = xml_attribute_number(source, node, "memory-mib", 0, CONFIG_RESERVED_MAX,
                                     &host->reserved_memory_mib);
    if (error < 0)
        return error;
    return xml_attribute_number(source, node, "pcpus", 1, PARCLOSE_MAX_PCPUS,
                                &host->reserved_pcpus);
}

static int read_audit(const struct xml_source *source, const xmlNode *node,
                      struct audit_config *audit)
{
    int error = xml_attribute_number(source, node, "segment-mib", 1, CONFIG_SEGMENT_MAX,
                                     &audit->segment_mib);
    if (error < 0)
        return error;
    return xml_attribute_number(source, node, "keep", CONFIG_KEEP_MIN, CONFIG_KEEP_MAX,
                                &audit->keep);
}

static int read_rung(const struct xml_source *source, const xmlNode *node, struct gate_config *gate,
                     unsigned *seen)
{
    uint32_t number = 0, budget = 0;
    int error = xml_attribute_number(source, node, "number", 1, 4, &number);
    if (error <= 0)
        return error ? error : xml_refuse(source, node, "number is missing: expected 1 to 4");
    if (*seen & 1u << number)
        return xml_refuse(source, node, "is there twice");
    *seen |= 1u << number;
    error = xml_attribute_number(source, node, "after-ms", CONFIG_WAIT_MS_MIN, CONFIG_WAIT_MS_MAX,
                                 &gate->wait_ms[number - 1]);
    if (error < 0)
        return error;
    error = xml_attribute_number(source, node, "budget", 0, CONFIG_BUDGET_MAX, &budget);
    if (error == 1 && number == 4)
        return xml_refuse(source, node, "budget: rung 4 has none, it is the last");
    if (error == 1)
        gate->budget[number - 1] = budget;
    return error;
}

static int read_gate(const struct xml_source *source, const xmlNode *node, struct gate_config *gate)
{
    unsigned seen = 0;

    for (const xmlNode *rung = xml_child(node, "rung"); rung; rung = xml_next(rung, "rung")) {
        int error = read_rung(source, rung, gate, &seen);
        if (error < 0)
            return error;
    }
    return 0;
}

static int read_address(const struct xml_source *source, const xmlNode *node, struct bdf *bdf)
{
    uint32_t domain = 0, bus = 0, device = 0, function = 0;
    char text[16] = "";

    if (xml_attribute_text(source, node, "address", text, sizeof(text)) < 0)
        return -EINVAL;
    const char *at = strlen(text) == 12 ? xml_hex(text, 4, ':', &domain) : text;
    if (at)
        at = xml_hex(at, 2, ':', &bus);
    if (at)
        at = xml_hex(at, 2, '.', &device);
    if (at)
        at = xml_hex(at, 1, '\0', &function);
    if (!at || device > 31 || function > 7)
        return xml_refuse(source, node, "address is \"%s\": expected one like 0000:01:00.0", text);
    bdf->value = domain << 16 | bus << 8 | device << 3 | function;
    return 0;
}

/* An earlier card of the same name or address is the mistake that a copied line makes. */
static int check_unique(const struct xml_source *source, const xmlNode *node,
                        const struct host_config *host, const struct card_config *card)
{
    for (uint32_t i = 0; i < host->cards_count; i++) {
        if (!strcmp(host->cards[i].name, card->name))
            return xml_refuse(source, node, "another card has this name");
        if (host->cards[i].bdf.value == card->bdf.value)
            return xml_refuse(source, node, "card %s has this address", host->cards[i].name);
    }
    return 0;
}

static const char *const links[] = {"up", "carrier", NULL}; /* enum card_link */

static int read_card(const struct xml_source *source, const xmlNode *node, struct host_config *host)
{
    if (host->cards_count >= HOST_MAX_CARDS)
        return xml_refuse(source, node, "at most %d cards are permitted", HOST_MAX_CARDS);
    struct card_config *card = &host->cards[host->cards_count];
    if (xml_attribute_text(source, node, "name", card->name, sizeof(card->name)) < 0 ||
        xml_attribute_text(source, node, "driver", card->driver, sizeof(card->driver)) < 0 ||
        xml_attribute_number(source, node, "vfs", 1, PARCLOSE_MAX_VFS_PER_PF, &card->vfs) < 0 ||
        xml_attribute_choice(source, node, "link", links, &card->link) < 0 ||
        read_address(source, node, &card->bdf) || check_unique(source, node, host, card))
        return -EINVAL;
    host->cards_count++;
    return 0;
}

static int read_cards(const struct xml_source *source, const xmlNode *node,
                      struct host_config *host)
{
    for (const xmlNode *card = xml_child(node, "card"); card; card = xml_next(card, "card")) {
        int error = read_card(source, card, host);
        if (error < 0)
            return error;
    }
    return 0;
}

int host_document_read(const struct xml_source *source, const xmlNode *root,
                       struct host_config *host)
{
    const xmlNode *reserved = xml_child(root, "reserved"), *watchdog = xml_child(root, "watchdog"),
                  *shared = xml_child(root, "shared"), *gate = xml_child(root, "gate"),
                  *audit = xml_child(root, "audit"), *cards = xml_child(root, "cards");
    char reason[PARCLOSE_REASON_MAX];
    int error = 0;

    host_config_defaults(host);
    if (reserved)
        error = read_reserved(source, reserved, host);
    if (error >= 0 && shared)
        error = xml_attribute_number(source, shared, "pcpus", 0, PARCLOSE_MAX_PCPUS,
                                     &host->shared_pcpus);
    if (error >= 0 && watchdog)
        error = xml_attribute_number(source, watchdog, "timeout-ms", CONFIG_WATCHDOG_MIN,
                                     CONFIG_WATCHDOG_MAX, &host->watchdog_ms);
    if (error >= 0 && gate)
        error = read_gate(source, gate, &host->gate);
    if (error >= 0 && audit)
        error = read_audit(source, audit, &host->audit);
    if (error >= 0 && cards)
        error = read_cards(source, cards, host);
    if (error < 0)
        return error;
    return host_config_check(host, reason) ? xml_refuse(source, root, "%s", reason) : 0;
}
