/* SPDX-License-Identifier: MIT
 *
 * The matrix without any network: who is meant by a list, what a client file
 * may say, what is fair, what the table, the page and the comparison say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "labs/matrix/page.h"
#include "labs/matrix/paper.h"
#include "labs/matrix/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a matrix by hand ---------------------------------------------------- */

static void accept_cell(struct matrix *matrix, unsigned client, const char *row,
                        bool yes)
{
    for (unsigned i = 0; i < matrix->rows_count; i++)
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++) {
            if (strcmp(matrix->rows[i].id, row) != 0)
                continue;
            struct cell *cell = matrix_cell(matrix, client, i, v);
            cell->state = yes ? CELL_ACCEPTED : CELL_REFUSED;
            cell->how = yes ? "data" : "alert";
            cell->alert = yes ? -1 : 42;
            cell->finished = yes;
            cell->app_bytes = yes ? 70 : 0;
        }
}

/* The careful client and node, c00, c01, t03 and k01. */
static struct matrix *new_matrix(const char *node_version)
{
    struct err err = ERR_INIT;
    struct matrix *matrix = calloc(1, sizeof *matrix);
    assert_non_null(matrix);
    int rows = rows_select("t03,k01", matrix->rows, &err);
    assert_int_equal(rows, 2);
    matrix->rows_count = 2;
    matrix->versions[MATRIX_12] = matrix->versions[MATRIX_13] = true;
    assert_int_equal(clients_open("careful,node", &matrix->clients, &err), 0);
    assert_int_equal(matrix->clients.count, 2);
    assert_int_equal(matrix_open(matrix, &err), 0);
    assert_int_equal(matrix->rows_count, 4);
    snprintf(matrix->when, sizeof matrix->when, "2026-01-01T00:00:00Z");
    snprintf(matrix->clients.list[1]->version, 48, "%s", node_version);
    for (unsigned c = 0; c < 2; c++) {
        matrix->clients.list[c]->found = true;
        accept_cell(matrix, c, "c00", true);
        accept_cell(matrix, c, "c01", true);
        accept_cell(matrix, c, "t03", false);
        accept_cell(matrix, c, "k01", c == 1);
    }
    return matrix;
}

static void free_matrix(struct matrix *matrix)
{
    matrix_close(matrix);
    free(matrix);
}

static char *table_at(const struct matrix *matrix, unsigned width)
{
    const struct term term = {.width = width};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    table_print(matrix, &term, out);
    fclose(out);
    return text;
}

/* ---- clients ------------------------------------------------------------- */

static void a_misspelt_client_is_offered_the_nearest(void **state)
{
    struct clients clients;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(clients_open("crul", &clients, &err), -1);
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "did you mean curl?"));
}

static void letters_are_different_for_all(void **state)
{
    struct clients clients;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(clients_open(NULL, &clients, &err), 0);
    assert_true(clients.count > 12);
    for (unsigned i = 0; i < clients.count; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(clients.list[i]->letters,
                                    clients.list[j]->letters);
    clients_close(&clients);
}

static void what_is_optional_comes_when_it_is_named(void **state)
{
    struct clients clients;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(clients_open(NULL, &clients, &err), 0);
    for (unsigned i = 0; i < clients.count; i++)
        assert_string_not_equal(clients.list[i]->id, "go");
    clients_close(&clients);
    assert_int_equal(clients_open("go", &clients, &err), 0);
    assert_int_equal(clients.count, 1);
    clients_close(&clients);
}

static void read_client(const char *text, struct clients *out, struct err *err,
                        int expected)
{
    char path[] = "/tmp/mitmlab-XXXXXX.client";
    int fd = mkstemps(path, 7);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    assert_int_equal(clients_open(path, out, err), expected);
    unlink(path);
}

static void a_client_can_be_a_file_of_ones_own(void **state)
{
    struct clients clients;
    struct err err = ERR_INIT;
    (void)state;
    read_client("# mine\nversion = true\nvisit = fetch {url}\n", &clients, &err,
                0);
    assert_int_equal(clients.count, 1);
    assert_string_equal(clients.list[0]->visit, "fetch {url}");
    assert_false(clients.list[0]->own);
    clients_close(&clients);

    read_client("version = true\nvist = fetch {url}\n", &clients, &err, -1);
    assert_non_null(strstr(err.text, ":2: no key \"vist\" (did you mean "
                                     "visit?)"));
    read_client("version = true\n", &clients, &err, -1);
    assert_non_null(strstr(err.text, "\"visit\" or \"batch\""));
}

static void blanks_are_filled_word_by_word(void **state)
{
    const struct client_blank blanks[] = {
        {"url", "https://h:1/"}, {"trust", "a b"}, {NULL, NULL}};
    char *words[CLIENT_WORDS_MOST + 1];
    (void)state;
    unsigned count =
        client_words("x  --ca={trust} {url} {other} {", blanks, words);
    assert_int_equal(count, 5);
    assert_string_equal(words[1], "--ca=a b");
    assert_string_equal(words[2], "https://h:1/");
    assert_string_equal(words[3], "{other}");
    assert_string_equal(words[4], "{");
    assert_null(words[5]);
    for (unsigned i = 0; i < count; i++)
        free(words[i]);
}

/* ---- judging ------------------------------------------------------------- */

static void who_refuses_a_control_is_not_judged(void **state)
{
    (void)state;
    struct matrix *matrix = new_matrix("20.1");
    accept_cell(matrix, 1, "c01", false);
    matrix_judge(matrix);
    assert_string_equal(matrix->unfair[0][MATRIX_12], "");
    assert_non_null(strstr(matrix->unfair[1][MATRIX_13],
                           "it refused c01 (bad_certificate)"));
    assert_int_equal(matrix_cell(matrix, 1, 3, MATRIX_13)->state, CELL_UNFAIR);
    assert_int_equal(matrix_cell(matrix, 0, 3, MATRIX_13)->state, CELL_REFUSED);
    assert_int_equal(matrix_wrong(matrix, 1), 0);
    char *text = table_at(matrix, 80);
    assert_non_null(strstr(text, "rig not fair for this client"));
    free(text);
    free_matrix(matrix);
}

/* ---- showing ------------------------------------------------------------- */

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    struct matrix *matrix = new_matrix("20.1");
    for (unsigned width = 40; width <= 200; width += 7) {
        char *text = table_at(matrix, width), *rest = text, *line;
        while ((line = strsep(&rest, "\n")))
            if (strlen(line) > width)
                fail_msg("%u: %s", width, line);
        free(text);
    }
    free_matrix(matrix);
}

static void what_was_accepted_stands_out_without_colour(void **state)
{
    (void)state;
    struct matrix *matrix = new_matrix("20.1");
    char *narrow = table_at(matrix, 40), *wide = table_at(matrix, 160);
    assert_non_null(strstr(narrow, "\nk01  .. AA"));
    assert_non_null(strstr(narrow, "\nc00  aa aa"));
    assert_non_null(strstr(narrow, "k01  RSA key of 1024 bits: node"));
    assert_non_null(strstr(wide, "ACCEPTED"));
    assert_null(strchr(narrow, '\033'));
    free(narrow);
    free(wide);
    free_matrix(matrix);
}

/* Every cell of the page leads to a paragraph of the page. */
static void each_cell_of_the_page_has_its_paragraph(void **state)
{
    (void)state;
    struct matrix *matrix = new_matrix("20.1<script>");
    char *page = page_write(matrix), id[64];
    unsigned links = 0;
    assert_non_null(page);
    assert_null(strstr(page, "<script"));
    for (char *at = page; (at = strstr(at, "href=\"#")); links++) {
        at += strlen("href=\"#");
        snprintf(id, sizeof id, "id=\"%.*s\"", (int)strcspn(at, "\""), at);
        if (!strstr(page, id))
            fail_msg("nothing has %s", id);
    }
    assert_int_equal(links, 4 + 4 * 2 * 2);
    free(page);
    free_matrix(matrix);
}

/* ---- comparing ----------------------------------------------------------- */

static void a_comparison_names_both_versions(void **state)
{
    (void)state;
    struct matrix *before = new_matrix("20.1"), *now = new_matrix("22.2");
    accept_cell(now, 1, "k01", false);
    json_t *paper = paper_write(before);
    json_t *diff = paper_diff(paper, now);
    assert_int_equal(json_array_size(diff), 2);
    const json_t *first = json_array_get(diff, 0);
    assert_string_equal(json_string_value(json_object_get(first, "sentence")),
                        "k01 in TLS 1.2: before, node 20.1 accepts; now, node "
                        "22.2 refuses with bad_certificate");
    json_decref(diff);
    diff = paper_diff(paper, before);
    assert_int_equal(json_array_size(diff), 0);
    json_decref(diff);
    json_decref(paper);
    free_matrix(before);
    free_matrix(now);
}

static void only_a_paper_of_ours_is_compared_with(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    assert_null(paper_load("/dev/null", &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_null(paper_load("/there/is/nothing", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_misspelt_client_is_offered_the_nearest),
        cmocka_unit_test(letters_are_different_for_all),
        cmocka_unit_test(what_is_optional_comes_when_it_is_named),
        cmocka_unit_test(a_client_can_be_a_file_of_ones_own),
        cmocka_unit_test(blanks_are_filled_word_by_word),
        cmocka_unit_test(who_refuses_a_control_is_not_judged),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(what_was_accepted_stands_out_without_colour),
        cmocka_unit_test(each_cell_of_the_page_has_its_paragraph),
        cmocka_unit_test(a_comparison_names_both_versions),
        cmocka_unit_test(only_a_paper_of_ours_is_compared_with),
    };
    return cmocka_run_group_tests_name("matrix_paper", tests, NULL, NULL);
}
