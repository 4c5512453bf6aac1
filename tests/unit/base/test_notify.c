/* What a service manager hears: the datagrams of notify.c, on sockets of both kinds of address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/notify.h"

static char folder[] = "/tmp/notify-XXXXXX";

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
	return fd;
}

static void assert_heard(int fd, const char *text)
{
	char heard[256];
	ssize_t bytes = recv(fd, heard, sizeof heard - 1, 0);

	assert_true(bytes >= 0);
	heard[bytes] = '\0';
	assert_string_equal(heard, text);
}

static void assert_silent(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
}

static int clear(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static void says_nothing_without_a_manager(void **state)
{
	(void)state;
	notify_start(1);
	notify_step();
	assert_false(notify_send("READY=1"));
	assert_int_equal(notify_watchdog_ns(), 0);
}

static void is_ready_after_the_last_step(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "%s/ready", folder);
	int fd = listen_at(path);
	setenv("NOTIFY_SOCKET", path, 1);
	notify_start(2);
	notify_step();
	assert_silent(fd);
	notify_step();
	assert_heard(fd, "READY=1");
	assert_silent(fd);
	assert_true(notify_send("STOPPING=1\nSTATUS=done"));
	assert_heard(fd, "STOPPING=1\nSTATUS=done");
	close(fd);
	unlink(path);
	assert_false(notify_send("READY=1"));
}

static void speaks_to_the_abstract_namespace(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "@evently-test-%ld", (long)getpid());
	int fd = listen_at(path);
	setenv("NOTIFY_SOCKET", path, 1);
	notify_start(1);
	notify_step();
	assert_heard(fd, "READY=1");
	close(fd);
}

static void takes_no_other_address(void **state)
{
	static const char *const others[] = {"", "/", "@", "vsock:2:1234", "relative/path"};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		setenv("NOTIFY_SOCKET", others[i], 1);
		notify_start(1);
		assert_false(notify_send("READY=1"));
	}
	memset(longest, 'a', sizeof longest - 1);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	notify_start(1);
	assert_false(notify_send("READY=1"));
}

static uint64_t watchdog_of(const char *limit_us, const char *pid)
{
	setenv("NOTIFY_SOCKET", "@somebody", 1);
	setenv("WATCHDOG_USEC", limit_us, 1);
	if (pid != NULL)
		setenv("WATCHDOG_PID", pid, 1);
	else
		unsetenv("WATCHDOG_PID");
	notify_start(1);
	return notify_watchdog_ns();
}

static void beats_three_times_within_the_limit(void **state)
{
	char own[32];

	(void)state;
	snprintf(own, sizeof own, "%ld", (long)getpid());
	assert_int_equal(watchdog_of("30000000", NULL), 10000000000);
	assert_int_equal(watchdog_of("30000000", own), 10000000000);
	assert_int_equal(watchdog_of("30000000", "1"), 0);
	assert_int_equal(watchdog_of("0", own), 0);
	assert_int_equal(watchdog_of("-5", own), 0);
	assert_int_equal(watchdog_of("5s", own), 0);
	assert_int_equal(watchdog_of("99999999999999999999999", own), 0);
	assert_int_equal(watchdog_of("18446744073709551615", own), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(says_nothing_without_a_manager, clear),
		cmocka_unit_test_setup(is_ready_after_the_last_step, clear),
		cmocka_unit_test_setup(speaks_to_the_abstract_namespace, clear),
		cmocka_unit_test_setup(takes_no_other_address, clear),
		cmocka_unit_test_setup(beats_three_times_within_the_limit, clear),
	};

	if (mkdtemp(folder) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
