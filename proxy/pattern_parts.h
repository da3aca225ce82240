/* SPDX-License-Identifier: MIT
 *
 * The program of a pattern: what pattern.c (building it) and pattern_run.c
 * (running it) share with each other only. */
#ifndef PROXY_PATTERN_PARTS_H
#define PROXY_PATTERN_PARTS_H

#include "proxy/pattern.h"

#include <stdint.h>

enum { PATTERN_PREFIX_MOST = 32 };

struct set {
    uint32_t bits[8];
};

static inline bool set_has(const struct set *set, unsigned byte)
{
    return set->bits[byte >> 5] >> (byte & 31) & 1;
}

enum step_kind {
    STEP_SET,
    STEP_SPLIT, /* go on at `next`, and if that leads nowhere at `other` */
    STEP_SAVE,  /* the place of a group: `other` says which */
    STEP_BEGIN,
    STEP_END,
    STEP_MATCH,
};

struct step {
    enum step_kind kind;
    uint16_t next, other;
    struct set set;
};

struct pattern {
    struct step steps[PATTERN_STEPS_MOST];
    unsigned count;
    uint16_t start;
    unsigned char prefix[PATTERN_PREFIX_MOST]; /* each match begins with it */
    size_t prefix_len;
    bool skips; /* each match begins with a byte of `first` */
    struct set first;
    bool asks_end;   /* $ is in it */
    unsigned places; /* of groups that are remembered, two each */
};

#endif
