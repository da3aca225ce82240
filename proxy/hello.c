/* SPDX-License-Identifier: MIT
 *
 * Records are joined into the handshake message first, then every length in
 * it is checked against what stands around it (RFC 8446 4.1.2). */
#include "proxy/hello.h"

#include <string.h>

enum {
    RECORD_HEADER = 5,
    RECORD_MOST = 1 << 14, /* RFC 8446 5.1 */
    MESSAGE_HEADER = 4,
    TYPE_HANDSHAKE = 22,
    TYPE_CLIENT_HELLO = 1,
    EXTENSIONS_MOST = 256, /* real hellos have about twenty */
};

enum extension {
    EXT_SERVER_NAME = 0,
    EXT_STATUS_REQUEST = 5,
    EXT_GROUPS = 10,
    EXT_POINT_FORMATS = 11,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_SCT = 18,
    EXT_SESSION_TICKET = 35,
    EXT_PSK = 41,
    EXT_EARLY_DATA = 42,
    EXT_VERSIONS = 43,
    EXT_KEY_SHARE = 51,
};

/* Bytes that are left to read. A read past the end is noted, gives zeros and
 * nothing more, so that one check at the end is enough. */
struct reader {
    uint8_t *bytes;
    size_t len;
    bool short_;
};

static uint8_t *take(struct reader *reader, size_t len)
{
    uint8_t *bytes = reader->bytes;
    if (len > reader->len) {
        reader->short_ = true;
        reader->len = 0;
        return NULL;
    }
    reader->bytes += len;
    reader->len -= len;
    return bytes;
}

static uint32_t take_number(struct reader *reader, unsigned size)
{
    uint32_t number = 0;
    const uint8_t *bytes = take(reader, size);
    for (unsigned i = 0; bytes && i < size; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* A vector: its length in `size` bytes, then so many bytes. */
static struct reader take_vector(struct reader *reader, unsigned size)
{
    uint32_t len = take_number(reader, size);
    uint8_t *bytes = take(reader, len);
    return (struct reader){bytes, bytes ? len : 0, reader->short_};
}

/* A vector that is all there is, and not empty. */
static bool take_only_vector(struct reader *reader, unsigned size,
                             struct reader *out)
{
    *out = take_vector(reader, size);
    return !out->short_ && out->len && !reader->len;
}

static void put16(uint8_t *bytes, uint32_t number)
{
    bytes[0] = (uint8_t)(number >> 8);
    bytes[1] = (uint8_t)number;
}

static const char *list16(struct reader *reader, unsigned size,
                          struct hello_list *out, const char *wrong)
{
    struct reader list;
    if (!take_only_vector(reader, size, &list) || list.len % 2)
        return wrong;
    *out = (struct hello_list){list.bytes, (uint16_t)(list.len / 2)};
    return NULL;
}

/* ---- extensions: each returns what is wrong with it, or NULL ---------------
 */

static bool name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == ':';
}

/* RFC 6066 3: a list with at most one entry of each kind; only the kind
 * host_name (0) was ever defined. */
static const char *read_server_name(struct reader *reader, struct hello *out)
{
    struct reader list, name;
    if (!take_only_vector(reader, 2, &list))
        return "the server_name extension is damaged (RFC 6066 3)";
    uint32_t kind = take_number(&list, 1);
    name = take_vector(&list, 2);
    if (kind || list.len || name.short_ || !name.len)
        return "the server_name extension does not hold exactly one host name "
               "(RFC 6066 3)";
    if (name.len >= sizeof out->server_name)
        return "the server name is longer than a host name can be "
               "(RFC 6066 3)";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.bytes[i];
        c = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
        if (!name_char(c))
            return "the server name holds a character that no host name has "
                   "(RFC 6066 3)";
        out->server_name[i] = (char)c;
    }
    return NULL;
}

static const char *read_alpn(struct reader *reader, struct hello *out)
{
    static const char wrong[] = "the ALPN extension is damaged (RFC 7301 3.1)";
    struct reader list;
    if (!take_only_vector(reader, 2, &list))
        return wrong;
    out->alpn = (struct alpn_list){list.bytes, list.len};
    while (list.len) {
        struct reader name = take_vector(&list, 1);
        if (name.short_ || !name.len)
            return wrong;
    }
    return NULL;
}

static const char *read_versions(struct reader *reader, struct hello *out)
{
    return list16(reader, 1, &out->versions,
                  "supported_versions is damaged (RFC 8446 4.2.1)");
}

static const char *read_groups(struct reader *reader, struct hello *out)
{
    return list16(reader, 2, &out->groups,
                  "supported_groups is damaged (RFC 8446 4.2.7)");
}

static const char *read_signatures(struct reader *reader, struct hello *out)
{
    return list16(reader, 2, &out->signatures,
                  "signature_algorithms is damaged (RFC 8446 4.2.3)");
}

static const char *read_point_formats(struct reader *reader, struct hello *out)
{
    struct reader list;
    if (!take_only_vector(reader, 1, &list))
        return "ec_point_formats is damaged (RFC 8422 5.1.2)";
    out->point_formats = list.bytes;
    out->point_formats_count = (uint8_t)list.len;
    return NULL;
}

/* The list of shares may be empty: a request for HelloRetryRequest. The
 * groups are written over the first shares, which were read by then. */
static const char *read_key_share(struct reader *reader, struct hello *out)
{
    static const char wrong[] = "key_share is damaged (RFC 8446 4.2.8)";
    struct reader list = take_vector(reader, 2);
    if (list.short_ || reader->len)
        return wrong;
    uint8_t *to = list.bytes;
    out->key_shares = (struct hello_list){to, 0};
    while (list.len) {
        uint32_t group = take_number(&list, 2);
        struct reader key = take_vector(&list, 2);
        if (key.short_ || !key.len)
            return wrong;
        put16(to + 2 * out->key_shares.count++, group);
    }
    return NULL;
}

static const char *read_status_request(struct reader *reader, struct hello *out)
{
    (void)reader;
    out->status_request = true;
    return NULL;
}

static const char *read_sct(struct reader *reader, struct hello *out)
{
    (void)reader;
    out->sct = true;
    return NULL;
}

static const char *read_session_ticket(struct reader *reader, struct hello *out)
{
    (void)reader;
    out->session_ticket = true;
    return NULL;
}

static const char *read_psk(struct reader *reader, struct hello *out)
{
    (void)reader;
    out->psk = true;
    return NULL;
}

static const char *read_early_data(struct reader *reader, struct hello *out)
{
    (void)reader;
    out->early_data = true;
    return NULL;
}

static const struct {
    enum extension type;
    const char *(*read)(struct reader *reader, struct hello *out);
} extensions[] = {
    {EXT_SERVER_NAME, read_server_name},
    {EXT_STATUS_REQUEST, read_status_request},
    {EXT_GROUPS, read_groups},
    {EXT_POINT_FORMATS, read_point_formats},
    {EXT_SIGNATURES, read_signatures},
    {EXT_ALPN, read_alpn},
    {EXT_SCT, read_sct},
    {EXT_SESSION_TICKET, read_session_ticket},
    {EXT_PSK, read_psk},
    {EXT_EARLY_DATA, read_early_data},
    {EXT_VERSIONS, read_versions},
    {EXT_KEY_SHARE, read_key_share},
};

static const char *read_extension(uint32_t type, struct reader *data,
                                  struct hello *out)
{
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (extensions[i].type == type)
            return extensions[i].read(data, out);
    return NULL;
}

static bool listed(const struct hello_list *list, uint32_t number)
{
    for (unsigned i = 0; i < list->count; i++)
        if ((uint32_t)(list->bytes[2 * i] << 8 | list->bytes[2 * i + 1]) ==
            number)
            return true;
    return false;
}

/* `types` (2 * EXTENSIONS_MOST bytes) takes the list of extension types. */
static const char *read_extensions(struct reader *block, uint8_t *types,
                                   struct hello *out)
{
    out->extensions.bytes = types;
    while (block->len) {
        uint32_t type = take_number(block, 2);
        struct reader data = take_vector(block, 2);
        if (data.short_)
            return "an extension is longer than its block (RFC 8446 4.2)";
        if (listed(&out->extensions, type))
            return "an extension is sent twice (RFC 8446 4.2)";
        if (out->psk)
            return "an extension follows pre_shared_key, which must be last "
                   "(RFC 8446 4.2.11)";
        if (out->extensions.count == EXTENSIONS_MOST)
            return "more than 256 extensions";
        put16(types + 2 * out->extensions.count++, type);
        const char *wrong = read_extension(type, &data, out);
        if (wrong)
            return wrong;
    }
    return NULL;
}

/* ---- the message ------------------------------------------------------------
 */

static const char *read_message(struct reader *message, uint8_t *types,
                                struct hello *out)
{
    out->legacy_version = (uint16_t)take_number(message, 2);
    const uint8_t *random = take(message, sizeof out->random);
    struct reader session = take_vector(message, 1);
    struct reader suites = take_vector(message, 2);
    struct reader compressions = take_vector(message, 1);
    if (!random || message->short_ || session.len > 32 || !compressions.len)
        return "the ClientHello is damaged (RFC 8446 4.1.2)";
    if (!suites.len || suites.len % 2)
        return "the list of cipher suites is damaged (RFC 8446 4.1.2)";
    memcpy(out->random, random, sizeof out->random);
    out->session_id = session.len > 0;
    out->suites = (struct hello_list){suites.bytes, (uint16_t)(suites.len / 2)};
    if (!message->len)
        return NULL; /* a client of TLS 1.2 or older without extensions */
    struct reader block = take_vector(message, 2);
    if (block.short_ || message->len)
        return "the block of extensions does not fill the ClientHello "
               "(RFC 8446 4.1.2)";
    return read_extensions(&block, types, out);
}

/* ---- records ----------------------------------------------------------------
 */

enum join { JOIN_WRONG = -1, JOIN_MORE, JOIN_NEXT };

/* One record header at bytes[0..len); refuses what cannot begin one as soon
 * as it is seen. */
static enum join check_record(const uint8_t *bytes, size_t len,
                              const char **why)
{
    bool old = len && bytes[0] & 0x80; /* a header of SSL 2.0 has this bit */
    if (!len || (old && len < 3))
        return JOIN_MORE;
    if (old && bytes[2] == TYPE_CLIENT_HELLO)
        *why = "a hello of SSL 2.0, which RFC 6176 forbids";
    else if (bytes[0] != TYPE_HANDSHAKE)
        *why = "not a TLS handshake record (RFC 8446 5.1)";
    else if (len > 1 && bytes[1] != 3)
        *why = "not a record of TLS: its version is not 3.x (RFC 8446 5.1)";
    else if (len < RECORD_HEADER)
        return JOIN_MORE;
    else if (!bytes[3] && !bytes[4])
        *why = "an empty handshake record (RFC 8446 5.1)";
    else if ((bytes[3] << 8 | bytes[4]) > RECORD_MOST)
        *why = "a record of more than 16 KiB (RFC 8446 5.1)";
    else
        return JOIN_NEXT;
    return JOIN_WRONG;
}

/* The length of the whole message; 0: not known yet. */
static size_t message_size(const uint8_t *scratch, size_t joined)
{
    if (joined < MESSAGE_HEADER)
        return 0;
    return MESSAGE_HEADER +
           ((size_t)scratch[1] << 16 | (size_t)scratch[2] << 8 | scratch[3]);
}

static const char *check_message(const uint8_t *scratch, size_t joined)
{
    size_t size = message_size(scratch, joined);
    if (joined && scratch[0] != TYPE_CLIENT_HELLO)
        return "a handshake message other than ClientHello comes first "
               "(RFC 8446 4.1.2)";
    if (size > HELLO_MOST - 2 * EXTENSIONS_MOST)
        return "the ClientHello is longer than this program reads (63 KiB)";
    if (size && joined > size)
        return "something follows the ClientHello in its record "
               "(RFC 8446 5.1)";
    return NULL;
}

/* Join the records into `scratch`. Returns the bytes of them when the message
 * is whole, 0 for more, -1. */
static ssize_t join_records(const uint8_t *bytes, size_t len, uint8_t *scratch,
                            size_t *out_size, const char **why)
{
    size_t at = 0, joined = 0;
    for (;;) {
        enum join join = check_record(bytes + at, len - at, why);
        if (join != JOIN_NEXT)
            return join;
        size_t record = (size_t)(bytes[at + 3] << 8 | bytes[at + 4]);
        size_t have = len - at - RECORD_HEADER;
        size_t piece = have < record ? have : record;
        if (piece > HELLO_MOST - joined)
            piece = HELLO_MOST - joined;
        memcpy(scratch + joined, bytes + at + RECORD_HEADER, piece);
        joined += piece;
        *why = check_message(scratch, joined);
        if (*why)
            return -1;
        if (have < record)
            return 0;
        at += RECORD_HEADER + record;
        *out_size = message_size(scratch, joined);
        if (*out_size && joined == *out_size)
            return (ssize_t)at;
    }
}

/* What stands behind the header of a whole message. */
static const char *read_body(uint8_t *scratch, size_t size, struct hello *out)
{
    struct reader message = {scratch + MESSAGE_HEADER, size - MESSAGE_HEADER,
                             false};
    *out = (struct hello){0};
    return read_message(&message, scratch + HELLO_MOST - 2 * EXTENSIONS_MOST,
                        out);
}

ssize_t hello_read(const uint8_t *bytes, size_t len, uint8_t *scratch,
                   struct hello *out, const char **why)
{
    size_t size = 0;
    ssize_t used = join_records(bytes, len, scratch, &size, why);
    if (used <= 0)
        return used;
    *why = read_body(scratch, size, out);
    out->record_version = (uint16_t)(bytes[1] << 8 | bytes[2]);
    return *why ? -1 : used;
}

const char *hello_read_message(uint8_t *scratch, size_t len, struct hello *out)
{
    const char *wrong = check_message(scratch, len);
    if (!wrong && (!len || message_size(scratch, len) != len))
        wrong = "the ClientHello is not whole (RFC 8446 4.1.2)";
    return wrong ? wrong : read_body(scratch, len, out);
}

bool hello_looks_like_tls(const uint8_t *bytes, size_t len)
{
    return len && bytes[0] == TYPE_HANDSHAKE && (len < 2 || bytes[1] == 3) &&
           (len < 3 || bytes[2] <= 4);
}
