/* SPDX-License-Identifier: MIT */
#include "proxy/base/quoted.h"

int quoted_hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Behind a backslash. */
static char read_escape(const char **at)
{
    char letter = *(*at)++;
    if (letter == 'x') {
        int high = quoted_hex((*at)[0]);
        int low = high < 0 ? -1 : quoted_hex((*at)[1]);
        if (low < 0)
            return letter;
        *at += 2;
        return (char)(high * 16 + low);
    }
    return letter == 'n'   ? '\n'
           : letter == 'r' ? '\r'
           : letter == 't' ? '\t'
                           : letter;
}

size_t quoted_read(const char *text, bool pattern, char *out, size_t *out_len)
{
    const char *at = text;
    char quote = *at++, *to = out;
    while (*at && *at != quote) {
        char c = *at++;
        bool escaped = c == '\\' && *at;
        if (escaped && !pattern)
            c = read_escape(&at);
        else if (escaped && *at == quote)
            c = *at++;
        *to++ = c;
        /* The two of `\\` stay together: a quote behind them ends the text. */
        if (escaped && pattern && c == '\\' && *at == '\\')
            *to++ = *at++;
    }
    *out_len = (size_t)(to - out);
    return *at ? (size_t)(at - text) + 1 : 0;
}
