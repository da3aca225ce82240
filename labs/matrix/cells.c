/* SPDX-License-Identifier: MIT */
#include "labs/matrix/cells.h"

#include "certs/file.h"
#include "proxy/capture/packet.h"
#include "proxy/capture/pcapng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

struct split {
    const struct matrix *matrix;
    size_t count;        /* of cells */
    uint32_t *cell_at;   /* by port: 1 + index */
    struct buf *packets; /* by cell: blocks */
    const struct pcapng_reader *reader;
};

static size_t cells_count(const struct matrix *matrix)
{
    return (size_t)CLIENTS_MOST * MATRIX_VERSIONS * matrix->rows_count;
}

static int sort_packet(struct split *split, const struct pcapng_packet *packet)
{
    struct packet parsed;
    uint16_t link = split->reader->interfaces[packet->interface].link;
    packet_parse(link, packet->bytes, packet->len, &parsed);
    if (!packet_is_tcp(&parsed))
        return 0;
    uint32_t cell = split->cell_at[parsed.dst_port];
    cell = cell ? cell : split->cell_at[parsed.src_port];
    return cell ? pcapng_put_packet(&split->packets[cell - 1], packet) : 0;
}

static int sort_packets(struct split *split, struct pcapng_file *file,
                        struct err *err)
{
    struct pcapng_block block;
    int rc;
    split->reader = pcapng_file_reader(file);
    while ((rc = pcapng_file_next(file, &block, err)) > 0)
        if (block.kind == PCAPNG_PACKET && sort_packet(split, &block.packet)) {
            err_set(err, "no memory to take the capture apart");
            return -1;
        }
    return rc;
}

static int put_head(const struct split *split, const char *comment,
                    const struct buf *keys, struct buf *out)
{
    const struct pcapng_section section = {.application = "mitmlab matrix",
                                           .comment = comment};
    int bad = pcapng_put_section(out, &section);
    if (buf_len(keys))
        bad |= pcapng_put_secrets(out, (const char *)buf_head(keys),
                                  buf_len(keys));
    for (unsigned i = 0; i < split->reader->interfaces_count; i++) {
        const struct pcapng_known *known = &split->reader->interfaces[i];
        const struct pcapng_interface it = {.name = known->name,
                                            .link = known->link,
                                            .snaplen = known->snaplen};
        bad |= pcapng_put_interface(out, &it);
    }
    return bad;
}

/* Which cell is the one with this index? */
static void name_cell(const struct matrix *matrix, size_t index, char out[96])
{
    unsigned row = (unsigned)(index % matrix->rows_count);
    size_t column = index / matrix->rows_count;
    snprintf(
        out, 96, "%s-%s-%s", matrix->clients.list[column / MATRIX_VERSIONS]->id,
        matrix->rows[row].id, matrix_version_name(column % MATRIX_VERSIONS));
}

static int write_cell(const struct split *split, size_t index, const char *dir,
                      const struct buf *keys, struct err *err)
{
    char name[96], file[112], comment[160], path[PATH_MAX];
    struct buf out = {0};
    const struct buf *packets = &split->packets[index];
    name_cell(split->matrix, index, name);
    snprintf(file, sizeof file, "%s.pcapng", name);
    snprintf(comment, sizeof comment, "%s: %s", name,
             cell_words(&split->matrix->cells[index]));
    int rc = put_head(split, comment, keys, &out) ||
             buf_append(&out, buf_head(packets), buf_len(packets));
    if (rc)
        err_set(err, "no memory for %s", file);
    rc = rc || file_join(path, dir, file, err) ||
         file_replace(path, 0600, buf_head(&out), buf_len(&out), err);
    buf_free(&out);
    return rc ? -1 : 0;
}

static int write_all(const struct split *split, const char *dir,
                     const struct buf *keys, unsigned *out_count,
                     struct err *err)
{
    char folder[PATH_MAX];
    if (file_join(folder, dir, "cells", err))
        return -1;
    if (mkdir(folder, 0700) && errno != EEXIST) {
        err_errno(err, "make the folder %s", folder);
        return -1;
    }
    for (size_t i = 0; i < split->count; i++) {
        if (!buf_len(&split->packets[i]))
            continue;
        if (write_cell(split, i, folder, &keys[i], err))
            return -1;
        ++*out_count;
    }
    return 0;
}

int cells_write(const struct matrix *matrix, const char *dir,
                const struct buf *keys, unsigned *out_count, struct err *err)
{
    char path[PATH_MAX];
    struct pcapng_file *file = NULL;
    struct split split = {.matrix = matrix, .count = cells_count(matrix)};
    int rc = -1;
    *out_count = 0;
    split.cell_at = calloc(65536, sizeof *split.cell_at);
    split.packets = calloc(split.count, sizeof *split.packets);
    if (!split.cell_at || !split.packets)
        err_set(err, "no memory to take the capture apart");
    else if (!file_join(path, dir, "capture.pcapng", err) &&
             !pcapng_open(path, &file, err))
        rc = 0;
    for (size_t i = 0; !rc && i < split.count; i++)
        if (matrix->cells[i].port)
            split.cell_at[matrix->cells[i].port] = 1 + (uint32_t)i;
    if (!rc)
        rc = sort_packets(&split, file, err) ||
             write_all(&split, dir, keys, out_count, err);
    if (file)
        pcapng_close(file);
    for (size_t i = 0; split.packets && i < split.count; i++)
        buf_free(&split.packets[i]);
    free(split.packets);
    free(split.cell_at);
    return rc ? -1 : 0;
}
