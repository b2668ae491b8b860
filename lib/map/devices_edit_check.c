/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "config/config_check.h"
#include "map/devices_edit.h"

static bool text_ok(const char text[PARCLOSE_REASON_MAX])
{
    size_t length = strnlen(text, PARCLOSE_REASON_MAX);

    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return length < PARCLOSE_REASON_MAX;
}

static bool vf_ok(const struct devices_edit *edit, uint32_t number)
{
    static const struct vf_attributes none;
    const struct vf_edit *vf = &edit->vfs[number];
    char reason[PARCLOSE_REASON_MAX];

    for (uint32_t i = 0; i < number; i++)
        if (edit->vfs[i].pf.value == vf->pf.value && edit->vfs[i].index == vf->index)
            return false;
    return !memcmp(&vf->before, &none, sizeof(none)) && vf->index < PARCLOSE_MAX_VFS_PER_PF &&
           !vf_attributes_check(&vf->after, reason);
}

int devices_edit_check(const struct devices_edit *edit)
{
    if (edit->verdict < EDIT_ACCEPTED || edit->verdict > EDIT_FAILED || edit->reserved ||
        edit->vfs_count > PARCLOSE_EDIT_VFS_MAX || !text_ok(edit->text) ||
        (edit->verdict != EDIT_ACCEPTED && (edit->vfs_count || edit->pf_state)) ||
        edit->pf_state >= PF_STATES || !edit->pf_state != !edit->pf.value ||
        (edit->pf_state && edit->vfs_count))
        return -EBADMSG;
    for (uint32_t i = 0; i < edit->vfs_count; i++)
        if (!vf_ok(edit, i))
            return -EBADMSG;
    return 0;
}
