/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: how victims come in, and where they are sent. */
#include "labs/cli/proxy_parts.h"
#include "proxy/intercept.h"

static int take_addresses(const struct proxy_wishes *wishes,
                          struct proxy_setup *setup, struct err *err)
{
    struct proxy_options *options = &setup->options;
    if (!wishes->ways.listen.count ||
        wishes->ways.listen.count > PROXY_LISTEN_MOST) {
        err_code(err, EXIT_USAGE,
                 "proxy wants 1 to %d times --listen ADDRESS:PORT",
                 PROXY_LISTEN_MOST);
        return -1;
    }
    for (unsigned i = 0; i < wishes->ways.listen.count; i++)
        if (address_parse(wishes->ways.listen.items[i], &options->listen[i],
                          err) ||
            dial_check(&options->listen[i], err))
            return -1;
    options->listen_count = wishes->ways.listen.count;
    if (!wishes->ways.upstream)
        return 0;
    if (target_parse(wishes->ways.upstream, &setup->upstream, err))
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

static int intercept(const struct proxy_wishes *wishes,
                     struct proxy_setup *setup, struct err *err)
{
    struct proxy_options *options = &setup->options;
    if (!wishes->ways.transparent)
        return 0;
    options->transparent = true;
    if (intercept_start(options->listen, options->listen_count, err))
        return -1;
    setup->intercepts = true;
    return 0;
}

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows, (struct option){
                         "listen", 'l', OPTION_LIST, "ADDRESS:PORT",
                         "Take TLS and plain HTTP here; may be given again",
                         &wishes->ways.listen});
    option_row(rows,
               (struct option){
                   "upstream", 'u', OPTION_TEXT, "URL",
                   "Connect to http://, https://, tcp:// or tls://HOST[:PORT]; "
                   "smtp, imap, pop3 and ftp go on inside TLS after STARTTLS",
                   &wishes->ways.upstream});
    option_row(
        rows, (struct option){
                  "transparent", 0, OPTION_FLAG, NULL,
                  "Take over connections that pass through this place of a lab",
                  &wishes->ways.transparent});
    option_row(rows, (struct option){
                         "hosts", 0, OPTION_TEXT, "FILE",
                         "The lab's table of names, in the format of hosts(5)",
                         &wishes->ways.hosts});
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    if (wishes->ways.hosts)
        dial_use_hosts(wishes->ways.hosts);
    return take_addresses(wishes, setup, err) || intercept(wishes, setup, err)
               ? -1
               : 0;
}

static void undo(struct proxy_setup *setup)
{
    if (setup->intercepts)
        intercept_stop(setup->options.listen, setup->options.listen_count);
}

const struct proxy_part proxy_part_ways = {"ways in", rows, take, undo};
