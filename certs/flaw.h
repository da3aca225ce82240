/* SPDX-License-Identifier: MIT
 *
 * Inside of certs/: what forgeries.def cannot say in data. Each edits a draft
 * (false: the reason is in OpenSSL's queue), a CA's certificate, or hires the
 * CA that signs. */
#ifndef CERTS_FLAW_H
#define CERTS_FLAW_H

#include "certs/draft.h"

/* flaw_trust.c */
int flaw_two_issuers(struct draft *draft, struct ca **out, struct err *err);
int flaw_circle(struct draft *draft, struct ca **out, struct err *err);
bool flaw_no_issuer_id(struct draft *draft);
bool flaw_real_issuer_id(struct draft *draft);
int flaw_shared_key(struct draft *draft, struct ca **out, struct err *err);

/* flaw_signature.c */
bool flaw_flip_last_byte(struct draft *draft);
bool flaw_swap_key(struct draft *draft);
bool flaw_rename_after(struct draft *draft);
bool flaw_zero_signature(struct draft *draft);
bool flaw_cube_root(struct draft *draft);
bool flaw_other_kind_of_key(struct draft *draft);
bool flaw_two_algorithms(struct draft *draft);

/* flaw_time.c */
bool flaw_end_yesterday(struct draft *draft);
bool flaw_fraction_of_a_second(struct draft *draft);

/* flaw_name.c */
bool flaw_name_another(struct draft *draft);
bool flaw_capitals(struct draft *draft);
bool flaw_no_subject(struct draft *draft);
bool flaw_name_in_organisation(struct draft *draft);
bool flaw_thousand_names(struct draft *draft);
bool flaw_ten_thousand_names(struct draft *draft);
bool flaw_short_address(struct draft *draft);

/* flaw_power.c */
bool flaw_constrain_leaf(struct draft *draft);
bool flaw_permit_another_company(X509 *cert);
bool flaw_permit_a_thousand(X509 *cert);

/* flaw_encoding.c */
bool flaw_unknown_critical(struct draft *draft);
bool flaw_unknown_harmless(struct draft *draft);
bool flaw_unknown_critical_in_ca(X509 *cert);
bool flaw_twice_the_same(struct draft *draft);
bool flaw_negative_serial(struct draft *draft);
bool flaw_zero_serial(struct draft *draft);
bool flaw_long_serial(struct draft *draft);
bool flaw_version_one(struct draft *draft);
bool flaw_poison(struct draft *draft);
bool flaw_trailing_bytes(struct draft *draft);
bool flaw_long_length(struct draft *draft);
bool flaw_bad_utf8(struct draft *draft);

/* flaw_status.c */
bool flaw_must_staple(struct draft *draft);
bool flaw_responder_out_of_reach(struct draft *draft);
bool flaw_listed_as_revoked(struct draft *draft);
bool flaw_list_of_others(struct draft *draft);
bool flaw_staple_good(struct draft *draft);
bool flaw_staple_revoked(struct draft *draft);
bool flaw_staple_stale(struct draft *draft);
bool flaw_staple_of_another(struct draft *draft);
bool flaw_staple_try_later(struct draft *draft);
bool flaw_good_sct(struct draft *draft);
bool flaw_unknown_log(struct draft *draft);
bool flaw_wrong_sct(struct draft *draft);

#endif
