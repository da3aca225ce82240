/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: what is seen of the traffic. */
#include "labs/cli/proxy_parts.h"

#include <time.h>

/* Bytes of the network never reach the terminal as they are. */
static void add_escaped(struct buf *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte > ' ' && byte < 0x7f && byte != '\\')
            (void)buf_append(out, &byte, 1);
        else
            (void)buf_printf(out, "\\x%02x", byte);
    }
}

static void add_exchange(struct buf *out, const struct proxy_line *line)
{
    add_escaped(out, line->method, line->method_len);
    (void)buf_append_text(out, line->tls ? " https://" : " http://");
    add_escaped(out, line->host, line->host_len);
    add_escaped(out, line->target, line->target_len);
    if (line->status)
        (void)buf_printf(out, " %d", line->status);
    else
        (void)buf_append_text(out, " -");
    (void)buf_printf(out, " up %llu down %llu",
                     (unsigned long long)line->up_bytes,
                     (unsigned long long)line->down_bytes);
}

static void on_line(void *context, const struct proxy_line *line)
{
    (void)context;
    struct buf out = {0};
    char victim[ADDRESS_TEXT];
    struct tm now;
    time_t seconds = time(NULL);
    localtime_r(&seconds, &now);
    address_text(line->victim, victim);
    (void)buf_printf(&out, "%02d:%02d:%02d %s ", now.tm_hour, now.tm_min,
                     now.tm_sec, victim);
    if (line->method) {
        add_exchange(&out, line);
    } else {
        (void)buf_append_text(&out, "TLS ");
        add_escaped(&out, line->host, line->host_len);
    }
    if (line->verdict)
        (void)buf_printf(&out, " %s", line->verdict);
    if (line->how)
        (void)buf_printf(&out, " (%s)", line->how);
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
