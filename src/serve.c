/* `evently serve`: puts the parts together, waits for signals, takes them apart again. Wiring only: read it as the table
 * of contents. Data flows  http → api → cache → lanes → store  and  change log → follower → caches, hub. Main thread. */
#include "cli/cli.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/routes.h"
#include "api/service.h"
#include "api/transfer.h"
#include "auth/keyring.h"
#include "auth/secret.h"
#include "base/clock.h"
#include "base/notify.h"
#include "base/privilege.h"
#include "base/random.h"
#include "feed/user_status.h"
#include "feed/warm.h"
#include "http/heartbeat.h"
#include "http/listen.h"
#include "lanes/limit.h"
#include "http/tls.h"
#include "redis/source.h"
#include "version.h"

enum {
	LISTS_SHARE = 4,             /* a quarter of the cache is for lists */
	HUB_RING_BYTES = 16 << 20,
	QUERY_THREADS = 2,
	QUERY_QUEUE_MAX = 4096,
	BULK_QUEUE_MAX = 16,
	CHECK_QUEUE_MAX = 256,
	PROBLEM_BYTES_MAX = 4096,
	BREAKER_SERIES_REDIS = 1,
	LAST_ANSWERS_MS = 500, /* for what the lanes answered while they were stopped */
	GENERATED_TOKEN_MINUTES = 24 * 60,
	START_STEPS = 2, /* what notify_step counts: listening, and warm */
	HEARTBEAT_MS = 2000,
};

struct parts {
	struct service service;
	struct service metrics_service; /* of METRICS_PORT */
	struct freshness freshness;
	struct server *metrics_server;
	struct keyring keyring;
	struct secret secret;
	struct redis_source redis_source; /* how to reach it: shared by every connection, replaced on reload */
	struct breaker redis_breaker; /* shared by every connection to Redis */
	struct limit_lane *limit_lane;    /* NULL without Redis */
	struct user_status *user_status;  /* likewise */
	const char *user;                 /* of --user, or NULL */
	struct { int fd; unsigned port; } bound[2]; /* PORT and METRICS_PORT, bound before --user; fd 0: not bound */
	uint64_t refresh_at_ns;           /* when the secrets are read again (monotonic); UINT64_MAX: never */
	uint64_t heartbeat_due_ns;        /* UINT64_MAX: no service manager watches */
	struct forwarded_trust trusts[2]; /* the one in use, and the one that a reload writes */
};

static int fail(const struct buf *problem)
{
	fprintf(stderr, "evently: %.*s\n", STR_ARG(buf_view(problem)));
	return 1;
}

/* ---- starting ---- */

static enum log_level level_of(const struct config *config)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	unsigned level = 0;

	while (level < LOG_ERROR && strcmp(names[level], config->log_level) != 0)
		level++;
	return (enum log_level)level;
}

/* The embedded store needs no operator: its schema is brought up to date at start. */
static bool prepare_store(struct parts *parts, struct buf *problem)
{
	struct service *service = &parts->service;

	if (store_open(&service->store, service->config, true, problem) != STORE_OK)
		return false;
	if (store_is_shared(service->store))
		return true;
	struct store_session *session = store_session_open(service->store);
	if (session == NULL) {
		buf_lit(problem, "not enough memory to open the store");
		return false;
	}
	struct buf report;
	buf_init(&report, PROBLEM_BYTES_MAX);
	store_session_deadline(session, clock_monotonic_ns() + 600 * CLOCK_SECOND);
	enum store_result result = store_migrate_up(session, 0, &report);
	if (result != STORE_OK)
		buf_str(problem, str_from(store_session_problem(session)));
	buf_finish(&report);
	store_session_close(session);
	return result == STORE_OK;
}

static bool prepare_keys(struct parts *parts, struct buf *problem)
{
	const struct config *config = parts->service.config;
	bool generated = secret_is_generated(config);

	if (generated && !secret_load_or_create(&parts->secret, config->data_dir, problem))
		return false;
	if (!keyring_open(&parts->keyring, config, generated ? secret_view(&parts->secret) : STR_NONE, problem))
		return false;
	parts->service.authenticator = parts->keyring.authenticator;
	return true;
}

/* RATE_LIMIT and TRUSTED_PROXIES, at start and on reload. */
static bool set_limits(struct parts *parts, const struct config *config, struct buf *problem)
{
	struct service *service = &parts->service;
	struct forwarded_trust *unused = &parts->trusts[service->trust == &parts->trusts[0] ? 1 : 0];
	struct limiter_rate rate;

	if (!limiter_rate_parse(&rate, str_from(config->rate_limit), problem) ||
	    !forwarded_trust_parse(unused, str_from(config->trusted_proxies), problem))
		return false;
	if (service->limiter == NULL)
		service->limiter = limiter_create(rate);
	if (service->limiter == NULL) {
		buf_lit(problem, "not enough memory for RATE_LIMIT");
		return false;
	}
	limiter_set_rate(service->limiter, rate);
	atomic_store(&service->limited, rate.count > 0);
	atomic_store(&service->trust, unused);
	return true;
}

static bool prepare_redis(struct parts *parts, struct buf *problem)
{
	redis_breaker_init(&parts->redis_breaker, BREAKER_SERIES_REDIS);
	return !config_uses_redis(parts->service.config) ||
	       redis_source_init(&parts->redis_source, parts->service.config, problem);
}

static bool uses_tls(const struct config *config)
{
	return config->tls_certificate_file[0] != '\0';
}

static bool load_tls(const struct config *config, struct buf *problem)
{
	return !uses_tls(config) || tls_load(config->tls_certificate_file, config->tls_key_file, problem);
}

static bool prepare_caches(struct parts *parts)
{
	struct service *service = &parts->service;
	const struct config *config = service->config;
	size_t bytes = (size_t)config->cache_bytes_max;

	freshness_init(&parts->freshness);
	service->freshness = &parts->freshness;
	service->local = local_create(bytes - bytes / LISTS_SHARE, (uint64_t)config->cache_ttl_event_details_s * CLOCK_SECOND);
	service->lists = lists_create(bytes / LISTS_SHARE, (uint64_t)config->cache_ttl_events_s * CLOCK_SECOND);
	service->hub = hub_start(HUB_RING_BYTES);
	service->transfer = transfer_create();
	return service->local != NULL && service->lists != NULL && service->hub != NULL && service->transfer != NULL;
}

/* The database was heard of for the first time. Follower's thread. */
static void on_first_contact(void *context, struct store_session *session)
{
	struct service *service = context;

	warm_caches(session, service->freshness, service->local, service->lists);
	atomic_store(&service->ready, true);
	notify_step();
	log_info("serve", "ready: %s answers, caches are warm", store_kind(service->store));
}

/* A connection of the caller's own; NULL without Redis. False: no memory. */
static bool connect_redis(struct parts *parts, struct redis **redis)
{
	*redis = NULL;
	if (!config_uses_redis(parts->service.config))
		return true;
	*redis = redis_create(&parts->redis_source.options, &parts->redis_breaker);
	return *redis != NULL;
}

static bool start_read_lanes(struct parts *parts)
{
	struct service *service = &parts->service;
	const struct config *config = service->config;
	struct redis *for_lookups, *for_lists;

	service->queries = task_lane_start(service->store, LANE_LIST, QUERY_THREADS, QUERY_QUEUE_MAX);
	service->bulk = task_lane_start(service->store, LANE_BULK, 1, BULK_QUEUE_MAX);
	service->checks = task_lane_start(service->store, LANE_HEALTH, 1, CHECK_QUEUE_MAX);
	if (service->queries == NULL || service->bulk == NULL || service->checks == NULL || !connect_redis(parts, &for_lookups))
		return false;
	struct lookup_options lookups = {.store = service->store, .cache = service->local, .freshness = service->freshness,
	                                 .redis = for_lookups,
	                                 .shared_ttl_ms = (uint64_t)config->cache_ttl_event_details_s * 1000};
	service->lookups = lookup_start(&lookups);
	if (service->lookups == NULL || !connect_redis(parts, &for_lists))
		return false;
	struct list_lane_options lists = {.tasks = service->queries, .cache = service->lists, .freshness = service->freshness,
	                                  .redis = for_lists, .shared_ttl_ms = (uint64_t)config->cache_ttl_events_s * 1000};
	service->list_lane = list_lane_start(&lists);
	hub_set_lane(service->hub, service->queries);
	return service->list_lane != NULL;
}

static bool start_relay(struct parts *parts)
{
	struct service *service = &parts->service;
	struct relay_options options = {.store = service->store, .freshness = service->freshness, .redis = &parts->redis_source.options,
	                                .entries_max = (uint64_t)service->config->stream_entries_max};

	if (!config_uses_redis(service->config))
		return true;
	service->relay = relay_start(&options);
	service->redis_state = relay_redis_state;
	service->redis_context = service->relay;
	return service->relay != NULL;
}

/* RATE_LIMIT is one limit for all instances that share a Redis. */
static bool share_limits(struct parts *parts)
{
	struct redis *redis;

	if (!connect_redis(parts, &redis))
		return false;
	if (redis != NULL)
		parts->limit_lane = limit_lane_start(parts->service.limiter, redis);
	return redis == NULL || parts->limit_lane != NULL;
}

/* From other services, by Redis. */
static bool hear_of_users(struct parts *parts)
{
	struct service *service = &parts->service;
	struct user_status_options options = {
		.store = service->store, .follower = service->follower, .redis = &parts->redis_source.options};

	if (!config_uses_redis(service->config))
		return true;
	parts->user_status = user_status_start(&options);
	return parts->user_status != NULL;
}

/* Streams that were opened before. Any thread. */
static void cut_streams(void *context)
{
	struct service *service = context;

	hub_cut_users(service->hub, authenticator_is_inactive, service->authenticator);
}

static bool start_lanes(struct parts *parts)
{
	struct service *service = &parts->service;
	struct follower_options options = {
		.store = service->store, .freshness = service->freshness, .local = service->local, .lists = service->lists,
		.hub = service->hub, .relay = service->relay, .authenticator = service->authenticator, .lease_ms = (int)service->config->lease_ms,
		.first_contact = on_first_contact, .context = service};

	authenticator_on_inactive(service->authenticator, cut_streams, service);
	if (!share_limits(parts))
		return false;
	service->follower = follower_start(&options);
	if (service->follower == NULL)
		return false;
	service->writes = write_lane_start(service->store, service->follower);
	return service->writes != NULL && hear_of_users(parts);
}

static void metrics_only(struct request *request)
{
	routes_begin(request);
	if (request->route != NULL && request->route->id != ROUTE_METRICS)
		answer_problem(request, PROBLEM_NOT_FOUND, "This port serves /metrics only.");
}

static bool start_servers(struct parts *parts, struct buf *problem)
{
	struct service *service = &parts->service;
	struct server_options options = {.config = service->config, .port = parts->bound[0].port, .listen_fd = parts->bound[0].fd,
	                                 .tls = uses_tls(service->config), .service = service,
	                                 .begin = routes_begin, .finished = routes_finished};

	if (service->config->metrics_port != 0) {
		parts->metrics_service = *service;
		parts->metrics_service.is_metrics_port = true;
		struct server_options metrics = {.config = service->config, .port = parts->bound[1].port, .listen_fd = parts->bound[1].fd, .threads = 1,
		                                 .service = &parts->metrics_service, .begin = metrics_only,
		                                 .finished = routes_finished};
		if (!server_start(&parts->metrics_server, &metrics, problem))
			return false;
	}
	return server_start(&service->server, &options, problem);
}

/* Ports first, since only root may bind the low ones; then everything else as the user of --user. */
static bool bind_ports(struct parts *parts, struct buf *problem)
{
	const struct config *config = parts->service.config;
	const unsigned wanted[] = {(unsigned)config->port, (unsigned)config->metrics_port};

	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		parts->bound[i].port = wanted[i];
		if (parts->user == NULL || (i > 0 && wanted[i] == 0))
			continue;
		parts->bound[i].fd = listen_open(config->host, wanted[i], &parts->bound[i].port, problem);
		if (parts->bound[i].fd < 0)
			return false;
	}
	return parts->user == NULL || privilege_drop(parts->user, problem);
}

static bool start(struct parts *parts, struct buf *problem)
{
	if (!prepare_redis(parts, problem) || !set_limits(parts, parts->service.config, problem) ||
	    !load_tls(parts->service.config, problem) || !bind_ports(parts, problem) ||
	    !prepare_store(parts, problem) || !prepare_keys(parts, problem))
		return false;
	if (!prepare_caches(parts) || !start_read_lanes(parts) || !start_relay(parts) || !start_lanes(parts)) {
		buf_lit(problem, "not enough memory or threads to start");
		return false;
	}
	return start_servers(parts, problem);
}

/* ---- saying so ---- */

static void announce(struct parts *parts)
{
	struct service *service = &parts->service;
	unsigned port = server_port(service->server);
	const char *host = service->config->host;
	const char *shown = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ? "127.0.0.1" : host;
	struct log_field fields[] = {LOG_TEXT("host", str_from(host)), LOG_INTEGER("port", port),
	                             LOG_TEXT("store", str_from(store_kind(service->store))),
	                             LOG_TEXT("version", STR(EVENTLY_VERSION))};

	log_line(LOG_INFO, "http", fields, ARRAY_LENGTH(fields), "listening");
	const char *scheme = uses_tls(service->config) ? "https" : "http";
	bool own_port = parts->metrics_server != NULL;

	printf("docs     %s://%s:%u/docs\n", scheme, shown, port);
	printf("events   %s://%s:%u/api/v1/events/\n", scheme, shown, port);
	printf("health   %s://%s:%u/health\n", scheme, shown, port);
	printf("metrics  %s://%s:%u/metrics\n", own_port ? "http" : scheme, shown, own_port ? server_port(parts->metrics_server) : port);
	if (secret_is_generated(service->config)) {
		struct buf token;
		buf_init(&token, TOKEN_BYTES_MAX);
		if (token_mint(&token, parts->keyring.keys, 1, STR("admin@localhost"), ROLE_ADMIN, clock_wall_us() / 1000000, GENERATED_TOKEN_MINUTES))
			printf("token    %.*s\n         (admin, for a day; more: evently token --help)\n", STR_ARG(buf_view(&token)));
		buf_finish(&token);
	}
	fflush(stdout);
}

/* Ten thousand connections need as many descriptors: take what the system allows. */
static void raise_descriptor_limit(const struct config *config)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)config->connections_max + 256;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < wanted)
		log_warning("serve", "only %llu file descriptors are allowed: CONNECTIONS_MAX=%lld cannot be reached (ulimit -n)",
		            (unsigned long long)limit.rlim_cur, (long long)config->connections_max);
}

/* ---- running ---- */

/* A part of the time is chance, so that instances do not come all at once. */
static void plan_refresh(struct parts *parts)
{
	uint64_t pause_ms = (uint64_t)parts->service.config->secrets_refresh_s * 1000;

	parts->refresh_at_ns = UINT64_MAX;
	if (pause_ms > 0)
		parts->refresh_at_ns = clock_monotonic_ns() + (pause_ms - random_fast_u64() % (pause_ms / 8 + 1)) * CLOCK_MS;
}

/* Where a setting was turned on or off altogether, the old state stays until a restart. */
static bool reload_peers(struct parts *parts, const struct config *fresh, struct buf *problem)
{
	const struct config *config = parts->service.config;

	if (config_uses_redis(config) != config_uses_redis(fresh)) {
		buf_lit(problem, "REDIS_HOST and REDIS_URL: whether there is a Redis at all needs a restart");
		return false;
	}
	return store_reconfigure(parts->service.store, fresh, problem) &&
	       (!config_uses_redis(fresh) || redis_source_reload(&parts->redis_source, fresh, problem));
}

static bool take_over(struct parts *parts, const struct config *fresh, struct buf *problem)
{
	struct service *service = &parts->service;
	struct str generated = secret_is_generated(service->config) ? secret_view(&parts->secret) : STR_NONE;

	if (!set_limits(parts, fresh, problem) || !load_tls(fresh, problem) || !reload_peers(parts, fresh, problem) ||
	    !keyring_reload(&parts->keyring, fresh, generated, problem))
		return false;
	log_set_level(level_of(fresh));
	atomic_store(&service->access_log, strcmp(fresh->access_log, "on") == 0);
	if (!server_set_cors(service->server, fresh->cors_origins)) {
		buf_lit(problem, "not enough memory");
		return false;
	}
	return true;
}

static void warn_of(const struct buf *warnings)
{
	struct str rest = buf_view(warnings), line;

	while (warnings->len > 0 && str_cut(&rest, '\n', &line))
		if (line.len > 0)
			log_warning("serve", "%.*s", STR_ARG(line));
}

/* Reads the settings and secrets again: on SIGHUP, and every SECRETS_REFRESH_SECONDS, when only changes are told of. */
static void reload(struct parts *parts, bool asked_for)
{
	struct config *fresh = NULL;
	struct buf problem, warnings;

	buf_init(&problem, PROBLEM_BYTES_MAX);
	buf_init(&warnings, PROBLEM_BYTES_MAX);
	bool reloaded = config_load(&fresh, &problem, &warnings) && take_over(parts, fresh, &problem);
	warn_of(&warnings);
	if (!reloaded)
		log_error("serve", "reload: %.*s; what was set before stays", STR_ARG(buf_view(&problem)));
	else if (asked_for)
		log_info("serve", "reloaded: secrets, keys, certificate, database, Redis, CORS_ORIGINS, RATE_LIMIT, TRUSTED_PROXIES, "
		         "LOG_LEVEL, ACCESS_LOG");
	config_free(fresh);
	buf_finish(&problem);
	buf_finish(&warnings);
	plan_refresh(parts);
}

/* The next thing that is to be done without a signal: at which monotonic time. */
static uint64_t next_due_ns(const struct parts *parts)
{
	uint64_t due_ns = parts->keyring.due_ns < parts->refresh_at_ns ? parts->keyring.due_ns : parts->refresh_at_ns;
	return parts->heartbeat_due_ns < due_ns ? parts->heartbeat_due_ns : due_ns;
}

/* The manager's watchdog hears of this thread, and only while the HTTP threads answer. */
static void beat_if_due(struct parts *parts)
{
	const struct service *service = &parts->service;
	uint64_t interval_ns = notify_watchdog_ns();

	if (interval_ns == 0 || clock_monotonic_ns() < parts->heartbeat_due_ns)
		return;
	if (heartbeat(service->config->host, server_port(service->server), HEARTBEAT_MS))
		notify_send("WATCHDOG=1");
	else
		log_error("serve", "the HTTP threads did not answer within %d ms", HEARTBEAT_MS);
	parts->heartbeat_due_ns = clock_monotonic_ns() + interval_ns;
}

/* Waits for a signal until the time; 0 when it has come. */
static int wait_for_signal(const sigset_t *signals, uint64_t until_ns)
{
	int left_ms = until_ns == UINT64_MAX ? INT32_MAX : clock_left_ms(until_ns) + 1;
	struct timespec patience = {left_ms / 1000, left_ms % 1000 * 1000000L};

	int number = sigtimedwait(signals, NULL, &patience);
	return number > 0 ? number : 0;
}

/* DRAIN_DELAY_SECONDS: the balancer sees /health/ready fail while nothing is refused yet. Another signal ends it. */
static void leave(struct parts *parts, const sigset_t *signals)
{
	int64_t delay_s = parts->service.config->drain_delay_s;

	server_leave(parts->service.server);
	if (delay_s == 0)
		return;
	log_info("serve", "not ready any more; listening ends in %lld s", (long long)delay_s);
	uint64_t until_ns = clock_monotonic_ns() + (uint64_t)delay_s * CLOCK_SECOND;
	while (clock_monotonic_ns() < until_ns) {
		int signal_number = wait_for_signal(signals, until_ns);
		if (signal_number == SIGTERM || signal_number == SIGINT)
			return;
	}
}

static void wait_for_end(struct parts *parts, const sigset_t *signals)
{
	parts->heartbeat_due_ns = notify_watchdog_ns() > 0 ? 0 : UINT64_MAX;
	for (;;) {
		int signal_number = wait_for_signal(signals, next_due_ns(parts));
		if (signal_number == SIGTERM || signal_number == SIGINT) {
			notify_send("STOPPING=1");
			leave(parts, signals);
			log_info("serve", "%s: no new connections, open requests get %lld s", strsignal(signal_number),
			         (long long)parts->service.config->drain_timeout_s);
			return;
		}
		if (signal_number == SIGHUP || clock_monotonic_ns() >= parts->refresh_at_ns)
			reload(parts, signal_number == SIGHUP);
		keyring_expire(&parts->keyring);
		beat_if_due(parts);
	}
}

/* ---- stopping: from the outside in, so that whoever waits is answered ---- */

/* Whoever waits is answered. The lanes stay and refuse what comes, as long as a connection is open. */
static void stop_lanes(struct service *service)
{
	lookup_stop(service->lookups);
	task_lane_stop(service->queries);
	task_lane_stop(service->bulk);
	task_lane_stop(service->checks);
	write_lane_stop(service->writes);
}

static void destroy_lanes(struct service *service)
{
	lookup_destroy(service->lookups);
	list_lane_destroy(service->list_lane);
	task_lane_destroy(service->queries);
	task_lane_destroy(service->bulk);
	task_lane_destroy(service->checks);
	write_lane_destroy(service->writes);
}

static void stop(struct parts *parts)
{
	struct service *service = &parts->service;

	if (service->server != NULL) {
		server_drain(service->server);
		hub_close(service->hub);
		bool answered = server_wait_drained(service->server, (int)service->config->drain_timeout_s * 1000);
		if (!answered)
			log_warning("serve", "some requests were not answered in time");
	} else if (service->hub != NULL) {
		hub_close(service->hub);
	}
	atomic_store(&service->stopping, true);
	stop_lanes(service);
	if (service->server != NULL) {
		(void)server_wait_drained(service->server, LAST_ANSWERS_MS);
		server_stop(service->server);
	}
	if (parts->metrics_server != NULL)
		server_stop(parts->metrics_server);
	destroy_lanes(service);
	user_status_stop(parts->user_status);
	follower_stop(service->follower);
	relay_stop(service->relay);
	hub_stop(service->hub);
	tls_unload();
	limit_lane_stop(parts->limit_lane);
	limiter_destroy(service->limiter);
	transfer_destroy(service->transfer);
	lists_destroy(service->lists);
	local_destroy(service->local);
	keyring_close(&parts->keyring);
	secret_wipe(&parts->secret);
	store_close(service->store);
	if (service->freshness != NULL)
		freshness_finish(service->freshness);
	breaker_finish(&parts->redis_breaker);
	redis_source_finish(&parts->redis_source);
}

int serve_main(const struct config *config, const char *user)
{
	struct parts parts = {.service = {.config = config}, .user = user};
	struct buf problem;
	sigset_t signals;

	/* Blocked before the first thread: every thread inherits it, and only sigwait takes them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!log_start(level_of(config), strcmp(config->log_format, "json") == 0)) {
		fprintf(stderr, "evently: cannot start the log's thread\n");
		return 1;
	}
	log_catch_crashes();
	service_label_metrics();
	raise_descriptor_limit(config);
	notify_start(START_STEPS);
	if (geteuid() == 0 && user == NULL)
		log_warning("serve", "running as root is not needed; run as a user of its own (--user)");
	atomic_store(&parts.service.access_log, strcmp(config->access_log, "on") == 0);
	buf_init(&problem, PROBLEM_BYTES_MAX);
	bool started = start(&parts, &problem);
	if (started) {
		announce(&parts);
		plan_refresh(&parts);
		notify_step();
		wait_for_end(&parts, &signals);
	}
	stop(&parts);
	log_info("serve", "stopped");
	log_stop();
	int exit_code = started ? 0 : fail(&problem);
	buf_finish(&problem);
	return exit_code;
}
