/* SPDX-License-Identifier: MIT
 *
 * Run folders, whole, damaged and hostile, and what becomes of them. */
#include "labs/report/report.h"

#include "labs/report/compare.h"
#include "labs/report/har.h"
#include "labs/report/html.h"
#include "labs/report/ladder.h"
#include "labs/report/md.h"
#include "labs/report/text.h"
#include "labs/report/verdict.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURES SOURCE_DIR "/tests/labs/report_fixture/"

/* ---- help -------------------------------------------------------------- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/mitmlab-report-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {
        "result.json", "events.jsonl", "transcript.txt",
        "report.html", "report.md",    "flows.har",
    };
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder); /* fails if anything temporary was left */
}

static void put(const char *name, const void *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* The caller frees it. */
static char *take(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t len = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(len + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, len, file), len);
    bytes[len] = 0;
    fclose(file);
    if (out_len)
        *out_len = len;
    return bytes;
}

static char *take_written(const char *name, size_t *out_len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return take(path, out_len);
}

static void copy_fixture(const char *name)
{
    static const char *const files[] = {"result.json", "events.jsonl",
                                        "transcript.txt"};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        size_t len;
        snprintf(path, sizeof path, FIXTURES "%s/%s", name, files[i]);
        char *bytes = take(path, &len);
        put(files[i], bytes, len);
        free(bytes);
    }
}

static void load(struct report *report)
{
    struct err err = ERR_INIT;
    int dir = open(folder, O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    if (report_load(dir, report, &err))
        fail_msg("%s", err.text);
    close(dir);
}

static void write_reports(void)
{
    struct err err = ERR_INIT;
    if (report_write(folder, &err))
        fail_msg("%s", err.text);
}

static char *text_of_out(struct out *out)
{
    assert_false(out->failed);
    out_bytes(out, "", 1);
    return (char *)buf_head(&out->buf);
}

/* ---- whole folders ----------------------------------------------------- */

static void a_run_becomes_three_files_that_only_the_owner_reads(void **state)
{
    (void)state;
    static const char *const names[] = {"report.html", "report.md",
                                        "flows.har"};
    copy_fixture("lab03");
    write_reports();
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        struct stat about;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_mode & 0777, 0600);
        assert_true(about.st_size > 1000);
    }
}

/* ---- golden texts ------------------------------------------------------ */

/* Compare with tests/golden/NAME; UPDATE_GOLDEN=1 writes it. */
static void assert_golden(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/%s", name);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    char *golden = take(path, NULL);
    assert_string_equal(text, golden);
    free(golden);
}

static void the_short_report_reads_well_at_every_width(void **state)
{
    (void)state;
    static const struct {
        const char *fixture, *golden;
        unsigned width;
        bool ascii;
    } cases[] = {
        {"lab03", "report_lab03_40.txt", 40, false},
        {"lab03", "report_lab03_80.txt", 80, false},
        {"lab03", "report_lab03_200.txt", 200, false},
        {"lab13", "report_lab13_40_ascii.txt", 40, true},
        {"lab13", "report_lab13_80_ascii.txt", 80, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct report report;
        struct out out = {0};
        copy_fixture(cases[i].fixture);
        load(&report);
        text_write(&report, cases[i].width, cases[i].ascii, &out);
        assert_golden(cases[i].golden, text_of_out(&out));
        out_free(&out);
        report_free(&report);
    }
}

static unsigned columns(const char *line, size_t len)
{
    unsigned count = 0;
    for (size_t i = 0; i < len; i++)
        count += (line[i] & 0xc0) != 0x80;
    return count;
}

static void no_line_of_a_ladder_is_wider_than_the_terminal(void **state)
{
    (void)state;
    struct report report;
    copy_fixture("lab13");
    load(&report);
    for (unsigned width = 40; width <= 200; width++) {
        struct ladder ladder;
        struct out out = {0};
        ladder_build(&report, 1, &ladder);
        ladder_text(&ladder, width, width % 2, &out);
        for (char *line = text_of_out(&out); *line;) {
            size_t len = strcspn(line, "\n");
            assert_true(columns(line, len) <= width);
            line += len + 1;
        }
        out_free(&out);
    }
    report_free(&report);
}

static void the_markdown_is_as_it_was(void **state)
{
    (void)state;
    struct report report;
    struct out out = {0};
    copy_fixture("lab13");
    load(&report);
    md_write(&report, &out);
    assert_golden("report_lab13.md", text_of_out(&out));
    out_free(&out);
    report_free(&report);
}

static void certificates_of_the_run_are_shown_and_others_are_not(void **state)
{
    (void)state;
    static const char *const names[] = {"certs/root.pem", "certs/broken.pem",
                                        "certs/root.key"};
    char path[128];
    size_t len;
    snprintf(path, sizeof path, "%s/certs", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    copy_fixture("lab13");
    char *pem = take(FIXTURES "lab13/certs/root.pem", &len);
    put(names[0], pem, len);
    put_text(names[1], "-----BEGIN CERTIFICATE-----\nAAAA\n");
    put_text(names[2], "a key has no business in a report");
    free(pem);
    write_reports();
    char *page = take_written("report.html", NULL);
    assert_non_null(strstr(page, "<code>root.pem</code>"));
    assert_null(strstr(page, "<code>broken.pem</code>"));
    assert_null(strstr(page, "root.key"));
    free(page);
    for (size_t i = 0; i < 3; i++) {
        char file[160];
        snprintf(file, sizeof file, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(file), 0);
    }
    assert_int_equal(rmdir(path), 0);
}

static void a_forged_certificate_stands_beside_the_genuine_one(void **state)
{
    (void)state;
    struct report report;
    unsigned count;
    copy_fixture("lab13");
    load(&report);
    comparisons_of(&report, 0, &count);
    assert_int_equal(count, 0);
    struct comparison *pairs = comparisons_of(&report, 1, &count);
    assert_int_equal(count, 1); /* forged twice in the same way */
    assert_true(pairs[0].has_original);
    assert_true(text_is(pairs[0].forgery, "t03"));
    for (unsigned i = 0; i < pairs[0].count; i++) {
        const struct field_pair *field = &pairs[0].fields[i];
        if (text_is(field->name, "subject") || text_is(field->name, "names"))
            assert_true(field->same);
        if (text_is(field->name, "issuer"))
            assert_false(field->same);
    }
    report_free(&report);
}

static void a_yes_to_a_forgery_is_explained_like_a_no(void **state)
{
    (void)state;
    struct report report;
    unsigned count;
    copy_fixture("lab13");
    load(&report);
    struct verdict *verdicts = verdicts_of(&report, 0, &count);
    assert_int_equal(count, 0); /* an honest yes needs no words */
    verdicts = verdicts_of(&report, 1, &count);
    assert_int_equal(count, 2);
    assert_false(verdicts[0].accepted);
    assert_true(text_is(verdicts[0].act, "careful"));
    assert_int_equal(verdicts[0].alert_frame, 33);
    assert_int_equal(verdicts[0].cert_frame, 31);
    assert_non_null(strstr(verdicts[0].why.why, "the root at its end"));
    assert_true(verdicts[1].accepted);
    assert_true(text_is(verdicts[1].act, "careless"));
    assert_non_null(strstr(verdicts[1].why.manner, "does not make this check"));
    report_free(&report);
}

/* ---- damaged folders --------------------------------------------------- */

static void assert_refused(const char *sentence)
{
    struct err err = ERR_INIT;
    assert_int_equal(report_write(folder, &err), -1);
    assert_int_equal(err.code, EXIT_USAGE);
    if (!strstr(err.text, sentence))
        fail_msg("\"%s\" does not say \"%s\"", err.text, sentence);
    assert_null(strchr(err.text, '\n'));
}

static void a_folder_without_a_result_is_refused_in_one_sentence(void **state)
{
    (void)state;
    assert_refused("result.json");
}

static void what_is_no_result_is_refused_in_one_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *sentence;
    } cases[] = {
        {"", "is not the JSON object"},
        {"[]", "is not the JSON object"},
        {"{\"schema\":1", "is not the JSON object"},
        {"{}", "which schema"},
        {"{\"schema\":2}", "schema 2"},
        {"{\"schema\":1}", "no lab"},
        {"{\"schema\":1,\"lab\":{},\"status\":7}", "no lab"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text("result.json", cases[i].bytes);
        assert_refused(cases[i].sentence);
    }
}

static void a_link_or_a_pipe_is_not_read(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/result.json", folder);
    assert_int_equal(symlink(FIXTURES "lab03/result.json", path), 0);
    assert_refused("result.json");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused("result.json");
}

static void a_link_in_the_way_of_a_report_is_replaced_not_followed(void **state)
{
    (void)state;
    char path[128], victim[128];
    struct stat about;
    copy_fixture("lab03");
    snprintf(path, sizeof path, "%s/report.html", folder);
    snprintf(victim, sizeof victim, "%s/transcript.txt", folder);
    assert_int_equal(symlink(victim, path), 0);
    write_reports();
    assert_int_equal(lstat(path, &about), 0);
    assert_true(S_ISREG(about.st_mode));
    char *kept = take(victim, NULL);
    assert_memory_equal(kept, "$ mitmlab", 9);
    free(kept);
}

/* Every value of the wrong type, missing, or absurd: no sentence, no crash. */
static void values_of_the_wrong_type_are_left_out(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\"steps\":7",
        "\"steps\":[7,null,[],{\"acts\":{},\"evidence\":[[]]}]",
        "\"places\":[{\"name\":7},{\"name\":\"\"}],\"score\":[]",
        "\"steps\":[{\"t0\":-9223372036854775808,\"t1\":9223372036854775807,"
        "\"acts\":[{\"t0\":9223372036854775807,\"exit\":-1}],"
        "\"evidence\":[{\"frame\":-3,\"bytes\":\"xyz\",\"len\":-1}]}]",
        "\"questions\":[{\"given\":{\"a\":[1,2.5]},\"answer\":true}]",
        "\"versions\":[],\"artefacts\":{\"a\":{\"b\":null}}",
        "\"capture\":{\"packets\":1e99,\"complete\":1}",
    };
    static const char *const events[] = {
        "{\"kind\":\"tls.alert\"}\n",
        "{\"kind\":\"http.request\",\"t\":-5,\"data\":{\"fields\":[7,[],[1],"
        "[\"cookie\",\"=;;a\"]]}}\n",
        "{\"kind\":\"http.request\",\"place\":\"x\",\"tuple\":[1,2,3,4]}\n",
        "{\"kind\":\"tls.cert\",\"t\":9223372036854775807,\"place\":\"y\","
        "\"data\":{\"role\":\"forged\",\"leaf\":{\"a\":[[[[[[[1]]]]]]]}}}\n",
        "{\"kind\":\"tls.verdict\",\"place\":\"z\",\"data\":{\"verdict\":"
        "\"refused\",\"alert_code\":99999999999}}\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024], lines[2048] = "";
        snprintf(text, sizeof text,
                 "{\"schema\":1,\"lab\":\"lab99\",\"status\":\"new\",%s}",
                 cases[i]);
        put_text("result.json", text);
        for (size_t e = 0; e < sizeof events / sizeof *events; e++)
            strcat(lines, events[e]);
        put_text("events.jsonl", lines);
        write_reports();
    }
}

static void damaged_events_are_counted_and_the_report_says_so(void **state)
{
    (void)state;
    copy_fixture("lab03");
    put_text("events.jsonl", "{\"kind\":\"bank.login\",\"place\":\"server\"}\n"
                             "{\"kind\":\"tls.al\n\n[]\n{\"t\":1}\n");
    struct report report;
    load(&report);
    assert_int_equal(report.facts_count, 1);
    assert_int_equal(report.problems_count, 1);
    assert_string_equal(report.problems[0], "3 lines of events.jsonl cannot be "
                                            "read and are left out");
    assert_false(report_is_whole(&report));
    report_free(&report);
    write_reports();
    char *page = take_written("report.html", NULL);
    assert_non_null(strstr(page, "3 lines of events.jsonl"));
    free(page);
}

static void a_killed_run_is_reported_as_such(void **state)
{
    (void)state;
    put_text("result.json", "{\"schema\":1,\"lab\":\"lab03\",\"status\":"
                            "\"interrupted\",\"steps\":[{\"title\":\"One\"}]}");
    struct report report;
    load(&report);
    assert_false(report_is_whole(&report));
    report_free(&report);
    write_reports();
    char *page = take_written("report.html", NULL);
    assert_non_null(strstr(page, "Interrupted"));
    assert_non_null(strstr(page, "This report is not complete"));
    free(page);
}

/* Write a damaged copy of a file, load, and draw what came of it. */
static void survive(const char *name, const char *bytes, size_t len)
{
    struct report report;
    struct err err = ERR_INIT;
    struct out out = {0};
    put(name, bytes, len);
    int dir = open(folder, O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    int rc = report_load(dir, &report, &err);
    close(dir);
    if (rc) {
        assert_int_equal(err.code, EXIT_USAGE);
        assert_true(err.text[0]);
        return;
    }
    text_write(&report, 80, true, &out);
    md_write(&report, &out);
    html_write(&report, &out);
    har_write(&report, &out);
    assert_false(out.failed);
    out_free(&out);
    report_free(&report);
}

static void a_file_cut_anywhere_is_survived(void **state)
{
    (void)state;
    static const char *const names[] = {"result.json", "events.jsonl"};
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        size_t len;
        copy_fixture("lab13");
        snprintf(path, sizeof path, FIXTURES "lab13/%s", names[i]);
        char *bytes = take(path, &len);
        for (size_t cut = 0; cut < len; cut += 211)
            survive(names[i], bytes, cut);
        free(bytes);
    }
}

static void bytes_that_were_changed_are_survived(void **state)
{
    (void)state;
    static const char *const names[] = {"result.json", "events.jsonl"};
    static const char tricks[] = "\0\"{}[]:,0-9eE\\u\x7f\xff\xc3 \n";
    uint32_t dice = 1;
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        size_t len;
        copy_fixture("lab13");
        snprintf(path, sizeof path, FIXTURES "lab13/%s", names[i]);
        char *bytes = take(path, &len);
        for (unsigned round = 0; round < 150; round++) {
            dice = dice * 1664525 + 1013904223;
            size_t at = (dice >> 8) % len;
            char kept = bytes[at];
            bytes[at] = tricks[dice % (sizeof tricks - 1)];
            survive(names[i], bytes, len);
            bytes[at] = kept;
        }
        free(bytes);
    }
}

/* ---- hostile text ------------------------------------------------------ */

#define HOSTILE                                                                \
    "</style><script>alert(1)</script>\x1b]52;c;aGk=\x07\xe2\x80\xae\xff"      \
    "|[x](javascript:x)\n```\n# owned\n<b>&amp;\"'onload='x\x7f\xc2\x9b"

/* JSON text of bytes that are one character each, as events have them. */
static void put_json(char *room, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        room += sprintf(room, "\\u%04x", (unsigned char)bytes[i]);
}

static void put_hostile_folder(void)
{
    static const char form[] =
        "{\"schema\":1,\"lab\":\"%s\",\"title\":\"%s\",\"status\":\"failed\","
        "\"question\":\"%s\",\"reason\":\"%s\",\"student\":\"%s\","
        "\"places\":[{\"name\":\"%s\",\"address\":\"192.0.2.1\",\"mac\":\"%s\"}"
        ","
        "{\"name\":\"b\",\"address\":\"192.0.2.2\"}],"
        "\"steps\":[{\"title\":\"%s\",\"guide\":\"%s\",\"acts\":[{\"as\":\"%"
        "s\","
        "\"command\":\"%s\",\"output\":\"%s\",\"t0\":1}],\"evidence\":[{"
        "\"what\":"
        "\"%s\",\"frame\":1,\"filter\":\"%s\",\"decoded\":\"%s\"}],"
        "\"expectations\":[{\"what\":\"%s\",\"expected\":\"%s\"}],"
        "\"predictions\":[{\"question\":\"%s\",\"given\":\"%s\"}],"
        "\"attacks\":[{\"command\":\"%s\"}]}],\"versions\":{\"%s\":\"%s\"}}";
    char bad[sizeof HOSTILE * 6 + 8], whole[sizeof bad * 24 + sizeof form];
    put_json(bad, HOSTILE, sizeof HOSTILE - 1);
    snprintf(whole, sizeof whole, form, bad, bad, bad, bad, bad, bad, bad, bad,
             bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad,
             bad);
    put_text("result.json", whole);
    snprintf(whole, sizeof whole,
             "{\"t\":5,\"kind\":\"http.request\",\"place\":\"b\",\"leg\":"
             "\"victim\",\"tuple\":[\"192.0.2.1\",1,\"192.0.2.2\",2],\"data\":"
             "{\"method\":\"%s\",\"target\":\"%s\",\"body\":\"%s\",\"fields\":"
             "[[\"%s\",\"%s\"]]}}\n",
             bad, bad, bad, bad, bad);
    put_text("events.jsonl", whole);
    put("transcript.txt", HOSTILE "\0x", sizeof HOSTILE + 1);
}

/* No byte that a terminal obeys, hides or turns around, and valid UTF-8. */
static void assert_tame(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        assert_true(byte >= 0x20 || byte == '\n' || byte == '\t');
        assert_true(byte != 0x7f && byte != 0xff);
    }
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_null(strstr(text, "\xc2\x9b"));
}

static void hostile_text_stays_text_on_the_page(void **state)
{
    (void)state;
    put_hostile_folder();
    write_reports();
    size_t len;
    char *page = take_written("report.html", &len);
    assert_tame(page, len);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "javascript:x\""));
    assert_null(strstr(page, "<b>"));
    assert_null(strstr(page, "href=\"java"));
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)"));
    assert_non_null(strstr(page, "\\x1b]52;c;"));
    /* One style sheet only, and it is ours. */
    char *end = strstr(page, "</style>");
    assert_non_null(end);
    assert_null(strstr(end + 1, "</style>"));
    free(page);
}

static void hostile_text_stays_text_in_markdown(void **state)
{
    (void)state;
    put_hostile_folder();
    write_reports();
    size_t len;
    char *text = take_written("report.md", &len);
    assert_tame(text, len);
    /* Outside of fences no line begins as a heading of a stranger's, and no
     * tag or link lives. */
    bool fenced = false;
    size_t fence = 0;
    for (char *line = text; *line;) {
        size_t size = strcspn(line, "\n"), ticks = strspn(line, "`");
        if (ticks >= 3 && (!fenced || (ticks >= fence && ticks == size))) {
            fenced = !fenced;
            fence = ticks;
        } else if (!fenced) {
            assert_int_not_equal(strncmp(line, "# owned", 7), 0);
            char kept = line[size];
            line[size] = 0;
            char *tag = strstr(line, "<script");
            assert_true(!tag || tag[-1] == '\\' || strchr(line, '`'));
            line[size] = kept;
        }
        line += size + (line[size] == '\n');
    }
    assert_false(fenced);
    free(text);
}

static void hostile_text_cannot_command_a_terminal(void **state)
{
    (void)state;
    put_hostile_folder();
    struct report report;
    load(&report);
    for (int ascii = 0; ascii < 2; ascii++) {
        struct out out = {0};
        text_write(&report, 80, ascii, &out);
        md_print(&report, ascii, &out);
        size_t len = buf_len(&out.buf);
        char *text = text_of_out(&out);
        assert_tame(text, len);
        for (size_t i = 0; ascii && i < len; i++)
            assert_true((unsigned char)text[i] < 0x80);
        out_free(&out);
    }
    report_free(&report);
}

static void a_field_of_a_megabyte_is_no_problem(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    char *big = malloc(len + 1), *line = malloc(len + 512);
    assert_non_null(big);
    assert_non_null(line);
    memset(big, '<', len);
    big[len] = 0;
    int size = snprintf(line, len + 512,
                        "{\"schema\":1,\"lab\":\"x\",\"status\":\"failed\","
                        "\"steps\":[{\"title\":\"t\",\"guide\":\"%s\"}]}",
                        big);
    put("result.json", line, (size_t)size);
    size = snprintf(line, len + 512,
                    "{\"kind\":\"http.response\",\"place\":\"a\",\"data\":"
                    "{\"body\":\"%s\"}}\n",
                    big);
    put("events.jsonl", line, (size_t)size);
    write_reports();
    free(big);
    free(line);
}

/* ---- HAR --------------------------------------------------------------- */

struct rule {
    const char *key;
    json_type type;
};

static void assert_keys(const json_t *object, const struct rule *rules)
{
    assert_true(json_is_object(object));
    for (; rules->key; rules++) {
        const json_t *value = json_object_get(object, rules->key);
        if (!value || json_typeof(value) != rules->type)
            fail_msg("HAR: %s is missing or of the wrong type", rules->key);
    }
}

static void assert_pairs(const json_t *list)
{
    static const struct rule rules[] = {
        {"name", JSON_STRING}, {"value", JSON_STRING}, {0}};
    size_t i;
    const json_t *pair;
    json_array_foreach(list, i, pair) assert_keys(pair, rules);
}

static void assert_request(const json_t *request)
{
    static const struct rule rules[] = {{"method", JSON_STRING},
                                        {"url", JSON_STRING},
                                        {"httpVersion", JSON_STRING},
                                        {"cookies", JSON_ARRAY},
                                        {"headers", JSON_ARRAY},
                                        {"queryString", JSON_ARRAY},
                                        {"headersSize", JSON_INTEGER},
                                        {"bodySize", JSON_INTEGER},
                                        {0}};
    static const struct rule post_rules[] = {
        {"mimeType", JSON_STRING}, {"text", JSON_STRING}, {0}};
    assert_keys(request, rules);
    assert_pairs(json_object_get(request, "cookies"));
    assert_pairs(json_object_get(request, "headers"));
    assert_pairs(json_object_get(request, "queryString"));
    const json_t *post = json_object_get(request, "postData");
    if (post)
        assert_keys(post, post_rules);
}

static void assert_response(const json_t *response)
{
    static const struct rule rules[] = {
        {"status", JSON_INTEGER},     {"statusText", JSON_STRING},
        {"httpVersion", JSON_STRING}, {"cookies", JSON_ARRAY},
        {"headers", JSON_ARRAY},      {"content", JSON_OBJECT},
        {"redirectURL", JSON_STRING}, {"headersSize", JSON_INTEGER},
        {"bodySize", JSON_INTEGER},   {0}};
    static const struct rule content_rules[] = {
        {"size", JSON_INTEGER}, {"mimeType", JSON_STRING}, {0}};
    assert_keys(response, rules);
    assert_pairs(json_object_get(response, "cookies"));
    assert_pairs(json_object_get(response, "headers"));
    assert_keys(json_object_get(response, "content"), content_rules);
}

/* HAR 1.2, by hand: what must be there and of which type. */
static json_t *load_har(void)
{
    static const struct rule log_rules[] = {{"version", JSON_STRING},
                                            {"creator", JSON_OBJECT},
                                            {"entries", JSON_ARRAY},
                                            {0}};
    static const struct rule entry_rules[] = {
        {"startedDateTime", JSON_STRING}, {"time", JSON_REAL},
        {"request", JSON_OBJECT},         {"response", JSON_OBJECT},
        {"cache", JSON_OBJECT},           {"timings", JSON_OBJECT},
        {"comment", JSON_STRING},         {0}};
    size_t len;
    char *text = take_written("flows.har", &len);
    json_t *har =
        json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    free(text);
    assert_non_null(har);
    json_t *log = json_object_get(har, "log");
    assert_keys(log, log_rules);
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(log, "entries"), i, entry)
    {
        assert_keys(entry, entry_rules);
        assert_request(json_object_get(entry, "request"));
        assert_response(json_object_get(entry, "response"));
    }
    return har;
}

static const char *string_at(const json_t *entry, const char *part,
                             const char *key)
{
    const json_t *object = json_object_get(entry, part);
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void the_har_keeps_both_legs_and_says_which_is_which(void **state)
{
    (void)state;
    copy_fixture("lab03");
    write_reports();
    json_t *har = load_har();
    json_t *entries = json_object_get(json_object_get(har, "log"), "entries");
    /* Two honest messages, and two attacked ones twice each. */
    assert_int_equal(json_array_size(entries), 6);
    unsigned victim = 0, server = 0;
    for (size_t i = 0; i < 6; i++) {
        json_t *entry = json_array_get(entries, i);
        const char *comment =
            json_string_value(json_object_get(entry, "comment"));
        victim += !strncmp(comment, "the victim's", 12);
        server += !strncmp(comment, "the way to", 10);
        assert_string_equal(string_at(entry, "response", "statusText"), "OK");
    }
    assert_int_equal(victim, 4);
    assert_int_equal(server, 2);
    json_t *last = json_array_get(entries, 5);
    assert_string_equal(string_at(last, "request", "url"),
                        "http://bank.lab.test/transfer");
    json_t *post =
        json_object_get(json_object_get(last, "request"), "postData");
    assert_string_equal(json_string_value(json_object_get(post, "text")),
                        "payee=mallory&amount=250");
    json_decref(har);
}

static void an_encrypted_flow_has_an_https_address(void **state)
{
    (void)state;
    copy_fixture("lab13");
    write_reports();
    json_t *har = load_har();
    json_t *entries = json_object_get(json_object_get(har, "log"), "entries");
    assert_int_equal(json_array_size(entries), 1);
    assert_string_equal(string_at(json_array_get(entries, 0), "request", "url"),
                        "https://bank.lab.test/");
    json_decref(har);
}

static void the_har_of_hostile_messages_is_still_a_har(void **state)
{
    (void)state;
    put_hostile_folder();
    write_reports();
    json_t *har = load_har();
    json_t *entries = json_object_get(json_object_get(har, "log"), "entries");
    assert_int_equal(json_array_size(entries), 1);
    json_decref(har);
}

/* ---- parts ------------------------------------------------------------- */

static void one_message_seen_at_both_ends_is_one_arrow(void **state)
{
    (void)state;
    struct report report;
    struct ladder ladder;
    copy_fixture("lab03");
    load(&report);
    ladder_build(&report, 1, &ladder);
    unsigned logins = 0;
    for (size_t i = 0; i < ladder.count; i++)
        logins += ladder.rungs[i].from != ladder.rungs[i].to &&
                  strstr(ladder.rungs[i].text, "/login") != NULL;
    assert_int_equal(logins, 2); /* one per conversation, not three */
    report_free(&report);
}

/* Two events of one message with a recording relay in between: the ends see
 * different addresses, and the frame says that it is the same. */
#define RELAYED(place, leg, port, to)                                          \
    "{\"t\":5,\"kind\":\"http.request\",\"place\":\"" place                    \
    "\",\"leg\":\"" leg "\",\"tuple\":[\"127.66.1.2\"," port ",\"" to          \
    "\",8080],\"dir\":\"up\","                                                 \
    "\"at\":0,\"len\":9,\"frame\":31,\"data\":{\"method\":\"GET\",\"target\":" \
    "\"/\"}}\n"

static void a_message_through_a_relay_is_one_arrow(void **state)
{
    (void)state;
    struct report report;
    struct ladder ladder;
    put_text(
        "result.json",
        "{\"schema\":1,\"lab\":\"lab03\",\"status\":\"passed\",\"places\":["
        "{\"name\":\"victim\",\"address\":\"127.66.1.1\"},"
        "{\"name\":\"attacker\",\"address\":\"127.66.1.2\"},"
        "{\"name\":\"server\",\"address\":\"127.66.1.3\"}],"
        "\"steps\":[{\"title\":\"One\"}]}");
    put_text("events.jsonl",
             RELAYED("server", "victim", "4001", "127.66.1.3")
                 RELAYED("attacker", "server", "4002", "127.66.1.9"));
    load(&report);
    ladder_build(&report, 0, &ladder);
    assert_int_equal(ladder.count, 1);
    assert_int_equal(ladder.rungs[0].from, 1);
    assert_int_equal(ladder.rungs[0].to, 2);
    report_free(&report);
    write_reports();
    json_t *har = load_har();
    json_t *entries = json_object_get(json_object_get(har, "log"), "entries");
    assert_int_equal(json_array_size(entries), 1);
    json_decref(har);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_run_becomes_three_files_that_only_the_owner_reads),
        TEST(the_short_report_reads_well_at_every_width),
        TEST(no_line_of_a_ladder_is_wider_than_the_terminal),
        TEST(the_markdown_is_as_it_was),
        TEST(certificates_of_the_run_are_shown_and_others_are_not),
        TEST(a_forged_certificate_stands_beside_the_genuine_one),
        TEST(a_yes_to_a_forgery_is_explained_like_a_no),
        TEST(a_folder_without_a_result_is_refused_in_one_sentence),
        TEST(what_is_no_result_is_refused_in_one_sentence),
        TEST(a_link_or_a_pipe_is_not_read),
        TEST(a_link_in_the_way_of_a_report_is_replaced_not_followed),
        TEST(values_of_the_wrong_type_are_left_out),
        TEST(damaged_events_are_counted_and_the_report_says_so),
        TEST(a_killed_run_is_reported_as_such),
        TEST(a_file_cut_anywhere_is_survived),
        TEST(bytes_that_were_changed_are_survived),
        TEST(hostile_text_stays_text_on_the_page),
        TEST(hostile_text_stays_text_in_markdown),
        TEST(hostile_text_cannot_command_a_terminal),
        TEST(a_field_of_a_megabyte_is_no_problem),
        TEST(the_har_keeps_both_legs_and_says_which_is_which),
        TEST(an_encrypted_flow_has_an_https_address),
        TEST(the_har_of_hostile_messages_is_still_a_har),
        TEST(one_message_seen_at_both_ends_is_one_arrow),
        TEST(a_message_through_a_relay_is_one_arrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
