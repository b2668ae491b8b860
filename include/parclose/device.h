/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TCB observes of a physical and of a virtual function: the "PF descriptor" from which
 * readiness is judged (R-GATE-5), and its VFs. Observed, never desired; only the TCB makes them.
 *
 * Registers: PCI Express Base Specification, "SR-IOV Extended Capability" (id 0x0010).
 */
#pragma once

#include "parclose/ids.h"

/* One base address register as the kernel resolved it (/sys/.../resource). */
struct bar {
    uint64_t address; /* 0: not assigned */
    uint64_t size;    /* 0: not present */
    uint32_t flags;   /* IORESOURCE_* low bits as in sysfs "resource" */
    uint32_t index;   /* 0..5 */
};
_Static_assert(sizeof(struct bar) == 24, "wire size");

#define SRIOV_CTRL_VF_ENABLE 0x0001
#define SRIOV_CTRL_VF_MSE    0x0008

/* The SR-IOV extended capability, decoded from raw configuration space. */
struct sriov_capability {
    uint32_t offset; /* where it is in configuration space; 0: the function has none */
    uint32_t capabilities;
    uint16_t control;
    uint16_t status;
    uint16_t initial_vfs;
    uint16_t total_vfs;
    uint16_t num_vfs;
    uint16_t function_dependency_link;
    uint16_t first_vf_offset;
    uint16_t vf_stride;
    uint16_t vf_device_id;
    uint16_t reserved;
    uint32_t supported_page_sizes;
    uint32_t system_page_size;
    uint32_t vf_bar[6];
};
_Static_assert(sizeof(struct sriov_capability) == 60, "wire size");

enum function_status {
    FUNCTION_ABSENT = 0,   /* not there, or its configuration space reads all ones */
    FUNCTION_INACTIVE = 1, /* there, not usable yet */
    FUNCTION_ACTIVE = 2,   /* there and configured as desired */
    FUNCTION_ERROR = 3,
};

enum function_class {
    CLASS_OTHER = 0,
    CLASS_NETWORK = 1, /* base class 0x02 */
    CLASS_NVME = 2,    /* class 0x010802 */
};

/* AER errors of a function, as the kernel has counted them since it found it
 * (Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats). */
struct error_counts {
    uint64_t correctable, nonfatal, fatal;
    uint32_t known; /* 1: the kernel counts for it */
    uint32_t reserved;
};
_Static_assert(sizeof(struct error_counts) == 32, "wire size");

/* What the kernel did about the latest uncorrectable error of a PF, its VFs, or its link. */
enum error_recovery {
    RECOVERY_NONE = 0, /* there was none, or it is over */
    RECOVERY_UNDER_WAY = 1,
    RECOVERY_FAILED = 2, /* the driver's device is off until the driver is bound anew */
    ERROR_RECOVERIES
};

/* Runtime power management of a PF in the kernel: what its power/control says, and how it is by its
 * power/runtime_status (Documentation/ABI/testing/sysfs-devices-power). Reading either wakes
 * nothing; reading configuration space may, and keeps one awake that is about to sleep. */
enum power_control {
    POWER_CONTROL_UNKNOWN = 0, /* the kernel does not say */
    POWER_ON = 1,              /* kept awake */
    POWER_AUTO = 2,            /* its driver lets it sleep when it sees no use of it */
    POWER_CONTROLS
};

enum power_status {
    POWER_STATUS_UNKNOWN = 0, /* the kernel does not say, or does not manage it: awake */
    POWER_AWAKE = 1,
    POWER_ASLEEP = 2, /* suspended, or on the way there or back */
    POWER_ERROR = 3,  /* it did not come back */
    POWER_STATUSES
};

/* What is wanted of a PF of which no partition has or waits for a VF. */
enum idle_power {
    IDLE_POWER_ON = 0,   /* POWER_ON */
    IDLE_POWER_AUTO = 1, /* POWER_AUTO */
    IDLE_POWERS
};

#define DRIVER_NAME_MAX  24
#define CARD_SERIAL_MAX  24
#define HEALTH_NAME_MAX  20
#define PARCLOSE_PID_MAX 4194304 /* the kernel's PID_MAX_LIMIT */

struct pf_observed {
    struct bdf bdf;
    uint32_t class; /* enum function_class */
    uint16_t vendor;
    uint16_t device;
    uint32_t class_code; /* 24 bits, as in sysfs "class" */
    uint32_t status;     /* enum function_status */
    uint32_t answers;    /* 1: configuration space answers now */
    uint32_t numvfs;     /* as sysfs says; the capability has its own word */
    uint32_t link_up;    /* network: IFF_UP set on the PF's netdev; NVMe: controller "live" */
    uint32_t open_vfs;   /* VFs of it that some process holds open through us */
    char driver[DRIVER_NAME_MAX]; /* "" when unbound */
    char netdev[16];              /* network: its interface; NVMe: its controller (nvme0) */
    char serial[CARD_SERIAL_MAX]; /* device serial number capability, hex; "" when none */
    struct sriov_capability sriov;
    uint32_t iommu_group; /* UINT32_MAX: none */
    uint32_t node;        /* NUMA node it is attached to; UINT32_MAX: the firmware does not say */
    struct bar bars[6];
    struct bar rom;
    struct error_counts errors;
    uint32_t recovery;      /* enum error_recovery */
    uint32_t power_control; /* enum power_control */
    uint32_t power_status;  /* enum power_status; while it may sleep, what only configuration space
                               tells (answers, sriov, its VFs' answers) is as it was before */
    uint32_t carrier;       /* network: 1: its interface has a carrier (operational state up, or not
                               known: RFC 2863) */
    uint32_t reset;         /* 1: it was reset behind its driver's back */
    char health[HEALTH_NAME_MAX]; /* its driver's health reporter that is in error (devlink); "":
                                     none is, or it has none */
    uint32_t stuck_pid; /* process of the TCB that has not come back from an action on it within its
                           deadline: until it ends, every other action is refused; 0: none */
    uint32_t reserved;  /* 0: two of them are compared byte by byte */
    uint64_t event_ns;  /* CLOCK_MONOTONIC at which the TCB learnt of the change */
};

struct vf_observed {
    struct bdf bdf;
    struct bdf pf;
    uint32_t index;       /* 0-based, as in sysfs virtfnN */
    uint32_t status;      /* enum function_status */
    uint32_t answers;     /* 1: its configuration space answers (capability pointer not all ones) */
    uint32_t iommu_group; /* UINT32_MAX: none */
    uint32_t attributes_set; /* 1: as desired when they were last read */
    uint32_t unread;         /* 1: its PF began anew since, and may have forgotten them */
    uint32_t open;           /* 1: handed out through VFIO by us and the holder lives */
    char driver[DRIVER_NAME_MAX];
    uint32_t bind_error; /* errno of the latest try to bind it to vfio-pci; 0: none, or it is bound;
                            ENOENT: the kernel has no vfio-pci, EIO: vfio-pci does not take it */
    uint32_t for_host;   /* 1: it has no driver, and its driver_override names another one than
                            vfio-pci: root means it for the host, it is not bound by us */
    uint32_t reserved;   /* 0: two of them are compared byte by byte */
    struct bar bars[6];
    struct error_counts errors;
    uint64_t event_ns;
};

/* A PCI function that is neither a managed PF nor a VF of one: bridges, the host's own devices. */
struct function_observed {
    struct bdf bdf; /* 0 is one: 0000:00:00.0 is the host bridge of most hosts */
    struct bdf pf;  /* of a VF; 0: it is none */
    uint16_t vendor;
    uint16_t device;
    uint32_t class_code;          /* 24 bits, as in sysfs "class" */
    uint32_t iommu_group;         /* UINT32_MAX: none */
    uint32_t node;                /* UINT32_MAX: the firmware does not say */
    char driver[DRIVER_NAME_MAX]; /* "" when unbound */
};
_Static_assert(sizeof(struct function_observed) == 48, "wire size");

/* Desired attributes of a VF; what is not network or not NVMe ignores the other's half. */
#define VF_ATTR_MAC      0x01
#define VF_ATTR_VLAN     0x02
#define VF_ATTR_TRUST    0x04
#define VF_ATTR_SPOOFCHK 0x08
#define VF_ATTR_RATE     0x10
#define VF_ATTR_LINK     0x20

struct vf_attributes {
    uint32_t present; /* VF_ATTR_* */
    uint8_t mac[6];
    uint16_t vlan;         /* 0..4094; 0: none */
    uint8_t qos;           /* 0..7 */
    uint8_t trust;         /* 0, 1 */
    uint8_t spoofchk;      /* 0, 1 */
    uint8_t link_state;    /* IFLA_VF_LINK_STATE_AUTO, _ENABLE, _DISABLE */
    uint32_t min_tx_rate;  /* Mbit/s, 0: none */
    uint32_t max_tx_rate;  /* Mbit/s, 0: none */
    uint16_t nvme_queues;  /* flexible VQ resources, 0: default */
    uint16_t nvme_vectors; /* flexible VI resources, 0: default */
};
_Static_assert(sizeof(struct vf_attributes) == 28, "wire size");

/* What an edit of devices.xml asks of one VF: other attributes than those that are desired now. */
struct vf_edit {
    struct bdf pf;
    uint32_t index;
    struct vf_attributes before, after;
};
_Static_assert(sizeof(struct vf_edit) == 64, "wire size, on disk");

/* What an edit wants of a PF. */
enum pf_state {
    PF_STATE_SAME = 0,
    PF_STATE_ENABLED = 1,
    PF_STATE_DISABLED = 2,
    PF_STATE_IDLE_ON = 3, /* enum idle_power */
    PF_STATE_IDLE_AUTO = 4,
    PF_STATES
};

#define PARCLOSE_EDIT_VFS_MAX  32 /* of one edit */
#define PARCLOSE_EDIT_NAME_MAX 64 /* of its file, NUL included */

/* Why a PF is, or is not, ready. The one list that gate, show and audit share. */
enum pf_readiness {
    PF_UNKNOWN = 0, /* nobody judged it since the SR-PCIM (re)started */
    PF_READY = 1,   /* proven */
    PF_ABSENT = 2,  /* no such card */
    PF_DRIVER_UNBOUND = 3,
    PF_NO_ANSWER = 4,    /* configuration space reads all ones */
    PF_VFS_MISSING = 5,  /* VF Enable clear or NumVFs below the desired number */
    PF_VF_NO_ANSWER = 6, /* a VF's configuration space does not answer */
    PF_LINK_DOWN = 7,    /* netdev not up, NVMe controller not live */
    PF_BUSY = 8,         /* an action on it is under way */
    PF_IN_ERROR = 9,     /* the ladder is spent */
    PF_VF_RESET = 10,    /* it was reset behind its driver's back, or a VF under its guest */
    PF_DISABLED = 11,    /* by an administrator: it is to have no VFs */
    PF_ERRORS = 12,      /* an uncorrectable error, and the kernel has not recovered from it */
    PF_ASLEEP = 13,      /* its power is saved while it is idle; or it is being woken */
    PF_VFS_UNBOUND = 14, /* no VF of it is in use, and one was not yet tried to be bound to
                            vfio-pci */
    PF_UNHEALTHY = 15,   /* its driver says that it is in error */
    PF_READINESS_KINDS
};

/* The actions on devices. Each is proposed by SR-PCIM (VF_CONFIGURE: asked for by an edit of
 * devices.xml; PF_RESET, PF_DISABLE: by an administrator), committed by control, applied by the
 * TCB. */
enum device_action {
    ACTION_NONE = 0,
    ACTION_PF_BIND = 1,       /* bind the PF's driver; nothing when bound */
    ACTION_PF_CREATE_VFS = 2, /* autoprobe off, numvfs = desired; refused while a VF is open or
                                 another number of them exists; then as PF_BIND_VFS, whose failures
                                 are none of its own */
    ACTION_PF_LINK_UP = 3,    /* network: interface up */
    ACTION_PF_RESTART = 4,    /* rung 1: unbind (refused while a VF is open) and bind */
    ACTION_VF_ACTIVATE = 5,   /* reset, attributes, vfio-pci, read back; refused while it is open */
    ACTION_VF_RELEASE = 6,    /* clear driver_override; attributes stay; refused while it is open */
    ACTION_VF_CONFIGURE = 7,  /* attributes alone, read back; what an open VF does not stand (MAC,
                                 NVMe resources) is refused while it is open */
    ACTION_PF_RESET = 8,      /* VFs destroyed, driver unbound, function-level reset, driver bound;
                                 refused while a VF is open */
    ACTION_PF_DISABLE = 9,    /* VFs destroyed, driver unbound; refused while a VF is open */
    ACTION_PF_RENEW = 10,     /* after a reset behind our back: what its driver has to do again for
                                 its VFs (driver_table.h), their attributes; refused while a VF of
                                 it works, or when nothing tells of a reset */
    ACTION_VF_RENEW = 11, /* attributes that the PF has forgotten of a VF in use, as VF_CONFIGURE */
    ACTION_PF_SLEEP = 12, /* network: interface down, unless the host uses it; power/control auto;
                             refused while a partition has a VF, or the host's driver one */
    ACTION_PF_WAKE = 13,  /* power/control on; an error when it does not wake */
    ACTION_PF_BIND_VFS = 14, /* those of its configured VFs that have no driver and are nobody's are
                                bound to vfio-pci; one that is for the host is left alone */
    ACTION_VF_ABANDON = 15,  /* an open VF that does not answer is not reset any more, so that who
                                closes it does not wait for it; refused while it answers */
    DEVICE_ACTIONS
};

/* A flag beside the action (its `vfs`): PF_RESTART, _RESET, _DISABLE are refused while the host
 * itself uses the PF: an interface of it has an address or belongs to another one, a namespace is
 * mounted, swapped to, or part of another block device. */
#define ACTION_SPARE_HOST UINT32_C(0x80000000)

/* What an administrator may order besides the definitions. */
enum device_order {
    DEVICE_ORDER_NONE = 0,
    DEVICE_ORDER_PF_RESTART = 1,    /* ACTION_PF_RESTART */
    DEVICE_ORDER_PF_RESET = 2,      /* ACTION_PF_RESET */
    DEVICE_ORDER_SR_PCIM_RESET = 3, /* SR-PCIM restarted, and ACTION_PF_RESET of every PF of which
                                       no VF is in use (R-RST-1) */
    DEVICE_ORDER_PF_DISABLE = 4,    /* ACTION_PF_DISABLE, and no VFs are made until it is enabled */
    DEVICE_ORDER_PF_ENABLE = 5,     /* ACTION_PF_BIND; then as ever */
    DEVICE_ORDER_PF_IDLE_ON = 6,    /* enum idle_power, of whatever state the PF is; no action */
    DEVICE_ORDER_PF_IDLE_AUTO = 7,
    DEVICE_ORDERS
};

/* The recovery ladder (R-GATE-4). */
enum rung {
    RUNG_WAIT = 0,
    RUNG_RESTART_PF = 1,
    RUNG_RESTART_SR_PCIM = 2,
    RUNG_RESTART_ISP = 3,
    RUNG_ERROR = 4,
};
