/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hostile guest. Kernel command line: attacks=NAME,NAME,… seed=N steps=N. Each attack says
 * "H: NAME done …" at its end; when all are done it says "H: all done" and powers off. What it may
 * not be able to do it checks itself: "H: BROKEN …".
 */
#include "guest.h"

static const struct {
    const char *name;
    void (*attack)(uint64_t steps);
} attacks[] = {
    {"ports", attack_ports},
    {"strings", attack_strings},
    {"memory", attack_memory},
    {"ecam", attack_ecam},
    {"bars", attack_bars},
    {"decode", attack_decode},
    {"msix", attack_msix},
    {"reset", attack_reset},
    {"registers", attack_registers},
    {"calls", attack_calls},
    {"processors", attack_processors},
    {"wild", attack_wild},
    {"triple", attack_triple},
    {"queues", attack_queues},
};

struct start_info {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, cmdline;
};

extern uint32_t start_info;
static char cmdline[1024]; /* a copy: attacks write into low memory */

/* The word after NAME=, or NULL. */
static const char *option(const char *name)
{
    for (const char *at = cmdline; *at; at++) {
        const char *a = at, *b = name;

        if (at != cmdline && at[-1] != ' ')
            continue;
        while (*b && *a == *b)
            a++, b++;
        if (!*b && *a == '=')
            return a + 1;
    }
    return NULL;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *at = option(name);
    uint64_t value = 0;

    if (!at)
        return otherwise;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return value;
}

static bool is_word(const char *at, const char *name)
{
    while (*name && *at == *name)
        at++, name++;
    return !*name && (*at == ',' || *at == ' ' || !*at);
}

static void run(const char *at, uint64_t seed, uint64_t steps)
{
    for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (!is_word(at, attacks[i].name))
            continue;
        random_seed(seed + i);
        traps_caught = traps_nmi = 0;
        say("\nH: begins ");
        say_line(attacks[i].name);
        attacks[i].attack(steps);
        say("\nH: ");
        say(attacks[i].name);
        say_number(" done steps", steps);
        say_number("traps", traps_caught);
        say_number("nmis", traps_nmi);
        say_line("");
        return;
    }
    broken("there is no such attack", 0);
}

void guest_main(void);
void guest_main(void)
{
    const struct start_info *info = (const struct start_info *)(uint64_t)start_info;
    const char *from = (const char *)info->cmdline, *at;
    uint64_t seed, steps;

    for (unsigned i = 0; i + 1 < sizeof(cmdline) && from[i]; i++)
        cmdline[i] = from[i];
    traps_begin();
    seed = number("seed", 1);
    steps = number("steps", 1000);
    say_number("\nH: hostile guest seed", seed);
    say_line("");
    at = option("attacks");
    while (at && *at && *at != ' ') {
        run(at, seed, steps);
        while (*at && *at != ' ' && *at++ != ',')
            ;
    }
    say_line("\nH: all done");
    power_off();
}
