#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int bind_one(const struct addrinfo *address)
{
	int on = 1;
	int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

static unsigned port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = {.v6 = {0}};
	socklen_t length = sizeof name;

	if (getsockname(fd, &name.any, &length) != 0)
		return 0;
	return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

int listen_open(const char *host, unsigned port, unsigned *bound_port, struct buf *problem)
{
	struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
	char service[8];

	snprintf(service, sizeof service, "%u", port);
	int failure = getaddrinfo(host, service, &wanted, &found);
	if (failure != 0) {
		buf_printf(problem, "HOST is \"%s\": %s", host, gai_strerror(failure));
		return -1;
	}
	int fd = -1;
	for (const struct addrinfo *address = found; address != NULL && fd < 0; address = address->ai_next)
		fd = bind_one(address);
	if (fd < 0 && errno == EADDRINUSE)
		buf_printf(problem, "port %u on %s is in use: stop what listens there, or set PORT", port, host);
	else if (fd < 0)
		buf_printf(problem, "cannot listen on %s port %u: %s", host, port, strerrordesc_np(errno));
	freeaddrinfo(found);
	if (fd >= 0)
		*bound_port = port_of(fd);
	return fd;
}
