/* SPDX-License-Identifier: MIT
 *
 * Headings are lines that begin with '#'; nothing else of Markdown matters
 * here. Code blocks hide theirs. */
#include "labs/engine/guide.h"

#include "labs/engine/text.h"

#include <stdlib.h>
#include <string.h>

enum { GUIDE_MOST = 1 << 20 };

char *guide_read(const char *folder, struct err *err)
{
    char *path = text_join(folder, "README.md");
    char *text = text_read(path, GUIDE_MOST, NULL, err);
    free(path);
    return text;
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return *line ? line + 1 : line;
}

/* The rank of a heading, 0 for any other line. Fences are toggled. */
static unsigned rank_of(const char *line, bool *fenced)
{
    if (!strncmp(line, "```", 3))
        *fenced = !*fenced;
    unsigned rank = *fenced ? 0 : (unsigned)strspn(line, "#");
    return rank && line[rank] == ' ' ? rank : 0;
}

static bool is_title(const char *line, unsigned rank, const char *title)
{
    line += rank;
    line += strspn(line, " ");
    size_t len = strcspn(line, "\r\n");
    while (len && line[len - 1] == ' ')
        len--;
    return strlen(title) == len && !strncmp(line, title, len);
}

/* The line of this heading, and its rank. */
static const char *find_heading(const char *guide, const char *title,
                                unsigned *out_rank)
{
    bool fenced = false;
    for (const char *line = guide; *line; line = next_line(line)) {
        *out_rank = rank_of(line, &fenced);
        if (*out_rank && is_title(line, *out_rank, title))
            return line;
    }
    return NULL;
}

/* The first heading of at most this rank, or the end. */
static const char *find_end(const char *from, unsigned most)
{
    bool fenced = false;
    for (; *from; from = next_line(from)) {
        unsigned rank = rank_of(from, &fenced);
        if (rank && rank <= most)
            break;
    }
    return from;
}

/* A copy without blank lines around it. */
static char *trimmed(const char *from, const char *end)
{
    while (from < end && strchr("\r\n", *from))
        from++;
    while (end > from && strchr(" \r\n", end[-1]))
        end--;
    return strndup(from, (size_t)(end - from));
}

bool guide_has(const char *guide, const char *title)
{
    unsigned rank;
    return find_heading(guide, title, &rank) != NULL;
}

char *guide_section(const char *guide, const char *title)
{
    unsigned rank;
    const char *heading = find_heading(guide, title, &rank);
    if (!heading)
        return NULL;
    const char *from = next_line(heading);
    return trimmed(from, find_end(from, rank));
}

char *guide_introduction(const char *guide)
{
    bool fenced = false;
    const char *from = guide;
    if (rank_of(from, &fenced) == 1)
        from = next_line(from);
    return trimmed(from, find_end(from, 6));
}

char *guide_closing(const char *guide, const char *title)
{
    unsigned rank;
    const char *heading = find_heading(guide, title, &rank);
    if (!heading)
        return strdup("");
    const char *from = find_end(next_line(heading), rank);
    return trimmed(from, from + strlen(from));
}

void guide_split(const char *section, char **out_before, char **out_after)
{
    bool fenced = false, blank = true;
    const char *line = section;
    for (; *line; line = next_line(line)) {
        bool bold = blank && !fenced && !strncmp(line, "**", 2);
        if (rank_of(line, &fenced) || bold)
            break;
        blank = *line == '\n' || *line == '\r';
    }
    *out_before = trimmed(section, line);
    *out_after = trimmed(line, line + strlen(line));
}
