/* SPDX-License-Identifier: MIT
 *
 * The bank: one account, a login, a balance, and transfers into a ledger that
 * is gone when the program ends. It speaks HTTP and HTTPS and does what a
 * server can do: it asks for the password, hands out a session that cannot be
 * guessed, and believes only those who show it. What happens to the bytes on
 * their way it cannot know; that is up to the wire and to the client. */
#include "victims/server.h"

#include <getopt.h>
#include <openssl/rand.h>

enum {
    NAME_MOST = 128,     /* bytes of a user, a payee or an account */
    SESSIONS_MOST = 256, /* the oldest goes */
    SESSION_BYTES = 16,
    LEDGER_SHOWN = 10, /* the last transfers on the page */
};

struct entry {
    char payee[NAME_MOST];
    long long amount, balance;
};

struct bank {
    const char *user, *password, *account;
    pthread_mutex_t lock; /* for all that follows */
    long long balance;
    struct entry last[LEDGER_SHOWN];
    unsigned long long entries;
    char sessions[SESSIONS_MOST][2 * SESSION_BYTES + 1];
    unsigned long long logins;
};

/* ---- pages
 * ------------------------------------------------------------------- */

static void page_begin(struct server_answer *answer, const char *title)
{
    text_add(&answer->page, "<!DOCTYPE html>\n<title>Bank: %s</title>\n",
             title);
    text_add(&answer->page, "<h1>%s</h1>\n", title);
}

/* A page that says no. */
static void page_error(struct server_answer *answer, int status,
                       const char *sentence)
{
    answer->status = status;
    page_begin(answer, server_reason(status));
    text_add(&answer->page, "<p>%s</p>\n", sentence);
}

static void page_transfer_form(struct server_answer *answer)
{
    text_add(&answer->page, "<form method=\"post\" action=\"/transfer\">\n"
                            "<label>Payee <input name=\"payee\"></label>\n"
                            "<label>Amount <input name=\"amount\"></label>\n"
                            "<button>Transfer</button>\n"
                            "</form>\n");
}

static void page_ledger(struct server_answer *answer, const struct bank *bank)
{
    unsigned long long shown =
        bank->entries < LEDGER_SHOWN ? bank->entries : LEDGER_SHOWN;
    text_add(&answer->page, "<p>Account: ");
    text_html(&answer->page, bank->account);
    text_add(&answer->page, "</p>\n<p>Balance: %lld</p>\n", bank->balance);
    if (shown)
        text_add(&answer->page, "<h2>Last transfers</h2>\n<ul>\n");
    for (unsigned long long i = 0; i < shown; i++) {
        const struct entry *entry =
            &bank->last[(bank->entries - 1 - i) % LEDGER_SHOWN];
        text_add(&answer->page, "<li>%lld to ", entry->amount);
        text_html(&answer->page, entry->payee);
        text_add(&answer->page, "</li>\n");
    }
    if (shown)
        text_add(&answer->page, "</ul>\n");
}

/* ---- sessions
 * ------------------------------------------------------------------ */

/* A new session, under the lock. False when there is no randomness. */
static bool session_new(struct bank *bank, char session[2 * SESSION_BYTES + 1])
{
    unsigned char bytes[SESSION_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    for (unsigned i = 0; i < SESSION_BYTES; i++)
        snprintf(session + 2 * i, 3, "%02x", bytes[i]);
    memcpy(bank->sessions[bank->logins++ % SESSIONS_MOST], session,
           2 * SESSION_BYTES + 1);
    return true;
}

/* Does the request show a session that was given out? Under the lock. */
static bool session_shown(const struct bank *bank,
                          const struct http_message *request)
{
    const char *cookie = http_field(request, "Cookie");
    const char *shown = cookie ? strstr(cookie, "session=") : NULL;
    if (!shown)
        return false;
    shown += strlen("session=");
    if (strcspn(shown, "; ") != 2 * SESSION_BYTES)
        return false;
    for (unsigned i = 0; i < SESSIONS_MOST; i++)
        if (!strncmp(bank->sessions[i], shown, 2 * SESSION_BYTES))
            return true;
    return false;
}

/* ---- what can be asked for
 * -------------------------------------------------------- */

struct visit {
    struct bank *bank;
    struct server_talk *talk;
    const struct http_message *request;
    const char *form; /* the body, "" if there is none */
    struct server_answer *answer;
};

static void show_front(const struct visit *visit)
{
    page_begin(visit->answer, "Welcome");
    text_add(&visit->answer->page,
             "<form method=\"post\" action=\"/login\">\n"
             "<label>User <input name=\"user\"></label>\n"
             "<label>Password <input name=\"password\" type=\"password\">"
             "</label>\n"
             "<button>Log in</button>\n"
             "</form>\n");
}

static void report_login(const struct visit *visit, const char *user,
                         const char *session)
{
    struct text data = {0};
    report_string(&data, "user", user);
    report_flag(&data, "ok", session != NULL);
    report_string(&data, "session", session ? session : "");
    report("bank.login", &visit->talk->seen, &data);
}

static void log_in(const struct visit *visit)
{
    struct bank *bank = visit->bank;
    char user[NAME_MOST] = "", password[NAME_MOST] = "";
    char session[2 * SESSION_BYTES + 1];
    bool ok =
        http_form_value(visit->form, "user", user, sizeof user) &&
        http_form_value(visit->form, "password", password, sizeof password) &&
        !strcmp(user, bank->user) && !strcmp(password, bank->password) &&
        session_new(bank, session);
    report_login(visit, user, ok ? session : NULL);
    if (!ok) {
        page_error(visit->answer, 401, "User and password do not match.");
        return;
    }
    text_add(&visit->answer->headers,
             "Set-Cookie: session=%s; Path=/; HttpOnly%s\r\n", session,
             visit->talk->tls ? "; Secure" : "");
    page_begin(visit->answer, "You are logged in");
    text_add(&visit->answer->page,
             "<p><a href=\"/balance\">Your balance</a></p>\n");
    page_transfer_form(visit->answer);
}

static void show_balance(const struct visit *visit)
{
    page_begin(visit->answer, "Your balance");
    page_ledger(visit->answer, visit->bank);
    page_transfer_form(visit->answer);
}

/* Book a transfer that was found good. */
static void book(struct bank *bank, const struct visit *visit,
                 const char *payee, long long amount)
{
    struct text data = {0};
    struct entry *entry = &bank->last[bank->entries++ % LEDGER_SHOWN];
    bank->balance -= amount;
    snprintf(entry->payee, sizeof entry->payee, "%s", payee);
    entry->amount = amount;
    entry->balance = bank->balance;
    report_string(&data, "from", bank->account);
    report_string(&data, "to", payee);
    report_number(&data, "amount", amount);
    report_number(&data, "balance", bank->balance);
    report("ledger.entry", &visit->talk->seen, &data);
}

static void transfer(const struct visit *visit)
{
    struct bank *bank = visit->bank;
    char payee[NAME_MOST], digits[NAME_MOST];
    long long amount = -1;
    if (http_form_value(visit->form, "amount", digits, sizeof digits))
        amount = http_number(digits);
    if (!http_form_value(visit->form, "payee", payee, sizeof payee) ||
        !*payee) {
        page_error(visit->answer, 400, "A transfer needs a payee.");
    } else if (amount <= 0) {
        page_error(visit->answer, 400,
                   "The amount must be a whole number, 1 or more.");
    } else if (amount > bank->balance) {
        page_error(visit->answer, 409, "There is not enough in the account.");
    } else {
        book(bank, visit, payee, amount);
        page_begin(visit->answer, "Transfer booked");
        text_add(&visit->answer->page, "<p>Payee: ");
        text_html(&visit->answer->page, payee);
        text_add(&visit->answer->page, "</p>\n<p>Amount: %lld</p>\n", amount);
        text_add(&visit->answer->page, "<p>Balance: %lld</p>\n", bank->balance);
    }
}

static const struct route {
    const char *method, *path;
    bool members_only;
    void (*serve)(const struct visit *visit);
} routes[] = {
    {"GET", "/", false, show_front},
    {"POST", "/login", false, log_in},
    {"GET", "/balance", true, show_balance},
    {"POST", "/transfer", true, transfer},
};
enum { ROUTES = sizeof routes / sizeof *routes };

static void serve(const struct visit *visit, const struct route *route)
{
    struct bank *bank = visit->bank;
    pthread_mutex_lock(&bank->lock);
    if (route->members_only && !session_shown(bank, visit->request))
        page_error(visit->answer, 403, "Log in first.");
    else
        route->serve(visit);
    pthread_mutex_unlock(&bank->lock);
}

static void respond(void *owner, struct server_talk *talk,
                    const struct http_message *request,
                    struct server_answer *answer)
{
    const char *body = request->body.bytes;
    struct visit visit = {owner, talk, request, body ? body : "", answer};
    const char *method = request->words[0], *target = request->words[1];
    size_t len = strcspn(target, "?");
    bool path_known = false;
    if (!strcmp(method, "HEAD"))
        method = "GET";
    for (unsigned i = 0; i < ROUTES; i++) {
        if (strlen(routes[i].path) != len ||
            strncmp(routes[i].path, target, len) != 0)
            continue;
        path_known = true;
        if (!strcmp(routes[i].method, method)) {
            serve(&visit, &routes[i]);
            return;
        }
    }
    if (path_known)
        page_error(answer, 405, "This page is not asked for in that way.");
    else
        page_error(answer, 404, "There is no such page.");
}

/* ---- the program
 * ------------------------------------------------------------------ */

static const char usage[] =
    "usage: bank-server --listen ADDRESS:PORT [...]\n"
    "\n"
    "A bank with one account: GET /, POST /login, GET /balance, POST "
    "/transfer.\n"
    "\n"
    "  --listen A:P           speak HTTP here (again for more; port 0: any)\n"
    "  --listen-tls A:P       speak HTTPS here; wants --cert and --key\n"
    "  --cert FILE            certificate and what stands above it, PEM\n"
    "  --key FILE             its private key, PEM\n"
    "  --staple FILE          what the CA says of it today (OCSP), DER\n"
    "  --user U --password P  who may log in (default: alice, secret)\n"
    "  --account NAME         whose account it is (default: the user)\n"
    "  --balance N            what is in it (default: 1000)\n"
    "  --json                 write events to standard output\n"
    "  --help\n";

static const struct option table[] = {
    {"listen", required_argument, NULL, 'l'},
    {"listen-tls", required_argument, NULL, 't'},
    {"cert", required_argument, NULL, 'c'},
    {"key", required_argument, NULL, 'k'},
    {"staple", required_argument, NULL, 's'},
    {"user", required_argument, NULL, 'u'},
    {"password", required_argument, NULL, 'w'},
    {"account", required_argument, NULL, 'a'},
    {"balance", required_argument, NULL, 'b'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct options {
    const char *plain[SERVER_LISTENERS_MOST], *tls[SERVER_LISTENERS_MOST];
    unsigned plain_count, tls_count;
    const char *cert, *key, *staple;
    bool json;
};

static int wrong(const char *what)
{
    fprintf(stderr, "bank-server: %s; --help lists the options\n", what);
    return EXIT_USAGE;
}

/* Options that set one text; false when `letter` is not one of them. */
static bool take_text(struct options *options, struct bank *bank, int letter)
{
    const struct {
        int letter;
        const char **target;
    } texts[] = {
        {'c', &options->cert}, {'k', &options->key},   {'s', &options->staple},
        {'u', &bank->user},    {'w', &bank->password}, {'a', &bank->account},
    };
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].letter == letter) {
            *texts[i].target = optarg;
            return true;
        }
    return false;
}

/* EXIT_OK: go on; -1: help was asked for; else an exit code. */
static int read_options(int argc, char **argv, struct options *options,
                        struct bank *bank)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (take_text(options, bank, letter))
            continue;
        if (letter == 'h') {
            fputs(usage, stdout);
            return -1;
        }
        if (letter == '?')
            return EXIT_USAGE;
        if (letter == 'j')
            options->json = true;
        else if (letter == 'b' && (bank->balance = http_number(optarg)) < 0)
            return wrong("--balance wants a whole number");
        else if (letter == 'l' && options->plain_count < SERVER_LISTENERS_MOST)
            options->plain[options->plain_count++] = optarg;
        else if (letter == 't' && options->tls_count < SERVER_LISTENERS_MOST)
            options->tls[options->tls_count++] = optarg;
    }
    if (optind < argc)
        return wrong("only options are understood");
    if (!options->plain_count && !options->tls_count)
        return wrong("say where: --listen ADDRESS:PORT");
    if (options->tls_count && (!options->cert || !options->key))
        return wrong("--listen-tls wants --cert FILE and --key FILE");
    if (options->staple && !options->tls_count)
        return wrong("--staple wants --listen-tls");
    return EXIT_OK;
}

static int open_server(struct server *server, const struct options *options,
                       struct err *err)
{
    if (options->tls_count &&
        server_use_certificate(server, options->cert, options->key, err))
        return -1;
    if (options->staple && server_use_staple(server, options->staple, err))
        return -1;
    for (unsigned i = 0; i < options->plain_count; i++)
        if (server_listen(server, options->plain[i], false, err))
            return -1;
    for (unsigned i = 0; i < options->tls_count; i++)
        if (server_listen(server, options->tls[i], true, err))
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    static struct bank bank = {.user = "alice",
                               .password = "secret",
                               .balance = 1000,
                               .lock = PTHREAD_MUTEX_INITIALIZER};
    struct server server = {
        .program = "bank-server", .respond = respond, .owner = &bank};
    struct options options = {0};
    struct err err = ERR_INIT;
    int rc = read_options(argc, argv, &options, &bank);
    if (rc)
        return rc < 0 ? EXIT_OK : rc;
    if (!bank.account)
        bank.account = bank.user;
    report_open(options.json);
    server_prepare(&server);
    if (open_server(&server, &options, &err)) {
        fprintf(stderr, "bank-server: %s\n", err.text);
        server_stop(&server);
        return err.code;
    }
    if (report_fd < 0)
        fprintf(stderr, "bank-server: listening on %s\n",
                server.addresses.bytes);
    server_run(&server);
    return EXIT_OK;
}
