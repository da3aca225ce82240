/* SPDX-License-Identifier: MIT
 *
 * block: let nothing through to one host. The attacker needs neither key nor
 * certificate for that. It stands on the path, and what it does not pass on
 * does not arrive. */
#include "attacks/attack.h"
#include "proxy/hello.h"

#include <string.h>
#include <strings.h>

/* `name` may have a port behind it. */
static bool is_host(const char *host, const char *name)
{
    size_t len = strcspn(name, ":");
    return len == strlen(host) && !strncasecmp(name, host, len);
}

static enum hook_act cut(const struct event_where *where, const char *what,
                         const char *host)
{
    event("attack.blocked", where, "\"what\":\"%s\",\"host\":%s", what,
          event_text(host, strlen(host), 256));
    return HOOK_CUT;
}

static enum hook_act on_hello(void *config, struct flow *flow,
                              const struct hello *hello)
{
    struct event_where where = flow_where(flow, LEG_VICTIM);
    return is_host(config, hello->server_name) ? cut(&where, "hello", config)
                                               : HOOK_PASS;
}

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    struct event_where where = flow_where(flow, LEG_VICTIM);
    return request->host && is_host(config, request->host)
               ? cut(&where, "request", config)
               : HOOK_PASS;
}

static int start(struct attack_run *run, struct err *err)
{
    const char *host = attack_value(run, "host");
    if (!*host || strchr(host, ':')) {
        err_code(err, EXIT_USAGE,
                 "block: host=%s is not the name of a host, such as "
                 "ocsp.lab.test",
                 host);
        return -1;
    }
    run->hook.config = (void *)host;
    run->hook.on_hello = on_hello;
    run->hook.on_request = on_request;
    return 0;
}

static const struct attack_param params[] = {
    {"host", "NAME", NULL, "who is not to be reached, such as ocsp.lab.test",
     true},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_block = {
    .name = "block",
    .teaches = "What is on the path can be left out, and silence is no answer.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
};
