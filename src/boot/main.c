/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise.h"

int main(void)
{
    return supervise(&host_layout);
}
