/* SPDX-License-Identifier: MIT */
#include "proxy/capture/libpcap.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* One interface, two names: Debian and its children kept the first. */
static void *open_library(void)
{
    void *library = dlopen("libpcap.so.0.8", RTLD_NOW);
    return library ? library : dlopen("libpcap.so.1", RTLD_NOW);
}

static int look_up(void *library, const char *name, void *out)
{
    void *function = dlsym(library, name);
    memcpy(out, &function, sizeof function);
    return function ? 0 : -1;
}

static int fill(void *library, struct libpcap *out)
{
    int missing = 0;
#define X(name) missing |= look_up(library, "pcap_" #name, &out->name);
    LIBPCAP_FUNCTIONS(X)
#undef X
    return missing;
}

const struct libpcap *libpcap_get(struct err *err)
{
    static struct libpcap pcap;
    static void *library; /* stays until the end of the process */
    if (library)
        return &pcap;
    library = open_library();
    if (library && !fill(library, &pcap))
        return &pcap;
    const char *why = dlerror();
    err_set(err,
            "capturing needs libpcap 1.10 or later (Debian: libpcap0.8): %s",
            why ? why : "it cannot be loaded");
    if (library)
        dlclose(library);
    library = NULL;
    return NULL;
}
