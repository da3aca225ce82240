/* SPDX-License-Identifier: MIT
 *
 * Certificates that crossed the wire, as fields. They are a stranger's bytes,
 * so they are taken apart in a jail. */
#ifndef LABS_ENGINE_LEAVES_H
#define LABS_ENGINE_LEAVES_H

#include "labs/engine/chronicle.h"

/* Every tls.cert event gets "leaf", the cert object of certs/show.h with
 * "subject_cn" and "issuer_cn", if it has none yet. */
int leaves_describe(struct chronicle *chronicle, struct err *err);

#endif
