/* SPDX-License-Identifier: MIT
 *
 * From words of a lab file to command lines. Whatever a lab does is a command
 * that the trainee could type at that place. */
#include "labs/engine/play.h"

#include "attacks/attack.h"
#include "labs/engine/canary.h"
#include "labs/engine/shelf.h"
#include "labs/engine/words.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- lines --------------------------------------------------------------- */

void command_word(struct command_line *line, const char *word)
{
    if (line->count == COMMAND_WORDS_MOST)
        return;
    line->words[line->count++] = strdup(word);
    line->words[line->count] = NULL;
}

void command_wordf(struct command_line *line, const char *format, ...)
{
    char *word;
    va_list args;
    va_start(args, format);
    if (vasprintf(&word, format, args) < 0)
        abort();
    va_end(args);
    command_word(line, word);
    free(word);
}

void command_close(struct command_line *line)
{
    for (unsigned i = 0; i < line->count; i++)
        free(line->words[i]);
    line->count = 0;
}

static void quote(struct buf *out, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "-_./:=@%+,";
    if (*word && word[strspn(word, plain)] == '\0') {
        buf_append_text(out, word);
        return;
    }
    buf_append_text(out, "'");
    for (; *word; word++) {
        if (*word == '\'')
            buf_append_text(out, "'\\''");
        else
            buf_append(out, word, 1);
    }
    buf_append_text(out, "'");
}

char *command_text(const struct command_line *line)
{
    struct buf out = {0};
    for (unsigned i = 0; i < line->count; i++) {
        const char *word = line->words[i];
        const char *slash = i ? NULL : strrchr(word, '/');
        if (i)
            buf_append_text(&out, " ");
        quote(&out, slash ? slash + 1 : word);
    }
    buf_append(&out, "", 1);
    return (char *)out.bytes;
}

/* ---- where programs are -------------------------------------------------- */

const char *const *command_environment(void)
{
    static char path[8192];
    /* One language, so that a transcript reads the same everywhere. */
    static const char *const environment[] = {path, "LC_ALL=C", NULL};
    const char *old = getenv("PATH");
    snprintf(path, sizeof path, "PATH=%s:%s", shelf_victims(),
             old && *old ? old : "/usr/local/bin:/usr/bin:/bin");
    return environment;
}

bool command_exists(const char *program)
{
    if (strchr(program, '/'))
        return !access(program, X_OK);
    const char *path = command_environment()[0] + strlen("PATH=");
    while (*path) {
        size_t len = strcspn(path, ":");
        char file[4096];
        snprintf(file, sizeof file, "%.*s/%s", (int)len, path, program);
        if (len && !access(file, X_OK))
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

const char *command_real(const char *program)
{
    const char *compiler = getenv("CC");
    return !strcmp(program, "cc") && compiler && *compiler ? compiler : program;
}

/* ---- options of our programs --------------------------------------------- */

/* "https://bank.lab.test/x" -> "https://bank.lab.test:8443/x", where low ports
 * cannot be had. Other text stays. */
static char *bend_url(const struct play *play, const char *text)
{
    bool tls = !strncmp(text, "https://", 8);
    size_t skip = tls ? 8 : 7;
    char *out;
    if (play->plan.topology != NET_BARE ||
        (!tls && strncmp(text, "http://", 7) != 0))
        return strdup(text);
    size_t host = strcspn(text + skip, "/:?#");
    long port = tls ? 443 : 80;
    const char *rest = text + skip + host;
    if (*rest == ':') {
        char *end;
        port = strtol(rest + 1, &end, 10);
        rest = end;
    }
    if (asprintf(&out, "%.*s:%d%s", (int)(skip + host), text,
                 stage_port(play, (int)port), rest) < 0)
        abort();
    return out;
}

static void add_option(struct play *play, const char *key, const json_t *value,
                       struct command_line *out)
{
    char *text = words_value_text(value);
    if (json_is_false(value)) {
        free(text);
        return;
    }
    command_wordf(out, "--%s", key);
    if (!json_is_true(value)) {
        char *bent = bend_url(play, text);
        command_word(out, bent);
        free(bent);
    }
    free(text);
}

/* The option's value in the file, or its fallback, which may be a canary. */
static void add_known_option(struct play *play, const struct word *option,
                             const json_t *words, struct command_line *out)
{
    const json_t *value = words_get(words, option->key);
    char text[CANARY_TEXT];
    if (json_is_array(value)) {
        size_t i;
        json_t *item;
        json_array_foreach((json_t *)value, i, item)
            add_option(play, option->key, item, out);
    } else if (value) {
        add_option(play, option->key, value, out);
    } else if (option->fallback && !strncmp(option->fallback, "canary.", 7)) {
        canary_draw(play->options->seed, canary_find(option->fallback + 7),
                    text);
        command_wordf(out, "--%s", option->key);
        command_word(out, text);
    }
}

static void add_options(struct play *play, const struct lab_command *command,
                        struct command_line *out)
{
    const struct program *program = program_find(command->program);
    const struct word *option;
    for (unsigned i = 0; (option = program_option_at(program, i)); i++)
        add_known_option(play, option, command->words, out);
}

/* ---- servers and acts ---------------------------------------------------- */

/* `http = true` is port 80, `http = 8000` that one; 0: not wanted. */
static int wanted_port(const struct lab_command *start, const char *key,
                       int usual)
{
    const json_t *value = words_get(start->words, key);
    return json_is_true(value)      ? usual
           : json_is_integer(value) ? (int)json_integer_value(value)
                                    : 0;
}

static void add_listener(struct play *play, const struct lab_command *start,
                         const char *option, int port, struct command_line *out)
{
    const struct net_place *place = play_place(play, start->at);
    if (!port)
        return;
    command_word(out, option);
    command_wordf(out, "%s:%d", place->ip4, stage_port(play, port));
}

/* The rig has no certificate of the lab's CA, but a gallery of its own. */
static void rig_server(struct play *play, const struct lab_command *start,
                       struct command_line *out)
{
    const char *name = words_text("start", start->words, "name");
    command_word(out, shelf_program());
    command_word(out, start->program);
    add_listener(play, start, "--listen", wanted_port(start, "https", 443),
                 out);
    if (name) {
        command_word(out, "--name");
        command_word(out, name);
    }
    add_options(play, start, out);
}

/* The responder of this name has an answer about each server that names it. */
static void add_answers(struct play *play, const char *responder,
                        struct command_line *out)
{
    for (unsigned i = 0; i < play->lab->starts_count; i++) {
        const json_t *words = play->lab->starts[i].words;
        const char *asked = words_text("start", words, "responder");
        if (!asked || !responder || strcmp(asked, responder) != 0)
            continue;
        command_word(out, "--answer");
        command_wordf(out, "%s.ocsp", words_text("start", words, "name"));
    }
}

void command_server(struct play *play, const struct lab_command *start,
                    struct command_line *out)
{
    const char *name = words_text("start", start->words, "name");
    int https = wanted_port(start, "https", 443);
    if (!strcmp(start->program, "rig")) {
        rig_server(play, start, out);
        return;
    }
    command_word(out, start->program);
    add_listener(play, start, "--listen", wanted_port(start, "http", 80), out);
    add_listener(play, start, "--listen-tls", https, out);
    if (https) {
        command_word(out, "--cert");
        command_wordf(out, "%s.crt", name);
        command_word(out, "--key");
        command_wordf(out, "%s.key", name);
    }
    if (https && words_yes("start", start->words, "staple")) {
        command_word(out, "--staple");
        command_wordf(out, "%s.ocsp", name);
    }
    if (!strcmp(start->program, "ocsp-responder"))
        add_answers(play, name, out);
    add_options(play, start, out);
}

static unsigned add_port(int *out, unsigned count, unsigned most, int port)
{
    for (unsigned i = 0; i < count; i++)
        if (out[i] == port)
            return count;
    if (port && count < most)
        out[count++] = port;
    return count;
}

unsigned stage_ports(const struct play *play, int *out, unsigned most)
{
    unsigned count = 0;
    for (unsigned i = 0; i < play->lab->starts_count; i++) {
        const struct lab_command *start = &play->lab->starts[i];
        count = add_port(out, count, most, wanted_port(start, "http", 80));
        count = add_port(out, count, most, wanted_port(start, "https", 443));
    }
    return count;
}

void command_act(struct play *play, const struct lab_command *act,
                 struct command_line *out)
{
    const json_t *args = words_get(act->words, "args");
    size_t i;
    json_t *item;
    command_word(out, strcmp(act->program, "mitmlab")
                          ? command_real(act->program)
                          : shelf_program());
    json_array_foreach((json_t *)args, i, item)
    {
        char *text = words_value_text(item);
        command_word(out, text);
        free(text);
    }
    add_options(play, act, out);
}

/* ---- attacks ------------------------------------------------------------- */

static bool is_script(const struct lab_attack *attack)
{
    return !strcmp(attack->name, "script");
}

static bool in_proxy(const struct lab_attack *attack)
{
    const struct attack *known = attack_find(attack->name);
    return is_script(attack) || (known && known->kind == ATTACK_HOOK);
}

/* The value of a parameter as the attack wants it; free() it. NULL: the lab
 * says nothing of it. */
static char *param_text(const struct lab_attack *attack, const char *name)
{
    const json_t *value = words_get(attack->words, name);
    if (!value)
        return NULL;
    if (json_is_boolean(value))
        return strdup(json_is_true(value) ? "yes" : "no");
    return words_value_text(value);
}

/* "rewrite,in=request,find=a\,b": a comma in a value is written "\,". */
static void add_hook(const struct lab_attack *attack, struct command_line *out)
{
    struct buf spec = {0};
    const struct attack_param *it = attack_find(attack->name)->params;
    buf_append_text(&spec, attack->name);
    for (; it && it->name; it++) {
        char *text = param_text(attack, it->name);
        if (text)
            buf_printf(&spec, ",%s=", it->name);
        for (const char *at = text; at && *at; at++)
            buf_printf(&spec, "%s%c", *at == ',' ? "\\" : "", *at);
        free(text);
    }
    buf_append(&spec, "", 1);
    command_word(out, "--attack");
    command_word(out, (char *)buf_head(&spec));
    buf_free(&spec);
}

/* On a switch packets pass through the attacker and are taken from the wire;
 * elsewhere names lead the victim to listeners of the attacker's own. */
static void add_listeners(struct play *play, const struct net_place *place,
                          struct command_line *out)
{
    int ports[16];
    bool wire =
        play->plan.topology == NET_SWITCH || play->plan.topology == NET_HUB;
    unsigned count = stage_ports(play, ports, 16);
    if (wire)
        command_word(out, "--transparent");
    for (unsigned i = 0; i < count; i++) {
        command_word(out, "--listen");
        command_wordf(out, "%s:%d", wire ? "0.0.0.0" : place->ip4,
                      stage_port(play, ports[i]));
    }
}

static void add_authorities(struct play *play, struct command_line *out)
{
    command_word(out, "--ca");
    command_word(out, "rogue");
    if (trust_accomplice(play->lab)) {
        command_word(out, "--issuer");
        command_word(out, "lab");
    }
    command_word(out, "--upstream-ca");
    command_word(out, "trust.pem");
}

bool command_proxy(struct play *play, const struct lab_step *step,
                   struct command_line *out)
{
    const char *at = NULL;
    for (unsigned i = 0; i < step->attacks_count && !at; i++)
        if (in_proxy(&step->attacks[i]))
            at = step->attacks[i].at;
    if (!at)
        return false;
    command_word(out, shelf_program());
    command_word(out, "proxy");
    add_listeners(play, play_place(play, at), out);
    add_authorities(play, out);
    for (unsigned i = 0; i < step->attacks_count; i++) {
        const struct lab_attack *attack = &step->attacks[i];
        if (is_script(attack)) {
            command_word(out, "--script");
            command_word(out,
                         json_string_value(words_get(attack->words, "file")));
        } else if (in_proxy(attack)) {
            add_hook(attack, out);
        }
    }
    return true;
}

char *command_look(const char *capture, const char *viewer, const char *filter)
{
    struct command_line line = {.count = 0};
    command_word(&line, viewer);
    if (!strcmp(viewer, "tshark"))
        command_word(&line, "-V"); /* every field, not one line a frame */
    command_word(&line, "-r");
    command_word(&line, capture);
    command_word(&line, "-Y");
    command_word(&line, filter);
    char *text = command_text(&line);
    command_close(&line);
    return text;
}

/* Where the attacker listens, if the lab does not say. */
static char *source_text(const struct play *play, const char *name)
{
    if (play->plan.topology == NET_BARE && !strcmp(name, "from"))
        return realpath(play->capture_path, NULL); /* seen from a place */
    if (play->plan.topology == NET_LOOPBACK && !strcmp(name, "iface"))
        return strdup("lo");
    return NULL;
}

bool command_attack(struct play *play, const struct lab_attack *attack,
                    struct command_line *out)
{
    if (in_proxy(attack))
        return false;
    command_word(out, shelf_program());
    command_word(out, "attack");
    command_word(out, attack->name);
    const struct attack_param *it = attack_find(attack->name)->params;
    for (; it && it->name; it++) {
        char *text = param_text(attack, it->name);
        if (!text)
            text = source_text(play, it->name);
        if (text)
            command_wordf(out, "%s=%s", it->name, text);
        free(text);
    }
    return true;
}
