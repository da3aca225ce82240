/* SPDX-License-Identifier: MIT
 *
 * Events kept, attributed, tied to frames. */
#include "labs/engine/chronicle.h"

#include "proxy/base/buf.h"

#include <stdlib.h>
#include <string.h>

static const char *const roles[] = {
    [ACTOR_RECORD] = "record", [ACTOR_SERVER] = "server",
    [ACTOR_PROXY] = "proxy",   [ACTOR_ATTACK] = "attack",
    [ACTOR_ACT] = "act",
};

void chronicle_open(struct chronicle *chronicle)
{
    *chronicle = (struct chronicle){
        .events = json_array(), .flows = json_object(), .ended = json_object()};
}

void chronicle_close(struct chronicle *chronicle)
{
    json_decref(chronicle->events);
    json_decref(chronicle->flows);
    json_decref(chronicle->ended);
}

/* ---- members ------------------------------------------------------------- */

const char *event_member(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text ? text : "";
}

const char *event_kind(const json_t *event)
{
    return event_member(event, "kind");
}

const char *event_data(const json_t *event, const char *key)
{
    return event_member(json_object_get(event, "data"), key);
}

long long event_number(const json_t *event, const char *key)
{
    return json_integer_value(json_object_get(event, key));
}

uint64_t event_frame(const json_t *event)
{
    return (uint64_t)event_number(event, "frame");
}

bool event_tuple(const json_t *event, struct index_tuple *out)
{
    const json_t *tuple = json_object_get(event, "tuple");
    const json_t *src_port = json_array_get(tuple, 1);
    const json_t *dst_port = json_array_get(tuple, 3);
    out->src = json_string_value(json_array_get(tuple, 0));
    out->dst = json_string_value(json_array_get(tuple, 2));
    out->src_port = (uint16_t)json_integer_value(src_port);
    out->dst_port = (uint16_t)json_integer_value(dst_port);
    return out->src && out->dst;
}

bool event_belongs(const json_t *event, unsigned step, const char *act)
{
    return (!step || event_number(event, "step") == step) &&
           (!act || !strcmp(event_member(event, "act"), act));
}

static bool value_mentions(const json_t *value, const char *text)
{
    if (json_is_string(value))
        return memmem(json_string_value(value), json_string_length(value), text,
                      strlen(text)) != NULL;
    size_t i;
    const char *key;
    json_t *item;
    json_array_foreach((json_t *)value, i,
                       item) if (value_mentions(item, text)) return true;
    json_object_foreach((json_t *)value, key,
                        item) if (value_mentions(item, text)) return true;
    return false;
}

bool event_mentions(const json_t *event, const char *text)
{
    return value_mentions(json_object_get(event, "data"), text);
}

/* ---- keeping ------------------------------------------------------------- */

static bool flow_key(const json_t *event, char key[160])
{
    struct index_tuple tuple;
    if (!event_tuple(event, &tuple))
        return false;
    snprintf(key, 160, "%.64s:%u>%.64s:%u", tuple.src, tuple.src_port,
             tuple.dst, tuple.dst_port);
    return true;
}

/* Addresses and ports may come again: is this the opening of another
 * connection than the one we know by them? */
static bool opens_anew(const struct chronicle *chronicle, const char *key,
                       const json_t *event)
{
    return !strcmp(event_kind(event), "flow.open") &&
           json_object_get(chronicle->ended, key);
}

/* Step and act of the connection, which begin with its first event. */
static json_t *owner_of(struct chronicle *chronicle, const json_t *event)
{
    char key[160];
    bool flow = flow_key(event, key);
    json_t *owner = flow ? json_object_get(chronicle->flows, key) : NULL;
    if (owner && !opens_anew(chronicle, key, event)) {
        if (!strcmp(event_kind(event), "flow.end"))
            json_object_set_new(chronicle->ended, key, json_true());
        return json_incref(owner);
    }
    owner = json_pack("{s:i,s:s*}", "step", (int)chronicle->step, "act",
                      chronicle->act);
    if (flow) {
        json_object_set(chronicle->flows, key, owner);
        json_object_del(chronicle->ended, key);
    }
    return owner;
}

void chronicle_add(struct chronicle *chronicle, const struct actor *actor,
                   json_t *event)
{
    json_t *owner = owner_of(chronicle, event);
    json_object_update(event, owner);
    json_object_set_new(event, "program", json_string(actor->name));
    json_object_set_new(event, "role", json_string(roles[actor->role]));
    json_array_append(chronicle->events, event);
    json_decref(owner);
}

/* ---- frames -------------------------------------------------------------- */

static void join(json_t *event, const struct capture_index *index)
{
    struct index_tuple tuple;
    const char *dir = event_member(event, "dir");
    if (json_object_get(event, "frame") || !*dir ||
        !json_object_get(event, "at") || !event_tuple(event, &tuple))
        return;
    uint64_t frame = index_frame_of(index, &tuple,
                                    !strcmp(dir, "up") ? INDEX_UP : INDEX_DOWN,
                                    (uint64_t)event_number(event, "at"),
                                    (uint64_t)event_number(event, "t"));
    if (frame)
        json_object_set_new(event, "frame", json_integer((json_int_t)frame));
}

void chronicle_join(struct chronicle *chronicle,
                    const struct capture_index *index)
{
    size_t i;
    json_t *event;
    json_array_foreach(chronicle->events, i, event) join(event, index);
}

/* ---- as a file ----------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    long long one = event_number(*(json_t *const *)a, "t");
    long long two = event_number(*(json_t *const *)b, "t");
    return one < two ? -1 : one > two;
}

char *chronicle_text(const struct chronicle *chronicle, size_t *out_len)
{
    size_t count = json_array_size(chronicle->events);
    json_t **sorted = calloc(count + 1, sizeof(json_t *));
    struct buf text = {0};
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(chronicle->events, i);
    qsort(sorted, count, sizeof(json_t *), by_time);
    for (size_t i = 0; i < count; i++) {
        char *line = json_dumps(sorted[i], JSON_COMPACT);
        if (line)
            buf_printf(&text, "%s\n", line);
        free(line);
    }
    free(sorted);
    buf_append(&text, "", 1);
    *out_len = buf_len(&text) - 1;
    return (char *)text.bytes;
}
