/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4, by libcrypto): one context, made once and used again for every entry.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define AUDIT_HASH_TEXT 65 /* 64 lower-case hexadecimal digits and NUL */

struct audit_hash;

/* -ENOMEM: no memory, or libcrypto has no SHA-256. */
int audit_hash_new(struct audit_hash **hash);

/* NULL is fine. */
void audit_hash_free(struct audit_hash *hash);

/* The hash of `size` bytes. -EIO: libcrypto failed. */
int audit_hash_once(struct audit_hash *hash, const void *data, size_t size, uint8_t result[32]);

/* The same in pieces: begin, any number of adds, end. -EIO: libcrypto failed. */
int audit_hash_begin(struct audit_hash *hash);
int audit_hash_add(struct audit_hash *hash, const void *data, size_t size);
int audit_hash_end(struct audit_hash *hash, uint8_t result[32]);

/* In hexadecimal. */
void audit_hash_text(const uint8_t hash[32], char text[AUDIT_HASH_TEXT]);
