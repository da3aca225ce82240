/* SPDX-License-Identifier: MIT
 *
 * mitmlab help [TOPIC]: a command, or a list that the source keeps. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"
#include "labs/cli/term.h"
#include "labs/engine/words.h"
#include "labs/report/explain_text.h"
#include "labs/report/subject.h"
#include "proxy/way.h"

#include <jansson.h>
#include <string.h>

static void help_exit_codes(const struct term *term)
{
    static const struct {
        const char *code, *sentence;
    } rows[] = {
        {"0", "The goal of the lab was reached, or the command did its work."},
        {"1", "The lab ran, and its goal was not reached."},
        {"2", "The command line was wrong."},
        {"3", "Something is incomplete, such as the capture."},
        {"4", "This machine cannot do it; 'mitmlab doctor' says why."},
        {"5", "The lab file is wrong; the line is named."},
        {"6", "Refused: an address or name outside the lab's walls."},
        {"7", "Our own mistake: a program of the lab crashed."},
        {"124", "The time given with --timeout is over."},
        {"130", "Ended by SIGINT (^C) before it was done."},
        {"143", "Ended by SIGTERM before it was done."},
        {"", "What runs until it is told to stop ('proxy', 'attack') ends "
             "with 0 when ^C, SIGTERM or the end of its terminal tells it; a "
             "second signal ends it at once."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char head[16];
        snprintf(head, sizeof head, "%-5s", rows[i].code);
        term_flow(stdout, term, rows[i].sentence, 0, head);
    }
}

static void help_events(const struct term *term)
{
    static const struct {
        const char *kind, *who, *data;
    } rows[] = {
#define EVENT(kind, who, data) {kind, who, data},
#include "proxy/event.def"
#undef EVENT
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char head[64];
        snprintf(head, sizeof head, TERM_BOLD "%s" TERM_PLAIN, rows[i].kind);
        term_flow(stdout, term, head, 0, "");
        term_flow(stdout, term, rows[i].who, 4, "from: ");
        term_flow(stdout, term, rows[i].data, 4, "data: ");
    }
}

/* What stands in proxy/filter.h, for those who have only the program. */
static void help_filter(const struct term *term)
{
    static const struct {
        const char *name, *sentence;
    } fields[] = {
#define FILTER_FIELD(symbol, name, kind, known, sentence) {name, sentence},
#include "proxy/filter_fields.def"
#undef FILTER_FIELD
    };
    static const char *const words[][2] = {
        {"==  !=", "equal; a text, a number, 4xx for all from 400 to 499"},
        {"<  <=  >  >=", "of numbers"},
        {"contains", "a text somewhere within"},
        {"~  !~", "a pattern somewhere within: . [a-z] \\d \\w \\s ^ $ | "
                  "( ) * + ? {2,5}, (?i) in front for either case; no back "
                  "references: its time grows with the text and never faster"},
        {"&&  ||  !", "and, or, not; ( ) around what belongs together"},
    };
    term_flow(
        stdout, term,
        "A filter is a condition on a flow. Rules, --hold and --show take "
        "one. A value is a word, or a text in quotes.\n\n"
        "  method == POST && host ~ bank && path ~ \"^/login\"\n"
        "  header(Content-Type) ~ json && status >= 400\n"
        "  not (type == text/html or size > 10k)\n",
        0, "");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char head[32];
        snprintf(head, sizeof head, "%-13s ", words[i][0]);
        term_flow(stdout, term, words[i][1], 2, head);
    }
    printf("\n");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char head[32];
        snprintf(head, sizeof head, "%-13s ", fields[i].name);
        term_flow(stdout, term, fields[i].sentence, 2, head);
    }
    term_flow(stdout, term,
              "\nA field alone asks whether it is there. What is not known "
              "yet makes a condition neither true nor false, and ! does not "
              "change that: status != 200 holds of no request.",
              0, "");
}

static void help_rules(const struct term *term)
{
    static const struct {
        const char *words, *arguments, *sentence;
        enum { REQUEST, RESPONSE, BOTH, SPOKEN, ALL } when;
    } actions[] = {
#define RULE_ACTION(symbol, words, takes, arguments, when, body, sentence)     \
    {words, arguments, sentence, when},
#include "attacks/rules.def"
#undef RULE_ACTION
    };
    static const char *const notes[] = {
        [REQUEST] = "(requests only)",
        [RESPONSE] = "(responses only)",
        [BOTH] = NULL,
        [SPOKEN] = "(and messages of WebSockets)",
        [ALL] = "(and messages of WebSockets, and DNS)",
    };
    term_flow(stdout, term,
              "A rule says what becomes of which messages: FILTER : ACTION, "
              "with spaces around the colon. Rules are asked in their order, "
              "of requests and of responses. Several actions have a ; between "
              "them. 'mitmlab help filter' is about the first half.\n\n"
              "  --rule 'request && path ~ ^/pay : replace body 10 9999'\n"
              "  --rule 'type == text/html : set header X-Seen yes; delay 1s'\n"
              "  --rule 'path == /logo.png : map ./logo.png'\n"
              "  --rule 'path == /search : set query q other'\n"
              "  --rule 'path ~ ^/api : send to http://127.0.0.1:9000'\n\n"
              "In a file for --rules, one rule is one line, and # begins a "
              "comment.\n\n"
              "Rules are about HTTP. One whose filter speaks of kind is asked "
              "of messages of WebSockets and of questions of DNS and their "
              "answers, too:\n\n"
              "  --rule 'kind == ws && to == server : replace body 10 9999'\n"
              "  --rule 'kind == dns && host ~ bank && type == AAAA : drop'\n\n"
              "Bytes that are neither (kind == raw) only --show knows.\n",
              0, "");
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        char head[64];
        snprintf(head, sizeof head, TERM_BOLD "%s" TERM_PLAIN "%s%s",
                 actions[i].words, *actions[i].arguments ? " " : "",
                 actions[i].arguments);
        term_flow(stdout, term, head, 0, "");
        term_flow(stdout, term, actions[i].sentence, 4, "");
        if (notes[actions[i].when])
            term_flow(stdout, term, notes[actions[i].when], 4, "");
    }
}

static void help_script(const struct term *term)
{
    static const struct {
        const char *name, *sentence;
    } members[] = {
#define SCRIPT_MEMBER(name, get, set, kind, sentence) {name, sentence},
#include "proxy/script_members.def"
#undef SCRIPT_MEMBER
    };
    term_flow(
        stdout, term,
        "A script for 'mitmlab proxy --script FILE.lua' defines "
        "on_request(flow), on_response(flow), on_message(flow) for the "
        "messages of a WebSocket, on_dns(flow) for questions of DNS and what "
        "is said to them, or several of these, in Lua 5.4:\n\n"
        "  function on_request(flow)\n"
        "    if flow.path == \"/pay\" then\n"
        "      flow.body = flow.body:gsub(\"alice\", \"mallory\")\n"
        "      flow.headers[\"X-Seen\"] = flow.victim\n"
        "    elseif flow.path == \"/admin\" then\n"
        "      flow:answer(403, \"no\")\n"
        "    end\n"
        "  end\n"
        "  function on_message(flow)\n"
        "    if flow.to == \"server\" and flow.message_kind == \"text\" then\n"
        "      flow.message = flow.message:gsub(\"alice\", \"mallory\")\n"
        "    end\n"
        "  end\n"
        "  function on_dns(flow)\n"
        "    if flow.name == \"bank.lab.test\" and flow.type == \"A\" then\n"
        "      flow.answers = { \"127.66.1.2\" }\n"
        "    elseif flow.answers then\n"
        "      flow.ttl = 5\n"
        "    end\n"
        "  end\n\n"
        "It has string, table, math and utf8, and no door out. A call may "
        "take ten million instructions, and so much memory; a mistake in "
        "it is an event, and what it was shown goes on unchanged.\n",
        0, "");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char head[40];
        snprintf(head, sizeof head, "flow.%-16s ", members[i].name);
        term_flow(stdout, term, members[i].sentence, 2, head);
    }
}

static void help_lab(const struct term *term)
{
    words_help(stdout, term->width);
}

static void help_refusals(const struct term *term)
{
    char head[48];
    term_flow(stdout, term,
              "'mitmlab explain WHAT' takes, about the newest run or, with "
              "DIR: in front, about that one:\n"
              "  31  DIR:31  DIR  DIR:flow:2\n"
              "and words, whatever was run:\n"
              "  unknown_ca  X509_V_ERR_CERT_HAS_EXPIRED  t03  silent\n"
              "A number that can mean several things is written with its "
              "kind:",
              0, "");
    for (const struct subject_word *it = subject_words; it->name; it++) {
        snprintf(head, sizeof head, "  %s:%-*s ", it->name,
                 17 - (int)strlen(it->name), it->value);
        term_flow(stdout, term, it->sentence, 2, head);
    }
    term_flow(stdout, term, "\nWays to say yes or no:", 0, "");
    for (int i = 0; i < EXPLAIN_WAYS_COUNT; i++) {
        snprintf(head, sizeof head, "  %-13s ", explain_way_name(i));
        term_flow(stdout, term, explain_way_looks(i), 2, head);
    }
}

/* Name and value of each row stand over its sentence: some are long. */
static void help_rows(const struct term *term,
                      const struct way_row *(*row)(unsigned index),
                      const char *before, const char *behind)
{
    for (unsigned i = 0; row(i); i++) {
        char head[128];
        snprintf(head, sizeof head, "%s" TERM_BOLD "%s" TERM_PLAIN "%s%s",
                 before, row(i)->name, behind, row(i)->value);
        term_flow(stdout, term, head, 0, "");
        term_flow(stdout, term, row(i)->sentence, 4, "    ");
    }
}

static void help_ways(const struct term *term)
{
    term_flow(
        stdout, term,
        "How victims come in to 'mitmlab proxy', and who says where they "
        "want to go. Each --listen is one way, at 127.0.0.1 if ADDRESS: is "
        "left out; there may be several at "
        "once.",
        0, "");
    putchar('\n');
    help_rows(term, way_row, "", "@ADDRESS:PORT");
    term_flow(stdout, term, "\nBehind the way, each with a comma:", 0, "");
    help_rows(term, way_flag_row, ",", "");
    term_flow(stdout, term,
              "\nFor example: mitmlab proxy --listen http@127.0.0.1:3128 "
              "--listen socks@127.0.0.1:1080 --hosts hosts --ca rogue",
              0, "");
}

static const struct topic {
    const char *name, *sentence;
    void (*print)(const struct term *term);
} topics[] = {
    {"lab", "every word of a lab file", help_lab},
    {"filter", "how flows are chosen, for rules, --hold and --show",
     help_filter},
    {"rules", "what --rule can do with flows", help_rules},
    {"refusals", "what can be explained, and the ways to say no",
     help_refusals},
    {"script", "what a Lua script can do with flows", help_script},
    {"exit-codes", "what the exit code says", help_exit_codes},
    {"events", "the kinds of events, who writes them, what is in them",
     help_events},
    {"ways", "how victims come in to the proxy", help_ways},
    {0},
};

static const struct topic *find_topic(const char *name)
{
    for (const struct topic *it = topics; it->name; it++)
        if (!strcmp(it->name, name))
            return it;
    return NULL;
}

static void list_row(const struct term *term, const char *name,
                     const char *sentence)
{
    char head[32];
    snprintf(head, sizeof head, "%-11s ", name);
    term_flow(stdout, term, sentence, 2, head);
}

static void list_all(const struct term *term)
{
    printf("usage: mitmlab COMMAND ...\n\ncommands:\n");
    for (const struct command *it = commands; it->name; it++)
        if (!it->hidden)
            list_row(term, it->name, it->sentence);
    printf("\ntopics:\n");
    for (const struct topic *it = topics; it->name; it++)
        list_row(term, it->name, it->sentence);
    term_flow(stdout, term, "\n'mitmlab help WORD' says more about each.", 0,
              "");
}

static int no_such_topic(const char *word)
{
    const char *names[64];
    unsigned count = 0;
    for (const struct command *it = commands; it->name && count < 56; it++)
        if (!it->hidden)
            names[count++] = it->name;
    for (const struct topic *it = topics; it->name; it++)
        names[count++] = it->name;
    names[count] = NULL;
    const char *near = nearest(word, names);
    struct err err = ERR_INIT;
    err_code(&err, EXIT_USAGE,
             "no help on \"%s\"%s%s%s; 'mitmlab help' lists what there is",
             word, near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    return cli_fail(&err);
}

static void list_json(void)
{
    json_t *commands_list = json_array(), *topics_list = json_array();
    for (const struct command *it = commands; it->name; it++)
        if (!it->hidden)
            json_array_append_new(commands_list,
                                  json_pack("{s:s,s:s,s:s}", "name", it->name,
                                            "synopsis", it->synopsis,
                                            "sentence", it->sentence));
    for (const struct topic *it = topics; it->name; it++)
        json_array_append_new(
            topics_list,
            json_pack("{s:s,s:s}", "name", it->name, "sentence", it->sentence));
    json_t *whole = json_pack("{s:o,s:o}", "commands", commands_list, "topics",
                              topics_list);
    json_dumpf(whole, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(whole);
}

static int explain_word(const struct term *term, const char *word)
{
    const struct topic *topic = find_topic(word);
    if (topic) {
        topic->print(term);
        return EXIT_OK;
    }
    const struct command *command = command_find(word);
    if (!command || command->hidden)
        return no_such_topic(word);
    char name[32], help[] = "--help";
    snprintf(name, sizeof name, "%s", word);
    char *argv[] = {name, help, NULL};
    return command->run(2, argv);
}

int cmd_help(int argc, char **argv)
{
    bool json = false, helped;
    const struct option table[] = {
        {"json", 0, OPTION_FLAG, NULL, "Print JSON.", &json},
        {0},
    };
    struct arguments rest;
    struct err err = ERR_INIT;
    struct term term;
    term_look(&term, 1);
    if (options_parse(command_find("help"), table, argc, argv, &rest, &helped,
                      &err))
        return cli_fail(&err);
    if (helped)
        return EXIT_OK;
    if (json)
        list_json();
    else if (!rest.count)
        list_all(&term);
    else
        return explain_word(&term, rest.items[0]);
    return EXIT_OK;
}
