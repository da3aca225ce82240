/* SPDX-License-Identifier: MIT
 *
 * A way in: one listener, and how the victims that come there say where they
 * want to go. The list of ways is ways.def. */
#ifndef PROXY_WAY_H
#define PROXY_WAY_H

#include "certs/err.h"
#include "proxy/base/dial.h"
#include "proxy/target.h"

#include <stdbool.h>

enum way_mode {
#define WAY(constant, name, value, sentence) WAY_##constant,
#define WAY_FLAG(member, name, sentence)
#include "proxy/ways.def"
#undef WAY
#undef WAY_FLAG
};

struct way_in {
    union address address; /* where it listens */
    enum way_mode mode;
    struct target target; /* where all goes; host "" if that is not fixed */
    int port;             /* WAY_SNI: of the servers; 0: the listener's own */
#define WAY(constant, name, value, sentence)
#define WAY_FLAG(member, name, sentence) bool member;
#include "proxy/ways.def"
#undef WAY
#undef WAY_FLAG
};

/* A row of the list, for help. NULL behind the last. */
struct way_row {
    const char *name, *value, *sentence;
};
const struct way_row *way_row(unsigned index);
const struct way_row *way_flag_row(unsigned index);

/* Read "[MODE[,FLAG...]@][ADDRESS:]PORT[=VALUE]"; without an address it is
 * 127.0.0.1. Where no mode is named, mode,
 * target and flags are those of `usual`. -1 with EXIT_USAGE and a sentence. */
int way_parse(const char *text, const struct way_in *usual, struct way_in *out,
              struct err *err);

/* Where everything goes that comes in here; NULL: the victim says. */
static inline const struct target *way_target(const struct way_in *way)
{
    return *way->target.host ? &way->target : NULL;
}

/* Connections that were not meant for this host come in here. */
static inline bool way_takes_over(const struct way_in *way)
{
    return way->mode == WAY_TRANSPARENT || way->mode == WAY_KEEP;
}

/* The victim speaks to the proxy itself before it speaks to its server. */
static inline bool way_is_asked(const struct way_in *way)
{
    return way->mode == WAY_HTTP || way->mode == WAY_SOCKS;
}

#endif
