/* SPDX-License-Identifier: MIT */
#include "labs/matrix/table.h"

#include <string.h>

enum { ID = 5, NARROW = 3, WORDS = 21, TITLE_LEAST = 24, LINE = 1024 };

const struct letter table_letters[] = {
    {'A', "accepted, and a careful client refuses it"},
    {'a', "accepted, as a careful client does"},
    {'.', "refused with an alert"},
    {'n', "refused: finished the handshake, then close_notify"},
    {'s', "refused: finished the handshake, then closed without a word"},
    {'x', "refused: closed inside the handshake without a word"},
    {'-', "not offered: nothing that the client offers fits the row"},
    {'?', "nothing decided in time"},
    {'!', "the rig is not fair for this client: it refused a control"},
    {0, ""},
};

/* ---- pieces -------------------------------------------------------------- */

/* Columns of the table: the clients that are here. */
struct columns {
    unsigned clients[CLIENTS_MOST], count;
    unsigned versions; /* of TLS */
};

static struct columns columns_of(const struct matrix *matrix)
{
    struct columns columns = {.count = 0};
    for (unsigned i = 0; i < matrix->clients.count; i++)
        if (matrix->clients.list[i]->found)
            columns.clients[columns.count++] = i;
    for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
        columns.versions += matrix->versions[v];
    return columns;
}

static char letter_of(const struct row *row, const struct cell *cell)
{
    char letter = cell_letter(cell);
    return letter == 'A' && !cell_is_wrong(row, cell) ? 'a' : letter;
}

static void add(char *line, const char *text)
{
    size_t used = strlen(line);
    snprintf(line + used, LINE - used, "%s", text);
}

static void pad(char *line, unsigned column)
{
    while (term_columns(line) < column)
        add(line, " ");
}

static void trim(char *line)
{
    for (size_t end = strlen(line); end && line[end - 1] == ' ';)
        line[--end] = 0;
}

/* Cut to what fits, with dots for what does not. */
static void add_cut(char *line, const char *text, size_t room)
{
    char cut[256];
    size_t len = strlen(text);
    if (room < 4)
        return;
    if (len > room) {
        len = room - 2;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
        snprintf(cut, sizeof cut, "%.*s..", (int)len, text);
    } else {
        snprintf(cut, sizeof cut, "%s", text);
    }
    add(line, cut);
}

/* ---- a letter a cell ----------------------------------------------------- */

static void add_letters(const struct matrix *matrix, unsigned client,
                        unsigned row, char *line)
{
    for (unsigned v = 0; v < MATRIX_VERSIONS; v++) {
        if (!matrix->versions[v])
            continue;
        const struct row *it = &matrix->rows[row];
        char letter[2] = {letter_of(it, matrix_cell(matrix, client, row, v)),
                          0};
        if (letter[0] == 'A' || letter[0] == '!')
            add(line, letter[0] == 'A' ? TERM_BAD : TERM_FAINT);
        add(line, letter);
        if (letter[0] == 'A' || letter[0] == '!')
            add(line, TERM_PLAIN);
    }
}

static void print_letters(const struct matrix *matrix,
                          const struct columns *columns, unsigned first,
                          unsigned count, const struct term *term, FILE *out)
{
    char line[LINE] = TERM_BOLD;
    pad(line, ID);
    for (unsigned i = 0; i < count; i++) {
        add(line, matrix->clients.list[columns->clients[first + i]]->letters);
        pad(line, ID + NARROW * (i + 1));
    }
    trim(line);
    add(line, TERM_PLAIN);
    term_line(out, term, line);
    fputc('\n', out);
    for (unsigned row = 0; row < matrix->rows_count; row++) {
        line[0] = 0;
        add(line, matrix->rows[row].id);
        pad(line, ID);
        for (unsigned i = 0; i < count; i++) {
            add_letters(matrix, columns->clients[first + i], row, line);
            pad(line, ID + NARROW * (i + 1));
        }
        unsigned used = ID + NARROW * count + 1;
        if (used + TITLE_LEAST / 2 < term->width) {
            pad(line, used);
            add_cut(line, matrix->rows[row].title, term->width - used);
        }
        trim(line);
        term_line(out, term, line);
        fputc('\n', out);
    }
}

static void print_blocks(const struct matrix *matrix,
                         const struct columns *columns, const struct term *term,
                         FILE *out)
{
    unsigned most = (term->width - ID) / NARROW;
    for (unsigned first = 0; first < columns->count; first += most) {
        unsigned left = columns->count - first;
        if (first)
            fputc('\n', out);
        print_letters(matrix, columns, first, left < most ? left : most, term,
                      out);
    }
    if (columns->versions == 2)
        term_wrap(out, "The first letter is TLS 1.2, the second TLS 1.3.",
                  term->width, 0);
}

static void print_legend(const struct matrix *matrix, const struct term *term,
                         FILE *out)
{
    bool used[128] = {false};
    const struct columns columns = columns_of(matrix);
    for (unsigned i = 0; i < columns.count; i++)
        for (unsigned row = 0; row < matrix->rows_count; row++)
            for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
                used[(unsigned char)letter_of(
                    &matrix->rows[row],
                    matrix_cell(matrix, columns.clients[i], row, v))] = true;
    for (const struct letter *it = table_letters; it->letter; it++) {
        char head[4] = {it->letter, ' ', ' ', 0};
        if (used[(unsigned char)it->letter])
            term_flow(out, term, it->words, 0, head);
    }
}

/* ---- words --------------------------------------------------------------- */

static void add_words(const struct matrix *matrix, unsigned client,
                      unsigned row, enum matrix_version version, char *line)
{
    const struct cell *cell = matrix_cell(matrix, client, row, version);
    bool wrong = cell_is_wrong(&matrix->rows[row], cell);
    const char *words = cell_words(cell);
    if (cell->state == CELL_ACCEPTED && !wrong)
        words = "accepted";
    add(line, wrong ? TERM_BAD : "");
    add_cut(line, words, WORDS - 1);
    add(line, wrong ? TERM_PLAIN : "");
}

static void print_words(const struct matrix *matrix,
                        const struct columns *columns, const struct term *term,
                        FILE *out)
{
    unsigned title =
        term->width - ID - WORDS * columns->count * columns->versions - 1;
    for (int row = -1; row < (int)matrix->rows_count; row++) {
        unsigned column = ID + title + 1;
        char line[LINE] = "", name[80];
        if (row < 0)
            add(line, TERM_BOLD);
        else
            add(line, matrix->rows[row].id);
        pad(line, ID);
        if (row >= 0)
            add_cut(line, matrix->rows[row].title, title);
        for (unsigned i = 0; i < columns->count; i++)
            for (unsigned v = 0; v < MATRIX_VERSIONS; v++) {
                if (!matrix->versions[v])
                    continue;
                pad(line, column);
                column += WORDS;
                unsigned client = columns->clients[i];
                snprintf(name, sizeof name, "%s %s",
                         matrix->clients.list[client]->id,
                         matrix_version_name(v));
                if (row < 0)
                    add_cut(line, name, WORDS - 1);
                else
                    add_words(matrix, client, (unsigned)row, v, line);
            }
        add(line, row < 0 ? TERM_PLAIN : "");
        term_line(out, term, line);
        fputc('\n', out);
    }
}

/* ---- who and what -------------------------------------------------------- */

static void say_unfair(const struct matrix *matrix, unsigned client,
                       const struct term *term, FILE *out)
{
    char text[256];
    for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
        if (*matrix->unfair[client][v]) {
            snprintf(text, sizeof text,
                     "rig not fair for this client in TLS %s: %s",
                     matrix_version_name(v), matrix->unfair[client][v]);
            term_flow(out, term, text, 4, "");
        }
}

void table_clients(const struct matrix *matrix, const struct term *term,
                   FILE *out)
{
    char text[512], head[8];
    for (unsigned i = 0; i < matrix->clients.count; i++) {
        const struct client *client = matrix->clients.list[i];
        snprintf(head, sizeof head, "%-4s", client->letters);
        if (!client->found)
            snprintf(text, sizeof text, "%s: not here: %s", client->id,
                     client->missing);
        else
            snprintf(text, sizeof text,
                     "%s%s%s: accepts %u of the %u rows that a careful client "
                     "refuses",
                     client->id, *client->version ? " " : "", client->version,
                     matrix_wrong(matrix, i), matrix_bad_rows(matrix));
        term_flow(out, term, text, 0, head);
        say_unfair(matrix, i, term, out);
    }
}

static void add_name(char *text, const struct matrix *matrix, unsigned client,
                     unsigned row)
{
    bool in[MATRIX_VERSIONS], could[MATRIX_VERSIONS];
    for (unsigned v = 0; v < MATRIX_VERSIONS; v++) {
        const struct cell *cell = matrix_cell(matrix, client, row, v);
        in[v] = matrix->versions[v] && cell_is_wrong(&matrix->rows[row], cell);
        could[v] = matrix->versions[v] && cell->state != CELL_CANNOT;
    }
    if (!in[0] && !in[1])
        return;
    add(text, *text ? ", " : "");
    add(text, matrix->clients.list[client]->id);
    if (in[0] != in[1] && could[0] && could[1])
        add(text, in[0] ? " (1.2 only)" : " (1.3 only)");
}

static bool has_real(const struct matrix *matrix)
{
    for (unsigned i = 0; i < matrix->clients.count; i++)
        if (matrix->clients.list[i]->found && !matrix->clients.list[i]->own)
            return true;
    return false;
}

/* Row by row, who accepts what a careful client refuses: the real clients if
 * there are any, because ours are flawed on purpose. */
static void print_findings(const struct matrix *matrix, const struct term *term,
                           FILE *out)
{
    bool any = false, real = has_real(matrix);
    for (unsigned row = 0; row < matrix->rows_count; row++) {
        char who[LINE] = "", text[LINE + 256], head[8];
        for (unsigned i = 0; i < matrix->clients.count; i++)
            if (matrix->clients.list[i]->found &&
                matrix->clients.list[i]->own != real)
                add_name(who, matrix, i, row);
        if (!*who)
            continue;
        if (!any)
            term_flow(out, term, "\nAccepted, and should not be", 0, "");
        any = true;
        snprintf(text, sizeof text, "%s: %s", matrix->rows[row].title, who);
        snprintf(head, sizeof head, "%-5s", matrix->rows[row].id);
        term_flow(out, term, text, 0, head);
    }
}

void table_print(const struct matrix *matrix, const struct term *term,
                 FILE *out)
{
    const struct columns columns = columns_of(matrix);
    unsigned wide = WORDS * columns.count * columns.versions;
    bool words = ID + TITLE_LEAST + 1 + wide <= term->width;
    if (words)
        print_words(matrix, &columns, term, out);
    else
        print_blocks(matrix, &columns, term, out);
    fputc('\n', out);
    if (!words)
        print_legend(matrix, term, out);
    if (!words)
        fputc('\n', out);
    table_clients(matrix, term, out);
    print_findings(matrix, term, out);
}
