/* SPDX-License-Identifier: MIT
 *
 * Family v: when a certificate is valid. */
#include "certs/flaw.h"

#include <string.h>
#include <time.h>

/* As long a life as the original's, but over. */
bool flaw_end_yesterday(struct draft *draft)
{
    int days = 1, seconds = 0;
    if (!ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(draft->model),
                        X509_get0_notAfter(draft->model)))
        return false;
    return X509_time_adj_ex(X509_getm_notBefore(draft->leaf), -1 - days,
                            -seconds, NULL) &&
           X509_time_adj_ex(X509_getm_notAfter(draft->leaf), -1, 0, NULL);
}

/* RFC 5280 4.1.2.5.2 forbids fractions of a second. */
bool flaw_fraction_of_a_second(struct draft *draft)
{
    char text[32];
    struct tm tm;
    time_t tomorrow = time(NULL) + 24 * 3600;
    strftime(text, sizeof text, "%Y%m%d%H%M%S.5Z", gmtime_r(&tomorrow, &tm));
    ASN1_STRING *end = ASN1_STRING_type_new(V_ASN1_GENERALIZEDTIME);
    bool ok = end && ASN1_STRING_set(end, text, (int)strlen(text)) &&
              X509_set1_notAfter(draft->leaf, end);
    ASN1_STRING_free(end);
    return ok;
}
