/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of pCPUs, and their text as the kernel reads and writes it in cpuset.cpus: "1-3,8". */
#pragma once

#include <stddef.h>

#include "parclose/ids.h"

#define PCPU_SET_TEXT_MAX 4096 /* every other one of PARCLOSE_MAX_PCPUS fits */

/* A number from PARCLOSE_MAX_PCPUS on is in no set. */
void pcpu_set_add(struct pcpu_set *set, uint32_t pcpu);
bool pcpu_set_has(const struct pcpu_set *set, uint32_t pcpu);

/* Reads such a text, to its end or to a newline. -EINVAL: it is none; a number that is in no set is
 * left out. */
int pcpu_set_parse(const char *text, struct pcpu_set *set);

/* "" when it is empty; returns the text. */
const char *pcpu_set_text(const struct pcpu_set *set, char text[PCPU_SET_TEXT_MAX]);
