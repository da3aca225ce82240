/* SPDX-License-Identifier: MIT
 *
 * Numbers of the pcapng format (draft-ietf-opsawg-pcapng), for the two halves
 * of pcapng.h only. */
#ifndef PROXY_CAPTURE_PCAPNG_TYPES_H
#define PROXY_CAPTURE_PCAPNG_TYPES_H

#include <stddef.h>
#include <stdint.h>

static const uint32_t BYTE_ORDER_MAGIC = 0x1a2b3c4d;

enum block_type {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_OLD_PACKET = 2,
    BLOCK_SIMPLE_PACKET = 3,
    BLOCK_NAMES = 4,
    BLOCK_STATS = 5,
    BLOCK_PACKET = 6,
    BLOCK_SECRETS = 10,
    /* Of the numbers that are left to everybody, so it may be somebody else's:
     * ours begin with EVENTS_MAGIC. */
    BLOCK_EVENTS = (int)0x80006d6c,
};

enum option_code {
    OPTION_END = 0,
    OPTION_COMMENT = 1,
    OPTION_HARDWARE = 2,
    OPTION_OS = 3,
    OPTION_APPLICATION = 4,
    OPTION_IF_NAME = 2,
    OPTION_IF_DESCRIPTION = 3,
    OPTION_IF_TSRESOL = 9,
    OPTION_IF_TSOFFSET = 14,
    OPTION_FLAGS = 2,
    OPTION_ISB_RECEIVED = 4,
    OPTION_ISB_DROPPED = 5,
};

enum name_type { NAME_IPV4 = 1, NAME_IPV6 = 2 };

static const char EVENTS_MAGIC[8] = "mitmlab";

enum { SECRETS_TLS_KEY_LOG = 0x544c534b };

static inline size_t pad4(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

#endif
