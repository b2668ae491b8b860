/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-lead as an executable of the tests: no cgroups, no processes. In the place of the
 * spawning helper is who started it: the end of a SEQPACKET pair is file PLAYED_SPAWNER, and what
 * is said on it is said as in src/lead/spawn.h.
 *
 * A partition's cgroup is the file NAME.cgroup in its folder: two bytes, which the test may read.
 */
#pragma once

#define PLAYED_SPAWNER 100
#define PLAYED_CGROUP  ".cgroup"

struct played_cgroup {
    char frozen; /* '0' or '1' */
    char killed; /* '0'; '1': all that is in it was to be killed */
};
