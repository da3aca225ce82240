/* SPDX-License-Identifier: MIT
 *
 * A window of the last bytes is compared with the marks after each byte. */
#include "attacks/secrets.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* What stands before a secret, and what ends it. */
struct secret_mark {
    const char *text; /* compared without case; the last byte decides when */
    const char *what, *field;
    const char *ends; /* any control character ends it as well */
    bool form;        /* a value in form encoding, behind a whole name */
};

static const struct secret_mark marks[] = {
    {"password=", "password", "password", " &\"'<>", true},
    {"\nCookie:", "cookie", "Cookie", "", false},
    {"\nSet-Cookie:", "cookie", "Set-Cookie", ";", false},
};
enum { MARKS = sizeof marks / sizeof *marks };

int secrets_look_parse(const char *list, struct arena *arena,
                       struct secrets_look *out, struct err *err)
{
    *out = (struct secrets_look){0};
    while (list && *list) {
        size_t len = strcspn(list, "|");
        if (len > SECRETS_LOOK_MOST || out->count == SECRETS_LOOKS_MOST) {
            err_code(err, EXIT_USAGE,
                     "look takes at most %d texts of %d bytes, with | between",
                     SECRETS_LOOKS_MOST, SECRETS_LOOK_MOST);
            return -1;
        }
        if (len) {
            out->texts[out->count] = arena_copy(arena, list, len);
            out->lens[out->count] = len;
            if (!out->texts[out->count++]) {
                err_set(err, "look: out of memory");
                return -1;
            }
        }
        list += len + (list[len] == '|');
    }
    return 0;
}

void secrets_init(struct secrets *secrets, const struct secrets_look *look,
                  secret_found *found, void *context)
{
    *secrets =
        (struct secrets){.look = look, .found = found, .context = context};
}

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Undo form encoding in place; returns the new length. */
static size_t form_decode(char *text, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        char byte = text[i] == '+' ? ' ' : text[i];
        if (byte == '%' && i + 2 < len && hex(text[i + 1]) >= 0 &&
            hex(text[i + 2]) >= 0) {
            byte = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        }
        text[used++] = byte;
    }
    return used;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

void secrets_flush(struct secrets *secrets)
{
    const struct secret_mark *mark = secrets->open;
    secrets->open = NULL;
    while (mark && !mark->form && secrets->value_len &&
           is_blank(secrets->value[secrets->value_len - 1]))
        secrets->value_len--; /* white space behind a field's value */
    if (!mark || !secrets->value_len)
        return;
    struct secret secret = {
        .what = mark->what,
        .field = mark->field,
        .value = secrets->value,
        .value_len = secrets->value_len,
        .at = secrets->value_at,
        .len = secrets->value_len,
    };
    if (mark->form)
        secret.value_len = form_decode(secrets->value, secrets->value_len);
    secrets->found(secrets->context, &secret);
}

/* One byte that may belong to the open value. */
static void value_byte(struct secrets *secrets, char byte)
{
    if (!secrets->open->form && is_blank(byte) && !secrets->value_len) {
        secrets->value_at++; /* white space before a field's value */
        return;
    }
    if ((unsigned char)byte < 0x20 || strchr(secrets->open->ends, byte) ||
        secrets->value_len == SECRETS_VALUE_MOST)
        secrets_flush(secrets);
    else
        secrets->value[secrets->value_len++] = byte;
}

static void remember(struct secrets *secrets, char byte)
{
    if (secrets->window_len == sizeof secrets->window) {
        memmove(secrets->window, secrets->window + SECRETS_LOOK_MOST,
                SECRETS_LOOK_MOST);
        secrets->window_len = SECRETS_LOOK_MOST;
    }
    secrets->window[secrets->window_len++] = byte;
}

static bool is_name_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_' || byte == '-';
}

/* Does the window end in this mark? "oldpassword=" is another field. */
static bool mark_ends_here(const struct secrets *secrets,
                           const struct secret_mark *mark)
{
    size_t len = strlen(mark->text);
    if (secrets->window_len < len)
        return false;
    const char *from = secrets->window + secrets->window_len - len;
    if (strncasecmp(from, mark->text, len) != 0)
        return false;
    return !mark->form || from == secrets->window || !is_name_byte(from[-1]);
}

static void find_mark(struct secrets *secrets)
{
    for (unsigned i = 0; i < MARKS && !secrets->open; i++)
        if (mark_ends_here(secrets, &marks[i])) {
            secrets->open = &marks[i];
            secrets->value_at = secrets->offset;
            secrets->value_len = 0;
        }
}

static void find_texts(struct secrets *secrets)
{
    for (unsigned i = 0; i < secrets->look->count; i++) {
        const char *text = secrets->look->texts[i];
        size_t len = secrets->look->lens[i];
        const char *end = secrets->window + secrets->window_len;
        if (secrets->window_len < len || end[-1] != text[len - 1] ||
            memcmp(end - len, text, len) != 0)
            continue;
        struct secret secret = {.what = "text",
                                .field = "",
                                .value = text,
                                .value_len = len,
                                .at = secrets->offset - len,
                                .len = len};
        secrets->found(secrets->context, &secret);
    }
}

void secrets_feed(struct secrets *secrets, const void *bytes, size_t len)
{
    const char *text = bytes;
    for (size_t i = 0; i < len; i++) {
        if (secrets->open)
            value_byte(secrets, text[i]);
        remember(secrets, text[i]);
        secrets->offset++;
        if (text[i] == '=' || text[i] == ':')
            find_mark(secrets);
        find_texts(secrets);
    }
}

void secrets_skip(struct secrets *secrets, uint64_t len)
{
    secrets->open = NULL;
    secrets->window_len = 0;
    secrets->offset += len;
}

static void feed_text(struct secrets *secrets, const char *text)
{
    if (text)
        secrets_feed(secrets, text, strlen(text));
}

void secrets_in_message(const struct message *message,
                        const struct secrets_look *look, secret_found *found,
                        void *context)
{
    struct secrets secrets;
    secrets_init(&secrets, look, found, context);
    if (message->kind == HTTP1_REQUEST)
        feed_text(&secrets, message->target);
    for (unsigned i = 0; i < message->fields_count; i++) {
        feed_text(&secrets, "\r\n");
        feed_text(&secrets, message->fields[i].name);
        feed_text(&secrets, ": ");
        feed_text(&secrets, message->fields[i].value);
    }
    feed_text(&secrets, "\r\n\r\n");
    if (message->has_body && buf_len(&message->body))
        secrets_feed(&secrets, buf_head(&message->body),
                     buf_len(&message->body));
    secrets_flush(&secrets);
}

void secret_report(const struct secret *secret, const struct event_where *where)
{
    event("secret.read", where, "\"what\":\"%s\",\"value\":%s,\"field\":\"%s\"",
          secret->what,
          event_text(secret->value, secret->value_len, SECRETS_VALUE_MOST),
          secret->field);
}
