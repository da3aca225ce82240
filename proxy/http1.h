/* SPDX-License-Identifier: MIT
 *
 * A strict, incremental HTTP/1.1 parser (RFC 9112). It only reads: bytes in,
 * offsets out, no allocation, no I/O. Every refusal names the rule that was
 * broken and the byte where it was.
 *
 * All parsers here keep one contract: > 0 bytes used, 0 need more, -1 the
 * bytes are nonsense and `fault` says why. */
#ifndef PROXY_HTTP1_H
#define PROXY_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    HTTP1_HEAD_MOST = 64 * 1024, /* bytes of one head */
    HTTP1_FIELDS_MOST = 100,
    HTTP1_TARGET_MOST = 8 * 1024,
};

enum http1_kind { HTTP1_REQUEST, HTTP1_RESPONSE };

/* How the body is delimited (RFC 9112 6.3). */
enum http1_framing {
    HTTP1_NONE,     /* no body */
    HTTP1_LENGTH,   /* Content-Length */
    HTTP1_CHUNKED,  /* Transfer-Encoding: chunked */
    HTTP1_TO_CLOSE, /* until the connection closes; responses only */
    HTTP1_TUNNEL,   /* 101, or 2xx to CONNECT: bytes, no HTTP any more */
};

/* Named leniencies, each of which a lab may switch on to show its harm. */
enum http1_lenient {
    HTTP1_LENIENT_BARE_LF = 1 << 0,     /* LF alone ends a line */
    HTTP1_LENIENT_OBS_FOLD = 1 << 1,    /* folded field values */
    HTTP1_LENIENT_SPACE_COLON = 1 << 2, /* "Name : value" */
    HTTP1_LENIENT_TWO_LENGTHS = 1 << 3, /* CL with TE, TE wins */
    HTTP1_LENIENT_CHUNK_EXT = 1 << 4,   /* junk after a chunk size */
    HTTP1_LENIENT_NO_HOST = 1 << 5,     /* HTTP/1.1 without Host */
};
/* The name of one leniency ("bare-lf"), NULL behind the last; and back: the
 * bit for a name, 0 when unknown. */
const char *http1_lenient_name(unsigned index);
unsigned http1_lenient_bit(const char *name);

struct span {
    uint32_t at, len; /* offsets from the first byte of the head */
};

struct http1_field {
    struct span name, value; /* value without surrounding white space */
};

struct http1_fault {
    const char *rule;     /* "RFC 9112 6.3", static */
    const char *sentence; /* static, for a person */
    size_t offset;        /* from the first byte of the head or body */
    int status;           /* what a server would answer: 400 414 431 501 505 */
    const char *name;     /* "bare-lf": the row in http1_faults.def, static */
};

/* A parsed head. Spans point into the bytes that were given. With the leniency
 * obs-fold a value may hold line ends; read each as white space. */
struct http1_head {
    enum http1_kind kind;
    struct span method, target; /* requests */
    struct span reason;         /* responses */
    int status;                 /* responses */
    int minor;                  /* HTTP/1.minor */
    struct span host;           /* value of Host, or what the target says
                                   instead (RFC 9112 3.2.2); len 0 if none */
    enum http1_framing framing;
    uint64_t length; /* HTTP1_LENGTH */
    bool keep_alive; /* may another message follow */
    bool upgrade;    /* Connection: upgrade and an Upgrade field */
    bool expect_continue;
    unsigned fields_count;
    struct http1_field fields[HTTP1_FIELDS_MOST];
};

/* State between calls: where the scan of an unfinished head stopped. Zero it,
 * but for `lenient`, before the first head. */
struct http1_scan {
    uint32_t seen;    /* bytes known to hold no end of head */
    unsigned lenient; /* HTTP1_LENIENT_* */
    uint32_t line;    /* private: where the unfinished line starts */
    uint16_t fields;  /* private: fields before it */
    bool started;     /* private: the start line was read */
};

/* Parse a head at `bytes`, which must start at the head's first byte on every
 * call. For a response, `request_method` (NUL-terminated, may be NULL) says
 * what was asked, because HEAD and CONNECT change the framing. Empty lines
 * before a request line are skipped (RFC 9112 2.2) and count as used. A line
 * is judged as soon as it is whole, so nonsense is refused before the head has
 * ended. After > 0 the scan is ready for the next head. `out` means nothing
 * until then. */
ssize_t http1_head_read(struct http1_scan *scan, enum http1_kind kind,
                        const char *request_method, const char *bytes,
                        size_t len, struct http1_head *out,
                        struct http1_fault *fault);

/* A body on its way. Initialise with http1_body_init() from the head. */
struct http1_body {
    enum http1_framing framing;
    uint64_t left; /* of the body or of the current chunk */
    int state;     /* private */
    unsigned lenient;
    uint32_t fields, line; /* private: trailer limits */
    uint32_t names;        /* private: forbidden names that still match */
    uint32_t extras;       /* private: bytes of chunk extensions so far */
    uint32_t trailer;      /* private: bytes of the trailer so far */
    uint64_t offset;       /* bytes of the body taken so far, with framing */
    uint64_t trailer_at;   /* of these, before the trailer section; 0: it has
                              not begun */
    bool done;             /* the message is complete */
};
void http1_body_init(struct http1_body *body, const struct http1_head *head,
                     unsigned lenient);

/* Take bytes of the body in whatever pieces they come. Returns how many of
 * `bytes` were used (0: need more; also 0 when done); *data is the piece of
 * them that is content (len may be 0: only framing was read). Call again with
 * the rest until done or 0. -1: nonsense. */
ssize_t http1_body_read(struct http1_body *body, const char *bytes, size_t len,
                        struct span *data, struct http1_fault *fault);

/* How many of the next bytes are content whatever they are, so that nobody
 * needs to read them; and: so many of them have passed. */
uint64_t http1_body_blind(const struct http1_body *body);
void http1_body_skip(struct http1_body *body, uint64_t len);

/* Case-insensitive look-up; NULL if absent. `after` continues the search
 * behind an earlier result (NULL: from the first field). */
const struct http1_field *http1_field(const struct http1_head *head,
                                      const char *bytes, const char *name,
                                      const struct http1_field *after);

#endif
