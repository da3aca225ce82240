/* SPDX-License-Identifier: MIT
 *
 * md4c parses, we write: its own HTML renderer would keep `javascript:` links,
 * and headings that break the order of the report's. */
#include "labs/report/guide.h"

#include <md4c.h>
#include <string.h>
#include <strings.h>

enum { MARKDOWN_MOST = 128 << 10 };

struct writing {
    struct out *out;
    unsigned level;
    unsigned heading; /* the last level used: headings step down one by one */
};

static const char *const block_tags[] = {
    [MD_BLOCK_QUOTE] = "blockquote",
    [MD_BLOCK_UL] = "ul",
    [MD_BLOCK_LI] = "li",
    [MD_BLOCK_P] = "p",
    [MD_BLOCK_TABLE] = "table",
    [MD_BLOCK_THEAD] = "thead",
    [MD_BLOCK_TBODY] = "tbody",
    [MD_BLOCK_TR] = "tr",
    [MD_BLOCK_TD] = "td",
    [MD_BLOCK_OL] = "ol",
};

static const char *const span_tags[] = {
    [MD_SPAN_EM] = "em",
    [MD_SPAN_STRONG] = "strong",
    [MD_SPAN_CODE] = "code",
    [MD_SPAN_DEL] = "del",
};

static const char *tag(const char *const *tags, size_t count, unsigned type)
{
    return type < count ? tags[type] : NULL;
}

#define TAG(tags, type) tag(tags, sizeof tags / sizeof *tags, type)

static unsigned heading_level(struct writing *writing, unsigned in_guide)
{
    unsigned most = writing->heading + 1;
    unsigned level = writing->level + in_guide;
    level = level > most ? most : level;
    return writing->heading = level > 6 ? 6 : level;
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *userdata)
{
    struct writing *writing = userdata;
    struct out *out = writing->out;
    if (type == MD_BLOCK_H) {
        unsigned level = ((MD_BLOCK_H_DETAIL *)detail)->level;
        out_format(out, "<h%u>", heading_level(writing, level));
    } else if (type == MD_BLOCK_HR) {
        out_raw(out, "<hr>\n");
    } else if (type == MD_BLOCK_CODE) {
        out_raw(out, "<pre><code>");
    } else if (type == MD_BLOCK_TH) {
        out_raw(out, "<th scope=\"col\">");
    } else if (type == MD_BLOCK_TABLE) {
        out_raw(out, "<div class=\"wide\"><table>");
    } else if (type == MD_BLOCK_OL) {
        out_format(out, "<ol start=\"%u\">",
                   ((MD_BLOCK_OL_DETAIL *)detail)->start);
    } else if (TAG(block_tags, type)) {
        out_format(out, "<%s>", TAG(block_tags, type));
    }
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *userdata)
{
    (void)detail;
    struct writing *writing = userdata;
    struct out *out = writing->out;
    if (type == MD_BLOCK_H)
        out_format(out, "</h%u>\n", writing->heading);
    else if (type == MD_BLOCK_CODE)
        out_raw(out, "</code></pre>\n");
    else if (type == MD_BLOCK_TH)
        out_raw(out, "</th>");
    else if (type == MD_BLOCK_TABLE)
        out_raw(out, "</table></div>\n");
    else if (TAG(block_tags, type))
        out_format(out, "</%s>\n", TAG(block_tags, type));
    return 0;
}

static bool may_link(const MD_ATTRIBUTE *href)
{
    static const char *const starts[] = {"https://", "http://", "#"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t len = strlen(starts[i]);
        if (href->size > len && !strncasecmp(href->text, starts[i], len))
            return true;
    }
    return false;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *userdata)
{
    struct writing *writing = userdata;
    struct out *out = writing->out;
    if (type == MD_SPAN_A) {
        const MD_ATTRIBUTE *href = &((MD_SPAN_A_DETAIL *)detail)->href;
        out_raw(out, "<a");
        if (may_link(href)) {
            out_raw(out, " rel=\"noreferrer\" href=\"");
            out_html(out, (struct text){href->text, href->size});
            out_raw(out, "\"");
        }
        out_raw(out, ">");
    } else if (TAG(span_tags, type)) {
        out_format(out, "<%s>", TAG(span_tags, type));
    }
    return 0;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *userdata)
{
    (void)detail;
    struct writing *writing = userdata;
    if (type == MD_SPAN_A)
        out_raw(writing->out, "</a>");
    else if (TAG(span_tags, type))
        out_format(writing->out, "</%s>", TAG(span_tags, type));
    return 0;
}

/* The names that people write in prose; any other stays as it was typed. */
static void put_entity(struct out *out, struct text name)
{
    static const char *const known[] = {"&amp;",   "&lt;",     "&gt;",
                                        "&quot;",  "&nbsp;",   "&ndash;",
                                        "&mdash;", "&hellip;", "&rarr;"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_is(name, known[i])) {
            out_raw(out, known[i]);
            return;
        }
    out_html(out, name);
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size,
                   void *userdata)
{
    struct writing *writing = userdata;
    struct text all = {text, size};
    if (type == MD_TEXT_BR)
        out_raw(writing->out, "<br>\n");
    else if (type == MD_TEXT_SOFTBR)
        out_raw(writing->out, "\n");
    else if (type == MD_TEXT_ENTITY)
        put_entity(writing->out, all);
    else
        out_html_block(writing->out, all);
    return 0;
}

void guide_html(struct text markdown, unsigned level, struct out *out)
{
    struct writing writing = {.out = out, .level = level, .heading = level};
    MD_PARSER parser = {
        .flags = MD_FLAG_NOHTML | MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH,
        .enter_block = enter_block,
        .leave_block = leave_block,
        .enter_span = enter_span,
        .leave_span = leave_span,
        .text = on_text,
    };
    if (markdown.len > MARKDOWN_MOST)
        markdown.len = MARKDOWN_MOST;
    if (md_parse(markdown.bytes, (MD_SIZE)markdown.len, &parser, &writing))
        out->failed = true;
}
