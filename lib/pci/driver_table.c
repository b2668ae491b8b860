/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: Linux 6.12, by file and function. That the kernel itself leaves VFs alone when a driver
 * goes: drivers/pci/iov.c, pci_iov_remove() only warns "driver left SR-IOV enabled after remove".
 * What was seen with emulated cards: igb and nvme, in the lab.
 */
#include "pci/driver_table.h"

#include <string.h>

static const struct driver_facts table[] = {
    /* drivers/net/ethernet/intel/igb/igb_main.c: igb_remove() calls igb_disable_sriov(), that
     * pci_disable_sriov() unless pci_vfs_assigned(), which only Xen's pciback makes true.
     * igb_err_handler has no reset_done(): it does not learn of a reset, and igb_up() alone sets
     * its registers for VFs up. igb_io_error_detected() stops its queues (igb_down()),
     * igb_io_resume() alone starts them again, and igb_close(), under the rtnl lock, stops them
     * once more: napi_synchronize() waits for what comes no more (seen in the lab).
     * igb_ethtool.c, igb_get_regs(): word 32 is Receive Control, whose Enable igb_setup_rctl() sets
     * and igb_down() clears */
    {"igb",
     UNBIND_DESTROYS,
     RESTART_NONE,
     RENEW_LINK,
     ERROR_STUCK,
     PROOF_EMULATED,
     {.version = 1, .word = 32, .mask = 0x2}},
    /* drivers/net/ethernet/intel/ixgbe/ixgbe_main.c: ixgbe_remove() calls ixgbe_disable_sriov();
     * ixgbe_err_handler has no reset_done() */
    {"ixgbe", UNBIND_DESTROYS, RESTART_NONE, RENEW_LINK, ERROR_UNKNOWN, PROOF_SOURCE, {0}},
    /* drivers/net/ethernet/intel/i40e/i40e_main.c: i40e_remove() calls i40e_free_vfs() when
     * I40E_FLAG_SRIOV_ENABLED; i40e_pci_error_reset_done() resets all VFs and sets them up */
    {"i40e", UNBIND_DESTROYS, RESTART_NONE, RENEW_NONE, ERROR_UNKNOWN, PROOF_SOURCE, {0}},
    /* drivers/net/ethernet/intel/ice/ice_main.c: ice_remove() calls ice_free_vfs() when
     * ICE_FLAG_SRIOV_ENA; ice_pci_err_reset_done() rebuilds the PF and its VFs */
    {"ice", UNBIND_DESTROYS, RESTART_NONE, RENEW_NONE, ERROR_UNKNOWN, PROOF_SOURCE, {0}},
    /* drivers/net/ethernet/mellanox/mlx5/core/main.c: remove_one() calls mlx5_sriov_disable(), that
     * pci_disable_sriov(); a devlink reload goes through mlx5_sriov_detach() and _attach()
     * (sriov.c), which leave SR-IOV enabled */
    {"mlx5_core", UNBIND_DESTROYS, RESTART_RELOAD, RENEW_UNKNOWN, ERROR_UNKNOWN, PROOF_SOURCE, {0}},
    /* drivers/nvme/host/pci.c: nvme_remove() touches no SR-IOV; its sriov_configure is
     * pci_sriov_configure_simple(). nvme_reset_done() brings the PF's controller back; that its
     * secondary controllers are online is nobody's in the kernel */
    {"nvme", UNBIND_KEEPS, RESTART_REBIND, RENEW_CONTROLLERS, ERROR_UNKNOWN, PROOF_EMULATED, {0}},
};

const struct driver_facts *driver_facts(const char *name, uint32_t size)
{
    static const struct driver_facts unknown = {
        "", UNBIND_UNKNOWN, RESTART_NONE, RENEW_UNKNOWN, ERROR_UNKNOWN, PROOF_NONE, {0}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strlen(table[i].name) < size && !strncmp(table[i].name, name, size))
            return &table[i];
    return &unknown;
}

bool driver_stuck(const struct pf_observed *pf, enum error_recovery recovery)
{
    return recovery == RECOVERY_FAILED && pf->link_up &&
           driver_facts(pf->driver, sizeof(pf->driver))->error == ERROR_STUCK;
}

static const char *name_in(const char *const *names, uint32_t count, uint32_t value)
{
    return names[value < count ? value : 0];
}

const char *driver_unbind_name(uint32_t unbind)
{
    static const char *const names[] = {"unknown", "destroys-vfs", "keeps-vfs"};
    return name_in(names, 3, unbind);
}

const char *driver_restart_name(uint32_t restart)
{
    static const char *const names[] = {"none", "rebind", "reload"};
    return name_in(names, 3, restart);
}

const char *driver_renew_name(uint32_t renew)
{
    static const char *const names[] = {"unknown", "none", "link", "controllers"};
    return name_in(names, 4, renew);
}

const char *driver_error_name(uint32_t error)
{
    static const char *const names[] = {"unknown", "stuck"};
    return name_in(names, 2, error);
}

const char *driver_proof_name(uint32_t proof)
{
    static const char *const names[] = {"none", "source", "emulated", "hardware"};
    return name_in(names, 4, proof);
}
