#include "http/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/server_state.h"

enum {
	EVENTS = 256,       /* taken by one epoll_wait */
	ACCEPTED_MAX = 64,  /* in one go, so that open connections are served as well */
	SWEEP_MS = 1000,
	DRAINING_SWEEP_MS = 20,
};

/* ---- requests ---- */

struct request *worker_take_request(struct worker *worker)
{
	struct request *request = worker->free_requests;

	if (request == NULL)
		return malloc(sizeof *request);
	worker->free_requests = request->next_free;
	worker->free_count--;
	return request;
}

void worker_keep_request(struct worker *worker, struct request *request)
{
	if (worker->free_count >= WORKER_REQUESTS_MAX) {
		free(request);
		return;
	}
	request->next_free = worker->free_requests;
	worker->free_requests = request;
	worker->free_count++;
}

/* ---- connections ---- */

static void drop(struct worker *worker, struct connection *connection)
{
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		worker->first = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	connection_destroy(connection);
}

static bool watch(struct worker *worker, int fd, uint32_t events, void *what)
{
	struct epoll_event event = {.events = events, .data.ptr = what};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* An accepted connection has come to its worker. */
static void take_in(struct worker *worker, struct connection *connection)
{
	connection->next = worker->first;
	if (worker->first != NULL)
		worker->first->previous = connection;
	worker->first = connection;
	if (!watch(worker, connection->wire.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection)) {
		log_warning("http", "a connection cannot be watched: %s", strerrordesc_np(errno));
		drop(worker, connection);
		return;
	}
	connection->state = connection->wire.tls != NULL ? CONNECTION_HANDSHAKE : CONNECTION_WAITING;
	if (!connection_run(connection))
		drop(worker, connection);
}

static void take_posts(struct worker *worker)
{
	struct connection *next;

	for (struct connection *each = mailbox_take(&worker->mailbox); each != NULL; each = next) {
		next = each->next_posted;
		if (each->state == CONNECTION_NEW)
			take_in(worker, each);
		else if (!connection_run_posted(each))
			drop(worker, each);
	}
}

static struct worker *least_busy(struct server *server)
{
	struct worker *best = &server->workers[0];

	for (unsigned i = 1; i < server->worker_count; i++) {
		struct worker *each = &server->workers[i];
		if (atomic_load_explicit(&each->count, memory_order_relaxed) < atomic_load_explicit(&best->count, memory_order_relaxed))
			best = each;
	}
	return best;
}

/* Best effort: who is one too many is told so, when that costs no waiting. */
static void refuse(struct server *server, int fd)
{
#define BODY \
	"{\"type\":\"urn:evently:problem:unavailable\",\"title\":\"Service unavailable\",\"status\":503," \
	"\"detail\":\"Too many connections are open; try again.\",\"request_id\":null}"
	static const char words[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
		"Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 156\r\n\r\n" BODY;
	_Static_assert(sizeof BODY - 1 == 156, "Content-Length above");
#undef BODY

	char unread[4096];

	metrics_count(METRIC_CONNECTIONS_REFUSED, 0, 1);
	if (!server->options.tls && send(fd, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		/* A socket that is closed with unread bytes takes back what it was given to send. */
		for (unsigned i = 0; i < 4 && recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0; i++)
			continue;
	}
	shutdown(fd, SHUT_WR);
	close(fd);
}

static void admit(struct worker *worker, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct server *server = worker->server;
	const int on = 1;

	if (atomic_load(&server->connections) >= server->connections_max) {
		refuse(server, fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct worker *chosen = least_busy(server);
	struct connection *connection = connection_create(chosen, fd, peer, peer_len);
	if (connection == NULL) {
		refuse(server, fd);
		return;
	}
	if (chosen == worker)
		take_in(worker, connection);
	else
		mailbox_post(connection);
}

static bool watch_listening(struct worker *worker)
{
	return watch(worker, worker->server->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, worker);
}

/* No descriptors or memory: the socket stays ready, so it is not looked at again before the next sweep. */
static void pause_accepting(struct worker *worker)
{
	log_warning("http", "cannot accept connections for a moment: %s", strerrordesc_np(errno));
	epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->server->listen_fd, NULL);
	worker->accept_paused = true;
}

/* False: nobody is left to accept. */
static bool accept_one(struct worker *worker)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof peer;
	int fd = accept4(worker->server->listen_fd, (struct sockaddr *)&peer, &peer_len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		admit(worker, fd, (struct sockaddr *)&peer, peer_len);
		return true;
	}
	if (errno == EINTR || errno == ECONNABORTED)
		return true;
	if (errno != EAGAIN)
		pause_accepting(worker);
	return false;
}

static void accept_some(struct worker *worker)
{
	for (unsigned i = 0; i < ACCEPTED_MAX && accept_one(worker); i++)
		continue;
}

static void stop_listening(struct worker *worker)
{
	while (accept_one(worker))
		continue;
	epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->server->listen_fd, NULL);
	atomic_store(&worker->listening, false);
}

static void sweep(struct worker *worker, uint64_t now_ns, bool draining)
{
	struct connection *next;

	worker->swept_ns = now_ns;
	if (worker->accept_paused)
		worker->accept_paused = !watch_listening(worker);
	for (struct connection *each = worker->first; each != NULL; each = next) {
		next = each->next;
		if (!connection_sweep(each, now_ns, draining))
			drop(worker, each);
	}
}

/* ---- the loop ---- */

static void take_event(struct worker *worker, const struct epoll_event *event)
{
	struct connection *connection = event->data.ptr;

	if (connection == NULL)
		return; /* woken: posts and wishes are looked at in every turn */
	if ((void *)connection == (void *)worker) {
		accept_some(worker);
		return;
	}
	if ((event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		connection->readable = true;
	if ((event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		connection->client_ended = true;
	if (!connection_run(connection))
		drop(worker, connection);
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct server *server = worker->server;
	struct epoll_event events[EVENTS];

	while (!atomic_load_explicit(&server->stopping, memory_order_acquire)) {
		bool draining = atomic_load_explicit(&server->draining, memory_order_acquire);
		if (draining && atomic_load_explicit(&worker->listening, memory_order_relaxed))
			stop_listening(worker);
		unsigned pause_ms = draining ? DRAINING_SWEEP_MS : SWEEP_MS;
		if (worker->turn_ns - worker->swept_ns >= pause_ms * CLOCK_MS)
			sweep(worker, worker->turn_ns, draining);
		int count = epoll_wait(worker->epoll_fd, events, EVENTS, (int)pause_ms);
		CHECK(count >= 0 || errno == EINTR);
		worker->turn_ns = clock_monotonic_ns();
		for (int i = 0; i < count; i++)
			take_event(worker, &events[i]);
		take_posts(worker);
	}
	return NULL;
}

/* ---- life ---- */

static void finish(struct worker *worker)
{
	while (worker->free_requests != NULL) {
		struct request *request = worker->free_requests;
		worker->free_requests = request->next_free;
		free(request);
	}
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	mailbox_finish(&worker->mailbox);
	free(worker->input);
	free(worker->output);
}

bool worker_init(struct worker *worker, struct server *server)
{
	worker->server = server;
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->input = malloc(WORKER_INPUT_BYTES);
	worker->output = malloc(WORKER_OUTPUT_BYTES);
	worker->turn_ns = worker->swept_ns = clock_monotonic_ns();
	if (mailbox_init(&worker->mailbox) && worker->epoll_fd >= 0 && worker->input != NULL && worker->output != NULL &&
	    watch(worker, worker->mailbox.wake_fd, EPOLLIN | EPOLLET, NULL) && watch_listening(worker))
		return true;
	finish(worker);
	return false;
}

bool worker_start(struct worker *worker)
{
	atomic_store(&worker->listening, true);
	worker->started = pthread_create(&worker->thread, NULL, run, worker) == 0;
	if (!worker->started)
		atomic_store(&worker->listening, false);
	return worker->started;
}

void worker_stop(struct worker *worker)
{
	if (!worker->started)
		return;
	mailbox_wake(&worker->mailbox);
	pthread_join(worker->thread, NULL);
}

void worker_finish(struct worker *worker)
{
	take_posts(worker);
	while (worker->first != NULL)
		drop(worker, worker->first);
	finish(worker);
}
