/* SPDX-License-Identifier: MIT
 *
 * The rig's stands: what is shown is made, then it listens. */
#include "labs/matrix/rig.h"

#include "certs/raw.h"
#include "labs/matrix/talk.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* ---- what is shown ------------------------------------------------------- */

/* With one port for all, a row is asked for by its own name. */
static const char *host_of(const struct rig_plan *plan, const struct row *row,
                           char room[160])
{
    const char *domain = strchr(plan->host, '.');
    if (!plan->by_name)
        return plan->host;
    snprintf(room, 160, "%s%s", row->id, domain ? domain : "");
    return room;
}

static int make_exhibits(struct rig *rig, struct gallery *gallery,
                         struct err *err)
{
    const struct rig_plan *plan = &rig->plan;
    char room[160];
    for (unsigned i = 0; i < plan->rows_count; i++) {
        const struct row *row = &plan->rows[i];
        if (exhibit_make(gallery, row, host_of(plan, row, room),
                         &rig->exhibits[i], err))
            return -1;
        rig->exhibits_count++;
    }
    return 0;
}

/* The CAs live in here and nowhere else. */
static int make_all(struct rig *rig, struct err *err)
{
    struct gallery *gallery;
    if (gallery_make("rig", &gallery, err))
        return -1;
    rig->root = gallery_root(gallery);
    X509_up_ref(rig->root);
    rig->log = gallery_log(gallery);
    EVP_PKEY_up_ref(rig->log);
    int rc = make_exhibits(rig, gallery, err);
    gallery_free(gallery);
    return rc;
}

/* ---- stands -------------------------------------------------------------- */

static void on_connection(uv_stream_t *listener, int status)
{
    if (!status)
        talk_accept(listener->data);
}

static int listen_at(struct rig *rig, struct stand *stand, struct err *err)
{
    union address at = rig->plan.listen;
    char text[ADDRESS_TEXT];
    int len = sizeof at;
    unsigned first = address_port(&at), number = rig->listening;
    if (first)
        at.v4.sin_port = htons((uint16_t)(first + number)); /* as v6's */
    address_text(&at, text);
    if (first + number > 65535) {
        err_code(err, EXIT_USAGE,
                 "the rows want %u ports, and from %u on there are not so many",
                 rig->stands_count, first);
        return -1;
    }
    uv_tcp_init(rig->loop, &stand->tcp);
    stand->tcp.data = stand;
    rig->listening++;
    int rc = uv_tcp_bind(&stand->tcp, &at.any, 0);
    if (!rc)
        rc = uv_listen((uv_stream_t *)&stand->tcp, 128, on_connection);
    if (!rc)
        rc = uv_tcp_getsockname(&stand->tcp, &at.any, &len);
    if (rc) {
        err_set(err, "listen on %s: %s", text, uv_strerror(rc));
        return -1;
    }
    stand->port = address_port(&at);
    return 0;
}

/* Calls `each` for every stand of the plan; with by_name there is one for each
 * version, whatever the rows. Returns their number. */
static unsigned walk(struct rig *rig, bool fill)
{
    const struct rig_plan *plan = &rig->plan;
    unsigned rows = plan->by_name ? 1 : plan->rows_count, count = 0;
    for (unsigned i = 0; i < rows; i++)
        for (unsigned v = 0; v < EXHIBIT_VERSIONS; v++) {
            if (!plan->versions[v] ||
                (!plan->by_name && !exhibit_can(&plan->rows[i], v)))
                continue;
            for (unsigned set = 0; set < plan->sets; set++, count++)
                if (fill)
                    rig->stands[count] = (struct stand){
                        .rig = rig, .exhibit = i, .tls = v, .set = set};
        }
    return count;
}

/* Every stand holds a descriptor. */
static void want_descriptors(unsigned count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > count + 512)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int make_stands(struct rig *rig, struct err *err)
{
    rig->stands_count = walk(rig, false);
    rig->stands = calloc(rig->stands_count + 1, sizeof *rig->stands);
    if (!rig->stands) {
        err_set(err, "no memory for %u stands", rig->stands_count);
        return -1;
    }
    want_descriptors(rig->stands_count);
    walk(rig, true);
    for (unsigned i = 0; i < rig->stands_count; i++)
        if (listen_at(rig, &rig->stands[i], err))
            return -1;
    return 0;
}

/* ---- ready --------------------------------------------------------------- */

static void add_bio(struct buf *out, BIO *bio)
{
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    (void)event_append_text(out, text, (size_t)len, SIZE_MAX);
    BIO_free(bio);
}

static void add_cert(struct buf *out, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    add_bio(out, bio);
}

static void add_key(struct buf *out, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key);
    add_bio(out, bio);
}

static void add_listens(struct buf *out, const struct rig *rig)
{
    for (unsigned i = 0; i < rig->stands_count; i++) {
        union address at = rig->plan.listen;
        char text[ADDRESS_TEXT];
        at.v4.sin_port = htons((uint16_t)rig->stands[i].port);
        address_text(&at, text);
        (void)buf_printf(out, "%s\"%s\"", i ? "," : "", text);
    }
}

static void add_stands(struct buf *out, const struct rig *rig)
{
    for (unsigned i = 0; i < rig->stands_count; i++) {
        const struct stand *stand = &rig->stands[i];
        const struct exhibit *shown = &rig->exhibits[stand->exhibit];
        (void)buf_printf(out,
                         "%s{\"row\":\"%s\",\"tls\":\"%s\",\"set\":%u,"
                         "\"host\":\"%s\",\"port\":%u}",
                         i ? "," : "", rig->plan.by_name ? "*" : shown->row.id,
                         exhibit_tls_name(stand->tls), stand->set, shown->host,
                         stand->port);
    }
}

static void add_installed(struct buf *out, const struct rig *rig)
{
    const char *comma = "";
    for (unsigned i = 0; i < rig->exhibits_count; i++) {
        X509 *root = rig_installed(rig, i);
        if (!root)
            continue;
        (void)buf_printf(out, "%s\"%s\":", comma, rig->exhibits[i].row.id);
        add_cert(out, root);
        comma = ",";
    }
}

static void say_ready(const struct rig *rig)
{
    struct buf out = {0};
    (void)buf_append_text(&out, "\"listen\":[");
    add_listens(&out, rig);
    (void)buf_append_text(&out, "],\"trust\":");
    add_cert(&out, rig->root);
    (void)buf_append_text(&out, ",\"log\":");
    add_key(&out, rig->log);
    (void)buf_append_text(&out, ",\"installed\":{");
    add_installed(&out, rig);
    (void)buf_append_text(&out, "},\"stands\":[");
    add_stands(&out, rig);
    event("ready", NULL, "\"program\":\"rig\",\"pid\":%d,%.*s]", getpid(),
          (int)buf_len(&out), (char *)buf_head(&out));
    buf_free(&out);
}

/* ---- all of it ----------------------------------------------------------- */

/* The loop must not keep handles of a rig that failed to open. */
static int give_up(struct rig *rig)
{
    rig_stop(rig);
    uv_run(rig->loop, UV_RUN_DEFAULT);
    rig_free(rig);
    return -1;
}

int rig_open(uv_loop_t *loop, const struct rig_plan *plan, struct rig **out,
             struct err *err)
{
    if (dial_check(&plan->listen, err))
        return -1;
    struct rig *rig = calloc(1, sizeof *rig);
    if (!rig || !(rig->exhibits =
                      calloc(plan->rows_count + 1, sizeof *rig->exhibits))) {
        free(rig);
        err_set(err, "no memory for the rig");
        return -1;
    }
    rig->plan = *plan;
    rig->loop = loop;
    static const struct tls_terms usual = {0};
    if (tls_open(&usual, &rig->tls, err) || make_all(rig, err) ||
        make_stands(rig, err))
        return give_up(rig);
    say_ready(rig);
    *out = rig;
    return 0;
}

void rig_stop(struct rig *rig)
{
    while (rig->talks)
        talk_close(rig->talks, "cut");
    for (; rig->listening; rig->listening--)
        uv_close((uv_handle_t *)&rig->stands[rig->listening - 1].tcp, NULL);
}

void rig_free(struct rig *rig)
{
    for (unsigned i = 0; i < rig->exhibits_count; i++)
        exhibit_close(&rig->exhibits[i]);
    free(rig->exhibits);
    free(rig->stands);
    X509_free(rig->root);
    EVP_PKEY_free(rig->log);
    tls_free(rig->tls);
    free(rig);
}

const struct stand *rig_stand(const struct rig *rig, unsigned index)
{
    return index < rig->stands_count ? &rig->stands[index] : NULL;
}

const struct exhibit *rig_exhibit(const struct rig *rig, unsigned index)
{
    return index < rig->exhibits_count ? &rig->exhibits[index] : NULL;
}

X509 *rig_root(const struct rig *rig)
{
    return rig->root;
}

X509 *rig_installed(const struct rig *rig, unsigned exhibit)
{
    const struct forged *forged = &rig->exhibits[exhibit].forged;
    return forged->leaf && forged->installed ? forged->root : NULL;
}
