/* SPDX-License-Identifier: MIT
 *
 * Finds the subcommand and runs it. */
#include "labs/cli/cli.h"
#include "labs/cli/commands.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int no_such_command(const char *word)
{
    const char *names[64];
    unsigned count = 0;
    for (const struct command *it = commands; it->name && count < 63; it++)
        if (!it->hidden)
            names[count++] = it->name;
    names[count] = NULL;
    const char *near = nearest(word, names);
    struct err err = ERR_INIT;
    err_code(&err, EXIT_USAGE,
             "no command \"%s\"%s%s%s; 'mitmlab help' lists "
             "them",
             word, near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    return cli_fail(&err);
}

/* Whoever closed one of the first three did not mean that a connection of ours
 * takes its place, and is written to. */
static void fill_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    static const char *const dashed[][2] = {{"--help", "help"},
                                            {"-h", "help"},
                                            {"--version", "version"},
                                            {"-V", "version"}};
    fill_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* write(2) says so, too, and we tell */
    /* What a lab speaks is in the lab and on the command line. The openssl.cnf
     * of this machine could forbid it, and every command would read it. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    if (argc < 2 || !strcmp(argv[1], "--json"))
        return cmd_standing(argc, argv);
    const char *word = argv[1];
    for (size_t i = 0; i < sizeof dashed / sizeof *dashed; i++)
        if (!strcmp(word, dashed[i][0]))
            word = dashed[i][1];
    const struct command *command = command_find(word);
    if (!command)
        return no_such_command(word);
    return command->run(argc - 1, argv + 1);
}
