/* certificate.c - see certificate.h. OpenSSL's libcrypto; RFC 5280 for what stands in it. */
#include "hive/doors/certificate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/uuid.h"

#define PEM_FILE_MAX (64u << 10)
#define DAY_S        86400L
#define OWN_NAME     "rbee-hive"

/* ---- making ---- */

static int refused(const char *what, struct err *err)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return err_set(err, ERR_IO, "%s could not be made: %s", what, why ? why : "OpenSSL says no");
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = e && X509_add_ext(x, e, -1) == 1;

    X509_EXTENSION_free(e);
    return good;
}

static bool fill(X509 *x, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(x);

    return X509_set_version(x, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), random_u64() >> 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) && /* clocks differ */
           X509_gmtime_adj(X509_getm_notAfter(x), CERTIFICATE_DAYS * DAY_S) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)OWN_NAME, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
           add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, NID_ext_key_usage, "serverAuth") && X509_sign(x, key, EVP_sha256()) > 0;
}

/* What a memory BIO holds, as a text (free()), or NULL. */
static char *text_of(BIO *bio)
{
    char *bytes;
    long n = BIO_get_mem_data(bio, &bytes);

    return n > 0 ? str_ndup(bytes, (size_t)n) : NULL;
}

static char *sign(EVP_PKEY *key)
{
    X509 *x = X509_new();
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (x && out && fill(x, key) && PEM_write_bio_X509(out, x) == 1)
        text = text_of(out);
    X509_free(x);
    BIO_free(out);
    return text;
}

static char *key_text(EVP_PKEY *key)
{
    BIO *out = BIO_new(BIO_s_secmem());
    char *text = NULL;

    if (out && PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1)
        text = text_of(out);
    BIO_free(out);
    return text;
}

static EVP_PKEY *key_from(const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;

    BIO_free(in);
    return key;
}

static X509 *certificate_from(const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;

    BIO_free(in);
    return x;
}

/* Made here, and not put there by a person. */
static bool is_ours(const X509 *x)
{
    char name[sizeof OWN_NAME + 1];

    return X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0 &&
           X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof name) ==
               sizeof OWN_NAME - 1 &&
           str_eq(name, OWN_NAME);
}

/*
 * Must it be signed anew: over soon, no certificate at all, or another key's? The key is written
 * first, so a start that was cut short behind it leaves a new key beside the old certificate.
 */
static bool is_useless(struct certificate *c)
{
    time_t then = time(NULL) + CERTIFICATE_RENEW_DAYS * DAY_S;
    X509 *x = certificate_from(c->chain);
    EVP_PKEY *key = key_from(c->key);
    bool useless = !x || X509_cmp_time(X509_get0_notAfter(x), &then) <= 0;

    if (x && key && is_ours(x) && X509_check_private_key(x, key) != 1)
        useless = c->made = true;
    EVP_PKEY_free(key);
    X509_free(x);
    ERR_clear_error();
    return useless;
}

/* ---- files ---- */

static int read_key(const char *path, char **out, struct err *err)
{
    struct stat st;
    size_t n;

    if (stat(path, &st) == 0 && (st.st_mode & 077))
        return err_set(err, ERR_DENIED,
                       "the private key %s can be read by others (mode %03o): run `chmod 600 %s` "
                       "first",
                       path, (unsigned)st.st_mode & 0777, path);
    return path_read_file(path, PEM_FILE_MAX, out, &n, err);
}

static int make_key(const char *path, struct certificate *out, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int rc;

    out->key = key ? key_text(key) : NULL;
    EVP_PKEY_free(key);
    rc = out->key ? path_write_file(path, out->key, strlen(out->key), 0600, err)
                  : refused("a private key", err);
    out->made = rc == 0;
    return rc;
}

/* It is known by its key, which is on the disk: where there is no room for the certificate, the
 * next start signs another one. */
static int sign_and_keep(const char *path, struct certificate *out, struct err *err)
{
    EVP_PKEY *key = key_from(out->key);
    struct err why;

    free(out->chain);
    out->chain = key ? sign(key) : NULL;
    EVP_PKEY_free(key);
    if (!out->chain)
        return refused("a certificate", err);
    if (path_write_file(path, out->chain, strlen(out->chain), 0644, &why))
        log_warn("%s: the hive's certificate was signed anew, and is kept in memory until the hive "
                 "ends",
                 why.text);
    return 0;
}

/* The own one: made, or signed anew, as need be. */
static int load_own(const char *dir, struct certificate *out, struct err *err)
{
    char *chain_path = path_join(dir, "certificate.pem"), *key_path = path_join(dir, "key.pem");
    struct err why = {0};
    size_t n;
    int rc = chain_path && key_path ? path_make_dirs(dir, 0700, err)
                                    : err_no_memory(err, strlen(dir), "a path");

    if (rc == 0) {
        rc = read_key(key_path, &out->key, &why);
        if (rc == ERR_NOT_FOUND)
            rc = make_key(key_path, out, err);
        else if (rc)
            err_set(err, rc, "%s", why.text);
    }
    if (rc == 0) {
        rc = path_read_file(chain_path, PEM_FILE_MAX, &out->chain, &n, &why);
        if (rc == ERR_NOT_FOUND || (rc == 0 && (out->made || is_useless(out))))
            rc = sign_and_keep(chain_path, out, err);
        else if (rc)
            err_set(err, rc, "%s", why.text);
    }
    free(chain_path);
    free(key_path);
    return rc;
}

int certificate_check_paths(const char *chain_path, const char *key_path, struct err *err)
{
    if (!chain_path[0] == !key_path[0])
        return 0;
    return err_set(err, ERR_INVALID,
                   "[hive] tls_cert and tls_key belong together: give both, or neither");
}

int certificate_load(const char *home, const char *chain_path, const char *key_path,
                     struct certificate *out, struct err *err)
{
    char *dir;
    size_t n;
    int rc = certificate_check_paths(chain_path, key_path, err);

    *out = (struct certificate){0};
    if (rc)
        return rc;
    if (chain_path[0]) {
        rc = read_key(key_path, &out->key, err);
        return rc ? rc : path_read_file(chain_path, PEM_FILE_MAX, &out->chain, &n, err);
    }
    dir = path_join(home, "tls");
    rc = dir ? load_own(dir, out, err) : err_no_memory(err, strlen(home), "a path");
    free(dir);
    return rc;
}

static bool unix_ms(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *out = (int64_t)timegm(&tm) * 1000;
    return true;
}

int certificate_dates(const char *chain, int64_t *from_ms, int64_t *until_ms, struct err *err)
{
    X509 *x = certificate_from(chain);
    bool good =
        x && unix_ms(X509_get0_notBefore(x), from_ms) && unix_ms(X509_get0_notAfter(x), until_ms);

    X509_free(x);
    ERR_clear_error();
    return good ? 0 : err_set(err, ERR_INVALID, "the dates of this certificate cannot be read");
}

void certificate_done(struct certificate *c)
{
    if (c->key)
        OPENSSL_cleanse(c->key, strlen(c->key));
    free(c->key);
    free(c->chain);
    *c = (struct certificate){0};
}
