/* SPDX-License-Identifier: Apache-2.0 */
#include "map/capability_names.h"

#include <pci/pci.h>
#include <stddef.h>

static const char *name_in(const char *const *names, size_t count, unsigned id)
{
    return id < count && names[id] ? names[id] : "other";
}

const char *capability_name(unsigned id)
{
    static const char *const names[] = {
        [PCI_CAP_ID_PM] = "power-management",
        [PCI_CAP_ID_AGP] = "agp",
        [PCI_CAP_ID_VPD] = "vpd",
        [PCI_CAP_ID_SLOTID] = "slot-identification",
        [PCI_CAP_ID_MSI] = "msi",
        [PCI_CAP_ID_CHSWP] = "hot-swap",
        [PCI_CAP_ID_PCIX] = "pci-x",
        [PCI_CAP_ID_HT] = "hypertransport",
        [PCI_CAP_ID_VNDR] = "vendor",
        [PCI_CAP_ID_DBG] = "debug-port",
        [PCI_CAP_ID_CCRC] = "resource-control",
        [PCI_CAP_ID_HOTPLUG] = "hot-plug",
        [PCI_CAP_ID_SSVID] = "subsystem",
        [PCI_CAP_ID_AGP3] = "agp-8x",
        [PCI_CAP_ID_SECURE] = "secure-device",
        [PCI_CAP_ID_EXP] = "pci-express",
        [PCI_CAP_ID_MSIX] = "msi-x",
        [PCI_CAP_ID_SATA] = "sata",
        [PCI_CAP_ID_AF] = "advanced-features",
        [PCI_CAP_ID_EA] = "enhanced-allocation",
    };
    return name_in(names, sizeof(names) / sizeof(names[0]), id);
}

const char *extended_capability_name(unsigned id)
{
    static const char *const names[] = {
        [PCI_EXT_CAP_ID_AER] = "aer",
        [PCI_EXT_CAP_ID_VC] = "virtual-channel",
        [PCI_EXT_CAP_ID_DSN] = "device-serial-number",
        [PCI_EXT_CAP_ID_PB] = "power-budgeting",
        [PCI_EXT_CAP_ID_RCLINK] = "root-complex-link",
        [PCI_EXT_CAP_ID_RCILINK] = "root-complex-internal-link",
        [PCI_EXT_CAP_ID_RCEC] = "root-complex-event-collector",
        [PCI_EXT_CAP_ID_MFVC] = "multi-function-virtual-channel",
        [PCI_EXT_CAP_ID_VC2] = "virtual-channel",
        [PCI_EXT_CAP_ID_RCRB] = "root-complex-registers",
        [PCI_EXT_CAP_ID_VNDR] = "vendor",
        [PCI_EXT_CAP_ID_ACS] = "acs",
        [PCI_EXT_CAP_ID_ARI] = "ari",
        [PCI_EXT_CAP_ID_ATS] = "ats",
        [PCI_EXT_CAP_ID_SRIOV] = "sr-iov",
        [PCI_EXT_CAP_ID_MRIOV] = "mr-iov",
        [PCI_EXT_CAP_ID_MCAST] = "multicast",
        [PCI_EXT_CAP_ID_PRI] = "page-request",
        [PCI_EXT_CAP_ID_REBAR] = "resizable-bar",
        [PCI_EXT_CAP_ID_DPA] = "dynamic-power-allocation",
        [PCI_EXT_CAP_ID_TPH] = "tph",
        [PCI_EXT_CAP_ID_LTR] = "ltr",
        [PCI_EXT_CAP_ID_SECPCI] = "secondary-pci-express",
        [PCI_EXT_CAP_ID_PMUX] = "protocol-multiplexing",
        [PCI_EXT_CAP_ID_PASID] = "pasid",
        [PCI_EXT_CAP_ID_LNR] = "ln-requester",
        [PCI_EXT_CAP_ID_DPC] = "dpc",
        [PCI_EXT_CAP_ID_L1PM] = "l1-pm-substates",
        [PCI_EXT_CAP_ID_PTM] = "precision-time",
        [PCI_EXT_CAP_ID_M_PCIE] = "m-pcie",
        [PCI_EXT_CAP_ID_FRS] = "frs-queueing",
        [PCI_EXT_CAP_ID_RTR] = "readiness-time",
        [PCI_EXT_CAP_ID_DVSEC] = "designated-vendor",
        [PCI_EXT_CAP_ID_VF_REBAR] = "vf-resizable-bar",
        [PCI_EXT_CAP_ID_DLNK] = "data-link-feature",
        [PCI_EXT_CAP_ID_16GT] = "physical-layer-16gt",
        [PCI_EXT_CAP_ID_LMR] = "lane-margining",
        [PCI_EXT_CAP_ID_HIER_ID] = "hierarchy-id",
        [PCI_EXT_CAP_ID_NPEM] = "enclosure-management",
        [PCI_EXT_CAP_ID_DOE] = "data-object-exchange",
    };
    return name_in(names, sizeof(names) / sizeof(names[0]), id);
}
