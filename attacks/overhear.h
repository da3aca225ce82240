/* SPDX-License-Identifier: MIT
 *
 * Frames in, secrets out: follows TCP conversations that it only overhears.
 * It keeps no bytes, so what comes late or twice is not put in order: a gap
 * makes it forget what was half read, a repetition is left out. Memory is
 * bounded; of too many conversations the one that was quiet longest goes. */
#ifndef ATTACKS_OVERHEAR_H
#define ATTACKS_OVERHEAR_H

#include "attacks/secrets.h"

#include <stddef.h>
#include <stdint.h>

struct overhear;

/* `look` is borrowed. NULL when memory is out. */
struct overhear *overhear_new(const struct secrets_look *look);

/* One frame; `link` is an enum pcapng_link. What is found goes out as the
 * event secret.read, with its place in the TCP stream if the conversation was
 * heard from its beginning. */
void overhear_frame(struct overhear *overhear, uint16_t link,
                    const uint8_t *frame, size_t len);

/* Reports what is still being read, and frees. */
void overhear_free(struct overhear *overhear);

#endif
