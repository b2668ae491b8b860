/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main: one loop over the link, the vCPUs' exits and the console. Begins anywhere, also after the
 * death of another main.
 */
#pragma once

struct monitor;

_Noreturn void model_run(struct monitor *monitor);
