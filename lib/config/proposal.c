/* SPDX-License-Identifier: Apache-2.0 */
#include "config/proposal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_check.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int no(char reason[PARCLOSE_REASON_MAX], int error, const char *text)
{
    snprintf(reason, PARCLOSE_REASON_MAX, "%s", text);
    return error;
}

static bool named_before(const struct proposal *proposal, uint32_t number)
{
    for (uint32_t i = 0; i < number; i++)
        if (!strcmp(proposal->partitions[i].name, proposal->partitions[number].name))
            return true;
    return false;
}

static bool edited_before(const struct proposal *proposal, uint32_t number)
{
    const struct vf_edit *edit = &proposal->edits[number];

    for (uint32_t i = 0; i < number; i++)
        if (proposal->edits[i].pf.value == edit->pf.value &&
            proposal->edits[i].index == edit->index)
            return true;
    return false;
}

static int check_edit(const struct proposal *proposal, uint32_t number,
                      char reason[PARCLOSE_REASON_MAX])
{
    if (proposal->edits[number].index >= PARCLOSE_MAX_VFS_PER_PF)
        return no(reason, -EBADMSG, "a VF's index is out of range");
    if (edited_before(proposal, number))
        return no(reason, -EINVAL, "a VF is edited twice");
    return vf_attributes_check(&proposal->edits[number].after, reason);
}

int proposal_check(const struct proposal *proposal, char reason[PARCLOSE_REASON_MAX])
{
    if (proposal->magic != PROPOSAL_MAGIC || proposal->version != PROPOSAL_VERSION ||
        proposal->host_given > 1 || proposal->partitions_count > PROPOSAL_PARTITIONS_MAX ||
        proposal->edits_count > PARCLOSE_EDIT_VFS_MAX)
        return no(reason, -EBADMSG, "it is no proposal");
    int error = proposal->host_given ? host_config_check(&proposal->host, reason) : 0;
    for (uint32_t i = 0; i < proposal->partitions_count && !error; i++) {
        error = partition_config_check(&proposal->partitions[i], reason);
        if (!error && named_before(proposal, i))
            error = no(reason, -EINVAL, "a partition is defined twice");
    }
    for (uint32_t i = 0; i < proposal->edits_count && !error; i++)
        error = check_edit(proposal, i, reason);
    return error;
}

static int check_file(int fd, char reason[PARCLOSE_REASON_MAX])
{
    struct stat stat;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS)
        return no(reason, -EPERM, "it is no sealed file");
    if (fstat(fd, &stat) < 0 || stat.st_size != (off_t)sizeof(struct proposal))
        return no(reason, -EBADMSG, "it is not of a proposal's size");
    return 0;
}

int proposal_open(int fd, struct proposal *proposal, char reason[PARCLOSE_REASON_MAX])
{
    int error = check_file(fd, reason);

    if (error)
        return error;
    const struct proposal *mapped = mmap(NULL, sizeof(*mapped), PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED)
        return no(reason, -ENOMEM, "there is no memory for it");
    memcpy(proposal, mapped, sizeof(*proposal));
    munmap((void *)(uintptr_t)mapped, sizeof(*mapped));
    return proposal_check(proposal, reason);
}

int proposal_seal(const struct proposal *proposal)
{
    int fd = memfd_create("proposal", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, proposal, sizeof(*proposal));
    if (written == (ssize_t)sizeof(*proposal) && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int error = written < 0 ? -errno : -EIO;
    close(fd);
    return error;
}
