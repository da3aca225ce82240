/* SPDX-License-Identifier: MIT
 *
 * replay: answer from a recording, in the server's place. A request that was
 * recorded (the same method and target, and the same body if one was kept)
 * gets what was answered then; asked again, it gets the next recorded answer,
 * and behind the last one the last one again. Other requests go to the
 * server. */
#include "attacks/attack.h"
#include "attacks/recorded.h"

#include <stdatomic.h>
#include <string.h>

struct replay {
    struct recorded *recorded;
    atomic_uint turn[]; /* how often each was asked for, if it is the first of
                           those that are alike */
};

static bool same_body(const struct message *asked, const struct message *then)
{
    size_t len = buf_len(&asked->body);
    return !asked->has_body || (len == buf_len(&then->body) &&
                                (!len || !memcmp(buf_head(&asked->body),
                                                 buf_head(&then->body), len)));
}

static bool matches(const struct message *asked,
                    const struct recorded_flow *flow)
{
    return flow->answered && flow->response_whole &&
           !strcmp(asked->method, flow->request.method) &&
           !strcmp(asked->target, flow->request.target) &&
           same_body(asked, &flow->request);
}

/* Asked for the n-th time: the n-th that was recorded, or the last. */
static struct recorded_flow *choose(struct replay *replay,
                                    const struct message *asked)
{
    struct recorded_flow *chosen = NULL;
    unsigned left = 0;
    for (unsigned i = 0; i < recorded_count(replay->recorded); i++) {
        struct recorded_flow *flow = recorded_at(replay->recorded, i);
        if (!matches(asked, flow))
            continue;
        if (!chosen)
            left = atomic_fetch_add(&replay->turn[i], 1);
        else if (!left--)
            break;
        chosen = flow;
    }
    return chosen;
}

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    (void)flow;
    const struct recorded_flow *then = choose(config, request);
    if (!then)
        return HOOK_PASS;
    const struct message *response = &then->response;
    struct message *answer =
        message_answer(request, response->status, response->reason);
    if (!answer)
        return HOOK_PASS;
    size_t len = buf_len(&response->body);
    bool bad =
        message_set_body(answer, len ? buf_head(&response->body) : NULL, len);
    unsigned room = response->fields_count + 1;
    answer->fields = arena_alloc(request->arena, room * sizeof *answer->fields);
    if (bad || !answer->fields)
        return HOOK_PASS;
    if (response->fields_count)
        memcpy(answer->fields, response->fields,
               response->fields_count * sizeof *answer->fields);
    answer->fields_count = response->fields_count;
    answer->fields_room = room;
    answer->coding = response->coding;
    message_remove_field(answer, "Connection");
    message_remove_field(answer, "Keep-Alive");
    return HOOK_ANSWER;
}

static int start(struct attack_run *run, struct err *err)
{
    struct recorded *recorded;
    if (recorded_load(attack_value(run, "file"), &recorded, err))
        return -1;
    struct replay *replay =
        arena_alloc(&run->arena, sizeof *replay + recorded_count(recorded) *
                                                      sizeof *replay->turn);
    if (!replay) {
        recorded_free(recorded);
        err_set(err, "replay: out of memory");
        return -1;
    }
    replay->recorded = recorded;
    run->state = recorded;
    run->hook.config = replay;
    run->hook.on_request = on_request;
    run->hook.wants = HOOK_WANTS_REQUEST_BODY | HOOK_ANSWERS;
    return 0;
}

static void stop(struct attack_run *run)
{
    recorded_free(run->state);
}

static const struct attack_param params[] = {
    {"file", "FILE", NULL, "a HAR file, or the folder of a run", true},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_replay = {
    .name = "replay",
    .teaches = "Who has recorded a server can play it, without asking it.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
    .stop = stop,
};
