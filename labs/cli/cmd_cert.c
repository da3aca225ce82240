/* SPDX-License-Identifier: MIT
 *
 * mitmlab cert list|make|show|diff: the catalogue of forgeries, and
 * certificates of it made on the spot. Each call makes CAs of its own, so that
 * nothing it writes is trusted by anything else. */
#include "certs/ca.h"
#include "certs/diff.h"
#include "certs/file.h"
#include "certs/forge.h"
#include "certs/gallery.h"
#include "certs/keys.h"
#include "certs/raw.h"
#include "certs/show.h"
#include "certs/verify.h"
#include "labs/cli/cert_list.h"
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

/* A server with a genuine certificate, and those who may forge it. Either a
 * lab's CAs, whose keys may be written down, or those of the gallery. */
struct scene {
    struct ca *lab;
    struct ca *rogue;
    struct gallery *gallery;
    struct forge_signers signers;
    X509 *original;
    EVP_PKEY *key;
};

static void scene_close(struct scene *scene)
{
    ca_free(scene->lab);
    ca_free(scene->rogue);
    gallery_free(scene->gallery);
    X509_free(scene->original);
    EVP_PKEY_free(scene->key);
}

static int scene_make_signers(bool in_gallery, struct scene *out,
                              struct err *err)
{
    if (in_gallery) {
        if (gallery_make("cert", &out->gallery, err))
            return -1;
        out->signers = *gallery_signers(out->gallery);
        return 0;
    }
    if (ca_make_lab("cert", &out->lab, err) ||
        ca_make_rogue("cert", &out->rogue, err))
        return -1;
    out->signers = (struct forge_signers){.lab = out->lab, .rogue = out->rogue};
    return 0;
}

static int scene_make(bool in_gallery, const char *name, struct scene *out,
                      struct err *err)
{
    *out = (struct scene){0};
    if (!scene_make_signers(in_gallery, out, err) &&
        !ca_issue(out->signers.lab, &name, 1, &out->original, &out->key, err))
        return 0;
    scene_close(out);
    return -1;
}

static X509 *scene_root(const struct scene *scene)
{
    return scene->gallery ? gallery_root(scene->gallery) : scene->lab->root;
}

/* What a CA that the victim trusts signs is signed for the server's own key
 * here, so that a comparison shows the flaw and nothing else. */
static int scene_forge(const struct scene *scene, const struct forgery *forgery,
                       const char *name, struct forged *out, struct err *err)
{
    struct forge_plan plan = {.forgery = forgery,
                              .server_name = name,
                              .key =
                                  forgery->signed_by_lab ? scene->key : NULL};
    return forge_leaf(&scene->signers, scene->original, &plan, out, err);
}

/* The name that this forgery is about, unless --name says another. */
static const char *name_for(const struct forgery *forgery,
                            const struct asked *asked)
{
    return asked->name                ? asked->name
           : forgery && forgery->asks ? forgery->asks
                                      : "bank.lab.test";
}

static bool hangs_in_gallery(const char *id)
{
    const struct forgery *forgery = forgery_find(id);
    return forgery && forgery->in_gallery;
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
static STACK_OF(X509) *
    load_or_forge(const struct scene *scene, const char *what,
                  const struct asked *asked, struct err *err)
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
    if (!forgery ||
        scene_forge(scene, forgery, name_for(forgery, asked), &forged, err))
        return NULL;
    certs = forged.chain;
    forged.chain = NULL;
    sk_X509_unshift(certs, forged.leaf);
    forged.leaf = NULL;
    forged_close(&forged);
    return certs;
}

/* ---- list ---------------------------------------------------------------- */

static int cert_list(const struct asked *asked, const struct arguments *rest,
                     struct err *err)
{
    (void)rest;
    if (!cert_list_knows(asked->family)) {
        err_code(err, EXIT_USAGE,
                 "no family \"%.20s\"; a family is the first letter of an id, "
                 "such as t",
                 asked->family);
        return -1;
    }
    if (asked->json)
        cert_list_json(asked->family);
    else
        cert_list_text(asked->family, asked->width);
    return 0;
}

/* ---- show ---------------------------------------------------------------- */

static void show_one(X509 *cert, unsigned width)
{
    show_text(cert, width, stdout);
    if (raw_is(cert))
        show_wrapped("This is what it was made from. It is sent as other "
                     "bytes, which cert make writes down and cert diff "
                     "compares; not every program can read them.",
                     0, width, stdout);
}

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
            show_one(sk_X509_value(certs, i), asked->width);
    }
    if (asked->json)
        printf("]}\n");
}

static int cert_show(const struct asked *asked, const struct arguments *rest,
                     struct err *err)
{
    struct scene scene;
    const char *what = rest->items[1];
    const char *name = name_for(forgery_find(what), asked);
    if (scene_make(hangs_in_gallery(what), name, &scene, err))
        return -1;
    STACK_OF(X509) *certs = load_or_forge(&scene, what, asked, err);
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
    /* Both in one scene: else every CA would differ. */
    bool in_gallery =
        hangs_in_gallery(rest->items[1]) || hangs_in_gallery(rest->items[2]);
    if (scene_make(in_gallery, name_for(NULL, asked), &scene, err))
        return -1;
    STACK_OF(X509) *b = NULL;
    STACK_OF(X509) *a = load_or_forge(&scene, rest->items[1], asked, err);
    if (a)
        b = load_or_forge(&scene, rest->items[2], asked, err);
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

/* What the victim trusts: its roots, never their keys. */
static int write_trust(const struct scene *scene, const struct forged *forged,
                       const char *dir, struct err *err)
{
    STACK_OF(X509) *also = sk_X509_new_null();
    if (also && forged->installed)
        sk_X509_push(also, forged->root);
    int rc = write_certs(dir, "trust.pem", scene_root(scene), also, err);
    sk_X509_free(also);
    return rc;
}

static int write_ca(const struct ca *ca, const char *dir, const char *sub,
                    struct err *err)
{
    char path[PATH_MAX];
    return file_join(path, dir, sub, err) || ca_save(ca, path, err) ? -1 : 0;
}

/* What goes with the certificate: a stapled status, a revocation list. */
static int write_status(const struct forged *forged, const char *dir,
                        struct err *err)
{
    char path[PATH_MAX];
    if (forged->staple &&
        (file_join(path, dir, "staple.der", err) ||
         file_replace(path, 0644, forged->staple, forged->staple_len, err)))
        return -1;
    if (!forged->crl)
        return 0;
    unsigned char *der = NULL;
    int len = i2d_X509_CRL(forged->crl, &der);
    int rc = len <= 0 || file_join(path, dir, "list.crl", err) ||
                     file_replace(path, 0644, der, (size_t)len, err)
                 ? -1
                 : 0;
    OPENSSL_free(der);
    return rc;
}

/* The keys of a lab's CAs may lie there: those are constrained. */
static int write_cas(const struct scene *scene, const char *dir,
                     struct err *err)
{
    if (scene->gallery)
        return 0;
    return write_ca(scene->lab, dir, "lab", err) ||
                   write_ca(scene->rogue, dir, "rogue", err)
               ? -1
               : 0;
}

static int write_all(const struct scene *scene, const struct forged *forged,
                     const char *dir, struct err *err)
{
    char key[PATH_MAX];
    if (mkdir(dir, 0700) && errno != EEXIST) {
        err_errno(err, "make the folder %s", dir);
        return -1;
    }
    if (write_certs(dir, "server.crt", forged->leaf, forged->chain, err) ||
        write_certs(dir, "original.crt", scene->original,
                    scene->signers.lab->above, err) ||
        write_trust(scene, forged, dir, err) ||
        write_status(forged, dir, err) || write_cas(scene, dir, err) ||
        file_join(key, dir, "server.key", err))
        return -1;
    return keys_save(forged->key, key, err);
}

static bool is_address(const char *name)
{
    return strchr(name, ':') || !name[strspn(name, "0123456789.")];
}

static void say_how_to_verify(const struct forgery *forgery, const X509 *leaf,
                              const char *name, const struct asked *asked)
{
    printf("\nTo see what a careful victim says:\n"
           "openssl verify -no-CApath -no-CAstore -purpose sslserver \\\n"
           "  -auth_level 2 -verify_%s %s \\\n"
           "  -CAfile %s/trust.pem \\\n"
           "  -untrusted %s/server.crt \\\n"
           "  %s/server.crt\n",
           is_address(name) ? "ip" : "hostname", name, asked->out, asked->out,
           asked->out);
    if (raw_is(leaf))
        printf("Expect: a program that reads it, or one that cannot\n");
    else if (forgery->openssl_accepts)
        printf("Expect: OK; openssl itself is less careful: no error %d\n",
               forgery->verify_code);
    else if (!forgery->verify_code)
        printf("Expect: OK%s\n",
               forgery->alert[0] ? "; only a handshake shows the flaw" : "");
    else
        printf("Expect: error %d, %s\n", forgery->verify_code,
               X509_verify_cert_error_string(forgery->verify_code));
    if (forgery->seen) {
        printf("Others: ");
        show_wrapped(forgery->seen, 8, asked->width, stdout);
    }
}

static void say_made(const struct forgery *forgery, const char *name,
                     const struct forged *forged, const struct asked *asked)
{
    const struct {
        const char *file, *what;
        bool there;
    } files[] = {
        {"server.crt", "the certificate and what is sent with it", true},
        {"server.key", "its key", true},
        {"staple.der", "the status that is stapled to it", forged->staple},
        {"list.crl", "the list of revoked certificates", forged->crl},
        {"original.crt", "what it was made from", true},
        {"trust.pem", "what the victim trusts", true},
        {"lab, rogue", "the CAs, with their keys", !forgery->in_gallery},
    };
    if (asked->json) {
        printf("{\"id\":\"%s\",\"name\":", forgery->id);
        show_json_string(name, stdout);
        printf(",\"dir\":");
        show_json_string(asked->out, stdout);
        printf(",\"verify_code\":%d}\n", forgery->verify_code);
        return;
    }
    printf("%s, %s, for %s, in %s\n", forgery->id, forgery->title, name,
           asked->out);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].there) {
            printf("  %-13s ", files[i].file);
            show_wrapped(files[i].what, 16, asked->width, stdout);
        }
    say_how_to_verify(forgery, forged->leaf, name, asked);
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
    const char *name = name_for(forgery, asked);
    if (!forgery || scene_make(forgery->in_gallery, name, &scene, err))
        return -1;
    if (!scene_forge(&scene, forgery, name, &forged, err)) {
        rc = write_all(&scene, &forged, asked->out, err);
        if (!rc)
            say_made(forgery, name, &forged, asked);
        forged_close(&forged);
    }
    scene_close(&scene);
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
    struct asked asked = {0};
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
