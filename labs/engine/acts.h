/* SPDX-License-Identifier: MIT
 *
 * What is known of an act once it is over, put together from events: its
 * verdict, its status, what was booked. The same facts are what `expect`
 * compares, what functions in a lab file see, and where the paths of
 * questions lead. */
#ifndef LABS_ENGINE_ACTS_H
#define LABS_ENGINE_ACTS_H

#include "labs/engine/play.h"

/* {"exit", "output", "status", "verdict", "how", "alert", "alert_code",
 * "app_bytes", "ledger": [...], "forged", "original"}; a new reference. */
json_t *acts_facts(const struct play *play, unsigned step,
                   const struct played_act *act);

/* The whole run: {"acts", "steps", "ledger", "events", "canary", "forged",
 * "original", "seed", "topology"}; a new reference. */
json_t *acts_document(const struct play *play);

/* What stands at "acts.open.status" or "steps[2].title"; NULL: nothing. */
const json_t *acts_at(const json_t *document, const char *path);

/* Did some text of the network reach the attacker, or a server, in clear
 * during the act? */
bool acts_attacker_reads(const struct play *play, unsigned step,
                         const struct played_act *act, const char *text);
bool acts_server_gets(const struct play *play, unsigned step,
                      const struct played_act *act, const char *text);

/* In how many frames of the act do these bytes begin? */
unsigned acts_wire_count(const struct capture_index *index,
                         struct frames frames, const char *bytes, size_t len);

#endif
