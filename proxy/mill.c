/* SPDX-License-Identifier: MIT */
#include "proxy/mill.h"

#include "proxy/hook.h"
#include "proxy/note.h"

#include <stdlib.h>

enum {
    PIECE = 8 * 1024,   /* shown at a time */
    FIRST_BYTES = 4,    /* tell what a coding really is */
    GROWS_MOST = 200,   /* times; more is a bomb */
    TASTE = 256 * 1024, /* decoded to know that */
};

struct mill {
    struct flow *flow;
    struct message *message;
    struct note *note;
    struct codec_reader *reader;
    struct codec_writer *writer;
    struct buf coded; /* that the reader was not given, or may not like */
    size_t tried;     /* of them: it was given these */
    struct buf piece; /* decoded */
    bool decoded;     /* the coding is what it says */
    bool as_it_came;  /* it is not */
    bool changed, over;
    bool owes; /* the writer may hold something back */
};

bool mill_wanted(const struct message *message)
{
    return message->editors && !message->has_body && !message->bodyless &&
           !message_is_bodyless(message) && message->coding != CODEC_UNKNOWN;
}

bool mill_is_bomb(const struct message *message)
{
    const uint8_t *bytes = buf_head(&message->body);
    size_t len = buf_len(&message->body), taken = 0, made = 0, used = 1,
           got = 1;
    struct codec_reader *reader = codec_reader_new(message->coding, bytes, len);
    struct buf out = {0};
    while (reader && made < TASTE && (used || got) &&
           codec_read(reader, bytes + taken, len - taken, PIECE, &used, &out) !=
               CODEC_DAMAGED) {
        got = buf_len(&out);
        made += got;
        taken += used;
        buf_clear(&out);
    }
    codec_reader_free(reader);
    buf_free(&out);
    return made >= TASTE && made / GROWS_MOST > taken;
}

bool mill_fix_fields(struct message *message)
{
    unsigned before = message->fields_count;
    message_remove_field(message, "Content-Length");
    message_remove_field(message, "Trailer");
    message_forget_sums(message);
    return message->fields_count != before;
}

/* ---- life ---------------------------------------------------------------- */

struct mill *mill_new(struct flow *flow, struct message *message,
                      struct note *note)
{
    struct mill *mill = calloc(1, sizeof *mill);
    if (!mill)
        return NULL;
    mill->flow = flow;
    mill->message = message;
    mill->note = note;
    if (message->coding == CODEC_IDENTITY)
        return mill;
    mill->writer = codec_writer_new(message->coding);
    if (mill->writer)
        return mill;
    free(mill);
    return NULL;
}

void mill_free(struct mill *mill)
{
    if (!mill)
        return;
    codec_reader_free(mill->reader);
    codec_writer_free(mill->writer);
    buf_free(&mill->coded);
    buf_free(&mill->piece);
    free(mill);
}

void mill_drop_editors(struct flow *flow, struct message *message)
{
    struct body_editor *it = message->editors;
    message->editors = NULL;
    for (; it; it = it->next)
        (void)it->hook->on_body(it->hook->config, flow, message, it->state,
                                NULL, true);
}

size_t mill_held(const struct mill *mill)
{
    return mill ? sizeof *mill + mill->coded.room + mill->piece.room : 0;
}

bool mill_changed(const struct mill *mill)
{
    return mill->changed;
}

/* ---- hooks --------------------------------------------------------------- */

/* -1: one of them cuts. After the end none is asked again. */
static int ask_editors(struct mill *mill, bool end)
{
    struct message *message = mill->message;
    struct body_editor *it = message->editors;
    bool cut = false;
    if (end)
        message->editors = NULL;
    for (; it; it = it->next) {
        enum hook_act act =
            it->hook->on_body(it->hook->config, mill->flow, message, it->state,
                              cut ? NULL : &mill->piece, end);
        mill->changed |= act == HOOK_CHANGED;
        cut |= act == HOOK_CUT;
    }
    return cut ? -1 : 0;
}

/* What was decoded goes through the hooks, and is coded again. */
static int pass_piece(struct mill *mill, bool end, struct buf *out)
{
    if (ask_editors(mill, end))
        return -1;
    size_t len = buf_len(&mill->piece);
    const void *bytes = len ? buf_head(&mill->piece) : NULL;
    note_sent_body(mill->note, bytes, len);
    int rc = 0;
    if (mill->writer && (len || end))
        rc = codec_write(mill->writer, bytes, len,
                         end ? CODEC_FINISH : CODEC_KEEP, out);
    else if (len)
        rc = buf_append(out, bytes, len);
    mill->owes |= mill->writer && len;
    mill->over = end;
    buf_clear(&mill->piece);
    return rc;
}

/* ---- codings ------------------------------------------------------------- */

static enum mill_says pass_on(struct mill *mill, const void *bytes, size_t len,
                              bool end, size_t *out_used, struct buf *out)
{
    *out_used = len;
    if (len && buf_append(out, bytes, len))
        return MILL_BROKEN;
    mill->over = end;
    return end ? MILL_OVER : MILL_HUNGRY;
}

/* The reader does not like it, and nothing of it was shown to anybody yet. */
static enum mill_says give_up_coding(struct mill *mill, bool end,
                                     struct buf *out)
{
    size_t used;
    size_t len = buf_len(&mill->coded);
    mill_drop_editors(mill->flow, mill->message);
    mill->as_it_came = true;
    enum mill_says says = pass_on(mill, len ? buf_head(&mill->coded) : NULL,
                                  len, end, &used, out);
    buf_free(&mill->coded);
    return says;
}

/* Let the reader have the bytes that are there. */
static enum mill_says decode(struct mill *mill, bool end, struct buf *out)
{
    size_t used, len = buf_len(&mill->coded) - mill->tried;
    const uint8_t *bytes =
        buf_len(&mill->coded) ? buf_head(&mill->coded) + mill->tried : NULL;
    if (!mill->reader && len < FIRST_BYTES && !end)
        return MILL_HUNGRY;
    if (!mill->reader && !len)
        return pass_piece(mill, true, out) ? MILL_BROKEN : MILL_OVER;
    if (!mill->reader)
        mill->reader = codec_reader_new(mill->message->coding, bytes, len);
    if (!mill->reader)
        return MILL_BROKEN;
    enum codec_says says =
        codec_read(mill->reader, bytes, len, PIECE, &used, &mill->piece);
    size_t made = buf_len(&mill->piece);
    if (says == CODEC_DAMAGED && !mill->decoded && !made)
        return give_up_coding(mill, end, out);
    if (says == CODEC_DAMAGED)
        return MILL_BROKEN;
    mill->decoded |= made || says == CODEC_ENDS;
    mill->tried += used;
    if (mill->decoded || mill->tried > PIECE) {
        buf_consume(&mill->coded, mill->tried);
        mill->tried = 0;
        mill->decoded = true;
    }
    bool last = end && says == CODEC_ENDS && used == len;
    if ((made || last) && pass_piece(mill, last, out))
        return MILL_BROKEN;
    if (last)
        return MILL_OVER;
    if (made || used)
        return MILL_FULL;
    if (!end)
        return MILL_HUNGRY;
    return mill->decoded ? MILL_BROKEN : give_up_coding(mill, end, out);
}

/* ---- steps --------------------------------------------------------------- */

static enum mill_says step_coded(struct mill *mill, const void *bytes,
                                 size_t len, bool end, size_t *out_used,
                                 struct buf *out)
{
    if (mill->as_it_came)
        return pass_on(mill, bytes, len, end, out_used, out);
    size_t waits = buf_len(&mill->coded) - mill->tried;
    size_t some = waits >= PIECE ? 0 : len < PIECE ? len : PIECE;
    if (some && buf_append(&mill->coded, bytes, some))
        return MILL_BROKEN;
    *out_used = some;
    enum mill_says says = decode(mill, end && some == len, out);
    return says == MILL_HUNGRY && some < len ? MILL_FULL : says;
}

static enum mill_says step_plain(struct mill *mill, const void *bytes,
                                 size_t len, bool end, size_t *out_used,
                                 struct buf *out)
{
    size_t some = len < PIECE ? len : PIECE;
    bool last = end && some == len;
    *out_used = some;
    if (!some && !last)
        return MILL_HUNGRY;
    if ((some && buf_append(&mill->piece, bytes, some)) ||
        pass_piece(mill, last, out))
        return MILL_BROKEN;
    return last ? MILL_OVER : some < len ? MILL_FULL : MILL_HUNGRY;
}

enum mill_says mill_step(struct mill *mill, const void *bytes, size_t len,
                         bool end, size_t *out_used, struct buf *out)
{
    enum mill_says says = MILL_FULL;
    size_t used = 0;
    *out_used = mill->over ? len : 0;
    if (mill->over)
        return MILL_OVER;
    while (says == MILL_FULL && buf_len(out) < MILL_ENOUGH) {
        says = mill->writer ? step_coded(mill, bytes, len, end, &used, out)
                            : step_plain(mill, bytes, len, end, &used, out);
        bytes = len ? (const char *)bytes + used : bytes;
        len -= used;
        *out_used += used;
    }
    return says;
}

int mill_flush(struct mill *mill, struct buf *out)
{
    if (!mill->owes || mill->over)
        return 0;
    mill->owes = false;
    return codec_write(mill->writer, NULL, 0, CODEC_FLUSH, out);
}
