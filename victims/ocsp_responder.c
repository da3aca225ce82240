/* SPDX-License-Identifier: MIT
 *
 * What a CA keeps running after it has signed: it answers who asks whether a
 * certificate still holds. It signs nothing. Its answers were made beforehand,
 * as those of large CAs are (RFC 6960 2.5), and it looks for the one that is
 * about the certificate in question. */
#include "victims/server.h"

#include <getopt.h>
#include <openssl/ocsp.h>

enum { ANSWERS_MOST = 16, ANSWER_MOST = 64 * 1024 };

struct responder {
    struct text answers[ANSWERS_MOST]; /* DER */
    unsigned count;
};

/* Is the answer about this certificate? */
static bool is_about(const struct text *answer, OCSP_CERTID *id)
{
    const unsigned char *bytes = (const unsigned char *)answer->bytes;
    OCSP_RESPONSE *response =
        d2i_OCSP_RESPONSE(NULL, &bytes, (long)answer->len);
    OCSP_BASICRESP *basic =
        response ? OCSP_response_get1_basic(response) : NULL;
    bool found = basic && OCSP_resp_find(basic, id, -1) >= 0;
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return found;
}

static const struct text *find(const struct responder *responder,
                               OCSP_REQUEST *question)
{
    OCSP_ONEREQ *first = OCSP_request_onereq_get0(question, 0);
    OCSP_CERTID *id = first ? OCSP_onereq_get0_id(first) : NULL;
    for (unsigned i = 0; id && i < responder->count; i++)
        if (is_about(&responder->answers[i], id))
            return &responder->answers[i];
    return NULL;
}

/* "unauthorized" says that the certificate is none of ours (RFC 6960 2.3). */
static void refuse(struct server_answer *answer, int status)
{
    unsigned char *bytes = NULL;
    OCSP_RESPONSE *response = OCSP_response_create(status, NULL);
    int len = i2d_OCSP_RESPONSE(response, &bytes);
    text_bytes(&answer->page, (char *)bytes, len > 0 ? (size_t)len : 0);
    OPENSSL_free(bytes);
    OCSP_RESPONSE_free(response);
}

static void respond(void *owner, struct server_talk *talk,
                    const struct http_message *request,
                    struct server_answer *answer)
{
    const unsigned char *bytes = (const unsigned char *)request->body.bytes;
    OCSP_REQUEST *question =
        d2i_OCSP_REQUEST(NULL, &bytes, (long)request->body.len);
    const struct text *found = question ? find(owner, question) : NULL;
    (void)talk;
    answer->type = "application/ocsp-response";
    if (strcmp(request->words[0], "POST") != 0) {
        answer->status = 405;
        answer->type = NULL;
        text_add(&answer->page, "<p>Questions come as POST.\n");
    } else if (found) {
        text_bytes(&answer->page, found->bytes, found->len);
    } else {
        refuse(answer, question ? OCSP_RESPONSE_STATUS_UNAUTHORIZED
                                : OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
    }
    OCSP_REQUEST_free(question);
    ERR_clear_error();
}

/* ---- the program ---------------------------------------------------------- */

static const char usage[] =
    "usage: ocsp-responder --listen ADDRESS:PORT --answer FILE [...]\n"
    "\n"
    "Answers over HTTP whether a certificate was revoked (OCSP).\n"
    "\n"
    "  --listen A:P           where (again for more; port 0: any)\n"
    "  --answer FILE          a signed answer, DER (again for more)\n"
    "  --json                 write events to standard output\n"
    "  --help\n";

static const struct option table[] = {
    {"listen", required_argument, NULL, 'l'},
    {"answer", required_argument, NULL, 'a'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int load(struct responder *responder, const char *path, struct err *err)
{
    if (responder->count == ANSWERS_MOST) {
        err_code(err, EXIT_USAGE, "too many answers");
        return -1;
    }
    return server_load(&responder->answers[responder->count++], path,
                       ANSWER_MOST, err);
}

/* EXIT_OK: go on; -1: help was asked for; else an exit code. */
static int read_options(int argc, char **argv, struct server *server,
                        struct responder *responder, struct err *err)
{
    int letter;
    bool json = false;
    while ((letter = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (letter == 'h') {
            fputs(usage, stdout);
            return -1;
        }
        if (letter == 'j')
            json = true;
        else if (letter == '?' ||
                 (letter == 'l' && server_listen(server, optarg, false, err)) ||
                 (letter == 'a' && load(responder, optarg, err)))
            return letter == '?' ? EXIT_USAGE : err->code;
    }
    if (optind < argc || !server->listeners_count || !responder->count) {
        err_code(err, EXIT_USAGE,
                 "it wants --listen ADDRESS:PORT and --answer FILE; --help "
                 "lists the options");
        return EXIT_USAGE;
    }
    report_open(json);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    static struct responder responder;
    struct server server = {
        .program = "ocsp-responder", .respond = respond, .owner = &responder};
    struct err err = ERR_INIT;
    server_prepare(&server);
    int rc = read_options(argc, argv, &server, &responder, &err);
    if (rc == EXIT_OK) {
        server_run(&server);
    } else {
        if (rc > 0 && err.text[0])
            fprintf(stderr, "ocsp-responder: %s\n", err.text);
        server_stop(&server);
    }
    for (unsigned i = 0; i < responder.count; i++)
        text_free(&responder.answers[i]);
    return rc < 0 ? EXIT_OK : rc;
}
