/* SPDX-License-Identifier: MIT
 *
 * Small files and paths. */
#include "labs/engine/text.h"

#include <stdio.h>
#include <stdlib.h>

char *text_read(const char *path, size_t most, size_t *out_len, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        err_errno(err, "open %s", path);
        return NULL;
    }
    char *text = malloc(most + 1);
    size_t len = text ? fread(text, 1, most + 1, file) : 0;
    if (!text || ferror(file)) {
        err_errno(err, "read %s", path);
    } else if (len > most) {
        err_set(err, "%s is longer than %zu bytes", path, most);
    } else {
        char *fitting = realloc(text, len + 1);
        fclose(file);
        fitting[len] = '\0';
        if (out_len)
            *out_len = len;
        return fitting;
    }
    free(text);
    fclose(file);
    return NULL;
}

char *text_join(const char *dir, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        abort();
    return path;
}
