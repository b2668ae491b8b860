/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile peer does to a daemon, made from tables: the messages that it may send, each with
 * every wrong form, and lies, which are of the right form. After each the daemon must be alive.
 */
#pragma once

#include "stage.h"

enum verdict {
    LINK_ENDS,       /* it closes the link and complains to boot: -EBADMSG */
    REQUEST_REFUSED, /* it answers CONTROL_RESULT with an error, and the link stays */
    NO_MATTER,       /* the link stays: the content may be, or means nothing to it */
};

/* A message that a peer may send: a row of the receiver's table, as the header of the link says. */
struct attack_row {
    const char *name;
    uint16_t type;
    uint16_t files_min, files_max;
    uint32_t size;
    enum verdict garbage; /* when every byte of its body is 0xff */
};
#define ATTACK_ROW(type, files_min, files_max, structure, garbage)                                 \
    {                                                                                              \
#type, type, files_min, files_max, sizeof(struct structure), garbage                       \
    }

/* A message of the right form. */
struct attack_lie {
    const char *name;
    enum process_kind from;
    const void *message;
    enum verdict verdict;
    int (*file)(void); /* makes the file that goes with it; NULL: none */
};
#define LIE_HEADER(type_, structure, id_)                                                          \
    {                                                                                              \
        .version = WIRE_VERSION, .type = (type_), .size = sizeof(struct structure), .id = (id_)    \
    }
/* For a member that is an array of characters: no NUL in it. */
#define ENDLESS(size)                                                                              \
    {                                                                                              \
        [0 ...(size) - 1] = 'x'                                                                    \
    }

struct attack_peer {
    enum process_kind kind;
    const struct attack_row *rows;
    size_t rows_count;
    /* Whose link is not of boot's making, and who is not complained of: makes it. When one has
     * ended, checks first what the daemon made of that. NULL: boot makes it. */
    void (*again)(struct stage *stage);
};

struct attack {
    enum process_kind victim;
    const struct attack_peer *peers;
    size_t peers_count;
    const struct attack_lie *lies;
    size_t lies_count;
    const struct attack_lie *flood;    /* answered each time, sent without reading; or NULL */
    void (*give)(struct stage *stage); /* the files that it needs before START */
    void (*live)(struct stage *stage); /* after START: some state worth defending; or NULL */
};

/* The stage of each test, for more of them in main(), after attack_run(). */
int attack_setup(void **stage);
int attack_teardown(void **stage);

/* Runs all. argv[1]: the executable. Returns an exit status for main(). */
int attack_run(const struct attack *attack, int argc, char **argv);
