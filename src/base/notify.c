#include "base/notify.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PINGS_WITHIN_LIMIT = 3, NS_IN_US = 1000 };

static struct sockaddr_un address;
static socklen_t address_bytes; /* 0: no manager */
static uint64_t watchdog_ns;
static atomic_uint steps_left;

/* An absolute path, or @name in the abstract namespace; anything else (vsock) is no address of ours. */
static void read_address(const char *path)
{
	address_bytes = 0;
	if (path == NULL || (path[0] != '/' && path[0] != '@') || path[1] == '\0')
		return;
	size_t length = strlen(path);
	if (length >= sizeof address.sun_path)
		return;
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* A decimal number; 0 when it is absent or anything else. */
static uint64_t read_number(const char *text)
{
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? number : 0;
}

void notify_start(unsigned steps)
{
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t limit_us = read_number(getenv("WATCHDOG_USEC"));

	read_address(getenv("NOTIFY_SOCKET"));
	atomic_store(&steps_left, steps);
	bool is_ours = pid == NULL || read_number(pid) == (uint64_t)getpid();
	watchdog_ns = is_ours && address_bytes > 0 && limit_us <= UINT64_MAX / NS_IN_US ? limit_us * NS_IN_US / PINGS_WITHIN_LIMIT : 0;
}

void notify_step(void)
{
	if (atomic_fetch_sub(&steps_left, 1) == 1)
		notify_send("READY=1");
}

bool notify_send(const char *state)
{
	if (address_bytes == 0)
		return false;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	size_t length = strlen(state);
	ssize_t sent = sendto(fd, state, length, MSG_NOSIGNAL, (const struct sockaddr *)&address, address_bytes);
	close(fd);
	return sent == (ssize_t)length;
}

uint64_t notify_watchdog_ns(void)
{
	return watchdog_ns;
}
