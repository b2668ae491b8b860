/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <stdio.h>

#include "log/log.h"
#include "names/names.h"
#include "transaction.h"

static unsigned width(uint64_t number)
{
    return number ? 64 - (unsigned)__builtin_clzll(number) : 0;
}

static uint64_t more(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

/* What is to be noted; false: nothing. */
static bool news(const struct error_counts *before, const struct error_counts *now, char *text,
                 size_t size)
{
    uint64_t fatal = more(before->fatal, now->fatal);
    uint64_t nonfatal = more(before->nonfatal, now->nonfatal);

    if (!before->known || !now->known)
        return false;
    if (!fatal && !nonfatal &&
        (now->correctable <= before->correctable ||
         width(now->correctable) == width(before->correctable)))
        return false;
    snprintf(text, size, "%llu fatal, %llu non-fatal errors more, %llu correctable in all",
             (unsigned long long)fatal, (unsigned long long)nonfatal,
             (unsigned long long)now->correctable);
    return true;
}

void errors_of_pf(struct control *control, const struct pf *pf, const struct error_counts *now)
{
    const struct card_config *card = db_card(control->db, pf->bdf);
    char text[PARCLOSE_REASON_MAX], bdf[NAME_BDF_MAX];

    if (!pf->present || !news(&pf->observed.errors, now, text, sizeof(text)))
        return;
    name_of_bdf(pf->bdf, bdf);
    transaction_begin(control, AUDIT_ERRORS, AUDIT_APPLIED, 0);
    transaction_text(control, "PF %s (%s): %s", bdf, card ? card->name : "-", text);
    transaction_commit(control, false);
    log_warning("PF %s (%s): %s", bdf, card ? card->name : "-", text);
}

void errors_of_vf(struct control *control, const struct vf *vf, const struct error_counts *now)
{
    const struct partition *partition = db_partition_of(control->db, vf->owner);
    const char *name = partition ? partition->config.name : "nobody's";
    char text[PARCLOSE_REASON_MAX], bdf[NAME_BDF_MAX];

    if (!vf->present || !news(&vf->observed.errors, now, text, sizeof(text)))
        return;
    name_of_bdf(vf->observed.bdf, bdf);
    transaction_begin(control, AUDIT_VF_NEWS, AUDIT_APPLIED,
                      partition ? partition->run.start_transaction : 0);
    transaction_text(control, "%s: VF %s: %s", name, bdf, text);
    transaction_commit(control, false);
    log_warning("%s: VF %s: %s", name, bdf, text);
}
