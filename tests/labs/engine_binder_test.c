/* SPDX-License-Identifier: MIT
 *
 * The run folder: new ones, replaced ones, and those that must be left
 * alone. */
#include "labs/engine/binder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/binder-test-XXXXXX";

static const char *inside(const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *it = path[next++ % 4];
    snprintf(it, 256, "%s/%s", root, name);
    return it;
}

static bool is_there(const char *name)
{
    struct stat info;
    return !lstat(inside(name), &info);
}

static void put(struct binder *binder, const char *name, const char *text)
{
    struct err err = ERR_INIT;
    assert_int_equal(binder_write(binder, name, text, strlen(text), &err), 0);
}

static void a_new_folder_is_filled_where_it_stays(void **state)
{
    struct binder binder;
    struct err err = ERR_INIT;
    struct stat info;
    (void)state;
    assert_int_equal(binder_open(inside("new/"), "lab01", &binder, &err), 0);
    put(&binder, "result.json", "{}");
    assert_true(is_there("new/result.json"));
    stat(inside("new"), &info);
    assert_int_equal(info.st_mode & 0777, 0700);
    stat(inside("new/result.json"), &info);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(binder_settle(&binder, &err), 0);
    binder_close(&binder);
}

static void an_old_run_is_replaced_whole_at_the_end(void **state)
{
    struct binder binder;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(binder_open(inside("old"), "lab01", &binder, &err), 0);
    put(&binder, "result.json", "{}");
    put(&binder, "only-old", "x");
    binder_close(&binder);
    assert_int_equal(binder_open(inside("old"), "lab01", &binder, &err), 0);
    put(&binder, "result.json", "{\"new\":1}");
    assert_true(is_there("old/only-old"));
    assert_true(is_there("old/.run/result.json"));
    assert_int_equal(binder_settle(&binder, &err), 0);
    assert_string_equal(binder.path, inside("old"));
    binder_close(&binder);
    assert_false(is_there("old/only-old"));
    assert_false(is_there("old/.run"));
    assert_true(is_there("old/result.json"));
}

static void what_a_killed_run_left_goes_with_the_next(void **state)
{
    struct binder binder;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(binder_open(inside("old"), "lab01", &binder, &err), 0);
    put(&binder, "half", "x");
    binder_close(&binder); /* as if it had been killed here */
    assert_true(is_there("old/.run/half"));
    assert_true(is_there("old/result.json"));
    assert_int_equal(binder_open(inside("old"), "lab01", &binder, &err), 0);
    assert_false(is_there("old/.run/half"));
    assert_int_equal(binder_settle(&binder, &err), 0);
    binder_close(&binder);
    assert_false(is_there("old/.run"));
}

static void two_runs_do_not_write_to_one_folder(void **state)
{
    struct binder one, two;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(binder_open(inside("both"), "lab01", &one, &err), 0);
    put(&one, "result.json", "{}");
    binder_close(&one);
    assert_int_equal(binder_open(inside("both"), "lab01", &one, &err), 0);
    assert_int_equal(binder_open(inside("both"), "lab01", &two, &err), -1);
    assert_non_null(strstr(err.text, "another run is writing"));
    binder_close(&one);
}

static void what_is_no_run_folder_is_left_alone(void **state)
{
    struct binder binder;
    struct err err = ERR_INIT;
    (void)state;
    mkdir(inside("mine"), 0700);
    fclose(fopen(inside("mine/thesis.txt"), "w"));
    assert_int_equal(symlink("mine", inside("link")), 0);
    static const char *const names[] = {"mine", "link", "mine/thesis.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(binder_open(inside(names[i]), "lab01", &binder, &err),
                         -1);
        assert_int_equal(err.code, EXIT_USAGE);
    }
    assert_true(is_there("mine/thesis.txt"));
    assert_false(is_there("mine/.run"));
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_folder_is_filled_where_it_stays),
        cmocka_unit_test(an_old_run_is_replaced_whole_at_the_end),
        cmocka_unit_test(what_a_killed_run_left_goes_with_the_next),
        cmocka_unit_test(two_runs_do_not_write_to_one_folder),
        cmocka_unit_test(what_is_no_run_folder_is_left_alone),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
