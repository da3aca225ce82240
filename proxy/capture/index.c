/* SPDX-License-Identifier: MIT
 *
 * Frames, connections and streams of a capture. Everything hangs on growing
 * arrays of numbers; the bytes of the file are kept as they are and headers
 * are taken apart anew when someone asks. */
#include "proxy/capture/index.h"

#include "proxy/capture/pcapng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NONE = UINT32_MAX, CHUNK = 256 << 10 };

/* A segment that lies further ahead does not move the point around which
 * sequence numbers are unwrapped: one forged number must not lead the true
 * ones astray. */
static const int64_t WINDOW_MOST = 1 << 28;

struct frame {
    size_t at; /* its bytes in `file` */
    uint64_t time_ns;
    uint64_t offset; /* in the stream */
    uint32_t len, original;
    uint32_t place;  /* number in `places` */
    uint32_t stream; /* number of the connection, or NONE */
    uint16_t link;
    bool again;
};

struct segment {
    uint64_t offset;
    uint64_t end_most; /* greatest end of this and all earlier segments */
    uint32_t len, frame;
};

/* One direction of a connection. */
struct side {
    bool known;     /* `base` is */
    uint32_t base;  /* sequence number of offset 0 */
    int64_t around; /* offset around which numbers are unwrapped */
    uint64_t end_frame;
    struct segment *segments;
    size_t count, room;
};

/* Both ends in a fixed order, so that both directions have the same key. */
struct end_point {
    uint8_t family, zero;
    uint16_t port;
    uint8_t address[16];
};

struct key {
    struct end_point a, b; /* a <= b */
};

struct connection {
    uint64_t opened_ns;
    struct side sides[2]; /* [0]: sent by `a` of its own key */
};

/* A tuple by which a connection is found; one may have two (recorder.h). */
struct name {
    struct key key;
    uint32_t connection;
    uint32_t older; /* the next name with this key, or NONE */
    bool alias;     /* not what its frames carry */
    bool crossed;   /* `a` of this key is `b` of the connection's own */
};

struct capture_index {
    int fd; /* -1: from memory */
    struct buf file;
    size_t whole; /* bytes that have been taken in */
    struct pcapng_reader reader;
    struct frame *frames;
    size_t frames_count, frames_room;
    char (*places)[PCAPNG_NAME_MOST];
    size_t places_count, places_room;
    uint32_t place_of[PCAPNG_INTERFACES_MOST]; /* by interface number */
    struct connection *connections;
    size_t connections_count, connections_room;
    struct name *names;
    size_t names_count, names_room;
    uint32_t *slots; /* newest name of each key, by hash */
    size_t slots_room;
};

/* Room for one more element of `size` bytes at the back of an array. */
static void *grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    size_t more = *room ? *room * 2 : 64;
    void *bigger = reallocarray(array, more, size);
    if (bigger)
        *room = more;
    return bigger;
}

/* ---- names of connections ------------------------------------------------ */

static struct end_point end_point(int family, const uint8_t *address,
                                  uint16_t port)
{
    struct end_point point = {.family = (uint8_t)family, .port = port};
    memcpy(point.address, address, family == AF_INET ? 4 : 16);
    return point;
}

/* True when `from` became `b`: the sender is the second end. */
static bool make_key(struct end_point from, struct end_point to,
                     struct key *out)
{
    bool crossed = memcmp(&from, &to, sizeof from) > 0;
    out->a = crossed ? to : from;
    out->b = crossed ? from : to;
    return crossed;
}

static uint64_t hash_of(const struct key *key)
{
    const uint8_t *bytes = (const uint8_t *)key;
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < sizeof *key; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash ^ hash >> 32;
}

/* The slot where this key is or would be. */
static uint32_t *slot_of(const struct capture_index *index,
                         const struct key *key)
{
    size_t mask = index->slots_room - 1, at = hash_of(key) & mask;
    while (index->slots[at] != NONE &&
           memcmp(&index->names[index->slots[at]].key, key, sizeof *key))
        at = (at + 1) & mask;
    return &index->slots[at];
}

static int grow_slots(struct capture_index *index)
{
    if (index->names_count * 2 < index->slots_room)
        return 0;
    size_t room = index->slots_room ? index->slots_room * 2 : 128;
    uint32_t *slots = reallocarray(NULL, room, sizeof *slots);
    if (!slots)
        return -1;
    memset(slots, 0xff, room * sizeof *slots);
    free(index->slots);
    index->slots = slots;
    index->slots_room = room;
    /* Oldest first, so that the newest of each key stays in the slot. */
    for (uint32_t i = 0; i < index->names_count; i++)
        *slot_of(index, &index->names[i].key) = i;
    return 0;
}

static const struct name *newest(const struct capture_index *index,
                                 const struct key *key)
{
    uint32_t at = index->slots_room ? *slot_of(index, key) : NONE;
    return at == NONE ? NULL : &index->names[at];
}

/* `name` but for its `older`. */
static int add_name(struct capture_index *index, struct name name)
{
    struct name *names = grow(index->names, index->names_count,
                              &index->names_room, sizeof *names);
    if (!names)
        return -1;
    index->names = names;
    if (grow_slots(index))
        return -1;
    uint32_t *slot = slot_of(index, &name.key);
    name.older = *slot;
    names[index->names_count] = name;
    *slot = (uint32_t)index->names_count++;
    return 0;
}

static int add_connection(struct capture_index *index, const struct key *key,
                          uint64_t time_ns)
{
    struct connection *connections =
        grow(index->connections, index->connections_count,
             &index->connections_room, sizeof *connections);
    if (!connections)
        return -1;
    index->connections = connections;
    connections[index->connections_count] =
        (struct connection){.opened_ns = time_ns};
    struct name name = {.key = *key,
                        .connection = (uint32_t)index->connections_count};
    index->connections_count++;
    return add_name(index, name);
}

static bool parse_end(const char *address, uint16_t port, struct end_point *out)
{
    uint8_t bytes[16];
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, address, bytes) != 1)
        return false;
    *out = end_point(family, bytes, port);
    return true;
}

static const char alias_write[] = "opened as %s port %u -> %s port %u";
static const char alias_read[] = "opened as %45s port %hu -> %45s port %hu";

void index_alias_text(const struct index_tuple *tuple,
                      char text[INDEX_ALIAS_TEXT])
{
    snprintf(text, INDEX_ALIAS_TEXT, alias_write, tuple->src,
             (unsigned)tuple->src_port, tuple->dst, (unsigned)tuple->dst_port);
}

/* A second name for the connection, if that is what the comment is. */
static int add_alias(struct capture_index *index, uint32_t connection,
                     bool opener, const char *comment, size_t len)
{
    char text[INDEX_ALIAS_TEXT];
    char src[PACKET_ADDRESS_TEXT], dst[PACKET_ADDRESS_TEXT];
    struct end_point from, to;
    struct name name = {.connection = connection, .alias = true};
    uint16_t src_port, dst_port;
    if (len >= sizeof text)
        return 0;
    memcpy(text, comment, len);
    text[len] = '\0';
    if (sscanf(text, alias_read, src, &src_port, dst, &dst_port) != 4 ||
        !parse_end(src, src_port, &from) || !parse_end(dst, dst_port, &to))
        return 0;
    name.crossed = make_key(from, to, &name.key) != opener;
    return add_name(index, name);
}

/* ---- streams ------------------------------------------------------------- */

/* The first segment, in order of frames, that has this byte. */
static const struct segment *segment_at(const struct side *side,
                                        uint64_t offset)
{
    size_t low = 0, high = side->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (side->segments[middle].end_most > offset)
            high = middle;
        else
            low = middle + 1;
    }
    for (; low < side->count; low++) {
        const struct segment *segment = &side->segments[low];
        if (segment->offset <= offset &&
            offset - segment->offset < segment->len)
            return segment;
    }
    return NULL;
}

/* Have all bytes of [offset, end) been seen? */
static bool all_seen(const struct side *side, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        const struct segment *segment = segment_at(side, offset);
        if (!segment)
            return false;
        offset = segment->offset + segment->len;
    }
    return true;
}

static int add_segment(struct side *side, uint64_t offset, uint32_t len,
                       uint32_t frame)
{
    struct segment *segments =
        grow(side->segments, side->count, &side->room, sizeof *segments);
    if (!segments)
        return -1;
    side->segments = segments;
    uint64_t end = offset + len;
    uint64_t most = side->count ? segments[side->count - 1].end_most : 0;
    segments[side->count++] =
        (struct segment){offset, end > most ? end : most, len, frame};
    return 0;
}

/* Put the payload of a frame into its stream. */
static int add_payload(struct side *side, const struct packet *packet,
                       struct frame *frame, uint32_t number)
{
    uint32_t seq = packet->seq + !!(packet->flags & PACKET_SYN);
    int64_t ahead = (int32_t)(seq - (side->base + (uint32_t)side->around));
    int64_t offset = side->around + ahead;
    int64_t end = offset + (int64_t)packet->payload_len;
    frame->offset = offset > 0 ? (uint64_t)offset : 0;
    if (!packet->payload_len)
        return 0;
    if (ahead < WINDOW_MOST && end > side->around)
        side->around = end;
    /* Bytes before the first one: a keep-alive probe, or nonsense. */
    if (end <= 0 || all_seen(side, frame->offset, (uint64_t)end)) {
        frame->again = true;
        return 0;
    }
    return add_segment(side, frame->offset,
                       (uint32_t)((uint64_t)end - frame->offset), number);
}

/* Does this SYN open a connection, or is it a copy of one that we know? */
static bool opens(const struct packet *packet, const struct side *side)
{
    return (packet->flags & (PACKET_SYN | PACKET_ACK)) == PACKET_SYN &&
           !(side->known && side->base == packet->seq + 1);
}

static int connection_for(struct capture_index *index,
                          const struct packet *packet, const struct key *key,
                          bool from, uint64_t time_ns, uint32_t *out)
{
    const struct name *name = newest(index, key);
    while (name && name->alias)
        name = name->older == NONE ? NULL : &index->names[name->older];
    if (name &&
        !opens(packet, &index->connections[name->connection].sides[from])) {
        *out = name->connection;
        return 0;
    }
    *out = (uint32_t)index->connections_count;
    return add_connection(index, key, time_ns);
}

static int add_tcp(struct capture_index *index, const struct packet *packet,
                   const struct pcapng_packet *block, struct frame *frame,
                   uint32_t number)
{
    struct key key;
    bool from = make_key(
        end_point(packet->family, packet->src, packet->src_port),
        end_point(packet->family, packet->dst, packet->dst_port), &key);
    size_t before = index->connections_count;
    if (connection_for(index, packet, &key, from, block->time_ns,
                       &frame->stream))
        return -1;
    if (index->connections_count > before && block->comment_len &&
        add_alias(index, frame->stream, from, block->comment,
                  block->comment_len))
        return -1;
    struct side *side = &index->connections[frame->stream].sides[from];
    if (!side->known) {
        side->known = true;
        side->base = packet->seq + !!(packet->flags & PACKET_SYN);
    }
    if (packet->flags & (PACKET_FIN | PACKET_RST) && !side->end_frame)
        side->end_frame = number + 1;
    return add_payload(side, packet, frame, number);
}

/* ---- taking a file in ---------------------------------------------------- */

static int add_place(struct capture_index *index, uint64_t interface)
{
    const char *name = index->reader.interfaces[interface].name;
    size_t at = 0;
    while (at < index->places_count && strcmp(index->places[at], name))
        at++;
    if (at == index->places_count) {
        void *places = grow(index->places, index->places_count,
                            &index->places_room, sizeof *index->places);
        if (!places)
            return -1;
        index->places = places;
        snprintf(index->places[at], sizeof *index->places, "%s", name);
        index->places_count++;
    }
    index->place_of[interface] = (uint32_t)at;
    return 0;
}

static int add_frame(struct capture_index *index,
                     const struct pcapng_packet *block)
{
    struct frame *frames = grow(index->frames, index->frames_count,
                                &index->frames_room, sizeof *frames);
    if (!frames)
        return -1;
    index->frames = frames;
    struct packet packet;
    uint32_t number = (uint32_t)index->frames_count;
    struct frame *frame = &frames[number];
    *frame =
        (struct frame){.at = (size_t)(block->bytes - index->file.bytes),
                       .time_ns = block->time_ns,
                       .len = block->len,
                       .original = block->original,
                       .place = index->place_of[block->interface],
                       .stream = NONE,
                       .link = index->reader.interfaces[block->interface].link};
    packet_parse(frame->link, block->bytes, block->len, &packet);
    if (packet_is_tcp(&packet) && add_tcp(index, &packet, block, frame, number))
        return -1;
    index->frames_count++;
    return 0;
}

static int out_of_memory(struct err *err)
{
    err_set(err, "index of the capture: out of memory");
    return -1;
}

/* Nothing is ever consumed from `file`, so its front is where it starts. */
static int take_in(struct capture_index *index, struct err *err)
{
    struct pcapng_block block;
    for (;;) {
        size_t left = index->file.end - index->whole;
        ssize_t used =
            left ? pcapng_next(&index->reader, index->file.bytes + index->whole,
                               left, &block, err)
                 : 0;
        if (used <= 0)
            return (int)used;
        index->whole += (size_t)used;
        if ((block.kind == PCAPNG_INTERFACE &&
             add_place(index, block.number)) ||
            (block.kind == PCAPNG_PACKET && add_frame(index, &block.packet)))
            return out_of_memory(err);
    }
}

static int read_on(struct capture_index *index, struct err *err)
{
    ssize_t got = 1;
    while (got > 0 && index->file.end < INDEX_BYTES_MOST) {
        uint8_t *room = buf_reserve(&index->file, CHUNK);
        if (!room)
            return out_of_memory(err);
        got = read(index->fd, room, CHUNK);
        if (got == -1 && errno == EINTR)
            got = 1;
        else if (got > 0)
            buf_filled(&index->file, (size_t)got);
    }
    if (!got)
        return 0;
    if (got > 0)
        err_set(err, "index of the capture: it is longer than 1 GiB");
    else
        err_errno(err, "read the capture");
    return -1;
}

int index_refresh(struct capture_index *index, struct err *err)
{
    if (index->fd != -1 && read_on(index, err))
        return -1;
    return take_in(index, err);
}

static struct capture_index *index_new(int fd)
{
    struct capture_index *index = calloc(1, sizeof *index);
    if (index)
        index->fd = fd;
    return index;
}

/* Fill a new index, or free it. */
static int filled(struct capture_index *index, struct capture_index **out,
                  struct err *err)
{
    if (index_refresh(index, err)) {
        capture_index_free(index);
        return -1;
    }
    *out = index;
    return 0;
}

int capture_index_load(const char *path, struct capture_index **out,
                       struct err *err)
{
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd == -1 || fstat(fd, &file)) {
        err_errno(err, "open capture %s", path);
        if (fd != -1)
            close(fd);
        return -1;
    }
    struct capture_index *index = index_new(fd);
    if (!index) {
        close(fd);
        return out_of_memory(err);
    }
    if (file.st_size < INDEX_BYTES_MOST)
        buf_reserve(&index->file, (size_t)file.st_size + CHUNK);
    return filled(index, out, err);
}

int capture_index_read(const uint8_t *bytes, size_t len,
                       struct capture_index **out, struct err *err)
{
    struct capture_index *index = index_new(-1);
    if (!index || buf_append(&index->file, bytes, len)) {
        capture_index_free(index);
        return out_of_memory(err);
    }
    return filled(index, out, err);
}

void capture_index_free(struct capture_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i < index->connections_count; i++) {
        free(index->connections[i].sides[0].segments);
        free(index->connections[i].sides[1].segments);
    }
    if (index->fd != -1)
        close(index->fd);
    free(index->connections);
    free(index->frames);
    free(index->places);
    free(index->names);
    free(index->slots);
    buf_free(&index->file);
    free(index);
}

/* ---- questions ----------------------------------------------------------- */

uint64_t index_count(const struct capture_index *index)
{
    return index->frames_count;
}

/* The side that a tuple, a direction and a time mean; NULL: none. */
static const struct side *side_of(const struct capture_index *index,
                                  const struct index_tuple *tuple,
                                  enum index_dir dir, uint64_t time_ns)
{
    struct end_point from, to;
    struct key key;
    if (!parse_end(tuple->src, tuple->src_port, &from) ||
        !parse_end(tuple->dst, tuple->dst_port, &to))
        return NULL;
    unsigned side = make_key(from, to, &key) ^ (dir == INDEX_DOWN);
    const struct name *name = newest(index, &key);
    while (name && time_ns && name->older != NONE &&
           index->connections[name->connection].opened_ns > time_ns)
        name = &index->names[name->older];
    if (!name)
        return NULL;
    return &index->connections[name->connection].sides[side ^ name->crossed];
}

uint64_t index_frame_of(const struct capture_index *index,
                        const struct index_tuple *tuple, enum index_dir dir,
                        uint64_t offset, uint64_t time_ns)
{
    const struct side *side = side_of(index, tuple, dir, time_ns);
    const struct segment *segment = side ? segment_at(side, offset) : NULL;
    return segment ? (uint64_t)segment->frame + 1 : 0;
}

uint64_t index_end_of(const struct capture_index *index,
                      const struct index_tuple *tuple, enum index_dir dir,
                      uint64_t time_ns)
{
    const struct side *side = side_of(index, tuple, dir, time_ns);
    return side ? side->end_frame : 0;
}

/* Bytes of a segment from `offset` on, in the frame that has them. */
static const uint8_t *segment_bytes(const struct capture_index *index,
                                    const struct segment *segment,
                                    uint64_t offset, size_t *out_len)
{
    const struct frame *frame = &index->frames[segment->frame];
    struct packet packet;
    packet_parse(frame->link, index->file.bytes + frame->at, frame->len,
                 &packet);
    /* The segment is the back of the payload: its front may lie before the
     * stream. */
    size_t skipped =
        packet.payload_len - segment->len + (size_t)(offset - segment->offset);
    *out_len = packet.payload_len - skipped;
    return packet.payload + skipped;
}

static size_t copy_stream(const struct capture_index *index,
                          const struct side *side, uint64_t offset,
                          uint8_t *out, size_t most)
{
    size_t done = 0;
    while (done < most) {
        const struct segment *segment = segment_at(side, offset + done);
        if (!segment)
            break;
        size_t len;
        const uint8_t *bytes =
            segment_bytes(index, segment, offset + done, &len);
        if (len > most - done)
            len = most - done;
        memcpy(out + done, bytes, len);
        done += len;
    }
    return done;
}

size_t index_bytes_of(const struct capture_index *index,
                      const struct index_tuple *tuple, enum index_dir dir,
                      uint64_t offset, uint64_t time_ns, uint8_t *out,
                      size_t most)
{
    const struct side *side = side_of(index, tuple, dir, time_ns);
    return side ? copy_stream(index, side, offset, out, most) : 0;
}

/* ---- search -------------------------------------------------------------- */

static bool in_window(const struct capture_index *index, size_t at,
                      const struct index_query *query)
{
    const struct frame *frame = &index->frames[at];
    return (!query->from_ns || frame->time_ns >= query->from_ns) &&
           (!query->to_ns || frame->time_ns <= query->to_ns) &&
           (!query->place ||
            !strcmp(index->places[frame->place], query->place));
}

static const struct side *side_of_frame(const struct capture_index *index,
                                        const struct frame *frame,
                                        const struct packet *packet)
{
    struct key key;
    unsigned from = make_key(
        end_point(packet->family, packet->src, packet->src_port),
        end_point(packet->family, packet->dst, packet->dst_port), &key);
    return &index->connections[frame->stream].sides[from];
}

/* Does the text begin at the back of this payload and run on? `joint` has
 * room for 2 * len bytes. */
static bool runs_on(const struct capture_index *index,
                    const struct frame *frame, const struct packet *packet,
                    const struct index_query *query, uint8_t *joint)
{
    size_t most = query->len - 1;
    size_t tail = packet->payload_len < most ? packet->payload_len : most;
    if (!tail || frame->stream == NONE)
        return false;
    memcpy(joint, packet->payload + packet->payload_len - tail, tail);
    size_t more =
        copy_stream(index, side_of_frame(index, frame, packet),
                    frame->offset + packet->payload_len, joint + tail, most);
    return memmem(joint, tail + more, query->bytes, query->len);
}

static bool found_in(const struct capture_index *index, size_t at,
                     const struct index_query *query, uint8_t *joint)
{
    const struct frame *frame = &index->frames[at];
    struct packet packet;
    packet_parse(frame->link, index->file.bytes + frame->at, frame->len,
                 &packet);
    bool ports = packet.src_port || packet.dst_port;
    if (memmem(ports ? packet.payload : packet.body,
               ports ? packet.payload_len : packet.body_len, query->bytes,
               query->len))
        return true;
    return !query->one_frame && runs_on(index, frame, &packet, query, joint);
}

uint64_t index_find(const struct capture_index *index,
                    const struct index_query *query)
{
    if (!query->len || query->len > index->file.end)
        return 0;
    uint8_t *joint = reallocarray(NULL, query->len, 2);
    if (!joint)
        return 0;
    size_t at = query->from_frame ? query->from_frame - 1 : 0;
    size_t end = index->frames_count;
    if (query->to_frame && query->to_frame < end)
        end = query->to_frame;
    while (at < end &&
           !(in_window(index, at, query) && found_in(index, at, query, joint)))
        at++;
    free(joint);
    return at < end ? at + 1 : 0;
}

int index_frame(const struct capture_index *index, uint64_t number,
                struct index_frame *out)
{
    if (!number || number > index->frames_count)
        return -1;
    const struct frame *frame = &index->frames[number - 1];
    *out = (struct index_frame){.number = number,
                                .time_ns = frame->time_ns,
                                .place = index->places[frame->place],
                                .bytes = index->file.bytes + frame->at,
                                .len = frame->len,
                                .original = frame->original,
                                .tcp = frame->stream != NONE,
                                .offset = frame->offset,
                                .again = frame->again};
    if (out->tcp)
        out->stream = frame->stream;
    packet_parse(frame->link, out->bytes, out->len, &out->packet);
    packet_address(out->packet.family, out->packet.src, out->src);
    packet_address(out->packet.family, out->packet.dst, out->dst);
    return 0;
}
