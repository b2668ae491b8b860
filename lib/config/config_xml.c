/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_xml.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/config_text.h"

#if LIBXML_VERSION >= 21200
#define XML_ERROR_CONST const
#else
#define XML_ERROR_CONST
#endif

/* A document being parsed. */
struct parse {
    const struct xml_source *source;
    unsigned depth;
    bool refused; /* the error is set */
};

/* An element as the error names it: with the attribute that people know it by. */
static void node_name(const xmlNode *node, char *text, size_t size)
{
    static const char *const keys[] = {"name", "card", "number"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        xmlChar *value = xmlGetNoNsProp((xmlNode *)(uintptr_t)node, (const xmlChar *)keys[i]);
        if (!value)
            continue;
        snprintf(text, size, "<%.40s %s=\"%.40s\">", (const char *)node->name, keys[i],
                 (const char *)value);
        xmlFree(value);
        return;
    }
    snprintf(text, size, "<%.40s>", (const char *)node->name);
}

int xml_refuse(const struct xml_source *source, const xmlNode *node, const char *format, ...)
{
    char name[128], what[CONFIG_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    node_name(node, name, sizeof(name));
    config_error_set(source->error, "%s:%ld: %s: %s", source->file, xmlGetLineNo(node), name, what);
    return -EINVAL;
}

static void parse_refuse(struct parse *parse, int line, const char *what)
{
    if (!parse->refused)
        config_error_set(parse->source->error, "%s:%d: %s", parse->source->file, line, what);
    parse->refused = true;
}

static void on_parse_error(void *data, XML_ERROR_CONST xmlError *error)
{
    xmlParserCtxt *parser = data;
    parse_refuse(parser->_private, error->line, error->message ? error->message : "is no XML");
}

static void stop(xmlParserCtxt *parser, const char *what)
{
    parse_refuse(parser->_private, xmlSAX2GetLineNumber(parser), what);
    xmlStopParser(parser);
}

/* Comes before anything of the DTD is read: no entity is ever declared. */
static void on_doctype(void *data, const xmlChar *name, const xmlChar *external,
                       const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    stop(data, "a DOCTYPE is not permitted");
}

static void on_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                       int namespaces_count, const xmlChar **namespaces, int attributes_count,
                       int defaulted_count, const xmlChar **attributes)
{
    xmlParserCtxt *parser = data;
    struct parse *parse = parser->_private;

    if (++parse->depth > CONFIG_DEPTH_MAX) {
        stop(parser, "elements are nested too deeply");
        return;
    }
    xmlSAX2StartElementNs(parser, name, prefix, uri, namespaces_count, namespaces, attributes_count,
                          defaulted_count, attributes);
}

static void on_element_end(void *data, const xmlChar *name, const xmlChar *prefix,
                           const xmlChar *uri)
{
    xmlParserCtxt *parser = data;
    struct parse *parse = parser->_private;

    parse->depth--;
    xmlSAX2EndElementNs(parser, name, prefix, uri);
}

static int parse_document(struct parse *parse, const char *text, size_t size, xmlDoc **document)
{
    const int options =
        XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES;
    xmlParserCtxt *parser = xmlNewParserCtxt();

    if (!parser)
        return -ENOMEM;
    parser->_private = parse;
    parser->sax->internalSubset = on_doctype;
    parser->sax->startElementNs = on_element;
    parser->sax->endElementNs = on_element_end;
    parser->sax->serror = on_parse_error;
    *document = xmlCtxtReadMemory(parser, text, (int)size, NULL, "UTF-8", options);
    if (!*document || parse->refused) {
        parse_refuse(parse, 1, "is no XML");
        xmlFreeDoc(*document);
        *document = NULL;
    }
    xmlFreeParserCtxt(parser);
    return *document ? 0 : -EINVAL;
}

/* "Element 'vf', attribute 'index': [facet 'maxInclusive'] The value …" → from "attribute" on. */
static const char *without_element(const char *message)
{
    if (strncmp(message, "Element '", 9) != 0)
        return message;
    const char *end = strchr(message + 9, '\'');
    if (!end || (end[1] != ',' && end[1] != ':'))
        return message;
    end += 2;
    return end + strspn(end, " ");
}

static void on_schema_error(void *data, XML_ERROR_CONST xmlError *error)
{
    struct parse *parse = data;
    char message[CONFIG_ERROR_MAX];

    if (parse->refused)
        return;
    parse->refused = true;
    snprintf(message, sizeof(message), "%s", error->message ? error->message : "is not valid");
    message[strcspn(message, "\n")] = '\0';
    const xmlNode *node = error->node;
    if (node && node->type == XML_ATTRIBUTE_NODE)
        node = node->parent;
    if (node && node->type == XML_ELEMENT_NODE)
        xml_refuse(parse->source, node, "%s", without_element(message));
    else
        config_error_set(parse->source->error, "%s: %s", parse->source->file, message);
}

static int validate(struct parse *parse, xmlSchema *schema, xmlDoc *document)
{
    xmlSchemaValidCtxt *valid = xmlSchemaNewValidCtxt(schema);

    if (!valid)
        return -ENOMEM;
    xmlSchemaSetValidStructuredErrors(valid, on_schema_error, parse);
    int result = xmlSchemaValidateDoc(valid, document);
    xmlSchemaFreeValidCtxt(valid);
    if (result && !parse->refused)
        config_error_set(parse->source->error, "%s: is not valid", parse->source->file);
    return result ? -EINVAL : 0;
}

int xml_document_parse(const struct xml_source *source, const char *text, size_t size,
                       xmlSchema *schema, xmlDoc **document)
{
    struct parse parse = {.source = source};

    *document = NULL;
    int result = config_text_scan(source->file, text, size, source->error);
    if (!result)
        result = parse_document(&parse, text, size, document);
    if (!result)
        result = validate(&parse, schema, *document);
    if (result) {
        xmlFreeDoc(*document);
        *document = NULL;
    }
    return result;
}

xmlSchema *xml_schema_new(const char *text)
{
    xmlSchemaParserCtxt *parser = xmlSchemaNewMemParserCtxt(text, (int)strlen(text));

    if (!parser)
        return NULL;
    xmlSchema *schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    return schema;
}

static xmlChar *attribute(const xmlNode *node, const char *name)
{
    return xmlGetNoNsProp((xmlNode *)(uintptr_t)node, (const xmlChar *)name);
}

/* Decimal digits, white space around them as the schema permits. */
static bool number_parse(const char *text, uint64_t *value)
{
    char *end;

    text += strspn(text, " \t\r\n+");
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    end += strspn(end, " \t\r\n");
    return !errno && !*end;
}

int xml_attribute_number(const struct xml_source *source, const xmlNode *node, const char *name,
                         uint32_t min, uint32_t max, uint32_t *value)
{
    xmlChar *text = attribute(node, name);
    uint64_t number = 0;
    int result = 1;

    if (!text)
        return 0;
    if (!number_parse((const char *)text, &number) || number < min || number > max)
        result = xml_refuse(source, node, "%s is \"%.40s\": expected a number from %u to %u", name,
                            (const char *)text, min, max);
    else
        *value = (uint32_t)number;
    xmlFree(text);
    return result;
}

int xml_attribute_text(const struct xml_source *source, const xmlNode *node, const char *name,
                       char *value, size_t size)
{
    xmlChar *text = attribute(node, name);
    int result = 1;

    if (!text)
        return 0;
    if (strlen((const char *)text) >= size)
        result = xml_refuse(source, node, "%s is too long: at most %zu characters", name, size - 1);
    else
        strcpy(value, (const char *)text);
    xmlFree(text);
    return result;
}

int xml_attribute_choice(const struct xml_source *source, const xmlNode *node, const char *name,
                         const char *const *choices, uint32_t *value)
{
    xmlChar *text = attribute(node, name);
    int result = 0;

    if (!text)
        return 0;
    for (uint32_t i = 0; choices[i] && !result; i++) {
        if (strcmp(choices[i], (const char *)text) != 0)
            continue;
        *value = i;
        result = 1;
    }
    if (!result)
        result = xml_refuse(source, node, "%s is \"%.40s\", which it cannot be", name,
                            (const char *)text);
    xmlFree(text);
    return result;
}

/* In place: no white space at the ends, one blank for each run of it. */
static void collapse(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        bool blank = strchr(" \t\r\n", *from) != NULL;
        if (!blank)
            *to++ = *from;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    while (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
}

int xml_content(const struct xml_source *source, const xmlNode *node, char *value, size_t size)
{
    xmlChar *text = xmlNodeGetContent((xmlNode *)(uintptr_t)node);
    int result = 0;

    if (!text)
        return -ENOMEM;
    collapse((char *)text);
    if (strlen((const char *)text) >= size)
        result = xml_refuse(source, node, "is too long: at most %zu characters", size - 1);
    else
        strcpy(value, (const char *)text);
    xmlFree(text);
    return result;
}

const char *xml_hex(const char *text, int digits, char end, uint32_t *value)
{
    static const char alphabet[] = "0123456789abcdef";

    *value = 0;
    for (int i = 0; i < digits; i++, text++) {
        const char *digit = *text ? strchr(alphabet, tolower((unsigned char)*text)) : NULL;
        if (!digit)
            return NULL;
        *value = *value << 4 | (uint32_t)(digit - alphabet);
    }
    return *text == end ? text + 1 : NULL;
}

static const xmlNode *from(const xmlNode *node, const char *name)
{
    while (node && (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0))
        node = node->next;
    return node;
}

const xmlNode *xml_child(const xmlNode *node, const char *name)
{
    return from(node->children, name);
}

const xmlNode *xml_next(const xmlNode *node, const char *name)
{
    return from(node->next, name);
}
