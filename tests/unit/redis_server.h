/* A real redis-server for a test: its own folder, a free loopback port, killed by its pid (and with the test, should
 * that die). Only for tests; every failure fails the test. */
#ifndef EVENTLY_TESTS_UNIT_REDIS_SERVER_H
#define EVENTLY_TESTS_UNIT_REDIS_SERVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/test.h"

struct redis_server {
	pid_t pid; /* 0 when stopped */
	unsigned port;
	char folder[64];
	const char *arguments[16]; /* further ones, up to the first NULL */
	bool silent;               /* does not answer in plain RESP: waits for the port only */
};

/* A socket that listens on a free loopback port, and that port. */
static inline int test_listen(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	return listener;
}

static inline bool redis_server_answers(const struct redis_server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)server->port)};
	struct timeval patience = {.tv_sec = 1};
	char answer[8];
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	bool answers =
		connect(client, (struct sockaddr *)&address, sizeof address) == 0 &&
		(server->silent || (send(client, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(client, answer, 8, 0) > 0));
	close(client);
	return answers;
}

static inline void redis_server_exec(const struct redis_server *server)
{
	char port[8];
	const char *arguments[32] = {"redis-server", "--port", port,    "--bind",      "127.0.0.1",
				     "--save",       "",       "--dir", server->folder};
	size_t count = 9;

	snprintf(port, sizeof port, "%u", server->silent ? 0 : server->port);
	for (size_t i = 0; server->arguments[i] != NULL; i++)
		arguments[count++] = server->arguments[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int nowhere = open("/dev/null", O_RDWR);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	execvp(arguments[0], (char *const *)(uintptr_t)arguments);
	_exit(127);
}

/* Starts or restarts it on its port (taken from what is free when 0). */
static inline void redis_server_start(struct redis_server *server)
{
	if (server->port == 0)
		close(test_listen(&server->port));
	if (server->folder[0] == '\0') {
		snprintf(server->folder, sizeof server->folder, "/tmp/evently-redis-XXXXXX");
		assert_non_null(mkdtemp(server->folder));
	}
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0)
		redis_server_exec(server);
	wait_until(redis_server_answers(server), 10000);
}

static inline void redis_server_kill(struct redis_server *server)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

static inline void redis_server_freeze(const struct redis_server *server)
{
	int status;

	kill(server->pid, SIGSTOP);
	assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
	assert_true(WIFSTOPPED(status));
}

static inline void redis_server_thaw(const struct redis_server *server)
{
	kill(server->pid, SIGCONT);
}

static inline int redis_server_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

static inline void redis_server_finish(struct redis_server *server)
{
	redis_server_kill(server);
	if (server->folder[0] != '\0')
		nftw(server->folder, redis_server_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
