/* The command line (contract.md section 7): `evently COMMAND …`.
 *
 * main.c calls cli_main, which finds the command in the table of commands.c, reads its options, loads the settings and
 * runs it. Every command runs on the main thread. */
#ifndef EVENTLY_CLI_CLI_H
#define EVENTLY_CLI_CLI_H

struct config;

/* Gives the process' exit code: 0, 1 (failed) or 2 (used wrongly). */
int cli_main(int argc, char **argv);

/* `evently serve`, in serve.c: runs until SIGTERM or SIGINT and gives the exit code. `user`: whom to become once the ports
 * are bound; NULL: nobody else. */
int serve_main(const struct config *config, const char *user);

#endif
