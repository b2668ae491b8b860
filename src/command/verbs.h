/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the CLI may ask: a table of verbs, each with its members. One JSON object a line:
 *
 *   {"verb": "list"}                                    everything in short
 *   {"verb": "show", "name": "db"}                      one partition in full
 *   {"verb": "devices"}                                 cards, PFs, VFs
 *   {"verb": "watch"} or {"verb": "watch", "name": …}   list or show again at each change
 *   {"verb": "watch", "devices": true}                  devices again at each change
 *   {"verb": "start", "name": "db", "reason": "…"}
 *   {"verb": "stop", "name": "db", "force": false, "timeout_ms": 30000, "reason": "…"}
 *   {"verb": "reload", "reason": "…"}                   the files are read anew
 *   {"verb": "console", "name": "db", "input": true, "follow": true}
 *   {"verb": "session", "name": "db", "kind": "look"}   or "dump", "debug": the answer brings the
 *                                                       socket of a session (session.h) along
 *   {"verb": "audit"}                                   the answer brings the log's newest files
 * along
 *   {"verb": "check"}                                   control proves its map
 *   {"verb": "plan", "restart": false}                  brings a proposal (parclose/proposal.h)
 *                                                       along: what it would change
 *   {"verb": "apply", "request": "…", "plan": "…"}      brings a proposal along, whose files are
 *                                                       laid ready (staged.h): it is carried out,
 *                                                       if "plan" is given only as that plan;
 *                                                       "restarted": ["db"], who was stopped for
 *                                                       it and must run again, or all is undone
 *   {"verb": "pf", "order": "restart", "pf": "net0", "force": false, "reason": "…"}
 *                                                       or "reset", "disable", "enable"; "pf": a
 * card's name or address; answered when it is over
 *   {"verb": "sr-pcim", "order": "reset", "force": false, "reason": "…"}
 *   {"verb": "shutdown", "reason": "…"}
 *
 * start, stop, pf, sr-pcim and shutdown may, and apply must, bring "request": "00c0ffee…", up to 16
 * hexadecimal digits that are random. Whoever lost the answer asks again with the same, and is
 * answered alike; it is not done twice.
 *
 * Answers: {"ok": true, …} or {"ok": false, "errno": 2, "error": "ENOENT", "text": "…"}.
 */
#pragma once

#include "client.h"

/* `line` has no newline. Answers now or later. */
void verbs_handle(struct client *client, const char *line, size_t length);

/* Tells a client in CLIENT_WATCH what is new for it, when it takes more. */
void verbs_watch(struct client *client);

/* An answer that says no; never NULL unless memory is short. */
json_t *verbs_refusal(int error, const char *text);

/* A reload's client goes away. */
void verbs_forget(struct client *client);
