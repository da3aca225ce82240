/* SPDX-License-Identifier: MIT
 *
 * forged-cert: show the victim a certificate with one deliberate flaw, and see
 * which clients notice. The catalogue of flaws is certs/forgeries.def. */
#include "attacks/attack.h"
#include "certs/forge.h"

static enum hook_act on_server_cert(void *config, struct flow *flow, X509 *real,
                                    struct forge_plan *plan)
{
    (void)flow, (void)real;
    plan->forgery = config;
    return HOOK_CHANGED;
}

static int unknown_forgery(const char *id, struct err *err)
{
    const struct forgery *near = forgery_nearest(id);
    err_code(err, EXIT_USAGE,
             "forged-cert: no forgery \"%s\"%s%s%s; 'mitmlab cert list' lists "
             "them",
             id, near ? " (did you mean " : "", near ? near->id : "",
             near ? "?)" : "");
    return -1;
}

static int start(struct attack_run *run, struct err *err)
{
    const struct forge_signers *signers = run->env.signers;
    const char *id = attack_value(run, "forgery");
    const struct forgery *forgery = forgery_find(id);
    if (!forgery)
        return unknown_forgery(id, err);
    if (forgery->in_gallery) {
        err_code(err, EXIT_USAGE,
                 "forged-cert: %s (%s) needs a CA without constraints, and no "
                 "lab has one; it hangs in the gallery only",
                 id, forgery->title);
        return -1;
    }
    if (forgery->signed_by_lab && (!signers || !signers->lab)) {
        err_code(err, EXIT_USAGE,
                 "forged-cert: %s (%s) is signed by the lab's own CA; give it "
                 "as an accomplice with --issuer DIR",
                 id, forgery->title);
        return -1;
    }
    run->hook.config = (void *)forgery;
    run->hook.on_server_cert = on_server_cert;
    return 0;
}

static const struct attack_param params[] = {
    {"forgery", "ID", NULL, "which flaw, such as t03 or n01", true},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_forged_cert = {
    .name = "forged-cert",
    .teaches = "A certificate is only worth what the client checks of it.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
};
