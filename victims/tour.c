/* SPDX-License-Identifier: MIT
 *
 * Sends one client through the gallery: it is started once for each exhibit,
 * asks for it by its name, and how it ends is noted. Who the client is does
 * not matter; it may be a program that was compiled a moment ago, so each
 * visit has limits: time, memory that a file may take, descriptors. Whether a
 * visit was an acceptance is not decided here, but by the server. */
#include "victims/text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    VISITS_MOST = 256,
    AT_A_TIME = 4,
    PATIENCE = 10, /* seconds for one visit */
    CPU_MOST = 5,
    FILE_MOST = 1 << 20,
    OPEN_MOST = 64,
    NOT_STARTED = 127,
};

struct visit {
    char host[128];
    pid_t pid;
    bool over;
    int status;
};

struct tour {
    const char *client, *connect, *trust;
    struct visit visits[VISITS_MOST];
    unsigned count;
};

static void limit(int what, rlim_t most)
{
    struct rlimit limit = {most, most};
    setrlimit(what, &limit);
}

/* In the child. It has no business with the descriptor of events. */
static void become_client(const struct tour *tour, const struct visit *visit)
{
    char url[160];
    snprintf(url, sizeof url, "https://%s/", visit->host);
    const char *argv[] = {tour->client,  "--get", url,         "--connect",
                          tour->connect, NULL,    tour->trust, NULL};
    if (tour->trust)
        argv[5] = "--trust";
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    for (int fd = 3; fd < OPEN_MOST; fd++)
        close(fd);
    unsetenv("MITMLAB_EVENTS_FD");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit(RLIMIT_CPU, CPU_MOST);
    limit(RLIMIT_FSIZE, FILE_MOST);
    limit(RLIMIT_NOFILE, OPEN_MOST);
    limit(RLIMIT_CORE, 0);
    alarm(PATIENCE); /* stays over exec; who ignores it runs out of CPU */
    execvp(tour->client, (char *const *)argv);
    _exit(NOT_STARTED);
}

static void start(const struct tour *tour, struct visit *visit)
{
    visit->pid = fork();
    if (visit->pid == 0)
        become_client(tour, visit);
    if (visit->pid < 0) {
        visit->over = true;
        visit->status = NOT_STARTED << 8;
    }
}

static void note_end(struct tour *tour, pid_t pid, int status)
{
    for (unsigned i = 0; i < tour->count; i++)
        if (tour->visits[i].pid == pid) {
            tour->visits[i].status = status;
            tour->visits[i].over = true;
        }
}

/* Wait for one visit to end; one that outlives its time by far is killed. */
static void wait_for_one(struct tour *tour)
{
    struct timespec pause = {0, 2 * 1000 * 1000};
    int status;
    for (unsigned waited = 0;; waited++) {
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0) {
            note_end(tour, pid, status);
            return;
        }
        if (pid < 0 && errno != EINTR)
            return;
        for (unsigned i = 0; waited > PATIENCE * 600 && i < tour->count; i++)
            if (tour->visits[i].pid > 0 && !tour->visits[i].over)
                kill(tour->visits[i].pid, SIGKILL);
        nanosleep(&pause, NULL);
    }
}

static void go(struct tour *tour)
{
    unsigned running = 0;
    for (unsigned next = 0; next < tour->count || running;) {
        if (next < tour->count && running < AT_A_TIME) {
            start(tour, &tour->visits[next]);
            running += tour->visits[next++].pid > 0;
        } else {
            wait_for_one(tour);
            running--;
        }
    }
}

/* ---- what is said --------------------------------------------------------- */

static int code_of(const struct visit *visit)
{
    return WIFEXITED(visit->status) ? WEXITSTATUS(visit->status)
                                    : 128 + WTERMSIG(visit->status);
}

/* "t03.lab.test" is said as "t03". */
static void say_all(const struct tour *tour, int code)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tour->count; i++)
        count += code_of(&tour->visits[i]) == code;
    printf("exit %d, %u of %u:", code, count, tour->count);
    for (unsigned i = 0; i < tour->count; i++)
        if (code_of(&tour->visits[i]) == code)
            printf(" %.*s", (int)strcspn(tour->visits[i].host, "."),
                   tour->visits[i].host);
    putchar('\n');
}

static int say(const struct tour *tour)
{
    for (int code = 0; code < 256; code++) {
        bool any = false;
        for (unsigned i = 0; i < tour->count; i++)
            any |= code_of(&tour->visits[i]) == code;
        if (any && code == NOT_STARTED) {
            fprintf(stderr, "tour: cannot start %s\n", tour->client);
            return 1;
        }
        if (any)
            say_all(tour, code);
    }
    return 0;
}

/* ---- the program ---------------------------------------------------------- */

static const char usage[] =
    "usage: tour --client PROGRAM --connect ADDRESS:PORT --visit ID [...]\n"
    "\n"
    "Start a client once for each exhibit of the gallery.\n"
    "\n"
    "  --client PROGRAM       the client; it knows --get, --connect, --trust\n"
    "  --connect A:P          where the gallery is\n"
    "  --visit t03            an exhibit, asked for as t03.lab.test; or some,\n"
    "                         t01-t11 (again for more)\n"
    "  --trust FILE           the CAs to trust, PEM\n"
    "  --help\n"
    "\n"
    "exit: 0 all visits were made, 1 the client cannot be started, 2 usage\n";

static const struct option table[] = {
    {"client", required_argument, NULL, 'c'},
    {"connect", required_argument, NULL, 'a'},
    {"visit", required_argument, NULL, 'v'},
    {"trust", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool add_visit(struct tour *tour, char letter, int number)
{
    if (tour->count == VISITS_MOST)
        return false;
    snprintf(tour->visits[tour->count++].host, 128, "%c%02d.lab.test", letter,
             number);
    return true;
}

/* "t03", or "t01-t11". */
static bool take_exhibits(struct tour *tour, const char *text)
{
    char letter, last_letter;
    int from, until, end = 0;
    if (sscanf(text, "%c%2d%n", &letter, &from, &end) != 2 || end != 3)
        return false;
    last_letter = letter;
    until = from;
    if (text[3] &&
        (sscanf(text + 3, "-%c%2d%n", &last_letter, &until, &end) != 2 ||
         end != 4 || text[7]))
        return false;
    if (letter < 'a' || letter > 'z' || letter != last_letter)
        return false;
    while (from <= until)
        if (!add_visit(tour, letter, from++))
            return false;
    return true;
}

static int wrong(const char *what)
{
    fprintf(stderr, "tour: %s; --help lists the options\n", what);
    return 2;
}

int main(int argc, char **argv)
{
    static struct tour tour;
    int letter;
    while ((letter = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (letter == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (letter == '?')
            return 2;
        if (letter == 'c')
            tour.client = optarg;
        else if (letter == 'a')
            tour.connect = optarg;
        else if (letter == 't')
            tour.trust = optarg;
        else if (!take_exhibits(&tour, optarg))
            return wrong("--visit wants an id such as t03, or t01-t11");
    }
    if (optind < argc || !tour.client || !tour.connect || !tour.count)
        return wrong("it wants --client, --connect and --visit");
    go(&tour);
    return say(&tour);
}
