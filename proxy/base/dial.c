/* SPDX-License-Identifier: MIT
 *
 * The walls, the lab's table of names, and the two ways to connect: blocking
 * and on a loop. Victims link this file too, so it knows libc and libuv only.
 */
#include "proxy/base/dial.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The user namespace that the kernel starts with; include/linux/proc_ns.h
 * calls it PROC_USER_INIT_INO, and it is part of what /proc shows. */
static const ino_t first_user_namespace = 0xEFFFFFFDU;

/* ---- addresses ----------------------------------------------------------- */

static char *add_number(char *text, unsigned number)
{
    char digits[5];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count)
        *text++ = digits[--count];
    return text;
}

/* inet_ntop(3) and printf(3) would take longer than all else that is done for
 * a request. */
static void ipv4_text(const struct sockaddr_in *address, char *text)
{
    uint8_t bytes[4];
    memcpy(bytes, &address->sin_addr, sizeof bytes);
    for (unsigned i = 0; i < 4; i++) {
        text = add_number(text, bytes[i]);
        *text++ = i < 3 ? '.' : ':';
    }
    *add_number(text, ntohs(address->sin_port)) = 0;
}

void address_text(const union address *address, char text[ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT, "[%s]:%u", host,
                 ntohs(address->v6.sin6_port));
    } else if (address->any.sa_family == AF_INET) {
        ipv4_text(&address->v4, text);
    } else {
        snprintf(text, ADDRESS_TEXT, "family %d", address->any.sa_family);
    }
}

socklen_t address_len(const union address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6
                                              : sizeof address->v4;
}

uint16_t address_port(const union address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port
                                                    : address->v4.sin_port);
}

/* A host written as a number, without brackets. */
static bool number_parse(const char *host, int port, union address *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        return true;
    }
    return false;
}

static int port_parse(const char *text)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return -1;
    long port = strtol(text, &end, 10);
    return *end || port > 65535 ? -1 : (int)port;
}

int address_parse(const char *text, union address *out, struct err *err)
{
    char host[ADDRESS_TEXT];
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool brackets = len > 1 && text[0] == '[' && text[len - 1] == ']';
    int port = colon ? port_parse(colon + 1) : -1;
    if (port >= 0 && len > 0 && len < sizeof host) {
        snprintf(host, sizeof host, "%.*s", (int)(len - 2 * brackets),
                 text + brackets);
        if (number_parse(host, port, out) &&
            (out->any.sa_family == AF_INET6) == brackets)
            return 0;
    }
    err_code(err, EXIT_USAGE,
             "\"%.100s\" is not an address and a port, such as 127.0.0.1:443 "
             "or [::1]:443",
             text);
    return -1;
}

/* ---- the walls ----------------------------------------------------------- */

/* Which user namespace owns our network namespace? One that a run made is
 * owned by a namespace below the machine's first, and the kernel names an
 * owner only to those who live in it or above it. */
static bool owned_by_run(ino_t *out_network)
{
    struct stat network, owner;
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    int owner_fd = ioctl(fd, NS_GET_USERNS);
    bool known = owner_fd >= 0 && fstat(fd, &network) == 0 &&
                 fstat(owner_fd, &owner) == 0;
    if (owner_fd >= 0)
        close(owner_fd);
    close(fd);
    if (!known)
        return false;
    *out_network = network.st_ino;
    return owner.st_ino != first_user_namespace;
}

/* The place's init wrote the number of the namespace that it made into its own
 * tmpfs. A container that merely has namespaces has no such file. */
static bool marked_by_run(ino_t network)
{
    unsigned long long marked = 0;
    FILE *file = fopen("/run/lab/.netns", "re");
    if (!file)
        return false;
    bool read = fscanf(file, "%llu", &marked) == 1;
    fclose(file);
    return read && marked == network;
}

/* Does a line of /proc/net/route lead out? Its destination and mask are 0. */
static bool route_is_default(const char *line)
{
    char interface[32];
    unsigned long destination, mask;
    return sscanf(line, "%31s %lx %*x %*x %*d %*d %*d %lx", interface,
                  &destination, &mask) == 3 &&
           destination == 0 && mask == 0;
}

/* The same for /proc/net/ipv6_route, which lists every table. A default route
 * on lo leads nowhere: either it rejects, or it hands packets to this host. */
static bool route6_is_default(const char *line)
{
    char destination[33], interface[32];
    unsigned length;
    return sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %*s %31s", destination,
                  &length, interface) == 3 &&
           length == 0 && strcmp(interface, "lo") != 0;
}

static bool no_way_out(const char *path, bool (*is_default)(const char *))
{
    char line[512];
    bool found = false;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT; /* a kernel without this protocol */
    while (!found && fgets(line, sizeof line, file))
        found = is_default(line);
    fclose(file);
    return !found;
}

bool dial_inside_lab(void)
{
    /* Only a yes is remembered: asking costs a few files, and a process that
     * is inside stays inside. */
    static bool inside;
    ino_t network;
    if (!inside)
        inside = owned_by_run(&network) && marked_by_run(network) &&
                 no_way_out("/proc/self/net/route", route_is_default) &&
                 no_way_out("/proc/self/net/ipv6_route", route6_is_default);
    return inside;
}

/* A row of the walls; `bits` of the address must be those of `prefix`. */
struct wall {
    int family;
    unsigned char prefix[16];
    unsigned bits;
    bool inside_only;
};

static const struct wall walls[] = {
    {AF_INET, {127}, 8, false},
    {AF_INET, {192, 0, 2}, 24, true},
    {AF_INET, {0, 0, 0, 0}, 32, true},
    {AF_INET, {224}, 4, true}, /* multicast */
    {AF_INET, {255, 255, 255, 255}, 32, true},
    {AF_INET6, {[15] = 1}, 128, false},
    {AF_INET6, {0x20, 0x01, 0x0d, 0xb8, 0, 0x66}, 64, true},
    {AF_INET6, {0}, 128, true},
    {AF_INET6, {0xfe, 0x80}, 10, true},
    {AF_INET6, {0xff}, 8, true},
};

static bool bits_equal(const unsigned char *a, const unsigned char *b,
                       unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    unsigned char mask = (unsigned char)(0xff00U >> rest);
    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

/* Which bytes decide? ::ffff:a.b.c.d reaches a.b.c.d, so it is judged as that
 * (RFC 4291 2.5.5.2). */
static const unsigned char *address_bytes(const union address *address,
                                          int *out_family)
{
    *out_family = address->any.sa_family;
    if (*out_family != AF_INET6)
        return (const unsigned char *)&address->v4.sin_addr;
    const unsigned char *bytes = address->v6.sin6_addr.s6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        return bytes;
    *out_family = AF_INET;
    return bytes + 12;
}

int dial_check(const union address *address, struct err *err)
{
    int family;
    const unsigned char *bytes = address_bytes(address, &family);
    for (size_t i = 0; i < sizeof walls / sizeof *walls; i++) {
        const struct wall *wall = &walls[i];
        if (wall->family == family &&
            bits_equal(bytes, wall->prefix, wall->bits) &&
            (!wall->inside_only || dial_inside_lab()))
            return 0;
    }
    char text[ADDRESS_TEXT];
    address_text(address, text);
    err_code(err, EXIT_CONTAINMENT,
             "%s is outside the lab; only 127.0.0.0/8 and ::1, and inside a "
             "running lab 192.0.2.0/24 and 2001:db8:66::/64, can be used",
             text);
    return -1;
}

/* ---- names --------------------------------------------------------------- */

static const char *hosts_path;

void dial_use_hosts(const char *path)
{
    hosts_path = path;
}

/* One line of hosts(5): an address, then names. `line` is taken apart. */
static bool line_has_name(char *line, const char *host, int port,
                          union address *out)
{
    char *rest = NULL;
    line[strcspn(line, "#\r\n")] = '\0';
    const char *number = strtok_r(line, " \t", &rest);
    for (const char *name; number && (name = strtok_r(NULL, " \t", &rest));)
        if (!strcasecmp(name, host))
            return number_parse(number, port, out);
    return false;
}

/* The nth match of this family; *nth is lowered by those before it. */
static bool table_find_family(FILE *file, const char *host, int port,
                              int family, unsigned *nth, union address *out)
{
    char line[1024];
    rewind(file);
    while (fgets(line, sizeof line, file))
        if (line_has_name(line, host, port, out) &&
            out->any.sa_family == family && !(*nth)--)
            return true;
    return false;
}

static bool table_find(FILE *file, const char *host, int port, unsigned nth,
                       union address *out)
{
    return table_find_family(file, host, port, AF_INET, &nth, out) ||
           table_find_family(file, host, port, AF_INET6, &nth, out);
}

/* "bank.lab.test." is "bank.lab.test": the dot only says that it is whole. */
static void strip_dot(const char *host, char name[256])
{
    size_t len = strlen(host);
    if (len > 1 && host[len - 1] == '.')
        len--;
    snprintf(name, 256, "%.*s", (int)(len > 255 ? 255 : len), host);
}

/* Numbers, and the one name that needs no table. */
static bool is_plain(const char *name, int port, union address *out)
{
    return number_parse(name, port, out) ||
           (!strcasecmp(name, "localhost") &&
            number_parse("127.0.0.1", port, out));
}

int dial_resolve_nth(const char *host, int port, unsigned nth,
                     union address *out, struct err *err)
{
    char name[256];
    strip_dot(host, name);
    if (is_plain(name, port, out)) {
        if (!nth)
            return 0;
        err_set(err, "%.200s has no other address", host);
        return -1;
    }
    const char *path = hosts_path ? hosts_path : getenv("MITMLAB_HOSTS");
    FILE *file = path ? fopen(path, "re") : NULL;
    if (path && !file) {
        err_errno(err, "open the table of names %s", path);
        return -1;
    }
    bool found = file && table_find(file, name, port, nth, out);
    if (file)
        fclose(file);
    if (found)
        return 0;
    err_code(err, EXIT_CONTAINMENT, "%.200s: name not in this lab%s", host,
             path ? "" : " (give a table of names with --hosts FILE)");
    return -1;
}

int dial_resolve(const char *host, int port, union address *out,
                 struct err *err)
{
    return dial_resolve_nth(host, port, 0, out, err);
}

/* ---- connections --------------------------------------------------------- */

/* On loopback all places share one namespace, and the kernel would let every
 * connection come from 127.0.0.1. So a place says which address is its own.
 * Like any other, that address must be inside the walls. */
bool dial_source(const union address *to, union address *out)
{
    struct err ignored;
    const char *text = getenv("MITMLAB_SOURCE");
    return text && number_parse(text, 0, out) &&
           out->any.sa_family == to->any.sa_family &&
           dial_check(out, &ignored) == 0;
}

/* Wait for the end of a connect that has begun; errno says how it went. */
static int wait_connected(int fd, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int error = 0, got;
    socklen_t len = sizeof error;
    do {
        got = poll(&ready, 1, timeout_ms);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    if (got == 0)
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -1;
    errno = error;
    return error ? -1 : 0;
}

static int connect_within(int fd, const union address *to, int timeout_ms)
{
    union address source;
    if (dial_source(to, &source) &&
        bind(fd, &source.any, address_len(&source)) < 0)
        return -1;
    if (connect(fd, &to->any, address_len(to)) < 0 &&
        (errno != EINPROGRESS || wait_connected(fd, timeout_ms) < 0))
        return -1;
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

int dial_blocking(const char *host, int port, int timeout_ms, struct err *err)
{
    union address to;
    char text[ADDRESS_TEXT];
    if (dial_resolve(host, port, &to, err) < 0 || dial_check(&to, err) < 0)
        return -1;
    address_text(&to, text);
    int fd = socket(to.any.sa_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0) {
        err_errno(err, "open a socket for %s", text);
        return -1;
    }
    if (connect_within(fd, &to, timeout_ms) == 0)
        return fd;
    err_errno(err, "connect to %s", text);
    if (errno == ETIMEDOUT)
        err->code = EXIT_TIMEOUT;
    close(fd);
    return -1;
}

/* Within one machine a connection stands when connect(2) returns, although it
 * says that it is under way. Asked again, it knows better. */
int dial_begin(int fd, const union address *to)
{
    for (unsigned asked = 0; asked < 2; asked++)
        if (!connect(fd, &to->any, address_len(to)) || errno == EISCONN)
            return 0;
        else if (errno != EINPROGRESS && errno != EINTR)
            break;
    return errno == EALREADY || errno == EINTR ? EINPROGRESS : errno;
}

int dial_local(const char *path, struct err *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path) {
        err_code(err, EXIT_USAGE, "the path of a socket has at most %zu bytes",
                 sizeof to.sun_path - 1);
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof to))
        return fd;
    err_errno(err, "connect to %s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}
