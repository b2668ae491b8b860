/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "sandbox.h"
#include "sys.h"

int sandbox_enter(enum sandbox_filter filter)
{
    return (int)sys_call3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&sandbox_programs[filter]);
}

int sandbox_begin(void)
{
    long rc = sys_call6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);

    if (rc == 0)
        rc = sys_call6(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    return (int)rc;
}
