/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for a person about a configuration file: "FILE:LINE: <element>: what is wrong, what was
 * expected". Always valid to print: no control characters.
 */
#pragma once

#define CONFIG_ERROR_MAX 400

struct config_error {
    char text[CONFIG_ERROR_MAX];
};

__attribute__((format(printf, 2, 3))) void config_error_set(struct config_error *error,
                                                            const char *format, ...);
