/* SPDX-License-Identifier: MIT
 *
 * Whoever does not read holds nobody up: lines are kept, then dropped, and
 * each is either there, whole and in its order, or counted. */
#include "proxy/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 10000, KEPT = SINK_BYTES_MOST / LINE };

struct scene {
    struct sink sink;
    int ends[2];
    unsigned said;    /* lines; each begins with its number, from 1 */
    unsigned number;  /* of the line that is read */
    unsigned missing; /* of those that were read */
    size_t column;
    unsigned reading;
};

static void open_scene(struct scene *scene, bool socket)
{
    *scene = (struct scene){0};
    if (socket)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, scene->ends), 0);
    else
        assert_int_equal(pipe(scene->ends), 0);
    /* The reader is at ends[0], and asks without waiting. */
    fcntl(scene->ends[0], F_SETFL, O_NONBLOCK);
    sink_open(&scene->sink, scene->ends[1]);
    sink_keep_going(&scene->sink);
}

static void say(struct scene *scene, unsigned lines)
{
    char line[LINE + 1];
    for (unsigned i = 0; i < lines; i++) {
        memset(line, 'x', sizeof line);
        int len = snprintf(line, sizeof line, "%u ", ++scene->said);
        line[len] = 'x';
        line[LINE - 1] = '\n';
        sink_put(&scene->sink, line, LINE);
    }
}

static void take_byte(struct scene *scene, char byte)
{
    if (scene->column++ < 10 && byte >= '0' && byte <= '9')
        scene->reading = scene->reading * 10 + (unsigned)(byte - '0');
    if (byte != '\n')
        return;
    assert_int_equal(scene->column, LINE);
    assert_true(scene->reading > scene->number);
    scene->missing += scene->reading - scene->number - 1;
    scene->number = scene->reading;
    scene->reading = 0;
    scene->column = 0;
}

/* All that is there, and what comes behind it. */
static void hear(struct scene *scene)
{
    static char bytes[1 << 16];
    ssize_t got;
    while ((got = read(scene->ends[0], bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            take_byte(scene, bytes[i]);
        sink_flush(&scene->sink);
    }
}

static void close_scene(struct scene *scene)
{
    sink_close(&scene->sink);
    close(scene->ends[0]);
    close(scene->ends[1]);
}

static void what_is_not_read_at_once_is_kept(void **state)
{
    struct scene scene;
    for (int socket = 0; socket < 2; socket++) {
        open_scene(&scene, socket);
        say(&scene, KEPT - 1);
        hear(&scene);
        assert_int_equal(scene.number, KEPT - 1);
        assert_int_equal(scene.missing, 0);
        assert_int_equal(sink_returned(&scene.sink), 0);
        assert_int_equal(sink_close(&scene.sink), 0);
        close_scene(&scene);
    }
    (void)state;
}

static void beyond_that_lines_are_dropped_and_counted(void **state)
{
    struct scene scene;
    for (int socket = 0; socket < 2; socket++) {
        open_scene(&scene, socket);
        say(&scene, 3 * KEPT);
        assert_true(buf_len(&scene.sink.kept) <= SINK_BYTES_MOST);
        assert_int_equal(sink_returned(&scene.sink), 0);
        hear(&scene);
        assert_int_equal(scene.missing, 0);
        uint64_t lost = sink_returned(&scene.sink);
        assert_int_equal(scene.number + lost, 3 * KEPT);
        assert_int_equal(sink_returned(&scene.sink), 0);
        /* From here on all is as before. */
        say(&scene, KEPT - 1);
        hear(&scene);
        assert_int_equal(scene.number, 4 * KEPT - 1);
        assert_int_equal(scene.missing, lost);
        close_scene(&scene);
    }
    (void)state;
}

static void what_is_left_at_the_end_is_counted(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, false);
    say(&scene, 2 * KEPT);
    uint64_t lost = sink_close(&scene.sink);
    hear(&scene);
    /* The last line may have been cut; then it is lost. */
    assert_int_equal(scene.number + lost, 2 * KEPT);
    close_scene(&scene);
}

static void a_reader_that_is_gone_is_no_reason_to_wait(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, true);
    close(scene.ends[0]);
    say(&scene, 2 * KEPT);
    assert_int_equal(buf_len(&scene.sink.kept), 0);
    assert_int_equal(sink_close(&scene.sink), 0);
    close(scene.ends[1]);
}

static void nobody_who_shares_the_descriptor_is_changed(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene, false);
    say(&scene, 1);
    assert_false(fcntl(scene.ends[1], F_GETFL) & O_NONBLOCK);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_read_at_once_is_kept),
        cmocka_unit_test(beyond_that_lines_are_dropped_and_counted),
        cmocka_unit_test(what_is_left_at_the_end_is_counted),
        cmocka_unit_test(a_reader_that_is_gone_is_no_reason_to_wait),
        cmocka_unit_test(nobody_who_shares_the_descriptor_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
