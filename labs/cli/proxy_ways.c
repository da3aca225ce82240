/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: how victims come in, and where they are sent. */
#include "labs/cli/proxy_parts.h"
#include "proxy/intercept.h"

/* What a listener is that names no way in. */
static int usual_way(const struct proxy_wishes *wishes, struct way_in *out,
                     struct err *err)
{
    *out = (struct way_in){.mode = WAY_SNI};
    if (wishes->ways.upstream) {
        out->mode = WAY_REVERSE;
        if (target_parse(wishes->ways.upstream, &out->target, err))
            return -1;
    }
    if (wishes->ways.transparent)
        out->mode = WAY_TRANSPARENT;
    return 0;
}

static int check_target(const struct way_in *way, struct err *err)
{
    union address address;
    struct err ignored;
    const struct target *target = way_target(way);
    /* A name may become known later; an address is judged now. */
    if (!target || dial_resolve(target->host, target->port, &address, &ignored))
        return 0;
    return dial_check(&address, err);
}

/* A listener that says by itself what it is does without these. */
static int check_use(const struct proxy_wishes *wishes, struct err *err)
{
    const struct option_list *list = &wishes->ways.listen;
    const char *option = wishes->ways.upstream      ? "--upstream"
                         : wishes->ways.transparent ? "--transparent"
                                                    : NULL;
    for (unsigned i = 0; option && i < list->count; i++)
        if (!strpbrk(list->items[i], "@="))
            return 0;
    if (option)
        err_code(err, EXIT_USAGE,
                 "%s is for listeners without MODE@ or =URL, and there are "
                 "none; write --listen reverse@ADDRESS:PORT=URL",
                 option);
    return option ? -1 : 0;
}

static int take_ways(const struct proxy_wishes *wishes,
                     struct proxy_setup *setup, struct err *err)
{
    struct proxy_options *options = &setup->options;
    const struct option_list *list = &wishes->ways.listen;
    struct way_in usual;
    if (!list->count || list->count > PROXY_LISTEN_MOST) {
        err_code(err, EXIT_USAGE,
                 "proxy wants 1 to %d times --listen "
                 "[MODE@][ADDR:]PORT[=URL]; 'mitmlab help ways' lists them",
                 PROXY_LISTEN_MOST);
        return -1;
    }
    if (usual_way(wishes, &usual, err))
        return -1;
    for (unsigned i = 0; i < list->count; i++)
        if (way_parse(list->items[i], &usual, &options->ways[i], err) ||
            dial_check(&options->ways[i].address, err) ||
            check_target(&options->ways[i], err))
            return -1;
    options->ways_count = list->count;
    return check_use(wishes, err);
}

static int intercept(struct proxy_setup *setup, struct err *err)
{
    struct proxy_options *options = &setup->options;
    if (intercept_start(options->ways, options->ways_count, err))
        return -1;
    setup->intercepts = true;
    return 0;
}

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows, (struct option){
                         "listen", 'l', OPTION_LIST, "[MODE@][ADDR:]PORT[=URL]",
                         "Take victims in here, by one of the ways of "
                         "'mitmlab help ways'; may be given again",
                         &wishes->ways.listen});
    option_row(rows, (struct option){
                         "upstream", 'u', OPTION_TEXT, "URL",
                         "For listeners without a MODE: connect to http://, "
                         "https://, tcp:// or tls://HOST[:PORT], or the "
                         "resolver dns://HOST[:PORT]; smtp, imap, pop3 and "
                         "ftp go on inside TLS after STARTTLS",
                         &wishes->ways.upstream});
    option_row(rows,
               (struct option){
                   "transparent", 0, OPTION_FLAG, NULL,
                   "For listeners without a MODE: take over connections that "
                   "pass through this place of a lab",
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
    return take_ways(wishes, setup, err) || intercept(setup, err) ? -1 : 0;
}

static void undo(struct proxy_setup *setup)
{
    if (setup->intercepts)
        intercept_stop(setup->options.ways, setup->options.ways_count);
}

const struct proxy_part proxy_part_ways = {"ways in", rows, take, undo};
