/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of devices.xml as a user makes them: a copy that is changed and renamed into the folder
 * "edit". The TCB is the whole process with its seccomp filter and its reader; the test is control.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage.h"
#include "tree.h"

#define VFS    2
#define TEXT   65536
#define PATH   160
#define VLAN_7 "<desired vlan=\"7\" qos=\"0\"/>"

static void assign(struct stage *stage, uint16_t vlan)
{
    const struct tcb_assign message = {.header = frame_header(TCB_ASSIGN, sizeof(message), 0),
                                       .pf = TREE_PF,
                                       .index = 1,
                                       .owner = {.kind = OWNER_GUEST, .partition = {1}},
                                       .attributes = {.present = VF_ATTR_VLAN, .vlan = vlan}};

    stage_say(stage, PROCESS_CONTROL, &message);
}

static void name_cards(struct stage *stage)
{
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};
    const struct vfio_sync held = {.header = frame_header(VFIO_SYNC, sizeof(held), 0)};
    const struct tcb_card card = {
        .header = frame_header(TCB_CARD, sizeof(card), 0),
        .card = {.name = "net0", .bdf = TREE_PF, .vfs = VFS, .driver = "igb"}};
    struct frame frame;

    stage_say(stage, PROCESS_CONTROL, &card);
    assign(stage, 7);
    stage_say(stage, PROCESS_CONTROL, &sync);
    stage_say(stage, PROCESS_LEAD, &held);
    stage_hear(stage, PROCESS_CONTROL, TCB_SYNC, &frame);
}

/* ---- files */

static void path_of(struct stage *stage, const char *name, char path[PATH])
{
    assert_true(snprintf(path, PATH, "%s/%s", stage->folder, name) < PATH);
}

static bool is_there(struct stage *stage, const char *name)
{
    char path[PATH];
    path_of(stage, name, path);
    return access(path, F_OK) == 0;
}

static void read_text(struct stage *stage, const char *name, char text[TEXT])
{
    char path[PATH];
    FILE *file;

    path_of(stage, name, path);
    for (int i = 0; !(file = fopen(path, "r")); i++) {
        if (i == 500)
            fail_msg("there is no %s", name);
        usleep(10000);
    }
    text[fread(text, 1, TEXT - 1, file)] = '\0';
    fclose(file);
}

/* The document once nothing is about to change it. */
static void settled(struct stage *stage, char text[TEXT])
{
    char before[TEXT] = "";

    read_text(stage, "devices.xml", text);
    do {
        strcpy(before, text);
        usleep(700000);
        read_text(stage, "devices.xml", text);
    } while (strcmp(before, text) != 0);
}

static void put(struct stage *stage, const char *name, const char *text)
{
    char from[PATH], to[PATH];
    FILE *file;

    path_of(stage, "new", from);
    path_of(stage, name, to);
    file = fopen(from, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(from, to), 0);
}

/* The published one with a text replaced by another, put into the folder. */
static void edit(struct stage *stage, const char *name, const char *from, const char *to)
{
    static char text[TEXT], edited[2 * TEXT];
    char path[PATH];

    settled(stage, text);
    char *at = strstr(text, from);
    if (!at)
        fail_msg("there is no %s in\n%s", from, text);
    snprintf(edited, sizeof(edited), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    snprintf(path, sizeof(path), "edit/%s", name);
    put(stage, path, edited);
}

/* ---- messages */

static struct tcb_edit heard(struct stage *stage, uint32_t vfs_count)
{
    struct tcb_edit message;
    struct frame frame;

    stage_hear(stage, PROCESS_CONTROL, TCB_EDIT, &frame);
    memcpy(&message, frame.bytes, sizeof(message));
    assert_int_equal(message.vfs_count, vfs_count);
    assert_int_equal(message.uid, getuid());
    assert_int_not_equal(message.header.id, 0);
    return message;
}

static void answer(struct stage *stage, uint64_t id, int error, const char *text)
{
    struct tcb_edited message = {.header = frame_header(TCB_EDITED, sizeof(message), id),
                                 .error = error};
    snprintf(message.text, sizeof(message.text), "%s", text);
    stage_say(stage, PROCESS_CONTROL, &message);
}

/* Control has never had it: it is read. */
static uint64_t unknown(struct stage *stage)
{
    uint64_t id = heard(stage, 0).header.id;
    answer(stage, id, -ENOENT, "");
    return id;
}

static void refused_is(struct stage *stage, const char *name, const char *expected)
{
    char path[PATH], text[TEXT];

    snprintf(path, sizeof(path), "edit/%s.error", name);
    read_text(stage, path, text);
    if (!strstr(text, expected))
        fail_msg("%s says: %s", path, text);
    snprintf(path, sizeof(path), "edit/%s.refused", name);
    for (int i = 0; i < 100 && !is_there(stage, path); i++)
        usleep(10000);
    assert_true(is_there(stage, path));
    snprintf(path, sizeof(path), "edit/%s", name);
    assert_false(is_there(stage, path));
}

static void gone(struct stage *stage, const char *path)
{
    for (int i = 0; i < 500 && is_there(stage, path); i++)
        usleep(10000);
    assert_false(is_there(stage, path));
}

static int setup(void **state)
{
    char root[80];

    assert_int_equal(stage_setup(state), 0);
    stage_root(*state, root);
    tree_create_vfs(root, VFS);
    name_cards(*state);
    return 0;
}

/* ---- cases */

static void an_edit_is_proposed_and_goes(void **state)
{
    struct stage *stage = *state;

    put(stage, "edit/office.xml.error", "of an earlier attempt");
    edit(stage, "office.xml", VLAN_7, "<desired vlan=\"9\" qos=\"2\"/>");
    uint64_t id = unknown(stage);
    const struct tcb_edit message = heard(stage, 1);
    assert_int_equal(message.header.id, id);
    assert_string_equal(message.name, "office.xml");
    assert_int_equal(message.vfs[0].pf.value, TREE_PF.value);
    assert_int_equal(message.vfs[0].index, 1);
    assert_int_equal(message.vfs[0].before.vlan, 7);
    assert_int_equal(message.vfs[0].after.vlan, 9);
    assert_int_equal(message.vfs[0].after.qos, 2);
    assert_true(is_there(stage, "edit/office.xml")); /* until control has spoken */
    answer(stage, id, 0, "");
    gone(stage, "edit/office.xml");
    gone(stage, "edit/office.xml.error");
}

/* Who waits for the edit to go, and looks then, sees what came of it. */
static void the_document_says_it_before_the_edit_goes(void **state)
{
    struct stage *stage = *state;
    static char text[TEXT];

    edit(stage, "office.xml", VLAN_7, "<desired vlan=\"9\"/>");
    uint64_t id = unknown(stage);
    heard(stage, 1);
    assign(stage, 9);
    answer(stage, id, 0, "");
    gone(stage, "edit/office.xml");
    read_text(stage, "devices.xml", text);
    assert_non_null(strstr(text, "<desired vlan=\"9\""));
}

/* It asks for nothing: as desired it stays. */
static void a_vf_that_the_host_asks_for_is_shown(void **state)
{
    struct tcb_assign message = {.header = frame_header(TCB_ASSIGN, sizeof(message), 0),
                                 .pf = TREE_PF,
                                 .index = 1,
                                 .owner = {.kind = OWNER_GUEST, .partition = {1}},
                                 .attributes = {.present = VF_ATTR_VLAN, .vlan = 7},
                                 .requested = 1};
    struct stage *stage = *state;
    static char text[TEXT];

    stage_say(stage, PROCESS_CONTROL, &message);
    settled(stage, text);
    assert_non_null(strstr(text, " requested=\"yes\""));
    assert_non_null(strstr(text, " vfs-requested=\"1\""));
    message.requested = 0;
    stage_say(stage, PROCESS_CONTROL, &message);
    settled(stage, text);
    assert_null(strstr(text, "requested"));
}

static void the_state_of_a_pf_is_proposed(void **state)
{
    struct stage *stage = *state;

    edit(stage, "off.xml", "state=\"enabled\"", "state=\"disabled\"");
    uint64_t id = unknown(stage);
    const struct tcb_edit message = heard(stage, 0);
    assert_int_equal(message.header.id, id);
    assert_int_equal(message.pf.value, TREE_PF.value);
    assert_int_equal(message.pf_state, PF_STATE_DISABLED);
    answer(stage, id, 0, "");
    gone(stage, "edit/off.xml");
}

static void the_idle_power_of_a_pf_is_proposed(void **state)
{
    struct stage *stage = *state;

    edit(stage, "quiet.xml", "idle-power=\"on\"", "idle-power=\"auto\"");
    uint64_t id = unknown(stage);
    const struct tcb_edit message = heard(stage, 0);
    assert_int_equal(message.header.id, id);
    assert_int_equal(message.pf.value, TREE_PF.value);
    assert_int_equal(message.pf_state, PF_STATE_IDLE_AUTO);
    answer(stage, id, 0, "");
    gone(stage, "edit/quiet.xml");
    edit(stage, "loud.xml", "idle-power=\"on\"", "idle-power=\"yes\"");
    unknown(stage);
    refused_is(stage, "loud.xml", "idle-power");
}

static void control_refuses(void **state)
{
    struct stage *stage = *state;

    edit(stage, "office.xml", VLAN_7, "<desired vlan=\"9\"/>");
    uint64_t id = unknown(stage);
    heard(stage, 1);
    answer(stage, id + 1, -EPERM, "of another one"); /* means nothing */
    answer(stage, id, -EBUSY, "VF 1 of 0000:01:00.0 is in use");
    refused_is(stage, "office.xml", "office.xml: VF 1 of 0000:01:00.0 is in use\n");
}

static void the_reader_refuses(void **state)
{
    struct stage *stage = *state;

    edit(stage, "a.xml", VLAN_7, "<desired vlan=\"5000\"/>");
    unknown(stage);
    refused_is(stage, "a.xml", ": vlan is \"5000\"");
    put(stage, "edit/b.xml", "<devices generation=\"1\"/>\n");
    unknown(stage);
    refused_is(stage, "b.xml", "is of generation 1");
    put(stage, "edit/c.xml", "rubbish");
    unknown(stage);
    refused_is(stage, "c.xml", "c.xml: is no XML");
    assert_true(stage_silent(stage, PROCESS_CONTROL, 300));
}

static void what_is_no_file_of_its_own_is_refused(void **state)
{
    struct stage *stage = *state;
    char target[PATH], path[PATH];

    put(stage, "secret", "<secret/>\n");
    path_of(stage, "secret", target);
    path_of(stage, "link", path);
    assert_int_equal(symlink(target, path), 0);
    path_of(stage, "edit/link.xml", target);
    assert_int_equal(rename(path, target), 0);
    refused_is(stage, "link.xml", "no regular file");
    path_of(stage, "secret", target);
    path_of(stage, "hard", path);
    assert_int_equal(link(target, path), 0);
    path_of(stage, "edit/hard.xml", target);
    assert_int_equal(rename(path, target), 0);
    refused_is(stage, "hard.xml", "another name");
    path_of(stage, "pipe", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    path_of(stage, "edit/pipe.xml", target);
    assert_int_equal(rename(path, target), 0);
    refused_is(stage, "pipe.xml", "no regular file");
    path_of(stage, "folder", path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(stage, "edit/folder.xml", target);
    assert_int_equal(rename(path, target), 0);
    refused_is(stage, "folder.xml", "no regular file");
    path_of(stage, "large", path);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(file, (off_t)1 << 40), 0);
    close(file);
    path_of(stage, "edit/large.xml", target);
    assert_int_equal(rename(path, target), 0);
    refused_is(stage, "large.xml", "too large");
    assert_true(stage_silent(stage, PROCESS_CONTROL, 100));
}

static void other_names_are_left_alone(void **state)
{
    struct stage *stage = *state;
    char text[TEXT];

    settled(stage, text);
    put(stage, "edit/office.xml~", "x");
    put(stage, "edit/.office.xml", "x");
    put(stage, "edit/of fice.xml", "x");
    assert_true(stage_silent(stage, PROCESS_CONTROL, 300));
}

/* One after the other, by name. */
static void many_wait_for_each_other(void **state)
{
    struct stage *stage = *state;
    char text[TEXT];

    settled(stage, text);
    put(stage, "edit/b.xml", "<b/>");
    struct tcb_edit message = heard(stage, 0);
    assert_string_equal(message.name, "b.xml");
    put(stage, "edit/c.xml", "<c/>");
    put(stage, "edit/a.xml", "<a/>");
    assert_true(stage_silent(stage, PROCESS_CONTROL, 300));
    answer(stage, message.header.id, -EIO, "undone");
    message = heard(stage, 0);
    assert_string_equal(message.name, "a.xml");
    answer(stage, message.header.id, 0, "");
    assert_string_equal(heard(stage, 0).name, "c.xml");
    refused_is(stage, "b.xml", "undone");
    gone(stage, "edit/a.xml");
}

/* It was sent before; control says what became of it, and it is not done twice. */
static void a_new_tcb_asks_what_became_of_it(void **state)
{
    struct stage *stage = *state;

    edit(stage, "office.xml", VLAN_7, "<desired vlan=\"9\"/>");
    uint64_t id = unknown(stage);
    heard(stage, 1);
    stage_die(stage);
    stage_start(stage);
    name_cards(stage);
    assert_int_equal(heard(stage, 0).header.id, id);
    answer(stage, id, 0, "");
    gone(stage, "edit/office.xml");
    assert_false(is_there(stage, "edit/office.xml.refused"));
}

/* Control has not had it either: it names a generation that is no more. */
static void a_new_tcb_refuses_what_nobody_knows(void **state)
{
    struct stage *stage = *state;

    edit(stage, "office.xml", VLAN_7, "<desired vlan=\"9\"/>");
    heard(stage, 0);
    stage_die(stage);
    stage_start(stage);
    name_cards(stage);
    unknown(stage);
    refused_is(stage, "office.xml", "is of generation");
}

static void a_new_link_is_asked_again(void **state)
{
    struct stage *stage = *state;

    edit(stage, "office.xml", VLAN_7, "<desired vlan=\"9\"/>");
    uint64_t id = heard(stage, 0).header.id;
    stage_link(stage, PROCESS_CONTROL);
    assert_int_equal(unknown(stage), id);
    heard(stage, 1);
    stage_link(stage, PROCESS_CONTROL);
    assert_int_equal(heard(stage, 1).header.id, id);
    answer(stage, id, 0, "");
    gone(stage, "edit/office.xml");
}

/* While it is read, control gives the VF something else. */
static void what_was_changed_meanwhile_is_not_overwritten(void **state)
{
    struct stage *stage = *state;
    edit(stage, "office.xml", VLAN_7, "<desired vlan=\"9\"/>");
    uint64_t id = heard(stage, 0).header.id;
    assign(stage, 8); /* the document is due: it is read after that */
    answer(stage, id, -ENOENT, "");
    refused_is(stage, "office.xml", "is of generation");
}

static void an_endless_answer_ends_the_link(void **state)
{
    struct stage *stage = *state;
    struct tcb_edited message = {.header = frame_header(TCB_EDITED, sizeof(message), 1)};

    memset(message.text, 'x', sizeof(message.text));
    stage_say(stage, PROCESS_CONTROL, &message);
    stage_hear_end(stage, PROCESS_CONTROL);
}

static void an_error_that_is_none_ends_the_link(void **state)
{
    struct stage *stage = *state;
    const struct tcb_edited message = {.header = frame_header(TCB_EDITED, sizeof(message), 1),
                                       .error = 1};

    stage_say(stage, PROCESS_CONTROL, &message);
    stage_hear_end(stage, PROCESS_CONTROL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stage_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_edit_is_proposed_and_goes),
        TEST(the_document_says_it_before_the_edit_goes),
        TEST(a_vf_that_the_host_asks_for_is_shown),
        TEST(the_state_of_a_pf_is_proposed),
        TEST(the_idle_power_of_a_pf_is_proposed),
        TEST(control_refuses),
        TEST(the_reader_refuses),
        TEST(what_is_no_file_of_its_own_is_refused),
        TEST(other_names_are_left_alone),
        TEST(many_wait_for_each_other),
        TEST(a_new_tcb_asks_what_became_of_it),
        TEST(a_new_tcb_refuses_what_nobody_knows),
        TEST(a_new_link_is_asked_again),
        TEST(what_was_changed_meanwhile_is_not_overwritten),
        TEST(an_endless_answer_ends_the_link),
        TEST(an_error_that_is_none_ends_the_link),
    };

    if (argc != 2)
        return 1;
    stage_executable = argv[1];
    return cmocka_run_group_tests_name("tcb-edit", tests, NULL, NULL);
}
