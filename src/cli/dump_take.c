/* SPDX-License-Identifier: Apache-2.0 */
#include "dump_take.h"

#include <errno.h>
#include <stdlib.h>

#define ANSWER_MS 10000 /* for each request; for all vCPUs to stop, too */
#define FOUND     1

static long ask_for(struct dump *dump, struct session_request *request,
                    struct session_answer *answer, void *out, size_t size)
{
    return session_ask(&dump->session, request, NULL, 0, answer, out, size,
                       cli_now_ms() + ANSWER_MS);
}

static int begin(struct dump *dump)
{
    struct session_request request = {.header.type = SESSION_INFO};
    struct session_answer answer;
    struct session_info info;
    long got = ask_for(dump, &request, &answer, &info, sizeof(info));

    dump->what = "its monitor";
    if (got != (long)sizeof(info))
        return got < 0 ? (int)got : -EBADMSG;
    if (info.extents[0].size > dump->memory_bytes ||
        info.extents[1].size != dump->memory_bytes - info.extents[0].size)
        return -EBADMSG;
    return core_begin(&dump->core, &info);
}

static int stop(struct dump *dump)
{
    struct session_request request = {.header.type = SESSION_STOP};
    struct session_answer answer;
    long got = ask_for(dump, &request, &answer, NULL, 0);

    dump->what = "stopping it";
    return got ? (int)got : session_wait_stop(&dump->session, &answer, cli_now_ms() + ANSWER_MS);
}

static int read_registers(struct dump *dump)
{
    struct session_answer answer;

    dump->what = "registers";
    for (uint32_t i = 0; i < dump->core.vcpus_count; i++) {
        struct session_request request = {.header.type = SESSION_REGISTERS, .vcpu = i};
        long got =
            ask_for(dump, &request, &answer, &dump->registers[i], sizeof(dump->registers[i]));
        if (got != (long)sizeof(dump->registers[i]))
            return got < 0 ? (int)got : -EBADMSG;
    }
    return 0;
}

/* What came of [at, end): bytes that are zeros, then data; whole pages, and something. */
static bool piece_ok(uint64_t zeros, size_t size, uint64_t room)
{
    return zeros % CORE_PAGE == 0 && size % CORE_PAGE == 0 && zeros <= room &&
           size <= room - zeros && zeros + size > 0;
}

/* Reads what is at `*done` of an extent: zeros that are only counted, then `*got` bytes. */
static int read_piece(struct dump *dump, uint32_t extent, uint64_t done, uint64_t *zeros,
                      uint8_t bytes[SESSION_DATA_MAX], size_t *got)
{
    const struct session_extent *e = &dump->core.extents[extent];
    struct session_request request = {.header.type = SESSION_READ,
                                      .flags = SESSION_SPARSE,
                                      .address = e->gpa + done,
                                      .size = e->size - done};
    struct session_answer answer;

    dump->what = "reading its memory";
    if (request.size > SESSION_DATA_MAX)
        request.size = SESSION_DATA_MAX;
    long size = ask_for(dump, &request, &answer, bytes, SESSION_DATA_MAX);
    if (size < 0)
        return (int)size;
    if (!piece_ok(answer.zeros, (size_t)size, e->size - done))
        return -EBADMSG;
    *zeros = answer.zeros;
    *got = (size_t)size;
    return 0;
}

static int look(struct dump *dump, uint64_t offset, const uint8_t *bytes, size_t size)
{
    (void)offset;
    for (size_t page = 0; page < size; page += CORE_PAGE)
        if (core_look(&dump->core, bytes + page))
            return FOUND;
    return 0;
}

static int copy(struct dump *dump, uint64_t offset, const uint8_t *bytes, size_t size)
{
    dump->what = "the file";
    return size ? dump_file_write(&dump->file, offset, bytes, size) : 0;
}

/* All memory, until `take` has enough. */
static int each_piece(struct dump *dump, int (*take)(struct dump *dump, uint64_t offset,
                                                     const uint8_t *bytes, size_t size))
{
    static uint8_t bytes[SESSION_DATA_MAX];
    uint64_t zeros = 0;
    size_t got = 0;

    for (uint32_t i = 0; i < dump->core.extents_count; i++)
        for (uint64_t done = 0; done < dump->core.extents[i].size; done += got) {
            int error = read_piece(dump, i, done, &zeros, bytes, &got);

            if (!error && dump->interrupted)
                error = -EINTR;
            done += zeros;
            if (!error)
                error = take(dump, dump->core.offsets[i] + done, bytes, got);
            if (error)
                return error;
        }
    return 0;
}

static int write_front(struct dump *dump)
{
    uint8_t *front = malloc(dump->core.offsets[0]);

    dump->what = "the file";
    if (!front)
        return -ENOMEM;
    core_front(&dump->core, dump->registers, front);
    int error = dump_file_write(&dump->file, 0, front, dump->core.offsets[0]);
    free(front);
    return error;
}

/* The end of the last extent may be zeros: a hole that nobody has written. */
static int take_stopped(struct dump *dump)
{
    int error = stop(dump);

    if (!error)
        error = read_registers(dump);
    if (!error)
        error = write_front(dump);
    if (!error)
        error = each_piece(dump, copy);
    if (error)
        return error;
    dump->what = "the file";
    return dump_file_extend(&dump->file, dump->core.size);
}

int dump_take(struct dump *dump)
{
    int error = begin(dump);

    if (!error)
        error = each_piece(dump, look);
    if (error < 0) {
        session_close(&dump->session);
        return error;
    }
    core_place(&dump->core);
    uint64_t began = cli_now_ms();
    error = take_stopped(dump);
    session_close(&dump->session);
    dump->stopped_ms = cli_now_ms() - began;
    return error;
}
