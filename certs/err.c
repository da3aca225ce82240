/* SPDX-License-Identifier: MIT
 *
 * Foreign errors become a sentence here, once, where they arise. */
#include "certs/err.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static void
set(struct err *err, enum exit_code code, const char *reason,
    const char *format, va_list args)
{
    err->code = code;
    int used = vsnprintf(err->text, sizeof err->text, format, args);
    if (reason && used >= 0 && (size_t)used < sizeof err->text)
        snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s",
                 reason);
}

void err_set(struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, EXIT_MACHINE, NULL, format, args);
    va_end(args);
}

void err_code(struct err *err, enum exit_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, NULL, format, args);
    va_end(args);
}

void err_errno(struct err *err, const char *format, ...)
{
    int saved = errno;
    va_list args;
    va_start(args, format);
    set(err, EXIT_MACHINE, strerror(saved), format, args);
    va_end(args);
    errno = saved;
}

void err_openssl(struct err *err, const char *format, ...)
{
    unsigned long code = ERR_get_error();
    const char *reason = !code ? NULL
                         : ERR_SYSTEM_ERROR(code)
                             ? strerror(ERR_GET_REASON(code))
                             : ERR_reason_error_string(code);
    va_list args;
    va_start(args, format);
    set(err, EXIT_MACHINE, reason ? reason : "no reason given", format, args);
    va_end(args);
    ERR_clear_error();
}

void err_prefix(struct err *err, const char *format, ...)
{
    struct err whole = *err;
    va_list args;
    va_start(args, format);
    set(&whole, (enum exit_code)err->code, err->text, format, args);
    va_end(args);
    *err = whole;
}
