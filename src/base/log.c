#include "base/log.h"

#include <errno.h>
#include <execinfo.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/logline.h"
#include "base/metrics.h"

/* The ring has two halves: callers fill one while the writer writes the other, so that a line costs its callers one
 * copy under a mutex, and many lines one write(2). */
enum {
	HALF_BYTES = 512 * 1024,
	MESSAGE_BYTES_MAX = 2048,
	WRITE_BYTES_MAX = 4096, /* a pipe that polls writable takes that much without blocking (pipe(7), PIPE_BUF) */
	GATHER_MS = 2,          /* after a write the writer lets lines gather, so that few of them cost a wake-up */
	STOP_MS = 1000,         /* log_stop gives up on a reader that does not read for so long */
};

struct half {
	_Atomic size_t len; /* atomic only for the crash handler, which takes no lock */
	char bytes[HALF_BYTES];
};

static struct half halves[2];
static struct half *_Atomic filling = &halves[0];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake;
/* under lock */
static bool running, stopping, writer_idle;
static uint64_t dropped;
static uint64_t stop_at_ns;

static pthread_t writer;
static _Atomic int least_level = LOG_INFO;
static _Atomic int format = -1; /* 1 JSON, 0 text, -1 not chosen yet */

bool log_wants(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&least_level, (int)level, memory_order_relaxed);
}

/* Lines that come before log_start suit whoever looks. */
static bool is_json(void)
{
	int chosen = atomic_load_explicit(&format, memory_order_relaxed);

	if (chosen < 0) {
		chosen = isatty(STDERR_FILENO) == 0;
		atomic_store_explicit(&format, chosen, memory_order_relaxed);
	}
	return chosen == 1;
}

/* How long the writer may still wait for a blocked reader: -1 without end, else ms until it gives up. */
static int patience_ms(void)
{
	pthread_mutex_lock(&lock);
	int left_ms = stopping ? clock_left_ms(stop_at_ns) : -1;
	pthread_mutex_unlock(&lock);
	return left_ms;
}

/* Writes to standard error, which may be a pipe that nobody reads for a while. False: given up. */
static bool write_patiently(const char *bytes, size_t count)
{
	while (count > 0) {
		struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
		int left_ms = patience_ms();
		if (left_ms == 0)
			return false;
		/* Looks up from time to time, since log_stop may come while it waits. */
		int ready = poll(&output, 1, left_ms < 0 || left_ms > 200 ? 200 : left_ms);
		if (ready == 0 || (ready < 0 && errno == EINTR))
			continue;
		ssize_t wrote = write(STDERR_FILENO, bytes, count < WRITE_BYTES_MAX ? count : WRITE_BYTES_MAX);
		if (wrote < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (wrote <= 0)
			return false;
		bytes += wrote;
		count -= (size_t)wrote;
	}
	return true;
}

static void write_dropped(uint64_t lines)
{
	struct logline line;
	struct log_field field = LOG_INTEGER("dropped", lines);

	logline_begin(&line, is_json(), clock_wall_us(), LOG_WARNING, "log",
		      STR("lines dropped because the log was full"));
	logline_field(&line, &field);
	logline_end(&line);
	(void)write_patiently(line.bytes, line.len);
}

static void wait_ms(int pause_ms)
{
	uint64_t until_ns = clock_monotonic_ns() + (uint64_t)pause_ms * CLOCK_MS;
	struct timespec until = {(time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND)};

	pthread_cond_timedwait(&wake, &lock, &until);
}

static void *write_lines(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct half *half = atomic_load(&filling);
		while (half->len == 0 && dropped == 0 && !stopping) {
			writer_idle = true;
			pthread_cond_wait(&wake, &lock);
			writer_idle = false;
		}
		if (half->len == 0 && dropped == 0)
			break;
		uint64_t lost = dropped;
		dropped = 0;
		atomic_store(&filling, half == &halves[0] ? &halves[1] : &halves[0]);
		pthread_mutex_unlock(&lock);
		(void)write_patiently(half->bytes, half->len);
		if (lost > 0)
			write_dropped(lost);
		pthread_mutex_lock(&lock);
		half->len = 0;
		if (!stopping)
			wait_ms(GATHER_MS);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

bool log_start(enum log_level level, bool json)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	void *frame;

	log_set_level(level);
	atomic_store_explicit(&format, json, memory_order_relaxed);
	/* The first backtrace loads libgcc with malloc; later ones do not. */
	(void)backtrace(&frame, 1);
	pthread_mutex_lock(&lock);
	CHECK(!running);
	stopping = false;
	pthread_mutex_unlock(&lock);
	if (pthread_condattr_init(&attributes) != 0)
		return false;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	int failed = pthread_cond_init(&wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (failed != 0)
		return false;
	/* Signals are for other threads; a closed pipe is EPIPE here and not SIGPIPE. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&writer, NULL, write_lines, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0) {
		pthread_cond_destroy(&wake);
		return false;
	}
	pthread_setname_np(writer, "log");
	pthread_mutex_lock(&lock);
	running = true;
	pthread_mutex_unlock(&lock);
	return true;
}

void log_stop(void)
{
	pthread_mutex_lock(&lock);
	bool was_running = running;
	running = false;
	stopping = true;
	stop_at_ns = clock_monotonic_ns() + STOP_MS * CLOCK_MS;
	if (was_running)
		pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
	if (!was_running)
		return;
	pthread_join(writer, NULL);
	pthread_cond_destroy(&wake);
}

/* Without a writer thread: straight out, as far as it goes. */
static void write_now(const struct logline *line)
{
	(void)!write(STDERR_FILENO, line->bytes, line->len);
}

static void submit(const struct logline *line)
{
	pthread_mutex_lock(&lock);
	if (!running) {
		pthread_mutex_unlock(&lock);
		write_now(line);
		return;
	}
	struct half *half = atomic_load_explicit(&filling, memory_order_relaxed);
	size_t len = atomic_load_explicit(&half->len, memory_order_relaxed);
	bool fits = line->len <= HALF_BYTES - len;
	if (fits) {
		memcpy(half->bytes + len, line->bytes, line->len);
		atomic_store_explicit(&half->len, len + line->len, memory_order_release);
	} else {
		dropped++;
	}
	/* A writer that lets lines gather is called only when there is a lot. */
	bool call = writer_idle || (len < HALF_BYTES / 2 && len + line->len >= HALF_BYTES / 2);
	if (call) {
		writer_idle = false;
		pthread_cond_signal(&wake);
	}
	pthread_mutex_unlock(&lock);
	if (!fits)
		metrics_count(METRIC_LOG_DROPPED, 0, 1);
}

static void begin(struct logline *line, enum log_level level, const char *module, const struct log_field *fields,
		  size_t field_count, const char *text_format, va_list arguments)
{
	char message[MESSAGE_BYTES_MAX];
	int length = vsnprintf(message, sizeof message, text_format, arguments);
	bool cut = length >= (int)sizeof message;
	struct str text = {message, length < 0 ? 0 : cut ? sizeof message - 1 : (size_t)length};

	logline_begin(line, is_json(), clock_wall_us(), level, module, text);
	line->cut = line->cut || cut;
	for (size_t i = 0; i < field_count; i++)
		logline_field(line, &fields[i]);
}

void log_line(enum log_level level, const char *module, const struct log_field *fields, size_t field_count,
	      const char *text_format, ...)
{
	struct logline line;
	va_list arguments;

	if (!log_wants(level))
		return;
	va_start(arguments, text_format);
	begin(&line, level, module, fields, field_count, text_format, arguments);
	va_end(arguments);
	logline_end(&line);
	submit(&line);
}

void log_error_with_stack(const char *module, const struct log_field *fields, size_t field_count,
			  const char *text_format, ...)
{
	struct logline line;
	va_list arguments;
	void *frames[LOGLINE_FRAMES_MAX];

	va_start(arguments, text_format);
	begin(&line, LOG_ERROR, module, fields, field_count, text_format, arguments);
	va_end(arguments);
	/* Without this function's own frame. */
	int count = backtrace(frames, LOGLINE_FRAMES_MAX);
	logline_stack(&line, frames + 1, count > 0 ? count - 1 : 0);
	logline_end(&line);
	submit(&line);
}

/* SANITIZED: the sanitizers catch crashes themselves, and tell more. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const struct crash {
	int number;
	const char *name;
} crashes[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGFPE, "SIGFPE"}};

/* Runs on its own stack, with the process in any state: async-signal-safe calls only (signal-safety(7)), no lock.
 * backtrace(3) is safe after the warm-up in log_catch_crashes. */
static void crash(int number, siginfo_t *information, void *context)
{
	static struct logline line; /* only the first crash gets here: the handler is reset */
	void *frames[LOGLINE_FRAMES_MAX];
	struct str name = STR("signal");

	(void)context;
	/* Should even this hang (on the loader's lock, say), the process still ends. */
	alarm(5);
	/* What waits in the ring is what led here. */
	struct half *half = atomic_load(&filling);
	(void)!write(STDERR_FILENO, half->bytes, atomic_load(&half->len));
	for (size_t i = 0; i < ARRAY_LENGTH(crashes); i++) {
		if (crashes[i].number == number)
			name = str_from(crashes[i].name);
	}
	struct log_field fields[] = {
		LOG_TEXT("signal", name),
		LOG_INTEGER("address", (intptr_t)(number == SIGABRT ? NULL : information->si_addr)),
	};
	logline_begin(&line, is_json(), clock_wall_us(), LOG_ERROR, "crash", STR("the process dies of a signal"));
	logline_field(&line, &fields[0]);
	logline_field(&line, &fields[1]);
	int count = backtrace(frames, LOGLINE_FRAMES_MAX);
	logline_stack(&line, frames, count);
	logline_end(&line);
	(void)!write(STDERR_FILENO, line.bytes, line.len);
	/* Pending until the return, and then with the default action. */
	raise(number);
}

void log_catch_crashes(void)
{
	static char stack[65536];
	void *frame;

	if (SANITIZED)
		return;
	(void)backtrace(&frame, 1);
	(void)is_json();
	/* For this thread: an overflow of another thread's stack still kills the process, only without the line. */
	stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
	(void)sigaltstack(&alternative, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(crashes); i++) {
		struct sigaction action = {.sa_sigaction = crash,
					   .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
		sigemptyset(&action.sa_mask);
		(void)sigaction(crashes[i].number, &action, NULL);
	}
}
