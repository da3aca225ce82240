/* SPDX-License-Identifier: MIT
 *
 * mitmlab cert list|make|show|diff: the catalogue of forgeries, and
 * certificates of it made on the spot. Each call makes CAs of its own, so that
 * nothing it writes is trusted by anything else. */
#include "certs/ca.h"
#include "certs/diff.h"
#include "certs/file.h"
#include "certs/forge.h"
#include "certs/keys.h"
#include "certs/show.h"
#include "certs/verify.h"
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/term.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct asked {
    bool json;
    const char *family; /* --family n */
    const char *out;    /* --out DIR */
    const char *name;   /* --name HOST */
    unsigned width;
};

/* ---- what a forgery needs ------------------------------------------------ */

/* A server with a genuine certificate, and those who may forge it. */
struct scene {
    struct ca *lab;
    struct ca *rogue;
    X509 *original;
    EVP_PKEY *key;
};

static void scene_close(struct scene *scene)
{
    ca_free(scene->lab);
    ca_free(scene->rogue);
    X509_free(scene->original);
    EVP_PKEY_free(scene->key);
}

static int scene_make(const char *name, struct scene *out, struct err *err)
{
    *out = (struct scene){0};
    if (!ca_make_lab("cert", &out->lab, err) &&
        !ca_make_rogue("cert", &out->rogue, err) &&
        !ca_issue(out->lab, &name, 1, &out->original, &out->key, err))
        return 0;
    scene_close(out);
    return -1;
}

/* What the lab's own CA signs is signed for the server's own key here, so that
 * a comparison shows the flaw and nothing else. */
static int scene_forge(const struct scene *scene, const struct forgery *forgery,
                       const char *name, struct forged *out, struct err *err)
{
    struct forge_signers signers = {.lab = scene->lab, .rogue = scene->rogue};
    struct forge_plan plan = {.forgery = forgery,
                              .server_name = name,
                              .key =
                                  forgery->signed_by_lab ? scene->key : NULL};
    return forge_leaf(&signers, scene->original, &plan, out, err);
}

static const struct forgery *find_forgery(const char *id, struct err *err)
{
    const struct forgery *forgery = forgery_find(id);
    if (forgery)
        return forgery;
    const struct forgery *near = forgery_nearest(id);
    err_code(err, EXIT_USAGE,
             "no forgery \"%.40s\"%s%s%s; 'mitmlab cert list' lists them", id,
             near ? " (did you mean " : "", near ? near->id : "",
             near ? "?)" : "");
    return NULL;
}

/* The certificates of a file, or of a forgery with its chain. */
static STACK_OF(X509) * load_or_forge(const struct scene *scene,
                                      const char *what, const char *name,
                                      struct err *err)
{
    STACK_OF(X509) *certs = NULL;
    struct forged forged;
    if (!access(what, F_OK)) {
        file_load_certs(what, &certs, err);
        return certs;
    }
    const struct forgery *forgery = NULL;
    if (strpbrk(what, "/."))
        err_code(err, EXIT_USAGE, "there is no file %.200s", what);
    else
        forgery = find_forgery(what, err);
    if (!forgery || scene_forge(scene, forgery, name, &forged, err))
        return NULL;
    certs = forged.chain;
    forged.chain = NULL;
    sk_X509_unshift(certs, forged.leaf);
    forged.leaf = NULL;
    forged_close(&forged);
    return certs;
}

/* ---- list ---------------------------------------------------------------- */

static bool is_wanted(const struct forgery *it, const char *family)
{
    return !family || (it->family == family[0] && !family[1]);
}

static void list_json(const struct asked *asked)
{
    const char *comma = "";
    const struct forgery *it;
    printf("{\"forgeries\":[");
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        if (!is_wanted(it, asked->family))
            continue;
        const struct {
            const char *key, *value;
        } texts[] = {{"title", it->title},
                     {"how", it->how},
                     {"check", it->check},
                     {"alert", it->alert},
                     {"rfc", it->rfc},
                     {"history", it->history},
                     {"verify_name", verify_name(it->verify_code)}};
        printf("%s{\"id\":\"%s\",\"family\":\"%c\"", comma, it->id, it->family);
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            printf(",\"%s\":", texts[j].key);
            show_json_string(texts[j].value, stdout);
        }
        printf(",\"verify_code\":%d,\"signed_by_lab\":%s}", it->verify_code,
               it->signed_by_lab ? "true" : "false");
        comma = ",";
    }
    printf("]}\n");
}

static void list_line(const char *label, const char *text, unsigned width)
{
    enum { INDENT = 5 };
    if (!text[0])
        return;
    char line[600];
    snprintf(line, sizeof line, "%s%s", label, text);
    printf("%*s", INDENT, "");
    show_wrapped(line, INDENT, width, stdout);
}

static void list_text(const struct asked *asked)
{
    const struct forgery *it;
    bool first = true;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        if (!is_wanted(it, asked->family))
            continue;
        char outcome[128] = "accepted";
        if (it->verify_code)
            snprintf(outcome, sizeof outcome, "error %d (%s), alert %s",
                     it->verify_code, verify_name(it->verify_code), it->alert);
        else if (it->alert[0])
            snprintf(outcome, sizeof outcome,
                     "a good certificate, then alert %s", it->alert);
        printf("%s%s  ", first ? "" : "\n", it->id);
        show_wrapped(it->title, 5, asked->width, stdout);
        list_line("", it->how, asked->width);
        list_line("Check: ", it->check, asked->width);
        list_line("Seen: ", outcome, asked->width);
        list_line("Rule: ", it->rfc, asked->width);
        list_line("History: ", it->history, asked->width);
        first = false;
    }
}

static int cert_list(const struct asked *asked, const struct arguments *rest,
                     struct err *err)
{
    (void)rest;
    bool any = !asked->family;
    const struct forgery *it;
    for (unsigned i = 0; !any && (it = forgery_at(i)); i++)
        any = is_wanted(it, asked->family);
    if (!any) {
        err_code(err, EXIT_USAGE,
                 "no family \"%.20s\"; a family is the first letter of an id, "
                 "such as t",
                 asked->family);
        return -1;
    }
    (asked->json ? list_json : list_text)(asked);
    return 0;
}

/* ---- show ---------------------------------------------------------------- */

static void show_all(STACK_OF(X509) * certs, const struct asked *asked)
{
    if (asked->json)
        printf("{\"certificates\":[");
    for (int i = 0; i < sk_X509_num(certs); i++) {
        if (i)
            putchar(asked->json ? ',' : '\n');
        if (asked->json)
            show_json(sk_X509_value(certs, i), stdout);
        else
            show_text(sk_X509_value(certs, i), asked->width, stdout);
    }
    if (asked->json)
        printf("]}\n");
}

static int cert_show(const struct asked *asked, const struct arguments *rest,
                     struct err *err)
{
    struct scene scene;
    if (scene_make(asked->name, &scene, err))
        return -1;
    STACK_OF(X509) *certs =
        load_or_forge(&scene, rest->items[1], asked->name, err);
    if (certs)
        show_all(certs, asked);
    int rc = certs ? 0 : -1;
    sk_X509_pop_free(certs, X509_free);
    scene_close(&scene);
    return rc;
}

/* ---- diff ---------------------------------------------------------------- */

static int say_diff(X509 *a, X509 *b, const struct arguments *rest,
                    const struct asked *asked, struct err *err)
{
    struct diff diff;
    if (diff_certificates(a, b, &diff, err))
        return -1;
    if (asked->json) {
        diff_json(&diff, a, b, stdout);
        putchar('\n');
    } else {
        /* A long path would leave no room for what it stands before. */
        bool files = strlen(rest->items[1]) > 8 || strlen(rest->items[2]) > 8;
        if (files)
            printf("A  %s\nB  %s\n\n", rest->items[1], rest->items[2]);
        diff_text(&diff, a, b, files ? "A" : rest->items[1],
                  files ? "B" : rest->items[2], asked->width, stdout);
    }
    diff_close(&diff);
    return 0;
}

static int cert_diff(const struct asked *asked, const struct arguments *rest,
                     struct err *err)
{
    int rc = -1;
    struct scene scene;
    if (scene_make(asked->name, &scene, err))
        return -1;
    STACK_OF(X509) *b = NULL;
    STACK_OF(X509) *a = load_or_forge(&scene, rest->items[1], asked->name, err);
    if (a)
        b = load_or_forge(&scene, rest->items[2], asked->name, err);
    if (b)
        rc = say_diff(sk_X509_value(a, 0), sk_X509_value(b, 0), rest, asked,
                      err);
    sk_X509_pop_free(a, X509_free);
    sk_X509_pop_free(b, X509_free);
    scene_close(&scene);
    return rc;
}

/* ---- make ---------------------------------------------------------------- */

static int write_certs(const char *dir, const char *file, X509 *first,
                       STACK_OF(X509) * rest, struct err *err)
{
    char path[PATH_MAX];
    return file_join(path, dir, file, err) ||
                   file_save_certs(path, first, rest, err)
               ? -1
               : 0;
}

/* What the victim trusts. In family z it is the store that was tampered with. */
static int write_trust(const struct scene *scene, const struct forgery *forgery,
                       const char *dir, struct err *err)
{
    return write_certs(dir, "trust.pem", scene->lab->root,
                       forgery->family == 'z' ? scene->rogue->above : NULL,
                       err);
}

static int write_ca(const struct ca *ca, const char *dir, const char *sub,
                    struct err *err)
{
    char path[PATH_MAX];
    return file_join(path, dir, sub, err) || ca_save(ca, path, err) ? -1 : 0;
}

static int write_all(const struct scene *scene, const struct forgery *forgery,
                     const struct forged *forged, const char *dir,
                     struct err *err)
{
    char key[PATH_MAX];
    if (mkdir(dir, 0700) && errno != EEXIST) {
        err_errno(err, "make the folder %s", dir);
        return -1;
    }
    if (write_certs(dir, "server.crt", forged->leaf, forged->chain, err) ||
        write_certs(dir, "original.crt", scene->original, scene->lab->above,
                    err) ||
        write_trust(scene, forgery, dir, err) ||
        write_ca(scene->lab, dir, "lab", err) ||
        write_ca(scene->rogue, dir, "rogue", err) ||
        file_join(key, dir, "server.key", err))
        return -1;
    return keys_save(forged->key, key, err);
}

static bool is_address(const char *name)
{
    return strchr(name, ':') || !name[strspn(name, "0123456789.")];
}

static void say_how_to_verify(const struct forgery *forgery,
                              const struct asked *asked)
{
    printf("\nTo see what a careful victim says:\n"
           "openssl verify -no-CApath -no-CAstore -purpose sslserver \\\n"
           "  -verify_%s %s \\\n"
           "  -CAfile %s/trust.pem \\\n"
           "  -untrusted %s/server.crt \\\n"
           "  %s/server.crt\n",
           is_address(asked->name) ? "ip" : "hostname", asked->name, asked->out,
           asked->out, asked->out);
    if (!forgery->verify_code)
        printf("Expect: OK%s\n",
               forgery->alert[0] ? "; only a handshake shows the flaw" : "");
    else
        printf("Expect: error %d, %s\n", forgery->verify_code,
               X509_verify_cert_error_string(forgery->verify_code));
}

static void say_made(const struct forgery *forgery, const struct asked *asked)
{
    static const char *const files[][2] = {
        {"server.crt", "the certificate and what is sent with it"},
        {"server.key", "its key"},
        {"original.crt", "what it was made from"},
        {"trust.pem", "what the victim trusts"},
        {"lab, rogue", "the CAs, with their keys"},
    };
    if (asked->json) {
        printf("{\"id\":\"%s\",\"name\":", forgery->id);
        show_json_string(asked->name, stdout);
        printf(",\"dir\":");
        show_json_string(asked->out, stdout);
        printf(",\"verify_code\":%d}\n", forgery->verify_code);
        return;
    }
    printf("%s, %s, for %s, in %s\n", forgery->id, forgery->title, asked->name,
           asked->out);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        printf("  %-13s ", files[i][0]);
        show_wrapped(files[i][1], 16, asked->width, stdout);
    }
    say_how_to_verify(forgery, asked);
}

static int cert_make(const struct asked *asked, const struct arguments *rest,
                     struct err *err)
{
    int rc = -1;
    struct scene scene;
    struct forged forged;
    if (!asked->out) {
        err_code(err, EXIT_USAGE, "cert make wants --out DIR");
        return -1;
    }
    const struct forgery *forgery = find_forgery(rest->items[1], err);
    if (!forgery || scene_make(asked->name, &scene, err))
        return -1;
    if (!scene_forge(&scene, forgery, asked->name, &forged, err)) {
        rc = write_all(&scene, forgery, &forged, asked->out, err);
        forged_close(&forged);
    }
    scene_close(&scene);
    if (!rc)
        say_made(forgery, asked);
    return rc;
}

/* ---- the command --------------------------------------------------------- */

static const struct verb {
    const char *name;
    unsigned arguments; /* behind it */
    const char *wants;
    int (*run)(const struct asked *asked, const struct arguments *rest,
               struct err *err);
} verbs[] = {
    {"list", 0, "nothing", cert_list},
    {"make", 1, "the id of a forgery", cert_make},
    {"show", 1, "a PEM file or the id of a forgery", cert_show},
    {"diff", 2, "two PEM files or ids of forgeries", cert_diff},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static const struct verb *find_verb(const struct arguments *rest,
                                    struct err *err)
{
    const char *names[VERBS + 1] = {0};
    const char *word = rest->count ? rest->items[0] : "list";
    for (unsigned i = 0; i < VERBS; i++) {
        names[i] = verbs[i].name;
        if (strcmp(names[i], word))
            continue;
        if (rest->count <= 1 ? !verbs[i].arguments
                             : rest->count - 1 == verbs[i].arguments)
            return &verbs[i];
        err_code(err, EXIT_USAGE, "cert %s wants %s behind it", word,
                 verbs[i].wants);
        return NULL;
    }
    const char *near = nearest(word, names);
    err_code(err, EXIT_USAGE,
             "cert cannot \"%.40s\"%s%s%s; 'mitmlab help cert'", word,
             near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return NULL;
}

int cmd_cert(int argc, char **argv)
{
    struct asked asked = {.name = "bank.lab.test"};
    struct arguments rest;
    struct err err = ERR_INIT;
    struct term term;
    bool helped;
    const struct option options[] = {
        {"family", 'f', OPTION_TEXT, "F", "list only this family, such as t",
         &asked.family},
        {"out", 'o', OPTION_TEXT, "DIR", "where make writes its files",
         &asked.out},
        {"name", 'n', OPTION_TEXT, "HOST",
         "the server that was asked for (bank.lab.test)", &asked.name},
        {"json", 0, OPTION_FLAG, NULL, "for programs", &asked.json},
        {0},
    };
    if (options_parse(command_find("cert"), options, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    term_look(&term, STDOUT_FILENO);
    asked.width = term.width;
    const struct verb *verb = find_verb(&rest, &err);
    if (!verb || verb->run(&asked, &rest, &err))
        return cli_fail(&err);
    return EXIT_OK;
}
