/* SPDX-License-Identifier: MIT
 *
 * Files of the run folder. */
#include "labs/engine/papers.h"

#include "labs/engine/text.h"
#include "proxy/capture/raw.h"

#include <dirent.h>
#include <lua.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <uv.h>

/* ---- certificates -------------------------------------------------------- */

/* "certs/step2-careful-forged.pem" */
static void cert_name(const json_t *event, char out[128])
{
    const char *act = event_member(event, "act");
    snprintf(out, 128, "certs/step%lld%s%.40s-%.16s.pem",
             event_number(event, "step"), *act ? "-" : "", act,
             event_data(event, "role"));
}

static int write_chain(struct play *play, const json_t *event, struct err *err)
{
    json_t *chain = json_object_get(json_object_get(event, "data"), "chain");
    struct buf text = {0};
    size_t i;
    json_t *item;
    char name[128];
    json_array_foreach(chain, i, item) if (json_is_string(item))
        buf_append(&text, json_string_value(item), json_string_length(item));
    cert_name(event, name);
    int rc = buf_len(&text) ? binder_write(&play->binder, name, buf_head(&text),
                                           buf_len(&text), err)
                            : 0;
    buf_free(&text);
    return rc;
}

/* Roles become names of files, so only those that we know. */
static bool known_role(const char *role)
{
    return !strcmp(role, "original") || !strcmp(role, "forged") ||
           !strcmp(role, "own");
}

static int write_certs(struct play *play, struct err *err)
{
    size_t i;
    json_t *event;
    if (binder_folder(&play->binder, "certs", err))
        return -1;
    json_array_foreach(play->chronicle.events, i, event)
    {
        if (!strcmp(event_kind(event), "tls.cert") &&
            known_role(event_data(event, "role")) &&
            write_chain(play, event, err))
            return -1;
    }
    return 0;
}

/* ---- text ---------------------------------------------------------------- */

int papers_transcript(struct play *play, struct err *err)
{
    fflush(play->voice.transcript);
    return binder_write(&play->binder, "transcript.txt", play->transcript,
                        play->transcript_len, err);
}

int papers_events(struct play *play, struct err *err)
{
    size_t len;
    char *events = chronicle_text(&play->chronicle, &len);
    int rc = binder_write(&play->binder, "events.jsonl", events, len, err);
    free(events);
    return rc;
}

int papers_write(struct play *play, struct err *err)
{
    if (papers_events(play, err) || write_certs(play, err))
        return -1;
    if (play->guide && binder_write(&play->binder, "guide.md", play->guide,
                                    strlen(play->guide), err))
        return -1;
    return papers_transcript(play, err);
}

/* ---- digests ------------------------------------------------------------- */

static bool digest_file(const char *path, char out[80])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    FILE *file = fopen(path, "re");
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = file && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    unsigned char chunk[16384];
    for (size_t got; good && (got = fread(chunk, 1, sizeof chunk, file));)
        good = EVP_DigestUpdate(context, chunk, got);
    good = good && EVP_DigestFinal_ex(context, digest, &len);
    EVP_MD_CTX_free(context);
    if (file)
        fclose(file);
    strcpy(out, "sha256:");
    for (unsigned i = 0; good && i < len; i++)
        sprintf(out + 7 + 2 * i, "%02x", digest[i]);
    return good;
}

static void digest_folder(const struct play *play, const char *folder,
                          json_t *digests)
{
    char *path = binder_path(&play->binder, folder);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char digest[80], *file = text_join(path, entry->d_name), *key = NULL;
        struct stat info;
        if (!lstat(file, &info) && S_ISREG(info.st_mode) &&
            strcmp(entry->d_name, "result.json") != 0 &&
            digest_file(file, digest) &&
            asprintf(&key, "%s%s%s", strcmp(folder, ".") ? folder : "",
                     strcmp(folder, ".") ? "/" : "", entry->d_name) > 0)
            json_object_set_new(digests, key, json_string(digest));
        free(key);
        free(file);
    }
    if (dir)
        closedir(dir);
    free(path);
}

json_t *papers_digests(const struct play *play)
{
    json_t *digests = json_object();
    digest_folder(play, ".", digests);
    digest_folder(play, "certs", digests);
    digest_folder(play, "workshop", digests);
    return digests;
}

/* ---- versions ------------------------------------------------------------ */

json_t *papers_versions(const struct run_options *options)
{
    struct utsname kernel;
    uname(&kernel);
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "mitmlab", options->version, "openssl",
        OpenSSL_version(OPENSSL_VERSION_STRING), "libuv", uv_version_string(),
        "libpcap", raw_library(), "lua", LUA_RELEASE, "jansson",
        jansson_version_str(), "kernel", kernel.release);
}
