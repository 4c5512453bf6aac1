#include "http/server.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "http/listen.h"
#include "http/server_state.h"

static unsigned thread_count(const struct server_options *options)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (options->threads > 0)
		return options->threads;
	if (options->config->http_threads > 0)
		return (unsigned)options->config->http_threads;
	return cores > 0 ? (unsigned)cores : 1;
}

static struct server *create(const struct server_options *options)
{
	const struct config *config = options->config;
	struct server *server = calloc(1, sizeof *server);

	if (server == NULL)
		return NULL;
	server->options = *options;
	server->port = options->port;
	server->listen_fd = options->listen_fd;
	server->request_timeout_ns = (uint64_t)config->request_timeout_ms * CLOCK_MS;
	server->idle_ns = (uint64_t)config->idle_timeout_s * CLOCK_SECOND;
	server->body_ns = (uint64_t)config->body_timeout_ms * CLOCK_MS;
	server->connections_max = (size_t)config->connections_max;
	server->worker_count = thread_count(options);
	struct cors *cors = cors_create(config->cors_origins);
	server->workers = calloc(server->worker_count, sizeof *server->workers);
	if (server->workers != NULL && cors != NULL) {
		atomic_store(&server->cors, cors);
		return server;
	}
	cors_destroy(cors);
	free(server->workers);
	free(server);
	return NULL;
}

static void destroy(struct server *server)
{
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	cors_destroy(atomic_load(&server->cors));
	free(server->workers);
	free(server);
}

static void stop_workers(struct server *server, unsigned count)
{
	atomic_store(&server->stopping, true);
	for (unsigned i = 0; i < count; i++)
		worker_stop(&server->workers[i]);
	for (unsigned i = 0; i < count; i++)
		worker_finish(&server->workers[i]);
}

static bool start_workers(struct server *server)
{
	unsigned made = 0;
	bool started = true;

	while (made < server->worker_count && worker_init(&server->workers[made], server))
		made++;
	started = made == server->worker_count;
	for (unsigned i = 0; i < made && started; i++)
		started = worker_start(&server->workers[i]);
	if (!started)
		stop_workers(server, made);
	return started;
}

bool server_start(struct server **out, const struct server_options *options, struct buf *problem)
{
	struct server *server = create(options);

	if (server == NULL) {
		buf_lit(problem, "not enough memory to start the HTTP server");
		return false;
	}
	if (server->listen_fd == 0)
		server->listen_fd = listen_open(options->config->host, options->port, &server->port, problem);
	if (server->listen_fd < 0) {
		destroy(server);
		return false;
	}
	if (!start_workers(server)) {
		buf_lit(problem, "cannot start a thread for the HTTP server (threads, descriptors or memory)");
		destroy(server);
		return false;
	}
	*out = server;
	return true;
}

unsigned server_port(const struct server *server)
{
	return server->port;
}

bool server_draining(const struct server *server)
{
	return atomic_load(&server->leaving);
}

void server_leave(struct server *server)
{
	atomic_store(&server->leaving, true);
}

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_nsec = ms * 1000000};

	nanosleep(&pause, NULL);
}

static bool anyone_listens(struct server *server)
{
	bool listens = false;

	for (unsigned i = 0; i < server->worker_count; i++)
		listens |= atomic_load(&server->workers[i].listening);
	return listens;
}

/* Whoever the kernel has already let in is taken by a worker before the socket is closed. */
void server_drain(struct server *server)
{
	server_leave(server);
	atomic_store(&server->draining, true);
	for (unsigned i = 0; i < server->worker_count; i++)
		mailbox_wake(&server->workers[i].mailbox);
	while (anyone_listens(server))
		pause_ms(1);
	close(server->listen_fd);
	server->listen_fd = -1;
}

bool server_wait_drained(struct server *server, int timeout_ms)
{
	uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * CLOCK_MS;

	while (atomic_load(&server->connections) > 0 && clock_monotonic_ns() < deadline_ns)
		pause_ms(5);
	return atomic_load_explicit(&server->running, memory_order_acquire) == 0;
}

void server_stop(struct server *server)
{
	stop_workers(server, server->worker_count);
	destroy(server);
}

bool server_set_cors(struct server *server, const char *origins)
{
	return cors_replace(&server->cors, origins);
}

void server_preflight(struct request *request, struct str methods)
{
	if (cors_is_preflight(request)) {
		cors_preflight(atomic_load_explicit(&request->server->cors, memory_order_acquire), request, methods);
		return;
	}
	answer_empty(request, 204);
	answer_header(request, "Allow", methods);
}
