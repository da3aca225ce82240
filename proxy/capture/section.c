/* SPDX-License-Identifier: MIT
 *
 * The header that our captures share. */
#include "proxy/capture/section.h"

#include "proxy/capture/pcapng.h"

#include <stdio.h>
#include <sys/utsname.h>

int section_put(struct buf *out, const char *comment, struct err *err)
{
    struct utsname machine = {0};
    char os[sizeof machine.sysname + sizeof machine.release + 1];
    uname(&machine);
    snprintf(os, sizeof os, "%s %s", machine.sysname, machine.release);
    struct pcapng_section section = {.hardware = machine.machine,
                                     .os = os,
                                     .application = "mitmlab",
                                     .comment = comment};
    if (!pcapng_put_section(out, &section))
        return 0;
    err_set(err, "head of the capture: out of memory");
    return -1;
}
