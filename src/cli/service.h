/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending the service itself: through systemd where it is init, else the holder. */
#pragma once

#include "cli.h"

/* True where `systemctl` manages the service. */
bool service_is_systemd(void);

/* Starts it and does not wait for more than that. CLI_OK or CLI_FAILED; says why. */
int service_start(void);

/* The last word: systemctl stop, or SIGTERM to the holder; root. CLI_OK when there is none. */
int service_stop(void);

/* Whether any process of Parclose that we can see lives, found by its executable's name. */
bool service_lives(void);
