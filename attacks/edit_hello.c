/* SPDX-License-Identifier: MIT
 *
 * edit-hello: what a client offers is sent in clear, so anybody on the path
 * can take the better half out of it. The handshake tells on them: TLS 1.3 by
 * a mark in the server's random bytes (RFC 8446 4.1.3), every version by the
 * hash in Finished. Works on TLS that passes the proxy as it is. */
#include "attacks/attack.h"
#include "proxy/hello.h"
#include "proxy/hello_edit.h"

#include <stdlib.h>

struct editor {
    struct attack_run *run;
    struct hello_edit edit;
};

struct edited {
    bool done;
};

static void tell(const struct editor *editor, struct flow *flow, size_t len,
                 int gone)
{
    struct event_where where = flow_where(flow, LEG_VICTIM);
    where.len = len;
    event("tls.tampered", &where,
          "\"what\":\"hello\",\"from\":\"victim\",\"removed\":%d,"
          "\"versions\":%u,\"suites\":%u,\"extensions\":%u",
          gone, editor->edit.versions.count, editor->edit.suites.count,
          editor->edit.extensions.count);
}

/* The proxy has waited for the whole hello, so it is whole here. */
static enum hook_act edit(const struct editor *editor, struct flow *flow,
                          struct buf *data)
{
    struct hello hello;
    const char *why;
    uint8_t *scratch = malloc(HELLO_MOST);
    if (!scratch)
        return HOOK_CUT;
    ssize_t len =
        hello_read(buf_head(data), buf_len(data), scratch, &hello, &why);
    int gone = hello_edit_apply(&editor->edit, data, scratch);
    free(scratch);
    if (gone > 0)
        tell(editor, flow, (size_t)len, gone);
    return gone > 0 ? HOOK_CHANGED : HOOK_PASS;
}

static enum hook_act on_data(void *config, struct flow *flow, enum event_leg to,
                             struct buf *data)
{
    const struct editor *editor = config;
    struct edited *edited = flow_hook_state(flow, &editor->run->hook);
    if (!flow->sealed || to != LEG_SERVER || edited->done)
        return HOOK_PASS;
    edited->done = true;
    return edit(editor, flow, data);
}

static int take(const struct attack_run *run, const char *param,
                struct hello_edit *edit, struct err *err,
                int (*add)(struct hello_edit *edit, const char *text,
                           struct err *err))
{
    const char *text = attack_value(run, param);
    if (!text || !add(edit, text, err))
        return 0;
    err_prefix(err, "edit-hello: %s", param);
    return -1;
}

static int start(struct attack_run *run, struct err *err)
{
    struct editor *editor = arena_alloc(&run->arena, sizeof *editor);
    if (!editor) {
        err_set(err, "edit-hello: out of memory");
        return -1;
    }
    editor->run = run;
    struct hello_edit *edit = &editor->edit;
    if (take(run, "remove-version", edit, err, hello_edit_version) ||
        take(run, "remove-suite", edit, err, hello_edit_suite) ||
        take(run, "remove-extension", edit, err, hello_edit_extension))
        return -1;
    if (!edit->versions.count && !edit->suites.count &&
        !edit->extensions.count) {
        err_code(err, EXIT_USAGE,
                 "edit-hello wants to know what is to go: remove-version, "
                 "remove-suite or remove-extension");
        return -1;
    }
    run->hook.config = editor;
    run->hook.flow_bytes = sizeof(struct edited);
    run->hook.on_data = on_data;
    return 0;
}

static const struct attack_param params[] = {
    {"remove-version", "1.3", NULL, "these versions (| between them)", false},
    {"remove-suite", "NAME", NULL, "these cipher suites, or their numbers",
     false},
    {"remove-extension", "NAME", NULL, "these extensions, or their numbers",
     false},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_edit_hello = {
    .name = "edit-hello",
    .teaches = "What is agreed on in clear must be confirmed under a key.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
};
