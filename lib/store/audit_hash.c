/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct audit_hash {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
};

int audit_hash_new(struct audit_hash **result)
{
    struct audit_hash *hash = calloc(1, sizeof(*hash));

    if (!hash)
        return -ENOMEM;
    /* no configuration file may choose what SHA-256 is, and a sandboxed process opens none */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    hash->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    hash->context = EVP_MD_CTX_new();
    if (!hash->algorithm || !hash->context ||
        !EVP_DigestInit_ex2(hash->context, hash->algorithm, NULL)) {
        audit_hash_free(hash);
        return -ENOMEM;
    }
    *result = hash;
    return 0;
}

void audit_hash_free(struct audit_hash *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->context);
    EVP_MD_free(hash->algorithm);
    free(hash);
}

int audit_hash_begin(struct audit_hash *hash)
{
    return EVP_DigestInit_ex2(hash->context, NULL, NULL) ? 0 : -EIO;
}

int audit_hash_add(struct audit_hash *hash, const void *data, size_t size)
{
    return EVP_DigestUpdate(hash->context, data, size) ? 0 : -EIO;
}

int audit_hash_end(struct audit_hash *hash, uint8_t result[32])
{
    return EVP_DigestFinal_ex(hash->context, result, NULL) ? 0 : -EIO;
}

int audit_hash_once(struct audit_hash *hash, const void *data, size_t size, uint8_t result[32])
{
    int error = audit_hash_begin(hash);

    if (!error)
        error = audit_hash_add(hash, data, size);
    return error ? error : audit_hash_end(hash, result);
}

void audit_hash_text(const uint8_t hash[32], char text[AUDIT_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < 32; i++) {
        text[2 * i] = digits[hash[i] >> 4];
        text[2 * i + 1] = digits[hash[i] & 15];
    }
    text[64] = 0;
}
