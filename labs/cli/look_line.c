/* SPDX-License-Identifier: MIT
 *
 * No printf(3) for what is written once an exchange: that would cost more
 * than the proxy itself. */
#include "labs/cli/look_line.h"

#include "proxy/filter.h"

#include <string.h>
#include <time.h>

enum {
    ROOM = 1024, /* a usual line */
    WIDE = 60,   /* from here on the time of day and sizes have a column */
    BODY_SHOWN = 256,
};

/* ---- bytes and numbers --------------------------------------------------- */

static void add_text(struct buf *out, const char *text)
{
    (void)buf_append_text(out, text);
}

static void add_number(struct buf *out, uint64_t number)
{
    (void)buf_append_number(out, number, 1);
}

void look_escape(struct buf *out, const void *bytes, size_t len, bool blanks)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    char *to = (char *)buf_reserve(out, len * 4);
    size_t used = 0;
    for (size_t i = 0; to && i < len; i++) {
        unsigned char byte = from[i];
        if (byte > (blanks ? 0x1f : 0x20) && byte < 0x7f && byte != '\\') {
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

/* "1.2" behind `whole` units and so many tenths; three figures at most. */
static void add_figure(char room[LOOK_FIGURE], uint64_t tenths,
                       const char *unit)
{
    if (tenths < 100)
        snprintf(room, LOOK_FIGURE, "%u.%u %s", (unsigned)(tenths / 10),
                 (unsigned)(tenths % 10), unit);
    else
        snprintf(room, LOOK_FIGURE, "%llu %s",
                 (unsigned long long)(tenths / 10), unit);
}

void look_size(uint64_t bytes, char room[LOOK_FIGURE])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    unsigned unit = 0;
    if (bytes < 1000) {
        snprintf(room, LOOK_FIGURE, "%u B", (unsigned)bytes);
        return;
    }
    uint64_t tenths = bytes / 100;
    for (; tenths >= 10000; unit++)
        tenths /= 1000;
    add_figure(room, tenths, units[unit]);
}

void look_time(uint64_t ms, char room[LOOK_FIGURE])
{
    if (ms < 1000)
        snprintf(room, LOOK_FIGURE, "%u ms", (unsigned)ms);
    else if (ms < 1000 * 1000)
        add_figure(room, ms / 100, "s");
    else
        snprintf(room, LOOK_FIGURE, "%llu min",
                 (unsigned long long)(ms / 60000));
}

/* "14:03:07". A thread asks for the local time once a second. */
static void add_clock(struct buf *out)
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
        add_text(out, i < 2 ? ":" : "");
    }
}

/* ---- the parts of a line ------------------------------------------------- */

static void add_address(struct buf *out, const struct proxy_line *line)
{
    bool exchange = line->kind == PROXY_LINE_HTTP;
    bool message = line->kind == PROXY_LINE_MESSAGE;
    /* CONNECT names a host, and nothing of how it is spoken to. */
    if ((exchange || message) && line->target_len)
        add_text(out, message     ? line->tls ? "wss://" : "ws://"
                      : line->tls ? "https://"
                                  : "http://");
    look_escape(out, line->host, line->host_len, false);
    if (exchange || message)
        look_escape(out, line->target, line->target_len, false);
}

static bool goes_up(const struct proxy_line *line)
{
    return line->subject && line->subject->to == LEG_SERVER;
}

static const char *method_of(const struct proxy_line *line)
{
    if (line->kind == PROXY_LINE_MESSAGE)
        return goes_up(line) ? "ws ->" : "ws <-";
    bool tls = line->kind == PROXY_LINE_TLS || !strcmp(line->spoken, "tls");
    return tls ? "TLS" : line->spoken;
}

/* Nothing came of it, and neither a status nor a verdict says so. */
static bool has_failed(const struct proxy_line *line)
{
    return line->reason && line->status <= 0 && !line->verdict;
}

/* "tls", "h2", "h2 to h1" ... */
static const char *marks_of(const struct proxy_line *line)
{
    if (line->version)
        return line->version;
    return line->tls ? "tls" : "";
}

/* ---- complete, for files and programs ------------------------------------ */

/* "ws ws://bank.lab.test/chat up 15 text" */
static void add_plain_message(struct buf *out, const struct proxy_line *line)
{
    bool up = goes_up(line);
    add_text(out, "ws ");
    add_address(out, line);
    add_text(out, up ? " up " : " down ");
    add_number(out, up ? line->up_bytes : line->down_bytes);
    add_text(out, " ");
    add_text(out, line->spoken);
}

static void add_plain(struct buf *out, const struct proxy_line *line)
{
    char victim[ADDRESS_TEXT];
    bool exchange = line->kind == PROXY_LINE_HTTP;
    add_clock(out);
    add_text(out, " ");
    address_text(line->victim, victim);
    add_text(out, victim);
    add_text(out, " ");
    if (line->kind == PROXY_LINE_MESSAGE) {
        add_plain_message(out, line);
        return;
    }
    if (exchange)
        look_escape(out, line->method, line->method_len, false);
    else
        add_text(out, method_of(line));
    add_text(out, " ");
    size_t before = buf_len(out);
    add_address(out, line);
    if (buf_len(out) == before)
        add_text(out, "-");
    if (exchange && line->status > 0) {
        add_text(out, " ");
        add_number(out, (uint64_t)line->status);
    } else if (exchange) {
        add_text(out, " -");
    }
    if (line->kind != PROXY_LINE_TLS) {
        add_text(out, " up ");
        add_number(out, line->up_bytes);
        add_text(out, " down ");
        add_number(out, line->down_bytes);
    }
    add_text(out, " in ");
    add_number(out, line->ms);
    add_text(out, " ms");
    if (line->version) {
        add_text(out, " ");
        add_text(out, line->version);
    }
}

static void add_outcome(struct buf *out, const struct proxy_line *line)
{
    if (line->dropped)
        add_text(out, " dropped");
    if (line->kind == PROXY_LINE_MESSAGE) {
        bool changed = line->request_changed || line->response_changed;
        add_text(out, changed ? " changed" : "");
        return;
    }
    if (line->request_changed || line->response_changed)
        add_text(out, !line->response_changed  ? " request-changed"
                      : !line->request_changed ? " response-changed"
                                               : " both-changed");
    if (line->verdict) {
        add_text(out, " ");
        add_text(out, line->verdict);
    }
    if (line->how) {
        add_text(out, " (");
        add_text(out, line->how);
        add_text(out, ")");
    }
    if (line->reason) {
        add_text(out, has_failed(line) ? " failed (" : " (");
        look_escape(out, line->reason, strlen(line->reason), true);
        add_text(out, ")");
    }
}

/* ---- a row of the table -------------------------------------------------- */

/* Widths; 0: no such column. */
struct columns {
    size_t clock, method, status, size, took, marks;
    size_t address; /* what the others leave */
};

static struct columns columns_of(const struct look *look, bool exchange)
{
    struct columns wide = {8, 7, 8, 7, 7, 8, 0};
    struct columns narrow = {0, 5, exchange ? 4 : 8, 0, 6, 3, 0};
    struct columns columns = look->term.width < WIDE ? narrow : wide;
    const size_t taken[] = {columns.clock, columns.method, columns.status,
                            columns.size,  columns.took,   columns.marks};
    columns.address = look->term.width;
    for (unsigned i = 0; i < sizeof taken / sizeof *taken; i++)
        columns.address -= taken[i] ? taken[i] + 1 : 0;
    return columns;
}

static void add_blanks(struct buf *out, size_t count)
{
    while (count--)
        add_text(out, " ");
}

/* Ours or escaped before: a byte is a column. */
static void add_cell(struct buf *out, const char *text, size_t len,
                     size_t width, bool right)
{
    size_t shown = len < width ? len : width;
    if (right)
        add_blanks(out, width - shown);
    (void)buf_append(out, text, shown);
    if (!right)
        add_blanks(out, width - shown);
}

static void add_word(struct buf *out, const char *text, size_t width,
                     bool right)
{
    add_cell(out, text, strlen(text), width, right);
    add_text(out, width ? " " : "");
}

/* What is cut ends in dots. */
static void add_cut(struct buf *out, const struct buf *text, size_t width)
{
    const char *bytes = (const char *)buf_head(text);
    bool cut = buf_len(text) > width;
    size_t shown = cut && width > 2 ? width - 2 : width;
    add_cell(out, bytes, buf_len(text), shown, false);
    add_text(out, shown < width ? ".." : "");
}

/* Where both do not fit, the path says more than the rest of the name. */
static void add_place(struct buf *out, const struct proxy_line *line,
                      size_t width)
{
    enum { NAME_LEAST = 8 };
    struct buf name = {0}, path = {0};
    look_escape(&name, line->host, line->host_len, false);
    if (line->kind == PROXY_LINE_HTTP || line->kind == PROXY_LINE_MESSAGE)
        look_escape(&path, line->target, line->target_len, false);
    size_t room = width > buf_len(&path) ? width - buf_len(&path) : 0;
    if (room < NAME_LEAST)
        room = NAME_LEAST;
    if (room > buf_len(&name))
        room = buf_len(&name);
    add_cut(out, &name, room);
    add_cut(out, &path, width - room);
    add_text(out, " ");
    buf_free(&name);
    buf_free(&path);
}

static const char *colour_of(const struct proxy_line *line)
{
    bool refused = line->verdict && !strcmp(line->verdict, "refused");
    if (refused || line->dropped || line->status >= 400 || has_failed(line))
        return TERM_BAD;
    if (line->status >= 300)
        return TERM_CODE;
    return line->status >= 200 ? TERM_GOOD : TERM_FAINT;
}

/* Without colours the words say it: 404, refused. A star: changed. */
static void add_status(struct buf *out, const struct look *look,
                       const struct proxy_line *line, size_t width)
{
    char number[16] = "-";
    const char *word = number;
    bool changed = line->request_changed || line->response_changed;
    if (line->kind == PROXY_LINE_MESSAGE)
        snprintf(number, sizeof number, "%s%s",
                 line->dropped ? "dropped" : line->spoken, changed ? "*" : "");
    else if (line->status > 0)
        snprintf(number, sizeof number, "%d%s", line->status,
                 changed ? "*" : "");
    else if (line->verdict)
        word = line->verdict;
    else if (has_failed(line))
        word = width < strlen("failed") ? "fail" : "failed";
    add_text(out, term_mark(&look->term, colour_of(line)));
    add_word(out, word, width, false);
    add_text(out, term_mark(&look->term, TERM_PLAIN));
}

/* Behind the figures: what was spoken. */
static void add_marks(struct buf *out, const struct look *look,
                      const struct proxy_line *line, size_t width)
{
    const char *marks = marks_of(line);
    add_text(out, " ");
    add_text(out, term_mark(&look->term, TERM_FAINT));
    (void)buf_append(out, marks, strnlen(marks, width));
    add_text(out, term_mark(&look->term, TERM_PLAIN));
}

/* What stands below a row begins where its status does. */
static size_t indent_of(const struct columns *columns)
{
    return (columns->clock ? columns->clock + 1 : 0) + columns->method + 1;
}

/* The next words of `text` that fit, without the blank behind them; a word
 * that is longer than all is cut. */
static size_t words_that_fit(const char *text, size_t len, size_t width)
{
    size_t fit = width;
    if (len <= width)
        return len;
    while (fit && text[fit] != ' ')
        fit--;
    return fit ? fit : width;
}

/* Below the row, as many lines as it takes. */
static void add_trouble(struct buf *out, const struct look *look,
                        const struct proxy_line *line,
                        const struct columns *columns)
{
    struct buf escaped = {0};
    size_t indent = indent_of(columns), width = look->term.width - indent;
    look_escape(&escaped, line->reason, strlen(line->reason), true);
    const char *text = (const char *)buf_head(&escaped);
    size_t len = buf_len(&escaped);
    while (len) {
        size_t fit = words_that_fit(text, len, width);
        add_text(out, "\n");
        add_blanks(out, indent);
        add_text(out, term_mark(&look->term, TERM_FAINT));
        (void)buf_append(out, text, fit);
        add_text(out, term_mark(&look->term, TERM_PLAIN));
        fit += fit < len && text[fit] == ' ';
        text += fit;
        len -= fit;
    }
    buf_free(&escaped);
}

/* Of a refusal: on a line of its own, it may be long. */
static void add_reason(struct buf *out, const struct look *look,
                       const struct proxy_line *line,
                       const struct columns *columns)
{
    add_text(out, "\n");
    add_blanks(out, indent_of(columns));
    add_text(out, term_mark(&look->term, TERM_FAINT));
    /* A name leads somewhere; a refusal comes from somebody. */
    bool leads = line->spoken && !strcmp(line->spoken, "dns");
    bool says = line->spoken && !strcmp(line->spoken, "proxied");
    add_text(out, leads ? "-> " : says ? "" : "by ");
    add_text(out, line->how);
    if (leads && line->response_changed)
        add_text(out, " (changed)");
    add_text(out, term_mark(&look->term, TERM_PLAIN));
}

static void add_row(struct buf *out, const struct look *look,
                    const struct proxy_line *line)
{
    struct buf text = {0};
    char figure[LOOK_FIGURE];
    bool exchange = line->kind == PROXY_LINE_HTTP;
    struct columns columns = columns_of(look, exchange);
    if (columns.clock) {
        add_clock(out);
        add_text(out, " ");
    }
    if (exchange)
        look_escape(&text, line->method, line->method_len, false);
    else
        add_text(&text, method_of(line));
    add_cut(out, &text, columns.method);
    add_text(out, " ");
    buf_free(&text);
    add_status(out, look, line, columns.status);
    add_place(out, line, columns.address);
    look_size(line->up_bytes + line->down_bytes, figure);
    add_word(out, line->kind == PROXY_LINE_TLS ? "" : figure, columns.size,
             true);
    look_time(line->ms, figure);
    if (line->kind == PROXY_LINE_MESSAGE) /* it is there, or it is not */
        figure[0] = 0;
    add_cell(out, figure, strlen(figure), columns.took, true);
    add_marks(out, look, line, columns.marks);
    if (line->how)
        add_reason(out, look, line, &columns);
    if (line->reason)
        add_trouble(out, look, line, &columns);
}

void look_title(const struct look *look, struct buf *out)
{
    struct columns columns = columns_of(look, true);
    if (!look->table)
        return;
    add_text(out, term_mark(&look->term, TERM_BOLD));
    add_word(out, "time", columns.clock, false);
    add_word(out, columns.clock ? "method" : "", columns.method, false);
    add_word(out, columns.clock ? "status" : "", columns.status, false);
    add_word(out, "address", columns.address, false);
    add_word(out, "size", columns.size, true);
    add_word(out, "took", columns.took, true);
    add_text(out, term_mark(&look->term, TERM_PLAIN));
    add_text(out, "\n");
}

/* ---- what is below it ---------------------------------------------------- */

static void add_body(struct buf *out, const struct look *look,
                     const struct message *message, const char *arrow)
{
    size_t len = message->has_body ? buf_len(&message->body) : 0;
    if (!len || look->detail < LOOK_BODIES)
        return;
    size_t shown = len < BODY_SHOWN ? len : BODY_SHOWN;
    add_text(out, arrow);
    add_text(out, "| ");
    look_escape(out, buf_head(&message->body), shown, true);
    if (shown < len) {
        add_text(out, " ... of ");
        add_number(out, len);
    }
    add_text(out, "\n");
}

static void add_first_line(struct buf *out, const struct message *message)
{
    bool asks = message->kind == HTTP1_REQUEST;
    const char *const words[] = {message->method, message->target};
    for (unsigned i = 0; asks && i < 2; i++) {
        look_escape(out, words[i], strlen(words[i]), true);
        add_text(out, " ");
    }
    add_text(out, message->major == 2 ? "HTTP/2"
                  : message->minor    ? "HTTP/1.1"
                                      : "HTTP/1.0");
    if (asks)
        return;
    add_text(out, " ");
    add_number(out, (uint64_t)message->status);
    if (message->reason && *message->reason) {
        add_text(out, " ");
        look_escape(out, message->reason, strlen(message->reason), true);
    }
}

static void add_head(struct buf *out, const struct look *look,
                     const struct message *message, bool changed)
{
    const char *arrow = message->kind == HTTP1_REQUEST ? "  > " : "  < ";
    add_text(out, arrow);
    add_text(out, term_mark(&look->term, TERM_BOLD));
    add_first_line(out, message);
    add_text(out, term_mark(&look->term, TERM_PLAIN));
    if (changed) {
        add_text(out, term_mark(&look->term, TERM_BAD));
        add_text(out, "  (changed)");
        add_text(out, term_mark(&look->term, TERM_PLAIN));
    }
    add_text(out, "\n");
    for (unsigned i = 0; i < message->fields_count; i++) {
        const struct message_field *field = &message->fields[i];
        add_text(out, arrow);
        look_escape(out, field->name, strlen(field->name), false);
        add_text(out, ": ");
        look_escape(out, field->value, strlen(field->value), true);
        add_text(out, "\n");
    }
    add_body(out, look, message, arrow);
}

/* The code of a goodbye is two bytes (RFC 6455 5.5.1). */
static size_t add_close_code(struct buf *out, const struct proxy_line *line)
{
    const struct filter_text *body = &line->subject->body;
    const uint8_t *bytes = (const uint8_t *)body->bytes;
    if (strcmp(line->spoken, "close") != 0 || body->len < 2)
        return 0;
    add_number(out, (uint64_t)(bytes[0] << 8 | bytes[1]));
    add_text(out, body->len > 2 ? " " : "");
    return 2;
}

/* How a message begins. */
static void add_words(struct buf *out, const struct look *look,
                      const struct proxy_line *line)
{
    enum { FRAME = 8, SHORT = 72 };
    const struct filter_text *body = &line->subject->body;
    uint64_t size = line->up_bytes + line->down_bytes;
    size_t most = look->detail >= LOOK_BODIES ? BODY_SHOWN
                  : look->table && look->term.width < SHORT + FRAME
                      ? look->term.width - FRAME
                      : SHORT;
    size_t shown = body->len < most ? body->len : most;
    if (!body->len)
        return;
    add_text(out, goes_up(line) ? "  > | " : "  < | ");
    size_t code = add_close_code(out, line);
    look_escape(out, body->bytes + code, shown - code, true);
    if (shown < size) {
        add_text(out, " ... of ");
        add_number(out, size);
    }
    add_text(out, "\n");
}

/* What the resolver said, or whoever spoke in its place. */
static void add_detail(struct buf *out, const char *lines)
{
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        add_text(out, "  < ");
        look_escape(out, lines, len, true);
        add_text(out, "\n");
        lines += len + (lines[len] != 0);
    }
}

void look_line(const struct look *look, const struct proxy_line *line,
               struct buf *out)
{
    const struct filter_subject *subject = line->subject;
    if (!buf_reserve(out, ROOM))
        return;
    if (look->table) {
        add_row(out, look, line);
    } else {
        add_plain(out, line);
        add_outcome(out, line);
    }
    add_text(out, "\n");
    if (look->detail < LOOK_HEADS || !subject)
        return;
    if (line->kind == PROXY_LINE_MESSAGE)
        add_words(out, look, line);
    if (line->detail)
        add_detail(out, line->detail);
    if (subject->request)
        add_head(out, look, subject->request, line->request_changed);
    if (subject->response)
        add_head(out, look, subject->response, line->response_changed);
}
