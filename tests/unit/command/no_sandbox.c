/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

int sandbox_seal(const int *extra, size_t extra_count)
{
    (void)extra;
    (void)extra_count;
    return 0;
}

int sandbox_seal_only(const int *calls, size_t count)
{
    (void)calls;
    (void)count;
    return 0;
}

int sandbox_refuse(const int *calls, size_t count)
{
    (void)calls;
    (void)count;
    return 0;
}

int sandbox_compute_only(int keep, uint64_t memory_max, unsigned seconds_max)
{
    (void)keep;
    (void)memory_max;
    (void)seconds_max;
    return 0;
}
