/* SPDX-License-Identifier: Apache-2.0 */
#include "map/devices_edit.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/xmlreader.h>
#include <libxml/xmlschemas.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_check.h"

#if LIBXML_VERSION >= 21200
#define XML_ERROR_CONST const
#else
#define XML_ERROR_CONST
#endif

#define NAME_MAX_SHOWN 32

/* One document as a walk over the beginnings and ends of its elements. */
struct walk {
    xmlTextReader *reader;
    bool end_due; /* <a/> is a beginning and an end */
    bool wrong;   /* holds text between elements */
};

enum step { STEP_BEGIN, STEP_END, STEP_OVER, STEP_ERROR };

struct judge {
    struct devices_edit *edit;
    struct walk original, edited;
    bool in_vf;    /* <desired/> is a VF's */
    struct bdf pf; /* of the device and VF that the walk is in */
    uint32_t index;
};

__attribute__((format(printf, 4, 5))) static bool
refuse(struct devices_edit *edit, uint32_t verdict, uint32_t line, const char *format, ...)
{
    va_list arguments;

    if (edit->verdict != EDIT_ACCEPTED)
        return false; /* the first is the reason */
    edit->verdict = verdict;
    edit->line = line;
    va_start(arguments, format);
    vsnprintf(edit->text, sizeof(edit->text), format, arguments);
    va_end(arguments);
    for (char *at = edit->text; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = *at == '\n' && !at[1] ? '\0' : '?';
    return false;
}

static bool refuse_here(struct judge *judge, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse_here(struct judge *judge, const char *format, ...)
{
    char text[PARCLOSE_REASON_MAX];
    const xmlNode *node = xmlTextReaderCurrentNode(judge->edited.reader);
    long line = node ? xmlGetLineNo(node) : 0; /* the parser's own is ahead of it */
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return refuse(judge->edit, EDIT_REFUSED, line > 0 ? (uint32_t)line : 0, "%s", text);
}

/* ---- before libxml2 sees it */

/* "<!--" and an XML declaration at the very beginning are all that may begin so. */
static const char *markup(const char *text, size_t at, size_t size)
{
    if (text[at + 1] == '?' && at > 0)
        return "holds a processing instruction";
    if (text[at + 1] == '!' && (size - at < 4 || memcmp(text + at, "<!--", 4) != 0))
        return "holds a DOCTYPE or CDATA";
    return NULL;
}

static bool scan(struct devices_edit *edit, const char *text, size_t size)
{
    uint32_t line = 1;

    if (size > DEVICES_EDIT_SIZE_MAX)
        return refuse(edit, EDIT_REFUSED, 0, "has more than %u MiB", DEVICES_EDIT_SIZE_MAX >> 20);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            line++;
        else if (c != '\t' && c != '\r' && (c < ' ' || c > '~'))
            return refuse(edit, EDIT_REFUSED, line, "holds a byte that is no printable ASCII");
        const char *wrong = c == '<' && i + 1 < size ? markup(text, i, size) : NULL;
        if (wrong)
            return refuse(edit, EDIT_REFUSED, line, "%s", wrong);
    }
    return true;
}

/* ---- the walk */

static void on_error(void *data, XML_ERROR_CONST xmlError *error)
{
    struct devices_edit *edit = data;
    const char *message = error->message ? error->message : "is no XML";

    refuse(edit, EDIT_REFUSED, error->line > 0 ? (uint32_t)error->line : 0, "%s", message);
}

static void on_error_original(void *data, XML_ERROR_CONST xmlError *error)
{
    (void)error;
    refuse(data, EDIT_FAILED, 0, "the published file cannot be read");
}

static bool walk_open(struct walk *walk, const char *text, size_t size, bool original,
                      struct devices_edit *edit)
{
    const int options = XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_BIG_LINES;

    walk->reader = xmlReaderForMemory(text, (int)size, NULL, "UTF-8", options);
    if (!walk->reader)
        return refuse(edit, EDIT_FAILED, 0, "out of memory");
    xmlTextReaderSetStructuredErrorHandler(walk->reader, original ? on_error_original : on_error,
                                           edit);
    return true;
}

static enum step step_of(struct walk *walk)
{
    switch (xmlTextReaderNodeType(walk->reader)) {
    case XML_READER_TYPE_ELEMENT:
        walk->end_due = xmlTextReaderIsEmptyElement(walk->reader) == 1;
        return STEP_BEGIN;
    case XML_READER_TYPE_END_ELEMENT:
        return STEP_END;
    case XML_READER_TYPE_COMMENT:
    case XML_READER_TYPE_WHITESPACE:
    case XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
        return STEP_OVER; /* go on */
    default:
        walk->wrong = true;
        return STEP_ERROR;
    }
}

static enum step walk_next(struct walk *walk)
{
    int got;

    if (walk->end_due) {
        walk->end_due = false;
        return STEP_END;
    }
    while ((got = xmlTextReaderRead(walk->reader)) == 1) {
        enum step step = step_of(walk);
        if (step != STEP_OVER)
            return step;
    }
    return got ? STEP_ERROR : STEP_OVER;
}

static const char *name_of(const struct walk *walk)
{
    const xmlChar *name = xmlTextReaderConstName(walk->reader);
    return name ? (const char *)name : "?";
}

/* ---- attributes */

/* Copies the value: false when there is none; "?", which no value is, when it is too long. */
static bool value_of(const struct walk *walk, const char *name, char *value, size_t size)
{
    xmlChar *text = xmlTextReaderGetAttribute(walk->reader, (const xmlChar *)name);

    if (!text)
        return false;
    snprintf(value, size, "%s", strlen((const char *)text) < size ? (const char *)text : "?");
    xmlFree(text);
    return true;
}

/* Decimal digits alone. */
static bool number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *value <= max;
}

static bool hex(const char *text, size_t digits, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        const char *at = text[i] ? strchr("0123456789abcdef", text[i]) : NULL;
        if (!at)
            return false;
        *value = *value << 4 | (uint32_t)(at - "0123456789abcdef");
    }
    return true;
}

/* "0000:01:00.0" */
static bool address(const char *text, struct bdf *bdf)
{
    uint32_t domain, bus, device, function;

    if (strlen(text) != 12 || text[4] != ':' || text[7] != ':' || text[10] != '.' ||
        !hex(text, 4, &domain) || !hex(text + 5, 2, &bus) || !hex(text + 8, 2, &device) ||
        !hex(text + 11, 1, &function) || device > 31 || function > 7)
        return false;
    bdf->value = domain << 16 | bus << 8 | device << 3 | function;
    return true;
}

static bool mac(const char *text, uint8_t bytes[6])
{
    uint32_t byte;

    for (size_t i = 0; i < 6; i++, text += 3) {
        if (!hex(text, 2, &byte) || text[2] != (i < 5 ? ':' : '\0'))
            return false;
        bytes[i] = (uint8_t)byte;
    }
    return true;
}

/* ---- what is desired of a VF */

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const links[] = {"auto", "enable", "disable", NULL};

/* Each attribute: its name, where it goes, and of which values it is one of. */
struct wanted_row {
    const char *name;
    uint32_t present; /* its bit of vf_attributes; 0: it has none */
    uint32_t max;
    size_t offset, size;
    const char *const *words;
};

#define ROW(text, bit, most, member, list)                                                         \
    {                                                                                              \
        text, bit, most, offsetof(struct vf_attributes, member),                                   \
            sizeof(((struct vf_attributes *)0)->member), list                                      \
    }

static const struct wanted_row rows[] = {
    ROW("vlan", VF_ATTR_VLAN, CONFIG_VLAN_MAX, vlan, NULL),
    ROW("qos", VF_ATTR_VLAN, CONFIG_QOS_MAX, qos, NULL),
    ROW("trust", VF_ATTR_TRUST, 1, trust, no_yes),
    ROW("spoofchk", VF_ATTR_SPOOFCHK, 1, spoofchk, no_yes),
    ROW("link", VF_ATTR_LINK, 2, link_state, links),
    ROW("min-tx-mbit", VF_ATTR_RATE, UINT32_MAX, min_tx_rate, NULL),
    ROW("max-tx-mbit", VF_ATTR_RATE, UINT32_MAX, max_tx_rate, NULL),
    ROW("nvme-queues", 0, UINT16_MAX, nvme_queues, NULL),
    ROW("nvme-vectors", 0, UINT16_MAX, nvme_vectors, NULL),
};

static bool word_of(const struct wanted_row *row, const char *text, uint64_t *value)
{
    for (*value = 0; row->words[*value]; ++*value)
        if (!strcmp(row->words[*value], text))
            return true;
    return false;
}

static bool take(struct judge *judge, const struct wanted_row *row, const char *text,
                 struct vf_attributes *wanted)
{
    uint64_t value;

    if (!(row->words ? word_of(row, text, &value) : number(text, row->max, &value)))
        return refuse_here(judge, "%s is \"%.40s\": that is no value for it", row->name, text);
    memcpy((char *)wanted + row->offset, &value, row->size); /* little-endian hosts, as the log */
    wanted->present |= row->present;
    return true;
}

static bool wanted_of(struct judge *judge, struct vf_attributes *wanted)
{
    char text[64], reason[PARCLOSE_REASON_MAX];

    *wanted = (struct vf_attributes){0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (value_of(&judge->edited, rows[i].name, text, sizeof(text)) &&
            !take(judge, &rows[i], text, wanted))
            return false;
    if (value_of(&judge->edited, "mac", text, sizeof(text))) {
        if (!mac(text, wanted->mac))
            return refuse_here(judge, "mac is \"%.20s\": expected one like 02:00:00:12:34:56",
                               text);
        wanted->present |= VF_ATTR_MAC;
    }
    if (value_of(&judge->edited, "qos", text, sizeof(text)) &&
        !value_of(&judge->edited, "vlan", text, sizeof(text)))
        return refuse_here(judge, "qos needs a vlan");
    if (vf_attributes_check(wanted, reason))
        return refuse_here(judge, "%s", reason);
    return true;
}

static bool known_wanted(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strcmp(rows[i].name, name))
            return true;
    return !strcmp(name, "mac");
}

/* ---- comparing */

/* The attributes of a PF's <desired/> that can be edited, and what each of their words asks for. */
static const struct pf_word {
    const char *attribute, *word;
    enum pf_state state;
} pf_words[] = {
    {"state", "enabled", PF_STATE_ENABLED},
    {"state", "disabled", PF_STATE_DISABLED},
    {"idle-power", "on", PF_STATE_IDLE_ON},
    {"idle-power", "auto", PF_STATE_IDLE_AUTO},
};
#define PF_WORDS (sizeof(pf_words) / sizeof(pf_words[0]))

static bool of_pf(const char *attribute)
{
    for (size_t i = 0; i < PF_WORDS; i++)
        if (!strcmp(pf_words[i].attribute, attribute))
            return true;
    return false;
}

/* The first attribute of `one`, but for a PF's own when `beside`, that `other` has not, or has with
 * another value. */
static bool find_difference_beside(struct walk *one, struct walk *other, bool beside,
                                   char name[NAME_MAX_SHOWN])
{
    bool found = false;

    while (!found && xmlTextReaderMoveToNextAttribute(one->reader) == 1) {
        const char *attribute = name_of(one);
        if (beside && of_pf(attribute))
            continue;
        xmlChar *value = xmlTextReaderGetAttribute(other->reader, (const xmlChar *)attribute);
        const xmlChar *own = xmlTextReaderConstValue(one->reader);
        found = !value || !own || strcmp((const char *)value, (const char *)own) != 0;
        snprintf(name, NAME_MAX_SHOWN, "%s", attribute);
        xmlFree(value);
    }
    xmlTextReaderMoveToElement(one->reader);
    return found;
}

static bool find_difference(struct walk *one, struct walk *other, char name[NAME_MAX_SHOWN])
{
    return find_difference_beside(one, other, false, name);
}

static bool differ(struct judge *judge, char name[NAME_MAX_SHOWN])
{
    return find_difference(&judge->edited, &judge->original, name) ||
           find_difference(&judge->original, &judge->edited, name);
}

/* Where somebody who wants to change an element has to go. */
static const char *advice(const char *element)
{
    if (!strcmp(element, "desired"))
        return "the card is configured in host.xml (then: parclose reload); only its state and "
               "idle-power can be edited";
    if (!strcmp(element, "owner"))
        return "a VF is given to a partition by its definition";
    return "it is observed; only the <desired/> of a VF can be edited";
}

static bool compare_desired(struct judge *judge)
{
    struct devices_edit *edit = judge->edit;
    char name[NAME_MAX_SHOWN];

    if (!differ(judge, name))
        return true;
    if (!known_wanted(name))
        return refuse_here(judge, "<desired>: there is no attribute %s", name);
    if (edit->vfs_count == PARCLOSE_EDIT_VFS_MAX)
        return refuse_here(judge, "changes more than %d VFs: make several edits of it",
                           PARCLOSE_EDIT_VFS_MAX);
    struct vf_edit *vf = &edit->vfs[edit->vfs_count];
    if (!wanted_of(judge, &vf->after))
        return false;
    vf->pf = judge->pf;
    vf->index = judge->index;
    edit->vfs_count++;
    return true;
}

/* What is asked for by this word; PF_STATE_SAME: it is none of the attribute's. */
static enum pf_state pf_state_of(const char *attribute, const char *word)
{
    for (size_t i = 0; i < PF_WORDS; i++)
        if (!strcmp(pf_words[i].attribute, attribute) && !strcmp(pf_words[i].word, word))
            return pf_words[i].state;
    return PF_STATE_SAME;
}

static bool compare_word(struct judge *judge, const char *attribute, const char *words)
{
    struct devices_edit *edit = judge->edit;
    char ours[16] = "", theirs[16] = "";

    value_of(&judge->original, attribute, ours, sizeof(ours));
    value_of(&judge->edited, attribute, theirs, sizeof(theirs));
    if (!strcmp(ours, theirs))
        return true;
    enum pf_state state = pf_state_of(attribute, theirs);
    if (!state)
        return refuse_here(judge, "%s is \"%.15s\": expected %s", attribute, theirs, words);
    if (edit->pf_state)
        return refuse_here(judge, "changes state or idle-power more than once: make several "
                                  "edits of it");
    edit->pf_state = state;
    edit->pf = judge->pf;
    return true;
}

/* A PF's: all but these is as it was, and nothing else of the file is changed. */
static bool compare_state(struct judge *judge)
{
    return compare_word(judge, "state", "enabled or disabled") &&
           compare_word(judge, "idle-power", "on or auto");
}

/* Whether they differ in an attribute that cannot be edited. */
static bool differ_beside(struct judge *judge, char name[NAME_MAX_SHOWN])
{
    return find_difference_beside(&judge->edited, &judge->original, true, name) ||
           find_difference_beside(&judge->original, &judge->edited, true, name);
}

static bool compare_generation(struct judge *judge)
{
    char ours[24] = "", theirs[24] = "";

    if (!value_of(&judge->original, "generation", ours, sizeof(ours)) ||
        !value_of(&judge->edited, "generation", theirs, sizeof(theirs)) ||
        !number(theirs, UINT64_MAX, &judge->edit->generation))
        return refuse_here(judge, "names no generation");
    if (strcmp(ours, theirs) != 0)
        return refuse(judge->edit, EDIT_STALE, 0, "is of generation %s, the file is at %s by now",
                      theirs, ours);
    return true;
}

/* Where the walk is: by the original's word, which the edited file must have, too. */
static bool enter(struct judge *judge, const char *element)
{
    char text[64] = "";
    uint64_t index;

    if (!strcmp(element, "device"))
        return (value_of(&judge->original, "address", text, sizeof(text)) &&
                address(text, &judge->pf)) ||
               refuse(judge->edit, EDIT_FAILED, 0, "the published file has a bad address");
    if (strcmp(element, "vf") != 0)
        return true;
    judge->in_vf = true;
    if (!value_of(&judge->original, "index", text, sizeof(text)) ||
        !number(text, PARCLOSE_MAX_VFS_PER_PF - 1, &index))
        return refuse(judge->edit, EDIT_FAILED, 0, "the published file has a bad index");
    judge->index = (uint32_t)index;
    return true;
}

static bool compare_begin(struct judge *judge)
{
    const char *element = name_of(&judge->edited), *ours = name_of(&judge->original);
    char name[NAME_MAX_SHOWN];

    if (strcmp(element, ours) != 0)
        return refuse_here(judge, "<%.24s> is where <%.24s> is: nothing can be added or removed%s",
                           element, ours,
                           strcmp(element, "desired") != 0 ? "" : "; no partition has this VF");
    if (xmlTextReaderDepth(judge->edited.reader) > DEVICES_EDIT_DEPTH)
        return refuse_here(judge, "is nested too deeply");
    if (!strcmp(element, "devices"))
        return compare_generation(judge);
    if (!enter(judge, element))
        return false;
    if (judge->in_vf && !strcmp(element, "desired"))
        return compare_desired(judge);
    if (!strcmp(element, "desired") && !differ_beside(judge, name))
        return compare_state(judge);
    if (differ(judge, name))
        return refuse_here(judge, "<%.24s> %s differs: %s", element, name, advice(element));
    return true;
}

static bool compare_end(struct judge *judge)
{
    if (!strcmp(name_of(&judge->original), "vf"))
        judge->in_vf = false;
    return true;
}

/* One step of both; false when it is over, or refused. */
static bool step(struct judge *judge)
{
    enum step ours = walk_next(&judge->original);
    enum step theirs = ours == STEP_ERROR ? ours : walk_next(&judge->edited);

    if (ours == STEP_ERROR)
        return refuse(judge->edit, EDIT_FAILED, 0, "the published file cannot be read");
    if (theirs == STEP_ERROR)
        return refuse_here(judge,
                           judge->edited.wrong ? "holds text between elements" : "is no XML");
    if (judge->edit->verdict != EDIT_ACCEPTED)
        return false; /* the schema has refused it */
    if (ours != theirs)
        return refuse_here(judge,
                           "<%.24s> begins or ends where it does not: nothing can be added "
                           "or removed",
                           name_of(&judge->edited));
    if (ours == STEP_OVER)
        return false;
    return ours == STEP_BEGIN ? compare_begin(judge) : compare_end(judge);
}

void devices_edit_read(const char *original, size_t original_size, const char *edited,
                       size_t edited_size, void *schema, struct devices_edit *edit)
{
    struct judge judge = {.edit = edit};

    *edit = (struct devices_edit){.verdict = EDIT_ACCEPTED};
    if (original_size <= DEVICES_EDIT_SIZE_MAX && scan(edit, edited, edited_size) &&
        walk_open(&judge.original, original, original_size, true, edit) &&
        walk_open(&judge.edited, edited, edited_size, false, edit)) {
        if (schema && xmlTextReaderSetSchema(judge.edited.reader, schema) < 0)
            refuse(edit, EDIT_FAILED, 0, "the schema cannot be used");
        while (edit->verdict == EDIT_ACCEPTED && step(&judge))
            ;
    } else {
        refuse(edit, EDIT_FAILED, 0, "cannot be read");
    }
    if (edit->pf_state && edit->vfs_count)
        refuse(edit, EDIT_REFUSED, 0, "changes the state of a PF and VFs: make two edits of it");
    if (edit->verdict != EDIT_ACCEPTED) {
        edit->pf_state = 0;
        edit->pf = (struct bdf){0};
        edit->vfs_count = 0;
        memset(edit->vfs, 0, sizeof(edit->vfs));
    }
    xmlFreeTextReader(judge.edited.reader);
    xmlFreeTextReader(judge.original.reader);
}
