/* SPDX-License-Identifier: MIT
 *
 * The forger's gallery: CAs for those forgeries that the constrained CAs of a
 * lab could not make, or would hide, because a victim would refuse the name
 * before it looks at the flaw. Its root carries no name constraints. So its
 * key never leaves this memory, and is wiped with the gallery; nothing that it
 * signs names anything but hosts under .test, which exist nowhere (RFC 6761),
 * and a CA whose key others may learn is constrained all the same. */
#ifndef CERTS_GALLERY_H
#define CERTS_GALLERY_H

#include "certs/authority.h"
#include "certs/forge.h"

struct gallery;

/* `title` goes into the subjects. Free it as soon as the set is minted. */
int gallery_make(const char *title, struct gallery **out, struct err *err);
void gallery_free(struct gallery *gallery);

/* What forge_leaf() wants, for every row of the catalogue. The gallery's. */
const struct forge_signers *gallery_signers(const struct gallery *gallery);

/* What the victim trusts, besides `forged.anchor`. The gallery's. */
X509 *gallery_root(const struct gallery *gallery);

/* The log whose promises a victim believes (r08 to r10): its key, which is
 * the gallery's. */
EVP_PKEY *gallery_log(const struct gallery *gallery);

/* Makes an ordinary server's certificate for `name` and forges from it. If
 * `forgery` asks for a name or address of its own (forgery->asks), that is
 * what `name` should be. */
int gallery_forge(struct gallery *gallery, const struct forgery *forgery,
                  const char *name, struct forged *out, struct err *err);

/* ---- for recipes --------------------------------------------------------- */

/* A key pair of that kind, made once. The gallery's. */
EVP_PKEY *gallery_key(struct gallery *gallery, enum key_kind kind,
                      struct err *err);

/* The CA at the end of the list `under`, below `above` (NULL: the root of the
 * gallery, or none if the list begins with a root). Its chain is complete.
 * Without a gallery there must be something above. ca_free() it. */
int gallery_hire(struct gallery *gallery, const struct authority *under,
                 const struct ca *above, struct ca **out, struct err *err);

#endif
