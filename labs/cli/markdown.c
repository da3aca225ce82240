/* SPDX-License-Identifier: MIT
 *
 * Markdown on a terminal, on the callbacks of md4c. A block is collected with
 * style marks in it and printed when it ends. */
#include "labs/cli/term.h"

#include "proxy/base/buf.h"

#include <md4c.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MOST = 6, LISTS_MOST = 8 };

struct page {
    FILE *out;
    const struct term *term;
    struct buf block;       /* the text of the block that is being read */
    bool tight;             /* no blank line before the next block */
    bool code;              /* inside a code block: lines stay as they are */
    unsigned list;          /* depth of lists */
    int number[LISTS_MOST]; /* of the next item; 0: a bullet */
    char head[16];          /* of the item that begins here */
    unsigned quote;         /* depth of quotations */
    /* the row of a table that is being read */
    char *cells[COLUMNS_MOST];
    unsigned cell;
    char *titles[COLUMNS_MOST]; /* the cells of its head */
    unsigned columns;
    bool header;
};

static const char *text_of(struct page *page)
{
    if (buf_append(&page->block, "", 1))
        return "";
    return (const char *)buf_head(&page->block);
}

static unsigned indent_of(const struct page *page)
{
    unsigned lists = page->list ? page->list - 1 : 0;
    return 2 * page->quote + 2 * lists;
}

static void gap(struct page *page)
{
    if (!page->tight)
        fputc('\n', page->out);
    page->tight = false;
}

static void print_block(struct page *page)
{
    if (!buf_len(&page->block))
        return;
    const char *head = page->head[0] ? page->head : page->list ? "  " : "";
    term_flow(page->out, page->term, text_of(page), indent_of(page), head);
    page->head[0] = '\0';
    buf_clear(&page->block);
}

static void print_code(struct page *page)
{
    const char *text = text_of(page);
    unsigned indent = indent_of(page) + 4 + (page->list ? 2 : 0);
    while (*text) {
        size_t len = strcspn(text, "\n");
        fprintf(page->out, "%*s", (int)indent, "");
        char *line = strndup(text, len);
        term_line(page->out, page->term, line ? line : "");
        free(line);
        fputc('\n', page->out);
        text += len + (text[len] == '\n');
    }
    buf_clear(&page->block);
}

/* ---- tables -------------------------------------------------------------- */

static void take_cell(struct page *page)
{
    if (page->cell < COLUMNS_MOST)
        page->cells[page->cell++] = strdup(text_of(page));
    buf_clear(&page->block);
}

static void forget(char **cells, unsigned *count)
{
    for (unsigned i = 0; i < *count; i++)
        free(cells[i]);
    *count = 0;
}

/* What stands behind the first cell, by its title where it might be mistaken
 * for another; a cell that is empty says nothing. */
static void print_cell(struct page *page, unsigned at)
{
    char title[80] = "";
    if (!*page->cells[at])
        return;
    if (page->columns > 2 && at < page->columns)
        snprintf(title, sizeof title, "%s: ", page->titles[at]);
    term_flow(page->out, page->term, page->cells[at], indent_of(page) + 6,
              title);
}

/* A row is printed as a list: the first cell leads, the others follow it
 * indented. It reads well at any width and aloud. */
static void print_row(struct page *page)
{
    if (page->header) {
        forget(page->titles, &page->columns);
        memcpy(page->titles, page->cells, sizeof page->titles);
        page->columns = page->cell;
        page->cell = 0;
        return;
    }
    if (page->cell)
        term_flow(page->out, page->term, page->cells[0], indent_of(page), "- ");
    for (unsigned i = 1; i < page->cell; i++)
        print_cell(page, i);
    forget(page->cells, &page->cell);
}

/* ---- callbacks ----------------------------------------------------------- */

static void begin_item(struct page *page)
{
    int *number = &page->number[(page->list - 1) % LISTS_MOST];
    print_block(page);
    if (*number)
        snprintf(page->head, sizeof page->head, "%d. ", (*number)++ % 1000);
    else
        snprintf(page->head, sizeof page->head, "- ");
}

static void begin_list(struct page *page, int first)
{
    print_block(page);
    if (!page->list)
        gap(page);
    page->number[page->list++ % LISTS_MOST] = first;
}

static int on_enter_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct page *page = user;
    switch (type) {
    case MD_BLOCK_UL:
        begin_list(page, 0);
        break;
    case MD_BLOCK_OL:
        begin_list(page, (int)((MD_BLOCK_OL_DETAIL *)detail)->start);
        break;
    case MD_BLOCK_LI:
        begin_item(page);
        break;
    case MD_BLOCK_QUOTE:
        page->quote++;
        break;
    case MD_BLOCK_CODE:
        print_block(page);
        gap(page);
        page->code = true;
        break;
    case MD_BLOCK_H:
        gap(page);
        buf_append_text(&page->block, TERM_BOLD);
        break;
    case MD_BLOCK_P:
        if (!page->head[0])
            gap(page);
        break;
    case MD_BLOCK_TABLE:
        gap(page);
        break;
    case MD_BLOCK_THEAD:
        page->header = true;
        break;
    default:
        break;
    }
    return 0;
}

static int on_leave_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct page *page = user;
    (void)detail;
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        print_block(page);
        page->list--;
        break;
    case MD_BLOCK_QUOTE:
        page->quote--;
        break;
    case MD_BLOCK_CODE:
        print_code(page);
        page->code = false;
        break;
    case MD_BLOCK_H:
        buf_append_text(&page->block, TERM_PLAIN);
        print_block(page);
        break;
    case MD_BLOCK_P:
    case MD_BLOCK_LI:
        print_block(page);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        take_cell(page);
        break;
    case MD_BLOCK_TR:
        print_row(page);
        break;
    case MD_BLOCK_THEAD:
        page->header = false;
        break;
    default:
        break;
    }
    return 0;
}

static int on_enter_span(MD_SPANTYPE type, void *detail, void *user)
{
    struct page *page = user;
    (void)detail;
    if (type == MD_SPAN_STRONG)
        buf_append_text(&page->block, TERM_BOLD);
    else if (type == MD_SPAN_CODE)
        buf_append_text(&page->block, page->term->colour ? TERM_CODE : "`");
    return 0;
}

static int on_leave_span(MD_SPANTYPE type, void *detail, void *user)
{
    struct page *page = user;
    (void)detail;
    if (type == MD_SPAN_STRONG)
        buf_append_text(&page->block, TERM_PLAIN);
    else if (type == MD_SPAN_CODE)
        buf_append_text(&page->block, page->term->colour ? TERM_PLAIN : "`");
    return 0;
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size,
                   void *user)
{
    struct page *page = user;
    if (type == MD_TEXT_SOFTBR)
        return buf_append_text(&page->block, " ");
    if (type == MD_TEXT_BR)
        return buf_append_text(&page->block, "\n");
    for (MD_SIZE i = 0; i < size; i++) {
        bool stays = (unsigned char)text[i] >= 0x20 || text[i] == '\n';
        if (stays && buf_append(&page->block, text + i, 1))
            return -1;
    }
    return 0;
}

void term_markdown(FILE *out, const struct term *term, const char *text)
{
    struct page page = {.out = out, .term = term, .tight = true};
    MD_PARSER parser = {
        .flags = MD_FLAG_TABLES | MD_FLAG_NOHTML,
        .enter_block = on_enter_block,
        .leave_block = on_leave_block,
        .enter_span = on_enter_span,
        .leave_span = on_leave_span,
        .text = on_text,
    };
    md_parse(text, (MD_SIZE)strlen(text), &parser, &page);
    forget(page.cells, &page.cell);
    forget(page.titles, &page.columns);
    buf_free(&page.block);
}
