#include "auth/jwks_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "config/config.h"

const struct jwks_fetch_timing jwks_fetch_timing_usual = {
	.interval_ms = 300000, .gap_ms = 10000, .retry_ms = 1000, .retry_ms_max = 60000, .timeout_ms = 10000};

/* The settings that keys are made from, in memory of our own: the service's may be replaced at any time. */
struct source {
	struct arena arena;
	struct config config;
};

struct jwks_fetch {
	struct jwks_fetch_timing timing;
	struct authenticator *authenticator;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	bool stop, asked, fetched;
	struct source *next; /* handed over by jwks_fetch_set_config */
	/* of the thread */
	struct source *source;
	struct buf jwks;     /* what was fetched last; empty before */
	uint64_t tried_at_ns;
	unsigned pause_ms;   /* until the next attempt */
};

bool jwks_fetch_wanted(const struct config *config)
{
	return config->jwt_jwks_url[0] != '\0' && !str_starts_with(str_from(config->jwt_algorithm), STR("HS"));
}

static void source_free(struct source *source)
{
	if (source != NULL)
		arena_finish(&source->arena);
	free(source);
}

static struct source *source_copy(const struct config *config)
{
	struct source *source = calloc(1, sizeof *source);

	if (source == NULL)
		return NULL;
	struct arena *arena = &source->arena;
	arena_init(arena, 1 << 17);
	source->config = (struct config){
		.jwt_algorithm = arena_str(arena, str_from(config->jwt_algorithm)).ptr,
		.jwt_public_keys = arena_str(arena, str_from(config->jwt_public_keys)).ptr,
		.jwt_jwks_url = arena_str(arena, str_from(config->jwt_jwks_url)).ptr,
		.jwt_jwks_ca_file = arena_str(arena, str_from(config->jwt_jwks_ca_file)).ptr,
		.jwt_issuer = arena_str(arena, str_from(config->jwt_issuer)).ptr,
		.jwt_audience = arena_str(arena, str_from(config->jwt_audience)).ptr,
		.jwt_secret = "",
	};
	if (!arena->failed)
		return source;
	source_free(source);
	return NULL;
}

static bool is_interrupted(struct jwks_fetch *fetch)
{
	pthread_mutex_lock(&fetch->lock);
	bool interrupted = fetch->stop || fetch->next != NULL;
	pthread_mutex_unlock(&fetch->lock);
	return interrupted;
}

static int look_up(void *fetch, curl_off_t download_total, curl_off_t downloaded, curl_off_t upload_total,
                   curl_off_t uploaded)
{
	(void)download_total, (void)downloaded, (void)upload_total, (void)uploaded;
	return is_interrupted(fetch) ? 1 : 0;
}

static size_t receive(char *bytes, size_t size, size_t count, void *answer)
{
	buf_append(answer, bytes, size * count);
	return ((struct buf *)answer)->failed ? 0 : size * count;
}

/* No redirects: the address that was configured answers, or nobody. */
static bool set_options(CURL *curl, struct jwks_fetch *fetch, struct curl_slist *headers, struct buf *answer)
{
	const struct config *config = &fetch->source->config;
	bool secure = str_starts_with(str_from(config->jwt_jwks_url), STR("https://"));
	const char *ca_file = config->jwt_jwks_ca_file;

	return curl_easy_setopt(curl, CURLOPT_URL, config->jwt_jwks_url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       (ca_file[0] == '\0' || (curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
	                               curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)fetch->timing.timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)JWKS_FETCH_BYTES_MAX) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, "evently") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFODATA, fetch) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK;
}

/* The body of a 200, or false with a problem. */
static bool download(struct jwks_fetch *fetch, struct buf *answer, struct buf *problem)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/jwk-set+json, application/json");
	CURLcode result = CURLE_OUT_OF_MEMORY;
	long status = 0;

	if (curl != NULL && headers != NULL && set_options(curl, fetch, headers, answer))
		result = curl_easy_perform(curl);
	if (result == CURLE_OK && curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		status = 0;
	if (result != CURLE_OK)
		buf_printf(problem, "JWT_JWKS_URL cannot be fetched: %s", curl_easy_strerror(result));
	else if (status != 200)
		buf_printf(problem, "JWT_JWKS_URL answers with status %ld", status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return result == CURLE_OK && status == 200;
}

/* Sets the authenticator's keys from `jwks` (absent: those of the file alone). */
static bool use(struct jwks_fetch *fetch, struct str jwks, struct buf *problem)
{
	struct keys *keys;

	if (!keys_load_fetched(&keys, &fetch->source->config, jwks, problem))
		return false;
	authenticator_set_keys(fetch->authenticator, keys);
	keys_unref(keys);
	return true;
}

static void adopt_settings(struct jwks_fetch *fetch)
{
	struct buf problem;

	pthread_mutex_lock(&fetch->lock);
	struct source *next = fetch->next;
	fetch->next = NULL;
	pthread_mutex_unlock(&fetch->lock);
	if (next == NULL)
		return;
	if (strcmp(next->config.jwt_jwks_url, fetch->source->config.jwt_jwks_url) != 0)
		buf_clear(&fetch->jwks);
	source_free(fetch->source);
	fetch->source = next;
	buf_init(&problem, 4096);
	if (!use(fetch, fetch->jwks.len > 0 ? buf_view(&fetch->jwks) : STR_NONE, &problem))
		log_error("auth", "the keys stay as they were: %.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
}

/* The set is used only when it differs: a new set makes every remembered token be verified anew. */
static bool refresh(struct jwks_fetch *fetch)
{
	struct buf answer, problem;

	buf_init(&answer, JWKS_FETCH_BYTES_MAX);
	buf_init(&problem, 4096);
	bool fetched = download(fetch, &answer, &problem);
	bool changed = fetched && !str_equal(buf_view(&answer), buf_view(&fetch->jwks));
	if (changed)
		fetched = use(fetch, buf_view(&answer), &problem);
	if (fetched && changed) {
		buf_finish(&fetch->jwks);
		fetch->jwks = answer;
		buf_init(&answer, 0);
		log_info("auth", "the issuer's keys were fetched and are used from now on");
	}
	if (!fetched && !is_interrupted(fetch))
		log_warning("auth", "the keys stay as they were: %.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
	buf_finish(&answer);
	return fetched;
}

/* After failures the pause doubles; a part of it is chance, so that instances do not come all at once. */
static void plan_next(struct jwks_fetch *fetch, bool fetched, unsigned *failures)
{
	const struct jwks_fetch_timing *timing = &fetch->timing;

	*failures = fetched ? 0 : *failures + 1;
	if (fetched) {
		fetch->pause_ms = timing->interval_ms;
	} else {
		uint64_t pause_ms = (uint64_t)timing->retry_ms << (*failures < 16 ? *failures - 1 : 15);
		fetch->pause_ms = (unsigned)(pause_ms < timing->retry_ms_max ? pause_ms : timing->retry_ms_max);
	}
	fetch->pause_ms -= (unsigned)(random_fast_u64() % (fetch->pause_ms / 4 + 1));
}

static void wait_until(struct jwks_fetch *fetch, uint64_t until_ns)
{
	struct timespec until = {(time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND)};

	pthread_cond_timedwait(&fetch->changed, &fetch->lock, &until);
}

/* False: it is time to stop. What is asked for while a fetch is under way is not forgotten: the issuer may have answered
 * before it had the key. */
static bool wait_for_turn(struct jwks_fetch *fetch)
{
	uint64_t due_ns = fetch->tried_at_ns + fetch->pause_ms * CLOCK_MS;
	uint64_t asked_ns = fetch->tried_at_ns + fetch->timing.gap_ms * CLOCK_MS;

	pthread_mutex_lock(&fetch->lock);
	while (!fetch->stop && fetch->next == NULL) {
		uint64_t until_ns = fetch->asked && asked_ns < due_ns ? asked_ns : due_ns;
		if (clock_monotonic_ns() >= until_ns)
			break;
		wait_until(fetch, until_ns);
	}
	fetch->asked = false;
	bool go_on = !fetch->stop;
	pthread_mutex_unlock(&fetch->lock);
	return go_on;
}

static void *run(void *argument)
{
	struct jwks_fetch *fetch = argument;
	unsigned failures = 0;

	do {
		adopt_settings(fetch);
		fetch->tried_at_ns = clock_monotonic_ns();
		bool fetched = refresh(fetch);
		plan_next(fetch, fetched, &failures);
		pthread_mutex_lock(&fetch->lock);
		fetch->fetched |= fetched;
		pthread_cond_broadcast(&fetch->changed);
		pthread_mutex_unlock(&fetch->lock);
	} while (wait_for_turn(fetch));
	return NULL;
}

static void ask(void *fetch)
{
	jwks_fetch_ask(fetch);
}

static void release(struct jwks_fetch *fetch)
{
	source_free(fetch->source);
	source_free(fetch->next);
	buf_finish(&fetch->jwks);
	pthread_cond_destroy(&fetch->changed);
	pthread_mutex_destroy(&fetch->lock);
	free(fetch);
}

struct jwks_fetch *jwks_fetch_start(const struct config *config, const struct jwks_fetch_timing *timing,
                                    struct authenticator *authenticator)
{
	struct jwks_fetch *fetch = calloc(1, sizeof *fetch);
	pthread_condattr_t monotonic;

	if (fetch == NULL)
		return NULL;
	fetch->timing = *timing;
	fetch->authenticator = authenticator;
	buf_init(&fetch->jwks, JWKS_FETCH_BYTES_MAX);
	CHECK(pthread_mutex_init(&fetch->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&monotonic) == 0 && pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&fetch->changed, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	fetch->source = source_copy(config);
	if (fetch->source == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		release(fetch);
		return NULL;
	}
	if (pthread_create(&fetch->thread, NULL, run, fetch) != 0) {
		curl_global_cleanup();
		release(fetch);
		return NULL;
	}
	authenticator_on_unknown_key(authenticator, ask, fetch);
	return fetch;
}

void jwks_fetch_stop(struct jwks_fetch *fetch)
{
	if (fetch == NULL)
		return;
	authenticator_on_unknown_key(fetch->authenticator, NULL, NULL);
	pthread_mutex_lock(&fetch->lock);
	fetch->stop = true;
	pthread_cond_broadcast(&fetch->changed);
	pthread_mutex_unlock(&fetch->lock);
	pthread_join(fetch->thread, NULL);
	curl_global_cleanup();
	release(fetch);
}

bool jwks_fetch_set_config(struct jwks_fetch *fetch, const struct config *config)
{
	struct source *source = source_copy(config);

	if (source == NULL)
		return false;
	pthread_mutex_lock(&fetch->lock);
	struct source *unused = fetch->next;
	fetch->next = source;
	pthread_cond_broadcast(&fetch->changed);
	pthread_mutex_unlock(&fetch->lock);
	source_free(unused);
	return true;
}

void jwks_fetch_ask(struct jwks_fetch *fetch)
{
	pthread_mutex_lock(&fetch->lock);
	if (!fetch->asked) {
		fetch->asked = true;
		pthread_cond_broadcast(&fetch->changed);
	}
	pthread_mutex_unlock(&fetch->lock);
}

bool jwks_fetch_wait(struct jwks_fetch *fetch, unsigned timeout_ms)
{
	uint64_t until_ns = clock_monotonic_ns() + timeout_ms * CLOCK_MS;

	pthread_mutex_lock(&fetch->lock);
	while (!fetch->fetched && clock_monotonic_ns() < until_ns)
		wait_until(fetch, until_ns);
	bool fetched = fetch->fetched;
	pthread_mutex_unlock(&fetch->lock);
	return fetched;
}
