/* SPDX-License-Identifier: MIT
 *
 * capture_finish(): the same packets, for people. Wireshark is the judge where
 * it is installed. */
#include "proxy/capture/capture.h"
#include "tests/proxy/capture/wire.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[] = "/tmp/mitmlab-finish-XXXXXX";
static char path[64], keys[64], tmp[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/capture.pcapng", folder);
    snprintf(tmp, sizeof tmp, "%s/capture.pcapng.tmp", folder);
    snprintf(keys, sizeof keys, "%s/keys.log", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(keys);
    return rmdir(folder);
}

static const struct pcapng_name names[] = {{"192.0.2.1", "victim.lab.test"},
                                           {"192.0.2.2", "bank.lab.test"}};

static void save_keys(const char *lines)
{
    FILE *file = fopen(keys, "w");
    fputs(lines, file);
    fclose(file);
}

static void finish(enum capture_secrets secrets,
                   const struct capture_comment *comments, size_t count)
{
    struct err err = ERR_INIT;
    struct capture_finish plan = {.path = path,
                                  .keys_path = keys,
                                  .secrets = secrets,
                                  .comment = "lab99, seed 7",
                                  .names = names,
                                  .names_count = 2,
                                  .comments = comments,
                                  .comments_count = count};
    int rc = capture_finish(&plan, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(0, rc);
    assert_int_equal(-1, access(tmp, F_OK));
}

/* ---- the file itself ----------------------------------------------------- */

/* Kinds of the blocks as letters, such as "SIINKPPC": C is a packet with a
 * comment, which is copied to `comment`. */
static void outline(char *kinds, size_t room, char *comment)
{
    struct pcapng_file *file;
    struct pcapng_block block;
    struct err err = ERR_INIT;
    size_t at = 0;
    assert_int_equal(0, pcapng_open(path, &file, &err));
    while (pcapng_file_next(file, &block, &err) > 0 && at + 1 < room) {
        bool commented =
            block.kind == PCAPNG_PACKET && block.packet.comment_len;
        kinds[at++] = commented ? 'C' : "SIPNKTO"[block.kind];
        if (commented)
            snprintf(comment, 128, "%.*s", (int)block.packet.comment_len,
                     block.packet.comment);
    }
    kinds[at] = '\0';
    pcapng_close(file);
}

/* A live file: secrets behind the packets, interfaces in between. */
static void save_live(void)
{
    struct wire wire;
    struct pcapng_interface late = {.name = "late", .link = 1};
    struct pcapng_stats stats = {.interface = 0, .received = 4};
    wire_start(&wire);
    wire_text(&wire, WIRE_VICTIM, "one");
    wire_text(&wire, WIRE_VICTIM, "two");
    pcapng_put_interface(&wire.file, &late);
    wire.comment = "old";
    wire_text(&wire, WIRE_VICTIM, "three");
    wire.comment = NULL;
    pcapng_put_secrets(&wire.file, "CLIENT_RANDOM 00 11\n", 20);
    wire_text(&wire, WIRE_SERVER, "four");
    pcapng_put_stats(&wire.file, &stats);
    wire_save(&wire, path, buf_len(&wire.file));
    buf_free(&wire.file);
}

static void names_and_secrets_come_before_the_packets(void **state)
{
    static const struct capture_comment comments[] = {
        {3, "second"}, {3, "first, by position"}, {99, "no such frame"}};
    char kinds[32], comment[128] = "";
    (void)state;
    save_keys("CLIENT_RANDOM 00 11\nCLIENT_RANDOM 22 33\n");
    for (int again = 0; again < 2; again++) {
        save_live();
        finish(CAPTURE_SECRETS_ALL, comments, 3);
        if (again) /* finishing twice does no harm */
            finish(CAPTURE_SECRETS_ALL, NULL, 0);
        outline(kinds, sizeof kinds, comment);
        assert_string_equal("SIIINKPPCPT", kinds);
        assert_string_equal("old\nsecond\nfirst, by position", comment);
    }
}

static void a_closed_capture_stays_closed(void **state)
{
    char kinds[32], comment[128];
    (void)state;
    save_keys("CLIENT_RANDOM 00 11\n");
    save_live();
    finish(CAPTURE_SECRETS_AFTER, NULL, 0);
    outline(kinds, sizeof kinds, comment);
    assert_string_equal("SIIINPPCPT", kinds);
    save_live();
    finish(CAPTURE_SECRETS_NONE, NULL, 0);
    outline(kinds, sizeof kinds, comment);
    assert_string_equal("SIIINPPCPT", kinds);
}

static void a_failed_rewrite_leaves_the_old_file(void **state)
{
    struct capture_finish plan = {.path = path, .secrets = CAPTURE_SECRETS_ALL};
    struct err err = ERR_INIT;
    struct rlimit old, limit;
    char before[32], after[32], comment[128];
    (void)state;
    save_live();
    outline(before, sizeof before, comment);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){100, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(-1, capture_finish(&plan, &err));
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(EXIT_PARTIAL, err.code);
    outline(after, sizeof after, comment);
    assert_string_equal(before, after);
    assert_int_equal(-1, access(tmp, F_OK));
}

/* ---- a real TLS session in it -------------------------------------------- */

static FILE *key_log;

static void on_key(const SSL *ssl, const char *line)
{
    (void)ssl;
    fprintf(key_log, "%s\n", line);
}

static void give_certificate(SSL_CTX *context)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)"bank.lab.test", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(1, SSL_CTX_use_certificate(context, cert));
    assert_int_equal(1, SSL_CTX_use_PrivateKey(context, key));
    X509_free(cert);
    EVP_PKEY_free(key);
}

static SSL *new_end(SSL_CTX *context, bool server)
{
    SSL *ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

/* Carry what one end wants to send to the other, over the wire. */
static void carry(struct wire *wire, int from, SSL *sender, SSL *receiver)
{
    char bytes[1400];
    int got;
    while ((got = BIO_read(SSL_get_wbio(sender), bytes, sizeof bytes)) > 0) {
        wire_say(wire, from, PACKET_ACK | PACKET_PSH, bytes, (size_t)got);
        assert_int_equal(got, BIO_write(SSL_get_rbio(receiver), bytes, got));
    }
}

static void talk(struct wire *wire, SSL *victim, SSL *server)
{
    static const char request[] =
        "GET /balance HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n";
    static const char response[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42";
    char bytes[256];
    for (int i = 0; i < 4; i++) {
        SSL_do_handshake(victim);
        carry(wire, WIRE_VICTIM, victim, server);
        SSL_do_handshake(server);
        carry(wire, WIRE_SERVER, server, victim);
    }
    assert_true(SSL_is_init_finished(victim) && SSL_is_init_finished(server));
    assert_true(SSL_write(victim, request, sizeof request - 1) > 0);
    carry(wire, WIRE_VICTIM, victim, server);
    assert_true(SSL_read(server, bytes, sizeof bytes) > 0);
    assert_true(SSL_write(server, response, sizeof response - 1) > 0);
    carry(wire, WIRE_SERVER, server, victim);
}

static void save_tls_session(void)
{
    struct wire wire;
    SSL_CTX *victims = SSL_CTX_new(TLS_client_method());
    SSL_CTX *servers = SSL_CTX_new(TLS_server_method());
    key_log = fopen(keys, "w");
    SSL_CTX_set_keylog_callback(victims, on_key);
    SSL_CTX_set_min_proto_version(victims, TLS1_3_VERSION);
    give_certificate(servers);
    SSL *victim = new_end(victims, false), *server = new_end(servers, true);
    wire_start(&wire);
    wire.server_port = 443;
    wire_open(&wire);
    talk(&wire, victim, server);
    wire_end(&wire);
    fclose(key_log);
    wire_save(&wire, path, buf_len(&wire.file));
    buf_free(&wire.file);
    SSL_free(victim);
    SSL_free(server);
    SSL_CTX_free(victims);
    SSL_CTX_free(servers);
}

static void wireshark_shows_the_inside_of_tls_and_the_comments(void **state)
{
    static const struct capture_comment comments[] = {
        {1, "the attack starts here"}};
    char line[512], out[8192];
    (void)state;
    need(wire_has("tshark"), "tshark");
    save_tls_session();
    finish(CAPTURE_SECRETS_ALL, comments, 1);
    snprintf(line, sizeof line,
             "tshark -r %s -Y 'http || frame.comment' -T fields -E "
             "separator=/s -e frame.number -e frame.comment -e "
             "http.request.uri -e http.response.code -e ip.src_host -N n "
             "2>/dev/null",
             path);
    assert_int_equal(0, wire_shell(line, out, sizeof out));
    assert_non_null(strstr(out, "1 the attack starts here"));
    assert_non_null(strstr(out, "/balance"));
    assert_non_null(strstr(out, "200"));
    assert_non_null(strstr(out, "victim.lab.test"));
    finish(CAPTURE_SECRETS_NONE, NULL, 0);
    assert_int_equal(0, wire_shell(line, out, sizeof out));
    assert_null(strstr(out, "/balance"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_secrets_come_before_the_packets),
        cmocka_unit_test(a_closed_capture_stays_closed),
        cmocka_unit_test(a_failed_rewrite_leaves_the_old_file),
        cmocka_unit_test(wireshark_shows_the_inside_of_tls_and_the_comments),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
