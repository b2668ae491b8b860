/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/prctl.h>
#include <string.h>
#include <sys/eventfd.h>

#include "monitor.h"
#include "sandbox.h"
#include "sys.h"
#include "text.h"

void monitor_end(struct monitor *m, enum exit_reason reason, const char *text, int64_t error)
{
    struct text line = {.length = 0};

    if (m->end.reason)
        return;
    text_add(&line, text);
    if (error)
        text_error(text_add(&line, ": "), error);
    memcpy(m->end.text, line.line, sizeof(m->end.text));
    m->end.reason = reason;
    text_log_line(&line);
}

static int prepare(struct monitor *m)
{
    int rc = sandbox_begin();

    /* the kernel named it by the number of the file that it was started from */
    (void)sys_call3(SYS_prctl, PR_SET_NAME, (long)"parclose-monitor", 0);

    for (uint32_t i = 0; i < MONITOR_FILE_KINDS; i++)
        m->files.single[i] = -1;
    for (uint32_t i = 0; i < PARCLOSE_MAX_VCPUS; i++)
        m->files.cgroups[i] = -1;
    m->spawner_pid = (uint32_t)sys_call3(SYS_getpid, 0, 0, 0);
    m->work = (int)sys_eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
    m->desk.event = (int)sys_eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->work < 0 || m->desk.event < 0)
        return -1;
    return rc;
}

int main(void)
{
    static struct monitor monitor;

    if (prepare(&monitor) < 0) {
        text_log("cannot start", 0);
        return 1;
    }
    spawner_run(&monitor);
}
