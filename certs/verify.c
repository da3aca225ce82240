/* SPDX-License-Identifier: MIT
 *
 * Looks codes and names up in verify.def and alert.def. */
#include "certs/verify.h"

#include <openssl/x509_vfy.h>
#include <stddef.h>
#include <string.h>

static const struct verdict {
    int code;
    const char *name;
    const char *alert;
    const char *sentence;
} verdicts[] = {
#define VERIFY(code, alert, sentence) {code, #code, alert, sentence},
#include "certs/verify.def"
#undef VERIFY
};

static const struct alert {
    int code;
    const char *name;
    const char *sentence;
} alerts[] = {
#define ALERT(code, name, sentence) {code, name, sentence},
#include "certs/alert.def"
#undef ALERT
};

enum {
    VERDICTS = sizeof verdicts / sizeof *verdicts,
    ALERTS = sizeof alerts / sizeof *alerts,
};

static const struct verdict *find_verdict(int code)
{
    static const struct verdict unknown = {
        -1, "X509_V_ERR_UNKNOWN", "certificate_unknown",
        "Verification failed with a code that this program does not know."};
    for (size_t i = 0; i < VERDICTS; i++)
        if (verdicts[i].code == code)
            return &verdicts[i];
    return &unknown;
}

static const struct alert *find_alert(int code)
{
    static const struct alert unknown = {-1, "unknown_alert",
                                         "The alert's number has no meaning."};
    for (size_t i = 0; i < ALERTS; i++)
        if (alerts[i].code == code)
            return &alerts[i];
    return &unknown;
}

const char *verify_name(int code)
{
    return find_verdict(code)->name;
}

const char *verify_sentence(int code)
{
    return find_verdict(code)->sentence;
}

const char *verify_alert(int code)
{
    return find_verdict(code)->alert;
}

int verify_code(const char *name)
{
    for (size_t i = 0; i < VERDICTS; i++)
        if (!strcmp(verdicts[i].name, name))
            return verdicts[i].code;
    return -1;
}

const char *alert_name(int code)
{
    return find_alert(code)->name;
}

const char *alert_sentence(int code)
{
    return find_alert(code)->sentence;
}

int alert_code(const char *name)
{
    for (size_t i = 0; i < ALERTS; i++)
        if (!strcmp(alerts[i].name, name))
            return alerts[i].code;
    return -1;
}
