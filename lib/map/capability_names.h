/* SPDX-License-Identifier: Apache-2.0 */
/* Words for capability ids (PCI Code and ID Assignment Specification); "other" for the rest. */
#pragma once

const char *capability_name(unsigned id);          /* of the list that begins at 34h */
const char *extended_capability_name(unsigned id); /* of the list that begins at 100h */
