/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: what is seen of the traffic. */
#include "labs/cli/proxy_parts.h"

#include <time.h>

/* One line of a person's for each exchange: no printf(3) here, which would
 * cost more than the proxy itself. */

/* Bytes of the network never reach the terminal as they are. */
static void add_escaped(struct buf *out, const char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *to = (char *)buf_reserve(out, len * 4);
    size_t used = 0;
    for (size_t i = 0; to && i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte > ' ' && byte < 0x7f && byte != '\\') {
            to[used++] = (char)byte;
            continue;
        }
        memcpy(to + used, "\\x", 2);
        to[used + 2] = digits[byte >> 4];
        to[used + 3] = digits[byte & 15];
        used += 4;
    }
    if (to)
        buf_filled(out, used);
}

static void add_text(struct buf *out, const char *text)
{
    (void)buf_append_text(out, text);
}

static void add_number(struct buf *out, uint64_t number)
{
    (void)buf_append_number(out, number, 1);
}

static void add_exchange(struct buf *out, const struct proxy_line *line)
{
    add_escaped(out, line->method, line->method_len);
    /* CONNECT names a host, and nothing of how it is spoken to. */
    add_text(out, !line->target_len ? " "
                  : line->tls       ? " https://"
                                    : " http://");
    add_escaped(out, line->host, line->host_len);
    add_escaped(out, line->target, line->target_len);
    add_text(out, " ");
    if (line->status > 0)
        add_number(out, (uint64_t)line->status);
    else
        add_text(out, "-");
    add_text(out, " up ");
    add_number(out, line->up_bytes);
    add_text(out, " down ");
    add_number(out, line->down_bytes);
    if (line->version) {
        add_text(out, " ");
        add_text(out, line->version);
    }
}

/* "14:03:07 ". A thread asks for the local time once a second. */
static void add_time(struct buf *out)
{
    static _Thread_local struct {
        time_t second;
        struct tm parts;
    } last;
    time_t now = time(NULL);
    if (now != last.second) {
        localtime_r(&now, &last.parts);
        last.second = now;
    }
    const int parts[] = {last.parts.tm_hour, last.parts.tm_min,
                         last.parts.tm_sec};
    for (unsigned i = 0; i < 3; i++) {
        (void)buf_append_number(out, (uint64_t)parts[i], 2);
        add_text(out, i < 2 ? ":" : " ");
    }
}

static void on_line(void *context, const struct proxy_line *line)
{
    (void)context;
    struct buf out = {0};
    char victim[ADDRESS_TEXT];
    if (!buf_reserve(&out, 1024))
        return;
    add_time(&out);
    address_text(line->victim, victim);
    add_text(&out, victim);
    add_text(&out, " ");
    if (line->method) {
        add_exchange(&out, line);
    } else {
        add_text(&out, "TLS ");
        add_escaped(&out, line->host, line->host_len);
    }
    if (line->verdict) {
        add_text(&out, " ");
        add_text(&out, line->verdict);
    }
    if (line->how) {
        add_text(&out, " (");
        add_text(&out, line->how);
        add_text(&out, ")");
    }
    if (!buf_append_text(&out, "\n"))
        fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
}

/* A terminal shows each line at once; a file or a pipe is not worth a system
 * call a line, and gets them once a second. */
static void on_second(void *context)
{
    (void)context;
    fflush(stdout);
}

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows,
               (struct option){"json", 0, OPTION_FLAG, NULL,
                               "Write events to stdout", &wishes->look.json});
    option_row(rows, (struct option){"trace", 0, OPTION_FLAG, NULL,
                                     "Say what every flow goes through",
                                     &wishes->look.trace});
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    (void)err;
    setup->options.trace = wishes->look.trace;
    if (wishes->look.json)
        return 0;
    setup->options.on_line = on_line;
    setup->options.on_second = on_second;
    return 0;
}

const struct proxy_part proxy_part_look = {"looking", rows, take, NULL};
