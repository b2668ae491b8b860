/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and memory of a guest for a session. Each returns a negative errno. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parclose/ids.h"
#include "parclose/session.h"

struct monitor;

void inspect_info(const struct monitor *monitor, struct session_info *info);

/* The vCPU stands. */
int inspect_registers(const struct monitor *monitor, uint32_t vcpu,
                      struct session_registers *registers);
int inspect_registers_set(const struct monitor *monitor, uint32_t vcpu,
                          const struct kvm_regs *regs);

/* Where the vCPU sees this address: -EFAULT where it sees none. */
int inspect_translate(const struct monitor *monitor, uint32_t vcpu, uint64_t address,
                      struct gpa *gpa);

/*
 * Bytes read, at most SESSION_DATA_MAX; fewer where RAM or the mapping ends, -EFAULT: none. With
 * SESSION_SPARSE up to SESSION_SKIP_MAX zeros before them are not in `bytes`, but counted. Takes
 * no page of the guest's memory that was not there.
 */
long inspect_read(const struct monitor *monitor, const struct session_request *request,
                  uint8_t *bytes, uint64_t *zeros);

/* All of it or -EFAULT: then a part may be written. */
int inspect_write(const struct monitor *monitor, const struct session_request *request,
                  const uint8_t *bytes, size_t size);
