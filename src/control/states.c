/* SPDX-License-Identifier: Apache-2.0 */
#include "states.h"

#include "parclose/msg_control_command.h"

const struct state_entry state_entries[PARTITION_STATES] = {
    [STATE_ENABLED] = {"Enabled", PROCESS_COMMAND, CONTROL_PARTITION_DEFINE},
    [STATE_ACTIVE] = {"Active", PROCESS_COMMAND, CONTROL_PARTITION_START},
    [STATE_ALIVE] = {"Alive", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_CHANNELS_ASSIGNED] = {"ChannelsAssigned", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_PROCESSOR_ASSIGNED] = {"ProcessorAssigned", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_MEMORY_ASSIGNED] = {"MemoryAssigned", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_MEMORY_IMAGE] = {"MemoryImage", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_PROCESSOR_IMAGE] = {"ProcessorImage", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_CHANNEL_IMAGE] = {"ChannelImage", PROCESS_LEAD, LEAD_MONITOR},
    /* the gate */
    [STATE_PROCESSORS_ATTACHED] = {"ProcessorsAttached", PROCESS_LEAD, LEAD_RESULT},
    [STATE_PROCESSORS_SCHEDULED] = {"ProcessorsScheduled", PROCESS_LEAD, LEAD_RESULT},
    [STATE_CHANNELS_ATTACHED] = {"ChannelsAttached", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_CHANNELS_SCHEDULED] = {"ChannelsScheduled", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_PROCESSORS_OPERATING] = {"ProcessorsOperating", PROCESS_LEAD, LEAD_MONITOR},
    [STATE_CHANNELS_OPERATING] = {"ChannelsOperating", PROCESS_LEAD, LEAD_MONITOR},
};

uint32_t states_entered_by(uint16_t event)
{
    uint32_t states = 0;

    for (unsigned i = 0; i < PARTITION_STATES; i++)
        if (state_entries[i].event == event)
            states |= STATE_BIT(i);
    return states;
}

uint32_t partition_states(const struct partition *partition)
{
    uint32_t states = 0;

    if (partition->defined)
        states |= states_entered_by(CONTROL_PARTITION_DEFINE);
    if (partition_started(partition))
        states |= states_entered_by(CONTROL_PARTITION_START);
    if (partition->monitor.present)
        states |= partition->monitor.states & states_entered_by(LEAD_MONITOR);
    if (partition->run.attach == ATTACH_DONE)
        return states | states_entered_by(LEAD_RESULT);
    return states & STATES_BEFORE_GATE;
}

struct state_time partition_state_time(const struct partition *partition,
                                       enum partition_state state)
{
    const struct partition_run *run = &partition->run;

    if (!(partition_states(partition) & STATE_BIT(state)))
        return (struct state_time){0};
    switch (state) {
    case STATE_ENABLED:
        return run->enabled;
    case STATE_ACTIVE:
        return run->active;
    case STATE_PROCESSORS_ATTACHED:
        return run->attached;
    case STATE_PROCESSORS_SCHEDULED:
        return run->scheduled;
    default:
        return partition->monitor.times[state];
    }
}
