/* SPDX-License-Identifier: MIT
 *
 * Inside of certs/: the recipe for a copy when no forgery of the catalogue is
 * wanted. */
#ifndef CERTS_MIMIC_H
#define CERTS_MIMIC_H

#include "certs/recipe.h"

/* A proper copy; with plan->defects one that fails as its original does.
 * `original` may be NULL. */
const struct recipe *mimic_recipe(const struct forge_plan *plan,
                                  X509 *original);

#endif
