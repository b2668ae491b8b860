/* SPDX-License-Identifier: Apache-2.0 */
/* All PCI functions that are neither managed PFs nor VFs of them, in the order of their addresses.
 */
#include <string.h>

#include "db.h"
#include "log/log.h"

static uint32_t place_of(const struct db *db, struct bdf bdf)
{
    uint32_t low = 0, high = db->functions_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (db->functions[middle].observed.bdf.value < bdf.value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool known_at(const struct db *db, uint32_t place, struct bdf bdf)
{
    return place < db->functions_count && db->functions[place].observed.bdf.value == bdf.value;
}

static void move_from(struct db *db, uint32_t from, uint32_t to)
{
    memmove(&db->functions[to], &db->functions[from],
            (db->functions_count - from) * sizeof(db->functions[0]));
}

void db_function_set(struct db *db, const struct function_observed *observed)
{
    uint32_t place = place_of(db, observed->bdf);

    if (!known_at(db, place, observed->bdf)) {
        if (db->functions_count == PARCLOSE_MAX_FUNCTIONS) {
            log_warning("more than %d PCI functions: one is left out", PARCLOSE_MAX_FUNCTIONS);
            return;
        }
        move_from(db, place, place + 1);
        db->functions_count++;
    }
    db->functions[place] = (struct function){.said = true, .observed = *observed};
}

static void drop_at(struct db *db, uint32_t place)
{
    move_from(db, place + 1, place);
    db->functions_count--;
}

void db_function_drop(struct db *db, struct bdf bdf)
{
    uint32_t place = place_of(db, bdf);

    if (known_at(db, place, bdf))
        drop_at(db, place);
}

void db_functions_unsaid(struct db *db)
{
    for (uint32_t i = 0; i < db->functions_count; i++)
        db->functions[i].said = false;
}

void db_functions_drop_unsaid(struct db *db)
{
    for (uint32_t i = db->functions_count; i-- > 0;)
        if (!db->functions[i].said)
            drop_at(db, i);
}
