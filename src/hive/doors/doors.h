/*
 * doors.h - how a hive is reached and by whom: its keys, its certificate, who failed, what is
 * logged of it, and what its workers inherit of all that.
 *
 * On a loopback address there is nothing of it unless [hive] tls is "on": no key is asked for, no
 * certificate made, OpenSSL not loaded. On any other address a key is asked for, and TLS is spoken
 * unless tls is "off". The list of keys is read again when its file changes (inotify on the home,
 * or a look each DOORS_RETRY_MS where none is to be had), and put before the workers in the same
 * turn of the loop (api/access_share.h). So is a certificate of the user's own that was renewed
 * with its key; one that is over, or soon will be, is told in the log, at the start and daily.
 *
 * <home>/run/hive.json (0600) tells keepers of the same user where the hive is and by which pin,
 * wherever it listens: at the usual port there may be another account's. Of a hive with TLS it
 * stays (advertise.h).
 * <home>/run/keys-used tells when each key was last used, to the minute. Loop thread only.
 */
#ifndef RBEE_HIVE_DOORS_DOORS_H
#define RBEE_HIVE_DOORS_DOORS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "api/access.h"
#include "api/failed_tell.h"
#include "api/keys.h"
#include "config/config.h"
#include "hive/disk/file_mark.h"
#include "net/tls.h"

#define DOORS_USED_MS 60000 /* a key's use is noted at most once in so long */
#define DOORS_RETRY_MS                                                                             \
    1000 /* until files of keys that could not be read, or lie elsewhere, are looked at */
#define DOORS_CERTIFICATE_S                                                                        \
    1 /* between two looks at the files of a certificate of the user's ... */
#define DOORS_CERTIFICATE_FAR_S                                                                    \
    30                  /* ... where these lie on a file system that may hang (reach.h) */
#define DOORS_N_FILES 2 /* `keys` and `api-key`, see api/keys.h */

struct access_share;
struct event;
struct event_base;
struct http_server;
struct reach;
struct security_log;

/* What a file of keys was like that lies elsewhere (a link, a mount), or where nothing is watched;
 * zeros for one in the home. */
struct doors_seen {
    bool elsewhere;
    dev_t dev;
    ino_t ino; /* 0 = there is none */
    mode_t mode;
    off_t size;
    struct timespec written, changed;
};

/* One of the files with keys. */
struct doors_file {
    struct keys keys; /* as it could last be read */
    int failed;       /* the error for which it cannot be read now; 0 = it can */
    struct doors_seen seen;
};

/* Of the user's own; all 0 where the hive shows one that it made. */
struct doors_certificate {
    const char *chain_path, *key_path; /* borrowed */
    struct file_mark chain, key;       /* the files, as they were last read */
    struct err failed;                 /* why these could not be taken; code 0 = they were */
    int64_t looked_ms;                 /* when they were last looked at; 0 = not yet */
    int64_t from_ms, until_ms;         /* Unix time */
    int64_t said_ms;                   /* when its dates were last looked at */
    struct event *look;
};

struct doors {
    const struct config *config;
    const char *home; /* borrowed */
    struct access access;
    struct doors_file files[DOORS_N_FILES];
    struct keys keys;           /* of both files: who is let in */
    struct access_share *share; /* NULL: workers inherit nothing */
    int share_fd;               /* for workers to inherit; -1 = none */
    const struct tls *tls;      /* NULL: plain HTTP */
    struct tls_server *tls_server;
    char pin[TLS_PIN_BYTES]; /* of the certificate; "" = none */
    struct doors_certificate certificate;
    struct failed_keys *failed;
    struct failed_tell telling; /* of those */
    struct security_log *log;
    struct reach *reach; /* borrowed: asked before a link is followed; NULL = none is asked */
    struct http_server *server; /* borrowed: whose requests end with their keys; NULL = none yet */
    struct event *watch;        /* inotify on the home */
    struct event *retry;        /* for files that could not be read, or lie elsewhere */
    int watch_fd, spare_fd;     /* the second is kept for reading files; -1 = none */
    int watch_id;               /* of the home within watch_fd; -1 = it is not there */
    bool lost;                  /* the home was moved or deleted, and the files are not back yet */
    bool unwatched;             /* there is no inotify to be had: the files are looked at */
    struct doors_seen folder;   /* ... and the home itself */
    unsigned char used[KEYS_MAX][SHA256_BYTES]; /* of the keys those seen since the start ... */
    int64_t used_s[KEYS_MAX], noted_ms;         /* ... and when last; when that was written */
    size_t n_used;
    bool advertised; /* run/hive.json is there */
    bool started;    /* the security log knows of the start, and is to know of the end */
};

/* `addr` is the bound address' host. Says on stderr when a key was made. */
int doors_open(struct doors *d, const struct config *config, const char *home, const char *host,
               struct err *err);
/* Begins to follow the key files; the loop is there now. */
int doors_watch(struct doors *d, struct event_base *base, struct err *err);
/* The same for the files of a certificate of the user's own. */
int doors_watch_certificate(struct doors *d, struct event_base *base, struct err *err);
void doors_close(struct doors *d); /* zeros are fine, with the descriptors -1 */

/*
 * The files anew, each for itself: what can be read is in force, whatever the other one is. The
 * keys of one that cannot be read stay, and it is tried again each DOORS_RETRY_MS; but an `api-key`
 * that would not be taken at a start opens nothing. Both are logged. What runs under a key that is
 * gone ends (revoke.h). Where the home itself was moved or deleted, all keys stay until the files
 * are there again.
 */
void doors_reload(struct doors *d);

/* What is left to tell of strangers is told from here on when it is time to; before, at the end. */
int doors_tell_in_time(struct doors *d, struct event_base *base, struct err *err);

/* The door is open at this port: writes run/hive.json, shows the pairing line, and logs it. */
int doors_announce(struct doors *d, const struct config_addr *addr, struct err *err);

/*
 * May this request pass? As access_check, with the rate limit before it (*retry_after_s > 0) and
 * the log behind it. *pass becomes the mark of the key that opened, 0 without one of the list.
 */
int doors_check(struct doors *d, const struct access_ask *ask, const char *peer, uint64_t *pass,
                struct api_error *e, int *retry_after_s);

/* The same for a browser's question beforehand, which carries no key. */
int doors_check_preflight(struct doors *d, const struct access_ask *ask, const char *peer,
                          struct api_error *e);

/* Seconds until an address is listened to again; 0 = it is. */
int doors_wait_s(const struct doors *d, const char *peer);
/* Counts it, and logs it when it is time to (failed_keys.h). */
void doors_note_failure(struct doors *d, enum failed_kind kind, const char *peer);
/* The same for one that had to wait, and was not listened to. */
void doors_note_unheard(struct doors *d, enum failed_kind kind, const char *peer);

/* For http_server_params.tls_failed; arg is the doors. */
void doors_tls_failed(struct doors *d, const char *peer, const char *why);

#endif
