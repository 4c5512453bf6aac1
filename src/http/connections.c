#include "http/connections.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"

static void sweep(struct connections *all, uint64_t now_ns)
{
	for (struct connection *each = all->first; each != NULL; each = each->next) {
		uint64_t since_ns = atomic_load_explicit(&each->waiting_since_ns, memory_order_relaxed);
		bool receiving = atomic_load_explicit(&each->receiving, memory_order_relaxed);
		uint64_t allowed_ns = receiving ? all->body_ns : all->idle_ns + all->body_ns;
		if (since_ns != 0 && now_ns > since_ns && now_ns - since_ns > allowed_ns)
			shutdown(each->fd, SHUT_RDWR);
	}
}

static void *sweep_every_second(void *argument)
{
	struct connections *all = argument;

	pthread_mutex_lock(&all->lock);
	while (!all->stop) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&all->stopped, &all->lock, &until);
		sweep(all, clock_monotonic_ns());
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

bool connections_start(struct connections *all, size_t count_max, uint64_t idle_ns, uint64_t body_ns)
{
	pthread_condattr_t attributes;

	*all = (struct connections){.count_max = count_max, .idle_ns = idle_ns, .body_ns = body_ns};
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&all->stopped, &attributes);
	pthread_condattr_destroy(&attributes);
	return pthread_create(&all->sweeper, NULL, sweep_every_second, all) == 0;
}

void connections_stop(struct connections *all)
{
	pthread_mutex_lock(&all->lock);
	all->stop = true;
	pthread_cond_signal(&all->stopped);
	pthread_mutex_unlock(&all->lock);
	pthread_join(all->sweeper, NULL);
	pthread_cond_destroy(&all->stopped);
	pthread_mutex_destroy(&all->lock);
}

bool connections_admit(struct connections *all)
{
	bool room = connections_count(all) < all->count_max;

	if (!room)
		metrics_count(METRIC_CONNECTIONS_REFUSED, 0, 1);
	return room;
}

struct connection *connections_add(struct connections *all, int fd, const struct sockaddr *peer)
{
	struct connection *connection = calloc(1, sizeof *connection);

	atomic_fetch_add(&all->count, 1);
	metrics_gauge_add(METRIC_CONNECTIONS, 0, 1);
	if (connection == NULL)
		return NULL;
	socklen_t length = peer->sa_family == AF_INET6 ? 28 : 16;
	if (getnameinfo(peer, length, connection->address, sizeof connection->address, NULL, 0, NI_NUMERICHOST) != 0)
		memcpy(connection->address, "unknown", sizeof "unknown");
	connection->fd = fd;
	atomic_store(&connection->waiting_since_ns, clock_monotonic_ns());
	pthread_mutex_lock(&all->lock);
	connection->next = all->first;
	if (all->first != NULL)
		all->first->previous = connection;
	all->first = connection;
	pthread_mutex_unlock(&all->lock);
	return connection;
}

void connections_remove(struct connections *all, struct connection *connection)
{
	atomic_fetch_sub(&all->count, 1);
	metrics_gauge_add(METRIC_CONNECTIONS, 0, -1);
	if (connection == NULL)
		return;
	pthread_mutex_lock(&all->lock);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		all->first = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	pthread_mutex_unlock(&all->lock);
	free(connection);
}

void connections_shut_idle(struct connections *all, uint64_t idle_for_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	pthread_mutex_lock(&all->lock);
	for (struct connection *each = all->first; each != NULL; each = each->next) {
		uint64_t since_ns = atomic_load_explicit(&each->waiting_since_ns, memory_order_relaxed);
		if (since_ns != 0 && !atomic_load_explicit(&each->receiving, memory_order_relaxed) &&
		    now_ns > since_ns && now_ns - since_ns > idle_for_ns)
			shutdown(each->fd, SHUT_RD);
	}
	pthread_mutex_unlock(&all->lock);
}

size_t connections_count(const struct connections *all)
{
	return atomic_load(&all->count);
}
