#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/metrics.h"
#include "unit/test.h"

/* Standard error becomes a pipe, which the test reads or does not read. */
struct capture {
	int kept, read_end;
};

static void capture_begin(struct capture *capture)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	capture->kept = dup(STDERR_FILENO);
	capture->read_end = ends[0];
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
}

static void *drain(void *argument)
{
	const struct capture *capture = argument;
	struct buf *out = malloc(sizeof *out);

	buf_init(out, 64 << 20);
	for (;;) {
		char *space = buf_reserve(out, 65536);
		ssize_t got = space != NULL ? read(capture->read_end, space, 65536) : -1;
		if (got <= 0)
			break;
		out->len += (size_t)got;
	}
	return out;
}

static struct buf *capture_end(struct capture *capture, pthread_t reader)
{
	void *out;

	dup2(capture->kept, STDERR_FILENO);
	close(capture->kept);
	pthread_join(reader, &out);
	close(capture->read_end);
	return out;
}

static void release(struct buf *out)
{
	buf_finish(out);
	free(out);
}

static json_t *parsed(struct str line)
{
	json_error_t error;
	json_t *root = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &error);

	if (root == NULL)
		fail_msg("not JSON (%s): %.*s", error.text, STR_ARG(line));
	return root;
}

/* Together they fit into the ring, however slow the reader. */
enum { THREADS = 4, EACH = 1000 };

static void *log_much(void *argument)
{
	for (int i = 0; i < EACH; i++) {
		struct log_field field = LOG_INTEGER("number", i);
		log_line(LOG_INFO, argument, &field, 1, "line %d", i);
	}
	return NULL;
}

static void lines_of_many_threads_stay_whole_and_in_order(void **state)
{
	static char names[THREADS][2] = {"0", "1", "2", "3"};
	struct capture capture;
	pthread_t reader, threads[THREADS];
	int next[THREADS] = {0}, total = 0;

	(void)state;
	capture_begin(&capture);
	assert_int_equal(pthread_create(&reader, NULL, drain, &capture), 0);
	assert_true(log_start(LOG_INFO, true));
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_much, names[i]), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	log_stop();
	log_info("after", "at once");
	struct buf *out = capture_end(&capture, reader);
	struct str rest = buf_view(out), line;
	while (str_cut(&rest, '\n', &line) && line.len > 0) {
		json_t *root = parsed(line);
		const char *module = json_string_value(json_object_get(root, "module"));
		if (strcmp(module, "after") != 0) {
			int thread = module[0] - '0';
			assert_int_equal(json_integer_value(json_object_get(root, "number")), next[thread]);
			next[thread]++;
		}
		total++;
		json_decref(root);
	}
	assert_int_equal(total, THREADS * EACH + 1);
	release(out);
}

static void levels_are_obeyed(void **state)
{
	struct capture capture;
	pthread_t reader;

	(void)state;
	capture_begin(&capture);
	assert_int_equal(pthread_create(&reader, NULL, drain, &capture), 0);
	assert_true(log_start(LOG_WARNING, false));
	assert_false(log_wants(LOG_INFO));
	log_info("x", "hidden");
	log_error("x", "shown");
	log_set_level(LOG_DEBUG);
	log_debug("x", "debugged");
	log_set_level(LOG_INFO);
	log_debug("x", "hidden");
	log_stop();
	struct buf *out = capture_end(&capture, reader);
	buf_char(out, '\0');
	assert_null(strstr(out->ptr, "hidden"));
	assert_non_null(strstr(out->ptr, " error x  shown\n"));
	assert_non_null(strstr(out->ptr, " debug x  debugged\n"));
	release(out);
}

static void a_full_log_drops_counts_and_tells(void **state)
{
	struct capture capture;
	pthread_t reader;
	enum { LINES = 40000 };
	int64_t dropped_before = metrics_value(METRIC_LOG_DROPPED, 0), told = 0, seen = 0;

	(void)state;
	capture_begin(&capture);
	assert_true(log_start(LOG_INFO, true));
	uint64_t start_ns = clock_monotonic_ns();
	for (int i = 0; i < LINES; i++)
		log_info("flood", "a line of some length that nobody reads for now: %d", i);
	/* Nobody waited for the reader; generous, since the machine may be busy and the build sanitized. */
	assert_true(clock_monotonic_ns() - start_ns < 5 * CLOCK_SECOND);
	int64_t dropped = metrics_value(METRIC_LOG_DROPPED, 0) - dropped_before;
	assert_true(dropped > 0);
	assert_int_equal(pthread_create(&reader, NULL, drain, &capture), 0);
	log_stop();
	struct buf *out = capture_end(&capture, reader);
	struct str rest = buf_view(out), line;
	while (str_cut(&rest, '\n', &line) && line.len > 0) {
		json_t *root = parsed(line);
		if (strcmp(json_string_value(json_object_get(root, "module")), "flood") == 0)
			seen++;
		else
			told += json_integer_value(json_object_get(root, "dropped"));
		json_decref(root);
	}
	assert_int_equal(told, dropped);
	assert_int_equal(seen + dropped, LINES);
	release(out);
}

static void stopping_does_not_wait_for_ever(void **state)
{
	struct capture capture;
	pthread_t reader;

	(void)state;
	capture_begin(&capture);
	assert_true(log_start(LOG_INFO, true));
	for (int i = 0; i < 5000; i++)
		log_info("flood", "a line of some length that nobody ever reads: %d", i);
	uint64_t start_ns = clock_monotonic_ns();
	log_stop();
	assert_true(clock_monotonic_ns() - start_ns < 10 * CLOCK_SECOND);
	assert_int_equal(pthread_create(&reader, NULL, drain, &capture), 0);
	release(capture_end(&capture, reader));
}

static void an_error_may_carry_its_stack(void **state)
{
	struct capture capture;
	pthread_t reader;

	(void)state;
	capture_begin(&capture);
	assert_int_equal(pthread_create(&reader, NULL, drain, &capture), 0);
	assert_true(log_start(LOG_INFO, true));
	log_error_with_stack("x", NULL, 0, "odd: %d", 7);
	log_stop();
	struct buf *out = capture_end(&capture, reader);
	json_t *root = parsed(buf_view(out));
	assert_string_equal(json_string_value(json_object_get(root, "msg")), "odd: 7");
	assert_true(json_array_size(json_object_get(root, "stack")) >= 2);
	json_decref(root);
	release(out);
}

#ifndef __SANITIZE_ADDRESS__
#ifndef __SANITIZE_THREAD__
__attribute__((noinline)) static int overflow_stack(volatile char *above)
{
	volatile char here[4096];

	here[0] = above != NULL ? above[0] : 1;
	return here[0] != 0 ? overflow_stack(here) + here[1] : 0;
}

/* In a child: starts the log, leaves a line waiting, and dies in the given way. */
static void die(const char *how)
{
	static volatile int *volatile nowhere;

	setenv("LC_ALL", "C", 1);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGABRT, SIG_DFL);
	if (!log_start(LOG_INFO, true))
		_exit(3);
	log_catch_crashes();
	log_info("before", "waiting");
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "overflow") == 0)
		_exit(overflow_stack(NULL));
	*nowhere = 1;
	_exit(4);
}

static void check_death(const char *how, int signal_number, const char *signal_name)
{
	struct capture capture;
	pthread_t reader;
	int status;
	bool told = false, waited = false;

	capture_begin(&capture);
	pid_t child = fork();
	if (child == 0)
		die(how);
	assert_true(child > 0);
	assert_int_equal(pthread_create(&reader, NULL, drain, &capture), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	struct buf *out = capture_end(&capture, reader);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal_number);
	struct str rest = buf_view(out), line;
	while (str_cut(&rest, '\n', &line) && line.len > 0) {
		json_t *root = parsed(line);
		const char *name = json_string_value(json_object_get(root, "signal"));
		waited = waited || strcmp(json_string_value(json_object_get(root, "msg")), "waiting") == 0;
		if (name != NULL) {
			told = true;
			assert_string_equal(name, signal_name);
			assert_true(json_array_size(json_object_get(root, "stack")) >= 3);
		}
		json_decref(root);
	}
	assert_true(told);
	assert_true(waited);
	release(out);
}

static void a_crash_leaves_a_line(void **state)
{
	(void)state;
	check_death("null", SIGSEGV, "SIGSEGV");
	check_death("abort", SIGABRT, "SIGABRT");
	check_death("overflow", SIGSEGV, "SIGSEGV");
}
#endif
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_many_threads_stay_whole_and_in_order),
		cmocka_unit_test(levels_are_obeyed),
		cmocka_unit_test(a_full_log_drops_counts_and_tells),
		cmocka_unit_test(stopping_does_not_wait_for_ever),
		cmocka_unit_test(an_error_may_carry_its_stack),
#ifndef __SANITIZE_ADDRESS__
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(a_crash_leaves_a_line),
#endif
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
