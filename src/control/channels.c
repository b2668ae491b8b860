/* SPDX-License-Identifier: Apache-2.0 */
#include "channels.h"

#include <errno.h>

#include "lifecycle.h"
#include "log/log.h"
#include "transaction.h"

static void change(struct control *control, const struct partition *partition,
                   const struct channel_image *image)
{
    transaction_change(control, RESOURCE_CHANNEL, partition->id.value, CHANNEL_CONSOLE, image);
}

void channels_make(struct control *control, const struct partition *partition)
{
    const struct channel_image console = {.owner = owner_guest(partition->id),
                                          .server = PROCESS_COMMAND};
    change(control, partition, &console);
}

void channels_end(struct control *control, const struct partition *partition)
{
    change(control, partition, NULL);
}

static void begin(struct control *control, const struct partition *partition, uint32_t attached)
{
    struct channel_image image = partition->console;

    image.attached = attached;
    transaction_begin(control, AUDIT_CHANNEL, AUDIT_BEGUN, 0);
    transaction_text(control, "console of partition %s", partition->config.name);
    change(control, partition, &image);
}

int channel_attach(struct control *control, struct partition *partition,
                   const struct requester *requester)
{
    begin(control, partition, partition->console.attached + 1);
    transaction_who(control, PROCESS_COMMAND, requester);
    return transaction_commit(control, true);
}

/* As its server says: nobody asked for it. */
static void set_attached(struct control *control, struct partition *partition, uint32_t attached)
{
    begin(control, partition, attached);
    if (transaction_commit(control, true))
        return;
    if (!attached)
        partition_detached(control, partition);
}

/* Whose console command speaks of; NULL: nobody's. */
static struct partition *named(struct control *control, const struct control_channel *message)
{
    struct partition *partition = db_partition_named(control->db, message->name);
    return partition && partition_started(partition) ? partition : NULL;
}

void channels_unsaid(struct control *control)
{
    for (size_t i = 0; i < control->db->partitions_end; i++)
        control->db->partitions[i].console_held = 0;
    control->command_synced = false;
}

int on_channel_held(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct control_channel *message = (const void *)frame->bytes;

    if (control->command_synced || !frame_string_ok(message->name, sizeof(message->name)))
        return -EBADMSG;
    struct partition *partition = named(control, message);
    if (partition)
        partition->console_held = 1;
    else
        log_warning("command holds the console of a partition that is not started");
    return 0;
}

int on_channel_sync(void *context, struct frame *frame)
{
    struct control *control = context;
    (void)frame;

    control->command_synced = true;
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        struct partition *partition = &control->db->partitions[i];
        if (partition_started(partition) && partition->console.attached != partition->console_held)
            set_attached(control, partition, partition->console_held);
    }
    return 0;
}

int on_channel_detached(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct control_channel *message = (const void *)frame->bytes;

    if (!control->command_synced || !frame_string_ok(message->name, sizeof(message->name)))
        return -EBADMSG;
    struct partition *partition = named(control, message);
    if (partition && partition->console.attached)
        set_attached(control, partition, partition->console.attached - 1);
    return 0;
}
