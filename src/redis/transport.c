#include "redis/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static ssize_t read_tcp(struct transport *transport, void *bytes, size_t count)
{
	ssize_t got;

	do
		got = recv(transport->socket, bytes, count, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t write_tcp(struct transport *transport, const void *bytes, size_t count)
{
	ssize_t sent;

	do
		sent = send(transport->socket, bytes, count, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent;
}

static const struct transport_calls tcp = {read_tcp, write_tcp, NULL};

bool transport_wait(const struct transport *transport, short events, uint64_t deadline_ns)
{
	struct pollfd entry = {.fd = transport->socket, .events = events};

	for (;;) {
		int left_ms = clock_left_ms(deadline_ns);
		if (left_ms == 0) {
			errno = ETIMEDOUT;
			return false;
		}
		int ready = poll(&entry, 1, left_ms);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

/* Batches leave at once, and a peer that vanished is noticed by the kernel too. */
static void tune(int socket_number)
{
	static const struct {
		int level, name, value;
	} wishes[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
		      {SOL_SOCKET, SO_KEEPALIVE, 1},
		      {IPPROTO_TCP, TCP_KEEPIDLE, 30},
		      {IPPROTO_TCP, TCP_KEEPINTVL, 10},
		      {IPPROTO_TCP, TCP_KEEPCNT, 3}};

	for (size_t i = 0; i < ARRAY_LENGTH(wishes); i++)
		(void)setsockopt(socket_number, wishes[i].level, wishes[i].name, &wishes[i].value,
				 sizeof wishes[i].value);
}

static bool connect_one(struct transport *transport, const struct addrinfo *address, uint64_t deadline_ns)
{
	int failure = 0;
	socklen_t length = sizeof failure;

	transport->socket = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (transport->socket < 0)
		return false;
	tune(transport->socket);
	if (connect(transport->socket, address->ai_addr, address->ai_addrlen) == 0)
		return true;
	if (errno != EINPROGRESS && errno != EINTR)
		return false;
	if (!transport_wait(transport, POLLOUT, deadline_ns))
		return false;
	if (getsockopt(transport->socket, SOL_SOCKET, SO_ERROR, &failure, &length) != 0)
		return false;
	errno = failure;
	return failure == 0;
}

bool transport_connect(struct transport *transport, const struct addrinfo *addresses, uint64_t deadline_ns)
{
	size_t count = 0;

	*transport = (struct transport){.calls = &tcp, .socket = -1};
	for (const struct addrinfo *address = addresses; address != NULL; address = address->ai_next)
		count++;
	for (const struct addrinfo *address = addresses; address != NULL; address = address->ai_next, count--) {
		uint64_t now_ns = clock_monotonic_ns();
		uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
		if (connect_one(transport, address, now_ns + left_ns / count))
			return true;
		int why = errno;
		transport_close(transport);
		errno = why;
	}
	return false;
}

void transport_close(struct transport *transport)
{
	if (transport->calls != NULL && transport->calls->finish != NULL)
		transport->calls->finish(transport);
	if (transport->socket >= 0)
		close(transport->socket);
	*transport = (struct transport){.calls = &tcp, .socket = -1};
}
