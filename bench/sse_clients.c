/* Many Server-Sent Events subscribers in one process, for bench/sse.py.
 *
 * usage: sse_clients PORT TOKEN SUBSCRIBERS CHANGES
 * Opens the streams, prints "open" when all have been answered, then for each change, when every subscriber has it, one
 * line "ID FIRST_NS LAST_NS" (CLOCK_MONOTONIC). Ends after CHANGES of them. One thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READY = 512, IDS_MAX = 100000, BYTES = 65536, LINE_BYTES = 32 };

struct subscriber {
	int socket;
	unsigned opened;         /* the answer's head has come */
	char line[LINE_BYTES];   /* the beginning of the present line */
	size_t length;
};

static struct {
	unsigned count;
	uint64_t first_ns, last_ns;
} seen[IDS_MAX];
static unsigned subscribers, opened, complete;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int subscribe(unsigned port, const char *token, unsigned number)
{
	char request[2048];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int socket_fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (socket_fd < 0 || connect(socket_fd, (struct sockaddr *)&address, sizeof address) != 0)
		die("connect");
	int length = snprintf(request, sizeof request,
	                      "GET /api/v1/events/stream HTTP/1.1\r\nHost: a\r\nX-Request-ID: s%u\r\nAuthorization: Bearer %s\r\n\r\n",
	                      number, token);
	if (write(socket_fd, request, (size_t)length) != length)
		die("write");
	return socket_fd;
}

static void take_line(struct subscriber *subscriber, uint64_t at_ns)
{
	subscriber->line[subscriber->length] = '\0';
	if (!subscriber->opened && strncmp(subscriber->line, "retry:", 6) == 0) {
		subscriber->opened = 1;
		if (++opened == subscribers)
			puts("open");
	}
	if (strncmp(subscriber->line, "id: ", 4) != 0)
		return;
	unsigned long id = strtoul(subscriber->line + 4, NULL, 10);
	if (id >= IDS_MAX)
		return;
	if (seen[id].count++ == 0)
		seen[id].first_ns = at_ns;
	seen[id].last_ns = at_ns;
	if (seen[id].count == subscribers) {
		printf("%lu %llu %llu\n", id, (unsigned long long)seen[id].first_ns, (unsigned long long)at_ns);
		complete++;
	}
}

static void take_bytes(struct subscriber *subscriber, const char *bytes, size_t count, uint64_t at_ns)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n') {
			take_line(subscriber, at_ns);
			subscriber->length = 0;
		} else if (subscriber->length < LINE_BYTES - 1) {
			subscriber->line[subscriber->length++] = bytes[i];
		}
	}
}

int main(int argument_count, char **arguments)
{
	static char bytes[BYTES];
	struct epoll_event ready[READY];
	struct rlimit limit;
	unsigned changes;

	if (argument_count != 5)
		return 2;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	setvbuf(stdout, NULL, _IOLBF, 0);
	subscribers = (unsigned)atoi(arguments[3]);
	changes = (unsigned)atoi(arguments[4]);
	struct subscriber *all = calloc(subscribers, sizeof *all);
	int poll_fd = epoll_create1(0);
	if (all == NULL || poll_fd < 0)
		die("start");
	for (unsigned i = 0; i < subscribers; i++) {
		all[i].socket = subscribe((unsigned)atoi(arguments[1]), arguments[2], i);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
		if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, all[i].socket, &event) != 0)
			die("epoll_ctl");
	}
	while (complete < changes) {
		int count = epoll_wait(poll_fd, ready, READY, 60000);
		if (count <= 0)
			die("nothing came for a minute");
		for (int i = 0; i < count; i++) {
			struct subscriber *subscriber = ready[i].data.ptr;
			ssize_t got = read(subscriber->socket, bytes, sizeof bytes);
			if (got <= 0)
				die("a stream ended");
			take_bytes(subscriber, bytes, (size_t)got, now_ns());
		}
	}
	free(all);
	return 0;
}
