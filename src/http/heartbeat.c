#include "http/heartbeat.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static bool wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd one = {.fd = fd, .events = events};
	int count;

	do
		count = poll(&one, 1, clock_left_ms(deadline_ns));
	while (count < 0 && errno == EINTR);
	return count > 0;
}

/* Where the address that is listened on is reached from here. HOST is an address or a name of this machine. */
static int connect_begin(const char *host, unsigned port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	char service[8];

	if (host[0] == '\0' || strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	snprintf(service, sizeof service, "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -1;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

bool heartbeat(const char *host, unsigned port, int timeout_ms)
{
	static const char question[] = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * CLOCK_MS;
	int fd = connect_begin(host, port);
	bool alive = false;

	if (fd < 0)
		return false;
	/* The kernel completes connections for a process that hangs: only what comes back counts. */
	if (wait_for(fd, POLLOUT, deadline_ns)) {
		(void)!send(fd, question, sizeof question - 1, MSG_NOSIGNAL);
		alive = wait_for(fd, POLLIN, deadline_ns);
	}
	close(fd);
	return alive;
}
