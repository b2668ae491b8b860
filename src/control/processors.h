/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pCPUs that the kernel takes away and gives back (R-MON-2, R-IDLE-1). Lead says which are online.
 * One that is not is owned by `offline`; when it was a partition's, an idle one of the same node,
 * else of any, becomes the partition's in the same transaction, and lead writes the vCPU's cpuset
 * anew. The guest is not stopped. Is none idle, the vCPU runs on the shared pCPUs, or on the
 * host's where none is shared (descriptor.c), until one is: because another partition ended, host
 * configuration freed it, or it came back. One that comes back is what host.xml makes of it: idle,
 * shared or the host's.
 *
 *   web has pCPUs 1 and 2, 3 is idle
 *   ONLINE 0-1,3     → entry 40: 2: web → offline; 3: idle → web; web's vCPU 1 has 3. PROCESSORS
 *   ONLINE 0-1       → entry 41: 3: web → offline; web's vCPU 1 has none. PROCESSORS: it runs on 0
 *   ONLINE 0-2       → entry 42: 2: offline → idle; 43: 2: idle → web; vCPU 1 has 2. PROCESSORS
 *
 * Lead repeats ONLINE on each new link, before all else, so a change that nobody committed is only
 * late. A descriptor that lead may not have is one of a later generation than lead says that it
 * has. So the generation of a partition that runs on the shared pCPUs grows *before* they change:
 * a death between the two costs one needless order.
 */
#pragma once

#include "control.h"

/* Row of lead's table. */
int on_online(void *control, struct frame *frame);

/* Gives idle pCPUs to vCPUs that have none. Call it when a pCPU may have become idle. */
void processors_mend(struct control *control);

/* Whether lead said that it has an older descriptor than the partition's. */
bool processors_stale(const struct partition *partition);
