/* SPDX-License-Identifier: MIT
 *
 * A server of the stage that comes and goes, and a hook that does as it is
 * told about what is asked of it. */
#ifndef TESTS_PROXY_ABSENT_STAGE_H
#define TESTS_PROXY_ABSENT_STAGE_H

#include "tests/proxy/stage.h"

#define MINE                                                                   \
    "HTTP/1.1 200 OK\r\nX-From: puppet\r\nContent-Length: 4\r\n\r\nmine"

/* ---- servers that come and go -------------------------------------------- */

/* It has its port still, and whoever wants to connect is refused. */
STAGE void server_goes(struct stage *stage)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    int on = 1;
    getsockname(stage->listener, (struct sockaddr *)&address, &len);
    close(stage->listener);
    stage->listener =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(stage->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(
        bind(stage->listener, (struct sockaddr *)&address, sizeof address), 0);
}

STAGE void server_comes(struct stage *stage)
{
    assert_int_equal(listen(stage->listener, 64), 0);
}

/* ---- a hook that does as it is told -------------------------------------- */

struct puppet {
    struct hook hook;
    struct hook *list[1];
    enum hook_act act;
    unsigned requests, responses;
    struct flow *flow;
    struct message *message; /* the last request */
    const char *field;       /* that it puts into requests */
};

STAGE enum hook_act puppet_on_request(void *config, struct flow *flow,
                                      struct message *request)
{
    struct puppet *puppet = config;
    puppet->requests++;
    puppet->flow = flow;
    puppet->message = request;
    if (puppet->field)
        assert_int_equal(message_set_field(request, "X-Puppet", puppet->field),
                         0);
    if (puppet->act != HOOK_ANSWER)
        return puppet->act;
    struct message *answer = message_answer(request, 200, NULL);
    assert_int_equal(message_set_field(answer, "X-From", "puppet"), 0);
    assert_int_equal(message_set_body(answer, "mine", 4), 0);
    return HOOK_ANSWER;
}

STAGE enum hook_act puppet_on_response(void *config, struct flow *flow,
                                       struct message *response)
{
    struct puppet *puppet = config;
    (void)flow;
    (void)response;
    puppet->responses++;
    return HOOK_PASS;
}

STAGE void puppet_joins(struct stage *stage, struct puppet *puppet)
{
    puppet->hook = (struct hook){.name = "puppet",
                                 .config = puppet,
                                 .wants = HOOK_ANSWERS,
                                 .on_request = puppet_on_request,
                                 .on_response = puppet_on_response};
    puppet->list[0] = &puppet->hook;
    stage->options.hooks = puppet->list;
    stage->options.hooks_count = 1;
}

#endif
