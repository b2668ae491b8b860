/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child of the TCB that reads one edited devices.xml. By the time at which it looks at the
 * file's content it has: no capability, no file but the pipe, a filter of the few calls that a
 * parser's memory takes, bounds on memory and processor time, and no way to a network. It writes
 * one struct devices_edit and ends; whatever else comes out of the pipe is no answer.
 */
#pragma once

_Noreturn void edit_child(int original, int edited, int out);
