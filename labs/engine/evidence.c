/* SPDX-License-Identifier: MIT
 *
 * From what a lab file says to the frame, its bytes and a display filter. A
 * frame number comes from a place in a TCP stream or from bytes, never from a
 * time. */
#include "labs/engine/evidence.h"

#include "labs/engine/words.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_MOST = 64, STREAM_MOST = 64 << 10, TCP_HEADER = 20 };

struct found {
    const json_t *event; /* NULL: found by its bytes alone */
    uint64_t frame;
    uint8_t bytes[BYTES_MOST];
    size_t len;
    uint8_t flags; /* of TCP, if it is an end; else 0 */
};

/* ---- events -------------------------------------------------------------- */

static bool data_fits(const json_t *event, const json_t *wanted)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)wanted, key, value)
    {
        char *one = words_value_text(value);
        char *two = words_value_text(
            json_object_get(json_object_get(event, "data"), key));
        bool same = one && two && !strcmp(one, two);
        free(one);
        free(two);
        if (!same)
            return false;
    }
    return true;
}

static bool event_fits(const json_t *event, unsigned step,
                       const struct lab_evidence *it)
{
    return event_belongs(event, step, it->act) &&
           !strcmp(event_kind(event), it->kind) &&
           (!it->place || !strcmp(event_member(event, "place"), it->place)) &&
           (!it->leg || !strcmp(event_member(event, "leg"), it->leg)) &&
           data_fits(event, it->data);
}

static enum index_dir dir_of(const json_t *event)
{
    return !strcmp(event_member(event, "dir"), "up") ? INDEX_UP : INDEX_DOWN;
}

/* How the one who opened the connection closed it: a FIN or RST carries no
 * bytes of the stream, so that the header of its segment stands for them. */
static bool take_end(const struct play *play, const json_t *event,
                     struct found *found)
{
    struct index_tuple tuple;
    struct index_frame frame;
    uint64_t t = (uint64_t)event_number(event, "t");
    if (!event_tuple(event, &tuple))
        return false;
    found->event = event;
    found->frame = index_end_of(play->index, &tuple, INDEX_UP, t);
    if (!found->frame || index_frame(play->index, found->frame, &frame))
        return false;
    found->flags = frame.packet.flags;
    found->len = TCP_HEADER;
    memcpy(found->bytes, frame.packet.header, TCP_HEADER);
    return true;
}

/* The bytes of the event; with `contains`, from where that stands in them. */
static bool take_bytes(const struct play *play, const json_t *event,
                       const char *contains, struct found *found)
{
    struct index_tuple tuple;
    uint64_t at = (uint64_t)event_number(event, "at");
    uint64_t t = (uint64_t)event_number(event, "t");
    size_t len = (size_t)event_number(event, "len");
    if (!strcmp(event_kind(event), "flow.end"))
        return take_end(play, event, found);
    if (!event_tuple(event, &tuple))
        return false;
    if (contains) {
        uint8_t *stream = malloc(STREAM_MOST);
        size_t got =
            index_bytes_of(play->index, &tuple, dir_of(event), at, t, stream,
                           len && len < STREAM_MOST ? len : STREAM_MOST);
        const uint8_t *hit = memmem(stream, got, contains, strlen(contains));
        if (hit)
            at += (uint64_t)(hit - stream);
        free(stream);
        len = strlen(contains);
        if (!hit)
            return false;
    }
    found->event = event;
    found->frame = index_frame_of(play->index, &tuple, dir_of(event), at, t);
    found->len =
        index_bytes_of(play->index, &tuple, dir_of(event), at, t, found->bytes,
                       len < BYTES_MOST ? len : BYTES_MOST);
    return found->frame != 0;
}

/* Is it about the connection that the act itself opened? */
static bool is_own(const struct play *play, unsigned step,
                   const struct lab_evidence *it, const json_t *event)
{
    const struct lab_step *lab = &play->lab->steps[step - 1];
    struct index_tuple tuple;
    for (unsigned i = 0; it->act && i < lab->acts_count; i++)
        if (!strcmp(lab->acts[i].as, it->act))
            return event_tuple(event, &tuple) &&
                   !strcmp(tuple.src, play_place(play, lab->acts[i].at)->ip4);
    return false;
}

/* The first event that fits; one of the act's own connection goes before. */
static void find_event(const struct play *play, unsigned step,
                       const struct lab_evidence *it, struct found *found)
{
    size_t i;
    json_t *event;
    for (int own = 1; own >= 0; own--)
        json_array_foreach(play->chronicle.events, i, event)
        {
            if (event_fits(event, step, it) &&
                is_own(play, step, it, event) == (own == 1) &&
                take_bytes(play, event, it->contains, found))
                return;
        }
}

/* ---- bytes --------------------------------------------------------------- */

static struct frames frames_of(const struct play *play, unsigned step,
                               const char *act)
{
    const struct lab_step *lab = &play->lab->steps[step - 1];
    const struct played_step *played = &play->steps[step - 1];
    for (unsigned i = 0; act && i < lab->acts_count; i++)
        if (!strcmp(lab->acts[i].as, act))
            return played->acts[i].frames;
    return played->frames;
}

static void find_bytes(const struct play *play, unsigned step,
                       const struct lab_evidence *it, struct found *found)
{
    struct frames frames = frames_of(play, step, it->act);
    struct index_query query = {
        .bytes = it->contains,
        .len = strlen(it->contains),
        .from_frame = frames.from,
        .to_frame = frames.to,
        .place = it->place,
        .one_frame = true, /* it is what a display filter finds */
    };
    if (!frames.from || frames.to < frames.from)
        return;
    found->frame = index_find(play->index, &query);
    found->len = query.len < BYTES_MOST ? query.len : BYTES_MOST;
    memcpy(found->bytes, it->contains, found->len);
}

/* ---- the entry ----------------------------------------------------------- */

static json_t *hex_of(const struct found *found)
{
    char hex[2 * BYTES_MOST + 1] = "";
    for (size_t i = 0; i < found->len; i++)
        snprintf(hex + 2 * i, 3, "%02x", found->bytes[i]);
    return json_string(hex);
}

/* What the event says of bytes that may be encrypted on the wire. A page keeps
 * its lines. */
static json_t *decoded(const struct found *found)
{
    const json_t *event = found->event;
    const char *kind = event ? event_kind(event) : "";
    char *text = NULL;
    if (!strcmp(kind, "http.request") || !strcmp(kind, "http.response")) {
        const char *words[] = {"method", "target", "reason", "body"};
        struct buf line = {0};
        for (size_t i = 0; i < 4; i++)
            if (*event_data(event, words[i]))
                buf_printf(&line, "%s%.200s", buf_len(&line) ? " " : "",
                           event_data(event, words[i]));
        text = term_escape(line.bytes ? buf_head(&line) : (uint8_t *)"",
                           buf_len(&line), true);
        buf_free(&line);
    } else if (found->flags) {
        text = strdup(found->flags & PACKET_RST ? "TCP RST" : "TCP FIN");
    } else if (*event_data(event, "name")) {
        text = strdup(event_data(event, "name"));
    } else {
        text = term_escape(found->bytes, found->len, false);
    }
    json_t *out = json_string(text);
    free(text);
    return out;
}

static void describe(const struct play *play, const struct found *found,
                     json_t *entry)
{
    static const char *const copied[] = {"t", "place", "kind", "at", "len"};
    struct index_frame frame;
    if (!index_frame(play->index, found->frame, &frame) && frame.place)
        json_object_set_new(entry, "interface", json_string(frame.place));
    for (size_t i = 0; found->event && i < sizeof copied / sizeof *copied;
         i++) {
        json_t *value = json_object_get(found->event, copied[i]);
        if (value)
            json_object_set(entry, copied[i], value);
    }
    json_object_set_new(entry, "bytes", hex_of(found));
    json_object_set_new(entry, "decoded", decoded(found));
}

json_t *evidence_find(const struct play *play, unsigned step,
                      const struct lab_evidence *it)
{
    struct found found = {0};
    char filter[64];
    if (it->kind)
        find_event(play, step, it, &found);
    else
        find_bytes(play, step, it, &found);
    snprintf(filter, sizeof filter, "frame.number == %llu",
             (unsigned long long)found.frame);
    json_t *entry = json_pack("{s:s,s:s,s:s*}", "what", it->what, "filter",
                              it->filter ? it->filter : filter, "act", it->act);
    if (found.frame) {
        json_object_set_new(entry, "frame",
                            json_integer((json_int_t)found.frame));
        describe(play, &found, entry);
    } else {
        json_object_set_new(entry, "frame", json_null());
        json_object_set_new(entry, "missing",
                            json_string(it->kind
                                            ? "no such event is tied to a frame"
                                            : "no frame holds these bytes"));
    }
    return entry;
}
