/* SPDX-License-Identifier: MIT
 *
 * A lab from the command line, and as JSON. */
#include "labs/cli/lesson.h"

#include "labs/engine/shelf.h"

#include <stdlib.h>

int lesson_load(const struct arguments *rest, const char *command,
                struct lab **out, struct err *err)
{
    struct sandbox_world world = {0};
    if (!rest->count) {
        err_code(err, EXIT_USAGE,
                 "which lab? 'mitmlab %s lab01', for one; 'mitmlab list' shows "
                 "all",
                 command);
        return -1;
    }
    char *folder = shelf_find(rest->items[0], err);
    int rc = folder ? lab_load(folder, &world, out, err) : -1;
    free(folder);
    return rc;
}

static json_t *topologies_json(const struct lab *lab)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < lab->topologies_count; i++)
        json_array_append_new(list, json_string(lab->topologies[i]));
    return list;
}

json_t *lesson_json(const struct lab *lab)
{
    json_t *whole = json_pack("{s:s,s:s,s:s,s:o,s:b,s:i}", "id", lab->id,
                              "title", lab->title, "question", lab->question,
                              "topology", topologies_json(lab), "bare",
                              lab->bare, "minutes", (int)lab->minutes);
    json_t *claims = (json_t *)lab_claims(lab), *steps = json_array();
    json_object_set_new(whole, "claims",
                        claims ? json_incref(claims) : json_array());
    for (unsigned i = 0; i < lab->steps_count; i++)
        json_array_append_new(steps, json_string(lab->steps[i].title));
    json_object_set_new(whole, "steps", steps);
    return whole;
}
