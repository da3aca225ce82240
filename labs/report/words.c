/* SPDX-License-Identifier: MIT */
#include "labs/report/words.h"

#include <string.h>

static const struct status {
    const char *status, *words, *step_words, *sentence;
    bool good;
} statuses[] = {
    {"passed", "Goal reached", "As expected",
     "Everything that the lab asks for was shown.", true},
    {"failed", "Goal not reached", "Not as expected",
     "The lab ran to its end, and something that it asks for is missing.",
     false},
    {"partial", "Partial", "Partial",
     "The lab ran, but what it recorded or could start is not complete.",
     false},
    {"interrupted", "Interrupted", "Interrupted",
     "The run was ended early; this is what had happened until then.", false},
    {"error", "Not run", "Not run",
     "The machine or mitmlab failed, not the lab; this is no result.", false},
    {"skipped", "Skipped", "Skipped", "This machine could not do it.", false},
};

static const struct status *find(struct text status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (text_is(status, statuses[i].status))
            return &statuses[i];
    static const struct status unknown = {"", "Unknown state", "Unknown",
                                          "The status is not one that this "
                                          "program knows.",
                                          false};
    return &unknown;
}

const char *status_words(struct text status)
{
    return find(status)->words;
}

const char *step_words(const struct step *step)
{
    return find(step->status)->step_words;
}

const char *status_sentence(struct text status)
{
    return find(status)->sentence;
}

bool status_is_good(struct text status)
{
    return find(status)->good;
}

struct tally step_tally(const struct step *step)
{
    struct tally tally = {.expected = step->expectations_count};
    for (unsigned i = 0; i < step->predictions_count; i++) {
        tally.asked += step->predictions[i].was_given;
        tally.right +=
            step->predictions[i].was_given && step->predictions[i].right;
    }
    for (unsigned i = 0; i < step->expectations_count; i++)
        tally.held += step->expectations[i].held;
    return tally;
}

static bool starts(struct text text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && !memcmp(text.bytes, with, len);
}

void split_guide(struct text guide, struct text *before, struct text *after)
{
    struct text rest = guide;
    bool fenced = false, blank = true;
    while (rest.len) {
        if (starts(rest, "```"))
            fenced = !fenced;
        else if (!fenced &&
                 (starts(rest, "#") || (blank && starts(rest, "**"))))
            break;
        blank = *rest.bytes == '\n' || *rest.bytes == '\r';
        const char *end = memchr(rest.bytes, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.bytes) + 1 : rest.len;
        rest.bytes += len;
        rest.len -= len;
    }
    *before = (struct text){guide.bytes, guide.len - rest.len};
    *after = rest;
}

struct text report_command(struct report *report)
{
    if (report->command.len)
        return report->command;
    char lab[64];
    text_line(report->lab, lab, sizeof lab - 1);
    const char *made =
        report->has_seed
            ? arena_printf(&report->arena, "mitmlab run %s --seed %lld", lab,
                           report->seed)
            : arena_printf(&report->arena, "mitmlab run %s", lab);
    return text_of(made);
}

long long span_ms(long long t0, long long t1)
{
    return t0 > 0 && t1 >= t0 ? (t1 - t0) / 1000000 : -1;
}

/* More escapes than words: nobody reads that. */
static bool is_gibberish(struct text text)
{
    size_t strange = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        bool escape = c == '\\' && i + 1 < text.len && text.bytes[i + 1] == 'x';
        strange += escape || (c < 0x20 && !strchr("\t\r\n", c)) || c > 0x7e;
    }
    return 8 * strange > text.len;
}

bool decoded_is_seen(const struct evidence *evidence)
{
    struct text bytes = evidence->bytes, decoded = evidence->decoded;
    if (is_gibberish(decoded))
        return true;
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.bytes[i] < 0x20 || bytes.bytes[i] > 0x7e)
            return false;
    return bytes.len == decoded.len &&
           !memcmp(bytes.bytes, decoded.bytes, bytes.len);
}

void out_hex(struct out *out, struct text bytes)
{
    for (size_t at = 0; at < bytes.len; at += 16) {
        size_t count = bytes.len - at < 16 ? bytes.len - at : 16;
        out_format(out, "%04zx ", at);
        for (size_t i = 0; i < 16; i++) {
            if (i < count)
                out_format(out, " %02x", (unsigned char)bytes.bytes[at + i]);
            else
                out_raw(out, "   ");
            if (i == 7)
                out_raw(out, " ");
        }
        out_raw(out, "  ");
        for (size_t i = 0; i < count; i++) {
            char byte = bytes.bytes[at + i];
            out_bytes(out, byte >= 0x20 && byte < 0x7f ? &byte : ".", 1);
        }
        out_raw(out, "\n");
    }
}
