/* SPDX-License-Identifier: MIT
 *
 * SIGINT and SIGTERM. The first one is a request: finish what you are at. The
 * second one ends the runner on the spot, and everything dies with it;
 * result.json says "interrupted" from the beginning. */
#ifndef LABS_ENGINE_SIGNALS_H
#define LABS_ENGINE_SIGNALS_H

/* Readable once a signal has come. */
int signals_open(void);
void signals_close(void);

/* The first signal, or 0. */
int signals_seen(void);

#endif
