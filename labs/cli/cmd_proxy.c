/* SPDX-License-Identifier: MIT
 *
 * mitmlab proxy: the intercepting proxy, with whatever attacks are switched
 * on. The proxy itself knows none of them; they become hooks here. */
#include "attacks/attack.h"
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "proxy/http1.h"
#include "proxy/intercept.h"
#include "proxy/proxy.h"
#include "proxy/script.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As given on the command line. */
struct wishes {
    struct option_list listen, attacks, lenient;
    const char *upstream, *ca, *issuer, *upstream_ca, *hosts, *keylog, *script;
    bool insecure, json, trace, transparent;
    long long workers, idle, body;
};

/* What was made of it, and must be undone. */
struct setup {
    struct proxy_options options;
    struct target upstream;
    struct ca *rogue, *lab;
    struct attack_run *runs[PROXY_HOOKS_MOST];
    unsigned runs_count;
    struct hook *hooks[PROXY_HOOKS_MOST];
    struct script *script;
    X509 *anchor;
    bool intercepts;
};

/* ---- one line an exchange ------------------------------------------------ */

/* Bytes of the network never reach the terminal as they are. */
static void add_escaped(struct buf *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte > ' ' && byte < 0x7f && byte != '\\')
            (void)buf_append(out, &byte, 1);
        else
            (void)buf_printf(out, "\\x%02x", byte);
    }
}

static void add_exchange(struct buf *out, const struct proxy_line *line)
{
    add_escaped(out, line->method, line->method_len);
    (void)buf_append_text(out, line->tls ? " https://" : " http://");
    add_escaped(out, line->host, line->host_len);
    add_escaped(out, line->target, line->target_len);
    if (line->status)
        (void)buf_printf(out, " %d", line->status);
    else
        (void)buf_append_text(out, " -");
    (void)buf_printf(out, " up %llu down %llu",
                     (unsigned long long)line->up_bytes,
                     (unsigned long long)line->down_bytes);
}

static void on_line(void *context, const struct proxy_line *line)
{
    (void)context;
    struct buf out = {0};
    char victim[ADDRESS_TEXT];
    struct tm now;
    time_t seconds = time(NULL);
    localtime_r(&seconds, &now);
    address_text(line->victim, victim);
    (void)buf_printf(&out, "%02d:%02d:%02d %s ", now.tm_hour, now.tm_min,
                     now.tm_sec, victim);
    if (line->method) {
        add_exchange(&out, line);
    } else {
        (void)buf_append_text(&out, "TLS ");
        add_escaped(&out, line->host, line->host_len);
    }
    if (line->verdict)
        (void)buf_printf(&out, " %s", line->verdict);
    if (line->how)
        (void)buf_printf(&out, " (%s)", line->how);
    if (!buf_append_text(&out, "\n"))
        fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
}

/* A terminal shows each line at once; a file or a pipe is not worth a system
 * call a line, and gets them once a second. */
static void on_second(void *context)
{
    (void)context;
    fflush(stdout);
}

/* ---- from wishes to options ---------------------------------------------- */

static int take_addresses(const struct wishes *wishes, struct setup *setup,
                          struct err *err)
{
    struct proxy_options *options = &setup->options;
    if (!wishes->listen.count || wishes->listen.count > PROXY_LISTEN_MOST) {
        err_code(err, EXIT_USAGE,
                 "proxy wants 1 to %d times --listen ADDRESS:PORT",
                 PROXY_LISTEN_MOST);
        return -1;
    }
    for (unsigned i = 0; i < wishes->listen.count; i++)
        if (address_parse(wishes->listen.items[i], &options->listen[i], err) ||
            dial_check(&options->listen[i], err))
            return -1;
    options->listen_count = wishes->listen.count;
    if (!wishes->upstream)
        return 0;
    if (target_parse(wishes->upstream, &setup->upstream, err))
        return -1;
    options->upstream = &setup->upstream;
    union address address;
    struct err ignored;
    /* A name may become known later; an address is judged now. */
    if (dial_resolve(setup->upstream.host, setup->upstream.port, &address,
                     &ignored))
        return 0;
    return dial_check(&address, err);
}

/* Whom a look-alike is to resemble. */
static X509 *first_certificate(const char *file)
{
    BIO *bio = BIO_new_file(file, "r");
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return cert;
}

static int take_trust(const struct wishes *wishes, struct setup *setup,
                      struct err *err)
{
    const char *file = wishes->upstream_ca;
    if (!file)
        file = getenv("MITMLAB_TRUST");
    setup->options.insecure_upstream = wishes->insecure;
    /* The environment may name a file that this lab does without. */
    if (!file || (!wishes->upstream_ca && access(file, R_OK)))
        return 0;
    setup->options.upstream_trust = X509_STORE_new();
    if (!setup->options.upstream_trust ||
        X509_STORE_load_file(setup->options.upstream_trust, file) != 1) {
        err_openssl(err, "read the trusted certificates in %s", file);
        return -1;
    }
    setup->anchor = first_certificate(file);
    setup->options.signers.anchor = setup->anchor;
    return 0;
}

static int take_signers(const struct wishes *wishes, struct setup *setup,
                        struct err *err)
{
    if ((wishes->ca && ca_load(wishes->ca, &setup->rogue, err)) ||
        (wishes->issuer && ca_load(wishes->issuer, &setup->lab, err)))
        return -1;
    setup->options.signers.rogue = setup->rogue;
    setup->options.signers.lab = setup->lab;
    return 0;
}

static int take_keylog(const struct wishes *wishes, struct setup *setup,
                       struct err *err)
{
    if (!wishes->keylog)
        return 0;
    int fd =
        open(wishes->keylog, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(err, "open the key log %s", wishes->keylog);
        return -1;
    }
    setup->options.keylog_fd = fd;
    return 0;
}

static int take_lenient(const struct wishes *wishes, struct setup *setup,
                        struct err *err)
{
    const char *names[33];
    unsigned count = 0;
    while (count < 32 && http1_lenient_name(count)) {
        names[count] = http1_lenient_name(count);
        count++;
    }
    names[count] = NULL;
    for (unsigned i = 0; i < wishes->lenient.count; i++) {
        const char *name = wishes->lenient.items[i];
        unsigned bit = http1_lenient_bit(name);
        setup->options.lenient |= bit;
        if (bit)
            continue;
        const char *near = nearest(name, names);
        err_code(err, EXIT_USAGE, "no leniency \"%s\"%s%s%s", name,
                 near ? " (did you mean " : "", near ? near : "",
                 near ? "?)" : "");
        return -1;
    }
    return 0;
}

/* After the attacks, so that it sees what they made of a message. */
static int take_script(const struct wishes *wishes, struct setup *setup,
                       struct err *err)
{
    if (!wishes->script)
        return 0;
    if (script_load(wishes->script, setup->options.body_most, &setup->script,
                    err))
        return -1;
    setup->hooks[setup->options.hooks_count++] = script_hook(setup->script);
    return 0;
}

static int take_attacks(const struct wishes *wishes, struct setup *setup,
                        struct err *err)
{
    struct attack_env env = {.kind = ATTACK_HOOK,
                             .signers = &setup->options.signers};
    if (wishes->attacks.count > PROXY_HOOKS_MOST - 1) {
        err_code(err, EXIT_USAGE, "proxy takes at most %d attacks",
                 PROXY_HOOKS_MOST - 1);
        return -1;
    }
    for (unsigned i = 0; i < wishes->attacks.count; i++) {
        struct attack_run **run = &setup->runs[setup->runs_count];
        if (attack_start(wishes->attacks.items[i], &env, run, err))
            return -1;
        setup->runs_count++;
        setup->hooks[setup->options.hooks_count++] = &(*run)->hook;
    }
    setup->options.hooks = setup->hooks;
    return take_script(wishes, setup, err);
}

static int take_numbers(const struct wishes *wishes, struct setup *setup,
                        struct err *err)
{
    if (wishes->workers < 1 || wishes->workers > PROXY_WORKERS_MOST) {
        err_code(err, EXIT_USAGE, "--workers wants 1 to %d",
                 PROXY_WORKERS_MOST);
        return -1;
    }
    if (wishes->idle < 0 || wishes->idle > 24 * 3600 || wishes->body < 0 ||
        wishes->body > 1 << 20) {
        err_code(err, EXIT_USAGE,
                 "--idle wants at most a day in seconds, --body at most "
                 "1048576 KiB");
        return -1;
    }
    setup->options.idle_ms = (unsigned)wishes->idle * 1000;
    setup->options.body_most = (size_t)wishes->body * 1024;
    setup->options.trace = wishes->trace;
    return 0;
}

static int intercept(const struct wishes *wishes, struct setup *setup,
                     struct err *err)
{
    struct proxy_options *options = &setup->options;
    if (!wishes->transparent)
        return 0;
    options->transparent = true;
    if (intercept_start(options->listen, options->listen_count, err))
        return -1;
    setup->intercepts = true;
    return 0;
}

static int set_up(const struct wishes *wishes, struct setup *setup,
                  struct err *err)
{
    if (wishes->hosts)
        dial_use_hosts(wishes->hosts);
    if (take_addresses(wishes, setup, err) ||
        take_numbers(wishes, setup, err) || take_lenient(wishes, setup, err) ||
        take_trust(wishes, setup, err) || take_signers(wishes, setup, err) ||
        take_attacks(wishes, setup, err))
        return -1;
    return take_keylog(wishes, setup, err) || intercept(wishes, setup, err) ? -1
                                                                            : 0;
}

static void take_down(struct setup *setup)
{
    if (setup->intercepts)
        intercept_stop(setup->options.listen, setup->options.listen_count);
    X509_free(setup->anchor);
    script_free(setup->script);
    for (unsigned i = 0; i < setup->runs_count; i++)
        attack_stop(setup->runs[i]);
    X509_STORE_free(setup->options.upstream_trust);
    ca_free(setup->rogue);
    ca_free(setup->lab);
    if (setup->options.keylog_fd)
        close(setup->options.keylog_fd);
}

/* ---- the command --------------------------------------------------------- */

static void on_ready(void *context)
{
    const struct setup *setup = context;
    for (unsigned i = 0; i < setup->runs_count; i++)
        attack_announce(setup->runs[i]);
}

static int serve(const struct wishes *wishes, struct err *err)
{
    struct setup setup = {0};
    event_open(wishes->json, "attacker");
    int rc = set_up(wishes, &setup, err);
    setup.options.on_ready = on_ready;
    setup.options.context = &setup;
    if (!wishes->json) {
        setup.options.on_line = on_line;
        setup.options.on_second = on_second;
    }
    if (!rc)
        rc = proxy_run(&setup.options, (unsigned)wishes->workers, err);
    take_down(&setup);
    event_close();
    return rc;
}

int cmd_proxy(int argc, char **argv)
{
    struct wishes wishes = {.workers = 1};
    const struct option table[] = {
        {"listen", 'l', OPTION_LIST, "ADDRESS:PORT",
         "Take TLS and plain HTTP here; may be given again", &wishes.listen},
        {"upstream", 'u', OPTION_TEXT, "URL",
         "Connect to http://, https://, tcp:// or tls://HOST[:PORT]",
         &wishes.upstream},
        {"transparent", 0, OPTION_FLAG, NULL,
         "Take over connections that pass through this place of a lab",
         &wishes.transparent},
        {"ca", 0, OPTION_TEXT, "DIR",
         "The attacker's CA (ca.crt, ca.key), which signs forged certificates",
         &wishes.ca},
        {"issuer", 0, OPTION_TEXT, "DIR",
         "The lab's own CA, for forgeries that need an accomplice",
         &wishes.issuer},
        {"upstream-ca", 0, OPTION_TEXT, "FILE",
         "Whom to trust when verifying servers", &wishes.upstream_ca},
        {"upstream-insecure", 0, OPTION_FLAG, NULL,
         "Go on although a server's certificate does not verify",
         &wishes.insecure},
        {"hosts", 0, OPTION_TEXT, "FILE",
         "The lab's table of names, in the format of hosts(5)", &wishes.hosts},
        {"attack", 'a', OPTION_LIST, "NAME,key=value",
         "Switch an attack on; may be given again", &wishes.attacks},
        {"script", 's', OPTION_TEXT, "FILE.lua",
         "Let a Lua script edit requests and responses", &wishes.script},
        {"lenient", 0, OPTION_LIST, "NAME",
         "Tolerate one kind of malformed HTTP; may be given again",
         &wishes.lenient},
        {"workers", 0, OPTION_NUMBER, "N", "Threads, each with its own loop",
         &wishes.workers},
        {"keylog", 0, OPTION_TEXT, "FILE",
         "Append the TLS secrets of both legs", &wishes.keylog},
        {"idle", 0, OPTION_NUMBER, "SECONDS",
         "Close connections on which nothing moves (120)", &wishes.idle},
        {"body", 0, OPTION_NUMBER, "KIB",
         "Keep bodies up to this size for attacks (1024)", &wishes.body},
        {"trace", 0, OPTION_FLAG, NULL, "Say what every flow goes through",
         &wishes.trace},
        {"json", 0, OPTION_FLAG, NULL, "Write events to stdout", &wishes.json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    bool helped;
    const struct command *command = command_find("proxy");
    if (options_parse(command, table, argc, argv, &rest, &helped, &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (rest.count) {
        err_code(&err, EXIT_USAGE, "proxy takes options only, not \"%s\"",
                 rest.items[0]);
        return cli_fail(&err);
    }
    return serve(&wishes, &err) ? cli_fail(&err) : EXIT_OK;
}
