/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot as a whole. Its exit status: 0 after an ordered shutdown, final; SUPERVISE_LEFT when a
 * signal ended boot alone and all others go on, to be adopted by the next boot; 1 on a failure.
 */
#pragma once

#include "kinds.h"

#define SUPERVISE_LEFT 75

int supervise(const struct layout *layout);
