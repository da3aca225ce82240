/* SPDX-License-Identifier: MIT
 *
 * What a victim's refusal means: OpenSSL's verify codes and TLS alerts, by
 * name and in a sentence. The tables are verify.def and alert.def. */
#ifndef CERTS_VERIFY_H
#define CERTS_VERIFY_H

/* "X509_V_ERR_CERT_HAS_EXPIRED"; "X509_V_ERR_UNKNOWN" for a code that is not
 * in the table. */
const char *verify_name(int code);

/* One sentence for a trainee, ending in a full stop. */
const char *verify_sentence(int code);

/* The alert that OpenSSL's clients send for it, "" for X509_V_OK. */
const char *verify_alert(int code);

/* The code with that name, or -1. */
int verify_code(const char *name);

/* As RFC 8446 section 6 spells it, "unknown_ca"; "unknown_alert" for a number
 * that has no name there or in RFC 5246. */
const char *alert_name(int code);

/* 48 for "unknown_ca"; -1 if there is no such alert. */
int alert_code(const char *name);

/* What the sender says with it, one sentence. */
const char *alert_sentence(int code);

#endif
