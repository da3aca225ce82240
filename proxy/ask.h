/* SPDX-License-Identifier: MIT
 *
 * Asking the hooks, one after the other, with the chance that one of them
 * needs time. One `struct ask` serves one direction of a relay. */
#ifndef PROXY_ASK_H
#define PROXY_ASK_H

#include "proxy/hook.h"

struct relay;

struct ask {
    unsigned next;       /* the hook to be asked next */
    bool held;           /* one said HOOK_WAIT */
    bool resumed;        /* and has called flow_resume() since */
    bool changed;        /* one said HOOK_CHANGED */
    unsigned wants;      /* of those that did, or that made us wait */
    enum hook_act act;   /* what the one that made us wait says then */
    struct relay *relay; /* to go on with */
    struct wake *wake;   /* the clock of hook_wake(), NULL */
};

/* Put the question to one hook; HOOK_PASS if it has no such callback. */
typedef enum hook_act (*ask_question)(const struct hook *hook,
                                      struct relay *relay, void *about);

/* Ask all that have not been asked yet. WAIT: ask again later. CHANGED: at
 * least one did. CUT and ANSWER are the last word. */
enum hook_act ask_hooks(struct relay *relay, struct ask *ask,
                        ask_question question, void *about);

/* What was asked about goes: a hook that makes us wait is told, if it was a
 * message. */
void ask_abandon(struct ask *ask, struct message *message);

/* The one that makes us wait makes up its mind by itself, so much later. -1
 * when memory is out. */
int ask_wake(struct ask *ask, unsigned ms, enum hook_act act);

/* The one that made us wait has made up its mind: ask again. */
void ask_resume(struct ask *ask, enum hook_act act);

#endif
