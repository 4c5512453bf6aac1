/* The generated secret: made once, private, the same for all who ask, and refused when it is not private. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/secret.h"

static char folder[64], file[128];
static struct buf problem;

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/evently-secret-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(file, sizeof file, "%s/jwt-secret", folder);
	buf_init(&problem, 4096);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	rmdir(folder);
	buf_finish(&problem);
	return 0;
}

static size_t count_files(void)
{
	size_t count = 0;

	DIR *directory = opendir(folder);
	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(directory);
	return count;
}

static void write_file(const char *content, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_refused(const char *part)
{
	struct secret secret;

	buf_clear(&problem);
	assert_false(secret_load_or_create(&secret, folder, &problem));
	assert_int_equal(secret.len, 0);
	buf_char(&problem, '\0');
	if (strstr(problem.ptr, part) == NULL)
		fail_msg("%s", problem.ptr);
}

static void test_made_once(void **state)
{
	struct secret first, second;
	struct stat status;

	(void)state;
	mode_t before = umask(0);
	assert_true(secret_load_or_create(&first, folder, &problem));
	umask(before);
	assert_true(secret_load_or_create(&second, folder, &problem));
	assert_int_equal(first.len, 64);
	assert_string_equal(first.text, second.text);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(count_files(), 1);
}

static void test_makes_folders(void **state)
{
	char deep[128], deep_file[160];
	struct secret secret;

	(void)state;
	snprintf(deep, sizeof deep, "%s/a/b/", folder);
	assert_true(secret_load_or_create(&secret, deep, &problem));
	snprintf(deep_file, sizeof deep_file, "%sjwt-secret", deep);
	assert_int_equal(unlink(deep_file), 0);
	assert_int_equal(rmdir(deep), 0);
	snprintf(deep, sizeof deep, "%s/a", folder);
	assert_int_equal(rmdir(deep), 0);
}

static void test_refusals(void **state)
{
	(void)state;
	write_file("0123456789abcdef0123456789abcdef\n", 0644);
	assert_refused("chmod 600");
	assert_int_equal(chmod(file, 0602), 0);
	assert_refused("mode 0602");
	write_file("too short\n", 0600);
	assert_refused("has 9 bytes");
	unlink(file);
	assert_int_equal(symlink("/dev/zero", file), 0);
	assert_refused("cannot be read");
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_refused("is not a file");
}

static void test_own_secret(void **state)
{
	struct secret secret;

	(void)state;
	write_file("0123456789abcdef0123456789abcdef\r\n", 0640);
	assert_true(secret_load_or_create(&secret, folder, &problem));
	assert_string_equal(secret.text, "0123456789abcdef0123456789abcdef");
}

static void *load_in_thread(void *context)
{
	struct buf own;

	buf_init(&own, 1024);
	bool ok = secret_load_or_create(context, folder, &own);
	buf_finish(&own);
	return ok ? context : NULL;
}

static void test_many_at_once(void **state)
{
	enum { THREADS = 8, ROUNDS = 20 };
	struct secret secrets[THREADS];
	pthread_t threads[THREADS];
	void *loaded;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, load_in_thread, &secrets[i]), 0);
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(threads[i], &loaded), 0);
			assert_ptr_equal(loaded, &secrets[i]);
			assert_string_equal(secrets[i].text, secrets[0].text);
		}
		assert_int_equal(count_files(), 1);
		unlink(file);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_made_once), TEST(test_makes_folders), TEST(test_refusals),
	                                   TEST(test_own_secret), TEST(test_many_at_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
