/* SPDX-License-Identifier: MIT
 *
 * Bytes of events from wherever they are, then a frame for each from the
 * capture. */
#include "labs/report/record.h"

#include "labs/report/facts.h"
#include "labs/report/folder.h"
#include "labs/report/record_har.h"
#include "labs/report/record_packets.h"
#include "proxy/capture/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a capture ----------------------------------------------------------- */

/* All events in the blocks, joined. */
static int collect(const char *path, struct record *record, struct buf *out,
                   struct err *err)
{
    struct pcapng_file *file;
    struct pcapng_block block;
    struct stat about;
    int rc;
    if (pcapng_open(path, &file, err))
        return -1;
    bool beyond = false;
    while ((rc = pcapng_file_next(file, &block, err)) > 0) {
        if (block.kind != PCAPNG_EVENTS)
            continue;
        beyond |= buf_len(out) + block.events.len > EVENTS_BYTES_MOST;
        if (!beyond && buf_append(out, block.events.bytes, block.events.len)) {
            err_set(err, "read %s: out of memory", path);
            rc = -1;
            break;
        }
    }
    if (beyond)
        report_problem(&record->report,
                       "there are more than %d MiB of events in the capture; "
                       "the first are used",
                       EVENTS_BYTES_MOST >> 20);
    if (!rc && !stat(path, &about))
        record->lost = (uint64_t)about.st_size - pcapng_file_whole(file);
    pcapng_close(file);
    return rc;
}

/* A cut line at the end is none. */
static void read_facts(struct record *record, const struct buf *lines)
{
    size_t len = buf_len(lines);
    const uint8_t *end = len ? memrchr(buf_head(lines), '\n', len) : NULL;
    len = end ? (size_t)(end + 1 - buf_head(lines)) : 0;
    if (len)
        facts_read(&record->report,
                   (struct text){(const char *)buf_head(lines), len}, false);
}

/* The frame of every fact that says where it was seen. */
static void find_frames(struct record *record)
{
    struct report *report = &record->report;
    for (size_t i = 0; record->index && i < report->facts_count; i++) {
        struct fact *fact = &report->facts[i];
        struct index_tuple tuple = {
            fact->opener.bytes, (uint16_t)fact->opener_port,
            fact->acceptor.bytes, (uint16_t)fact->acceptor_port};
        if (fact->frame || !fact->has_at || !fact->opener.len || fact->at < 0)
            continue;
        enum index_dir dir = text_is(fact->dir, "up") ? INDEX_UP : INDEX_DOWN;
        fact->frame = (long long)index_frame_of(
            record->index, &tuple, dir, (uint64_t)fact->at, (uint64_t)fact->t);
    }
}

static int load_capture(const char *path, struct record *out, struct err *err)
{
    struct buf lines = {0};
    int rc = collect(path, out, &lines, err);
    if (!rc)
        rc = capture_index_load(path, &out->index, err);
    if (!rc)
        read_facts(out, &lines);
    buf_free(&lines);
    return rc;
}

/* ---- a folder, a list of events ------------------------------------------ */

static int load_events(int dir, const char *name, struct record *out,
                       struct err *err)
{
    struct text all;
    bool cut;
    if (folder_read(dir, name, EVENTS_BYTES_MOST, &out->report, &all, &cut)) {
        err_errno(err, "read %s", name);
        err->code = EXIT_USAGE;
        return -1;
    }
    facts_read(&out->report, all, cut);
    return 0;
}

static int load_folder(const char *path, struct record *out, struct err *err)
{
    char *capture = NULL;
    int dir = folder_open(path, err);
    if (dir < 0)
        return -1;
    int rc = load_events(dir, "events.jsonl", out, err);
    bool captured = !faccessat(dir, "capture.pcapng", R_OK, 0);
    close(dir);
    if (rc || !captured)
        return rc;
    if (asprintf(&capture, "%s/capture.pcapng", path) < 0) {
        err_set(err, "read %s: out of memory", path);
        return -1;
    }
    rc = load_capture(capture, out, err);
    free(capture);
    return rc;
}

/* The folder that a file lies in, and its name there. -1: it cannot be
 * opened. */
static int folder_of(const char *path, const char **out_name)
{
    const char *slash = strrchr(path, '/');
    *out_name = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : NULL;
    int dir = open(slash ? folder ? folder : "" : ".",
                   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return dir;
}

/* The capture of a run has its events beside it. */
static void load_beside(const char *path, struct record *out)
{
    struct err err = ERR_INIT;
    const char *name;
    int dir = folder_of(path, &name);
    if (dir >= 0 && !strcmp(name, "capture.pcapng") &&
        !faccessat(dir, "events.jsonl", R_OK, 0))
        (void)load_events(dir, "events.jsonl", out, &err);
    if (dir >= 0)
        close(dir);
}

/* Either byte order, micro- or nanoseconds. */
static bool is_classic(const uint8_t first[4])
{
    static const uint8_t magics[][4] = {{0xa1, 0xb2, 0xc3, 0xd4},
                                        {0xd4, 0xc3, 0xb2, 0xa1},
                                        {0xa1, 0xb2, 0x3c, 0x4d},
                                        {0x4d, 0x3c, 0xb2, 0xa1}};
    for (unsigned i = 0; i < 4; i++)
        if (!memcmp(first, magics[i], 4))
            return true;
    return false;
}

static int load_har(const char *path, struct record *out, struct err *err)
{
    struct buf lines = {0};
    int rc = record_har(path, &lines, err);
    if (!rc)
        read_facts(out, &lines);
    buf_free(&lines);
    out->har = true;
    return rc;
}

static int load_file(const char *path, struct record *out, struct err *err)
{
    static const uint8_t section[] = {0x0a, 0x0d, 0x0d, 0x0a};
    uint8_t first[4] = {0};
    const char *name;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool pcapng =
        file >= 0 && read(file, first, 4) == 4 && !memcmp(first, section, 4);
    if (file >= 0)
        close(file);
    if (pcapng) {
        if (load_capture(path, out, err))
            return -1;
        if (!out->report.facts_count)
            load_beside(path, out);
        return 0;
    }
    if (file >= 0 && is_classic(first)) {
        err_code(err, EXIT_USAGE,
                 "%s is a classic pcap file, and only pcapng is read; "
                 "'editcap -F pcapng %s NEW.pcapng' makes one of it",
                 path, path);
        return -1;
    }
    if (file >= 0 && record_is_har(path))
        return load_har(path, out, err);
    if (file >= 0 && first[0] != '{') {
        err_code(err, EXIT_USAGE,
                 "%s is neither a pcapng file nor a list of events nor a HAR; "
                 "'mitmlab proxy' writes them (-w, --json, --har), and "
                 "'mitmlab run'",
                 path);
        return -1;
    }
    int dir = folder_of(path, &name);
    int rc = load_events(dir, name, out, err);
    if (dir >= 0)
        close(dir);
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

int record_load(const char *path, struct record *out, struct err *err)
{
    struct stat about;
    *out = (struct record){0};
    if (stat(path, &about)) {
        err_errno(err, "read %s", path);
        err->code = EXIT_USAGE;
        return -1;
    }
    int rc = S_ISDIR(about.st_mode) ? load_folder(path, out, err)
                                    : load_file(path, out, err);
    if (rc) {
        record_free(out);
        return -1;
    }
    out->foreign = !out->report.facts_count && out->index;
    if (out->foreign) {
        struct buf lines = {0};
        record_packets(out->index, &lines);
        read_facts(out, &lines);
        buf_free(&lines);
    }
    find_frames(out);
    return 0;
}

void record_free(struct record *record)
{
    report_free(&record->report);
    if (record->index)
        capture_index_free(record->index);
    record->index = NULL;
}

/* ---- rules --------------------------------------------------------------- */

void record_rule(struct report *report, const struct fact *fact, char *room,
                 size_t size)
{
    char text[400];
    text_line(fact_bytes(report, fact, "text"), text, sizeof text - 1);
    snprintf(room, size, "rule %lld: %s", fact_number(fact, "rule", 0), text);
}

/* ---- certificates -------------------------------------------------------- */

static char *name_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes, *text = NULL;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        long len = BIO_get_mem_data(bio, &bytes);
        text = strndup(bytes, (size_t)len);
    }
    BIO_free(bio);
    return text;
}

bool record_cert_names(const struct fact *fact, char **out_subject,
                       char **out_issuer)
{
    const json_t *chain = json_object_get(fact->data, "chain");
    const json_t *leaf = json_array_get(chain, 0);
    *out_subject = *out_issuer = NULL;
    if (!json_is_string(leaf))
        return false;
    BIO *bio =
        BIO_new_mem_buf(json_string_value(leaf), (int)json_string_length(leaf));
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!cert)
        return false;
    *out_subject = name_text(X509_get_subject_name(cert));
    *out_issuer = name_text(X509_get_issuer_name(cert));
    X509_free(cert);
    if (*out_subject && *out_issuer)
        return true;
    free(*out_subject);
    free(*out_issuer);
    *out_subject = *out_issuer = NULL;
    return false;
}
