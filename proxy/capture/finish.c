/* SPDX-License-Identifier: MIT
 *
 * capture_finish(): a stopped capture becomes one for people. Two passes over
 * the old file, neither of which holds more of it than one block. */
#include "proxy/capture/capture.h"

#include "proxy/capture/section.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OUT_MOST = 1 << 20,     /* bytes held back before a write */
    KEYS_MOST = 64 << 20,   /* a longer keys.log is left out */
    SECRETS_MOST = 1 << 20, /* in one block */
};

struct rewrite {
    const struct capture_finish *finish;
    int fd;
    struct buf out;
    const struct capture_comment **comments; /* sorted by frame */
    size_t comment_at;                       /* the first one not yet passed */
};

static int out_of_memory(struct err *err)
{
    err_set(err, "finish the capture: out of memory");
    return -1;
}

static int flush(struct rewrite *rewrite, size_t unless_below, struct err *err)
{
    while (buf_len(&rewrite->out) > unless_below) {
        ssize_t wrote =
            write(rewrite->fd, buf_head(&rewrite->out), buf_len(&rewrite->out));
        if (wrote == -1 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            err_errno(err, "write the finished capture");
            return -1;
        }
        buf_consume(&rewrite->out, (size_t)wrote);
    }
    return 0;
}

/* ---- comments ------------------------------------------------------------ */

static int by_frame(const void *a, const void *b)
{
    const struct capture_comment *const *left = a, *const *right = b;
    if ((*left)->frame != (*right)->frame)
        return (*left)->frame < (*right)->frame ? -1 : 1;
    /* Comments on one frame keep the order in which they were given. */
    return *left < *right ? -1 : *left > *right;
}

static int sort_comments(struct rewrite *rewrite, struct err *err)
{
    size_t count = rewrite->finish->comments_count;
    rewrite->comments = calloc(count + 1, sizeof *rewrite->comments);
    if (!rewrite->comments)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        rewrite->comments[i] = &rewrite->finish->comments[i];
    qsort(rewrite->comments, count, sizeof *rewrite->comments, by_frame);
    return 0;
}

/* All comments on this frame as one text, its old one first. */
static int join_comments(struct rewrite *rewrite,
                         const struct pcapng_block *block, struct buf *text)
{
    size_t count = rewrite->finish->comments_count;
    if (buf_append(text, block->packet.comment, block->packet.comment_len))
        return -1;
    for (; rewrite->comment_at < count; rewrite->comment_at++) {
        const struct capture_comment *comment =
            rewrite->comments[rewrite->comment_at];
        if (comment->frame > block->number)
            break;
        if (comment->frame < block->number)
            continue;
        if ((buf_len(text) && buf_append_text(text, "\n")) ||
            buf_append_text(text, comment->text))
            return -1;
    }
    return 0;
}

static bool has_comments(struct rewrite *rewrite, uint64_t frame)
{
    size_t at = rewrite->comment_at;
    while (at < rewrite->finish->comments_count &&
           rewrite->comments[at]->frame < frame)
        at++;
    rewrite->comment_at = at;
    return at < rewrite->finish->comments_count &&
           rewrite->comments[at]->frame == frame;
}

static int put_commented(struct rewrite *rewrite,
                         const struct pcapng_block *block)
{
    struct buf text = {0};
    struct pcapng_packet packet = block->packet;
    int rc = join_comments(rewrite, block, &text);
    if (!rc) {
        packet.comment = (const char *)buf_head(&text);
        packet.comment_len = buf_len(&text);
        rc = pcapng_put_packet(&rewrite->out, &packet);
    }
    buf_free(&text);
    return rc;
}

/* ---- reading the old file ------------------------------------------------- */

/* Call `each` for every block of the old file. */
static int pass(struct rewrite *rewrite,
                int (*each)(struct rewrite *rewrite,
                            const struct pcapng_block *block, struct err *err),
                struct err *err)
{
    struct pcapng_file *file;
    struct pcapng_block block;
    int rc;
    if (pcapng_open(rewrite->finish->path, &file, err))
        return -1;
    while ((rc = pcapng_file_next(file, &block, err)) > 0) {
        bool first = pcapng_file_whole(file) == block.len;
        if (block.kind == PCAPNG_SECTION &&
            (!first || pcapng_file_reader(file)->swapped)) {
            err_set(err, "%s was not written by us: it cannot be finished",
                    rewrite->finish->path);
            rc = -1;
        } else {
            rc = each(rewrite, &block, err);
        }
        if (rc)
            break;
    }
    pcapng_close(file);
    return rc;
}

static int copy(struct rewrite *rewrite, const struct pcapng_block *block,
                struct err *err)
{
    return buf_append(&rewrite->out, block->bytes, block->len)
               ? out_of_memory(err)
               : 0;
}

/* ---- secrets ------------------------------------------------------------- */

/* A file of ours, read whole; a missing one is empty. */
static int read_keys(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd == -1 && errno == ENOENT)
        return 0;
    ssize_t got = -1;
    while (fd != -1 && buf_len(out) < KEYS_MOST) {
        uint8_t *room = buf_reserve(out, 64 << 10);
        got = room ? read(fd, room, 64 << 10) : -1;
        if (got <= 0)
            break;
        buf_filled(out, (size_t)got);
    }
    if (got)
        err_errno(err, "read the secrets in %s", path);
    if (fd != -1)
        close(fd);
    return got ? -1 : 0;
}

/* Length of the whole lines at the front that fit into one block. */
static size_t lines_for_a_block(const struct buf *keys)
{
    size_t len = buf_len(keys) < SECRETS_MOST ? buf_len(keys) : SECRETS_MOST;
    const uint8_t *newline = len ? memrchr(buf_head(keys), '\n', len) : NULL;
    return newline ? (size_t)(newline + 1 - buf_head(keys)) : 0;
}

static int copy_secrets(struct rewrite *rewrite,
                        const struct pcapng_block *block, struct err *err)
{
    return block->kind == PCAPNG_SECRETS ? copy(rewrite, block, err) : 0;
}

static int put_secrets(struct rewrite *rewrite, struct err *err)
{
    const struct capture_finish *finish = rewrite->finish;
    struct buf keys = {0};
    int rc = 0;
    if (finish->secrets != CAPTURE_SECRETS_ALL)
        return 0;
    if (!finish->keys_path)
        return pass(rewrite, copy_secrets, err);
    if (read_keys(finish->keys_path, &keys, err)) {
        buf_free(&keys);
        return -1;
    }
    for (size_t len; !rc && (len = lines_for_a_block(&keys));) {
        rc = pcapng_put_secrets(&rewrite->out, (const char *)buf_head(&keys),
                                len);
        buf_consume(&keys, len);
    }
    buf_free(&keys);
    return rc ? out_of_memory(err) : 0;
}

/* ---- the two passes ------------------------------------------------------ */

static int copy_head(struct rewrite *rewrite, const struct pcapng_block *block,
                     struct err *err)
{
    if (block->kind == PCAPNG_SECTION && rewrite->finish->comment)
        return section_put(&rewrite->out, rewrite->finish->comment, err);
    if (block->kind == PCAPNG_SECTION || block->kind == PCAPNG_INTERFACE)
        return copy(rewrite, block, err);
    return 0;
}

static int copy_body(struct rewrite *rewrite, const struct pcapng_block *block,
                     struct err *err)
{
    int rc = 0;
    if (block->kind == PCAPNG_PACKET && has_comments(rewrite, block->number))
        rc = put_commented(rewrite, block) ? out_of_memory(err) : 0;
    else if (block->kind == PCAPNG_PACKET || block->kind == PCAPNG_STATS ||
             block->kind == PCAPNG_EVENTS || block->kind == PCAPNG_OTHER)
        rc = copy(rewrite, block, err);
    return rc ? rc : flush(rewrite, OUT_MOST, err);
}

static int rewrite_file(struct rewrite *rewrite, struct err *err)
{
    const struct capture_finish *finish = rewrite->finish;
    if (sort_comments(rewrite, err) || pass(rewrite, copy_head, err))
        return -1;
    if (finish->names_count &&
        pcapng_put_names(&rewrite->out, finish->names, finish->names_count))
        return out_of_memory(err);
    if (put_secrets(rewrite, err) || pass(rewrite, copy_body, err) ||
        flush(rewrite, 0, err))
        return -1;
    if (fsync(rewrite->fd)) {
        err_errno(err, "write the finished capture");
        return -1;
    }
    return 0;
}

static int replace(struct rewrite *rewrite, const char *tmp, struct err *err)
{
    unlink(tmp);
    rewrite->fd =
        open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (rewrite->fd == -1) {
        err_errno(err, "create %s", tmp);
        return -1;
    }
    int rc = rewrite_file(rewrite, err);
    close(rewrite->fd);
    if (!rc && rename(tmp, rewrite->finish->path)) {
        err_errno(err, "replace %s", rewrite->finish->path);
        rc = -1;
    }
    if (rc)
        unlink(tmp);
    return rc;
}

int capture_finish(const struct capture_finish *finish, struct err *err)
{
    struct rewrite rewrite = {.finish = finish, .fd = -1};
    char *tmp;
    if (asprintf(&tmp, "%s.tmp", finish->path) == -1)
        return out_of_memory(err);
    int rc = replace(&rewrite, tmp, err);
    free(tmp);
    buf_free(&rewrite.out);
    free(rewrite.comments);
    if (rc)
        err->code = EXIT_PARTIAL;
    return rc;
}
