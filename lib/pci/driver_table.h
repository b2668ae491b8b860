/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each PF driver is known to do to its VFs: data, for people (devices.xml, parclose show), and
 * for what is done by it: a PF is renewed by `renew`, left alone by `error`, and asked for `up`. A
 * driver that is not in the table is taken to destroy them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/device.h"

/* What becomes of the VFs when the PF's driver is unbound. */
enum driver_unbind {
    UNBIND_UNKNOWN = 0,
    UNBIND_DESTROYS = 1, /* the driver disables SR-IOV: it waits for each VF's user */
    UNBIND_KEEPS = 2,    /* SR-IOV stays enabled, the VFs stay where they are */
};

/* The gentlest restart that VFs in use survive, for people alone: nobody carries it out. A PF that
 * is restarted is always unbound and bound, and that is refused while a VF of it is open. */
enum driver_restart {
    RESTART_NONE = 0,   /* there is none */
    RESTART_REBIND = 1, /* unbind and bind */
    RESTART_RELOAD = 2, /* devlink reload */
};

/* What has to be done again for VFs in use after a reset of the PF that nobody asked its driver
 * about (sysfs "reset"), besides what their users do (MONITOR_VF_MEND). */
enum driver_renew {
    RENEW_UNKNOWN = 0,
    RENEW_NONE = 1,        /* the driver learns of it and does all that by itself */
    RENEW_LINK = 2,        /* the PF's interface down and up: only then it sets its registers up */
    RENEW_CONTROLLERS = 3, /* the secondary controllers online again */
};

/* After an error from which the kernel could not recover the card, its interface being up. */
enum driver_error {
    ERROR_UNKNOWN = 0, /* unbound and bound it is taken to begin anew */
    ERROR_STUCK = 1,   /* whoever unbinds it, or takes its interface down, hangs for ever with a
                          lock that all of the host's network needs: the host has to be restarted */
};

/* How it is known. */
enum driver_proof {
    PROOF_NONE = 0,
    PROOF_SOURCE = 1,   /* read in the driver's source, untested on hardware */
    PROOF_EMULATED = 2, /* and seen with an emulated card, untested on hardware */
    PROOF_HARDWARE = 3, /* and seen with a real one */
};

/* A bit of what ETHTOOL_GREGS gives (ethtool -d), which the driver sets when the interface goes up
 * and a reset of the card clears. */
struct driver_registers {
    uint32_t version; /* first byte of the kernel's struct ethtool_regs.version: the layout */
    uint32_t word;
    uint32_t mask; /* 0: no such bit is known */
};

struct driver_facts {
    const char *name; /* as its folder in /sys/bus/pci/drivers */
    uint32_t unbind;  /* enum driver_unbind */
    uint32_t restart; /* enum driver_restart */
    uint32_t renew;   /* enum driver_renew */
    uint32_t error;   /* enum driver_error */
    uint32_t proof;   /* enum driver_proof */
    struct driver_registers up;
};

/* Never NULL: of a driver that is not in the table nothing is known. The name need not end. */
const struct driver_facts *driver_facts(const char *name, uint32_t size);

/* Whether its driver is to be left alone until the host is restarted. `recovery`: of the PF. */
bool driver_stuck(const struct pf_observed *pf, enum error_recovery recovery);

const char *driver_unbind_name(uint32_t unbind);
const char *driver_restart_name(uint32_t restart);
const char *driver_renew_name(uint32_t renew);
const char *driver_error_name(uint32_t error);
const char *driver_proof_name(uint32_t proof);
