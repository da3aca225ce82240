/* SPDX-License-Identifier: MIT
 *
 * Requests and answers over SOCK_SEQPACKET; see talk.h for their words. */
#include "labs/net/talk.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int talk_blob(const void *bytes, size_t len)
{
    int fd = memfd_create("mitmlab", MFD_CLOEXEC);
    const char *at = bytes;
    while (fd >= 0 && len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            close(fd);
            return -1;
        }
        at += put;
        len -= (size_t)put;
    }
    return fd;
}

char *talk_blob_read(int fd, size_t *out_len)
{
    struct stat about;
    if (fstat(fd, &about) < 0)
        return NULL;
    size_t len = (size_t)about.st_size, got = 0;
    char *bytes = malloc(len + 1);
    while (bytes && got < len) {
        ssize_t part = pread(fd, bytes + got, len - got, (off_t)got);
        if (part <= 0 && errno != EINTR) {
            free(bytes);
            return NULL;
        }
        got += part > 0 ? (size_t)part : 0;
    }
    if (bytes) {
        bytes[len] = '\0';
        *out_len = len;
    }
    return bytes;
}

/* A message, with room for descriptors. */
struct envelope {
    struct msghdr header;
    struct iovec body;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(TALK_FDS * sizeof(int))];
    } control;
};

static void envelope_init(struct envelope *it, struct talk_request *request)
{
    memset(it, 0, sizeof *it);
    it->body = (struct iovec){request, sizeof *request};
    it->header.msg_iov = &it->body;
    it->header.msg_iovlen = 1;
    it->header.msg_control = it->control.bytes;
}

static void enclose(struct envelope *it, const int *fds, unsigned count)
{
    if (count == 0) {
        it->header.msg_control = NULL;
        return;
    }
    it->header.msg_controllen = CMSG_SPACE(count * sizeof *fds);
    struct cmsghdr *part = CMSG_FIRSTHDR(&it->header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(part), fds, count * sizeof *fds);
}

int talk_ask(int control, struct talk_request *request, const int *fds,
             struct err *err)
{
    struct envelope it;
    int dense[TALK_FDS];
    unsigned count = 0;
    for (int i = 0; i < TALK_FDS; i++)
        if ((request->given[i] = fds[i] >= 0))
            dense[count++] = fds[i];
    envelope_init(&it, request);
    enclose(&it, dense, count);
    if (sendmsg(control, &it.header, MSG_NOSIGNAL) < 0) {
        err_errno(err, "speak to the place");
        return -1;
    }
    return talk_await(control, err);
}

int talk_await(int control, struct err *err)
{
    struct err answer;
    ssize_t got;
    do {
        got = recv(control, &answer, sizeof answer, 0);
    } while (got < 0 && errno == EINTR);
    if (got == sizeof answer && answer.code == 0)
        return 0;
    if (got == sizeof answer)
        *err = answer;
    else if (got < 0)
        err_errno(err, "no answer from the place");
    else
        err_set(err, "the place has ended");
    return -1;
}

/* Put the descriptors that came where the request says that they belong. */
static int unpack(struct envelope *it, const struct talk_request *request,
                  int *out_fds)
{
    int dense[TALK_FDS];
    unsigned count = 0, next = 0;
    struct cmsghdr *part = CMSG_FIRSTHDR(&it->header);
    if (part && part->cmsg_level == SOL_SOCKET &&
        part->cmsg_type == SCM_RIGHTS) {
        count = (unsigned)((part->cmsg_len - CMSG_LEN(0)) / sizeof *dense);
        memcpy(dense, CMSG_DATA(part), count * sizeof *dense);
    }
    for (int i = 0; i < TALK_FDS; i++)
        out_fds[i] = request->given[i] && next < count ? dense[next++] : -1;
    return next == count ? 1 : -1;
}

int talk_listen(int control, struct talk_request *out, int *out_fds)
{
    struct envelope it;
    ssize_t got;
    envelope_init(&it, out);
    it.header.msg_controllen = sizeof it.control.bytes;
    do {
        got = recvmsg(control, &it.header, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return 0;
    if (got != sizeof *out)
        return -1;
    out->path[sizeof out->path - 1] = '\0';
    return unpack(&it, out, out_fds);
}

void talk_answer(int control, const struct err *err)
{
    /* If the runner is gone, so are we, in a moment. */
    send(control, err, sizeof *err, MSG_NOSIGNAL);
}
