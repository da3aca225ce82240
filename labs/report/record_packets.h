/* SPDX-License-Identifier: MIT
 *
 * What the packets of anybody's capture say by themselves, in the form of
 * events: connections, what TLS shows in clear, and the first lines of HTTP. */
#ifndef LABS_REPORT_RECORD_PACKETS_H
#define LABS_REPORT_RECORD_PACKETS_H

#include "proxy/base/buf.h"
#include "proxy/capture/index.h"

enum { RECORD_STREAMS_MOST = 10000 };

/* Append lines of event.h. Where memory is out, there are fewer. */
void record_packets(const struct capture_index *index, struct buf *out);

#endif
