/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text exposition format of Prometheus, version 0.0.4: a family is HELP, TYPE and its samples,
 * one after the other.
 */
#pragma once

#include <stdio.h>

/* Begins a family. `type`: "gauge", "counter" (its name ends in _total), or "histogram" (samples
 * NAME_bucket with le, NAME_sum, NAME_count). */
void metrics_family(FILE *file, const char *name, const char *type, const char *help);

/*
 * A sample of the family: pairs of label and value, NULL at the end; values are escaped, whatever
 * is in them.
 */
__attribute__((sentinel)) void metrics_sample(FILE *file, const char *name, double value, ...);
