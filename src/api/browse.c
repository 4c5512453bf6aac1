/* Reading: one event, its capacity, lists. The path that nearly every request takes:
 *
 *   cached and the lease held → answer; else → a lane reads, fills the cache, resumes the request → answer.
 *
 * HTTP threads, except the functions named …_done, which lanes call. */
#include "api/routes.h"

#include "api/service.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/metrics.h"

/* What a request that had to be read for keeps in its arena. */
struct lookup_request {
	struct lookup_job job;
	bool capacity;
	bool refresh; /* the client wants it from the primary, or not at all */
};

struct list_request {
	struct list_job job;
	struct query query;
	bool refresh; /* as in lookup_request */
};

static const char HIT[] = "hit";
static const char MISS[] = "fwd=miss";
static const char REFRESHED[] = "fwd=request";
static const char STALE[] = "hit; detail=stale";

static bool wants_primary(const struct request *request)
{
	struct str rest = request_header(request, HEADER_CACHE_CONTROL), directive;

	while (str_cut(&rest, ',', &directive)) {
		if (str_equal_caseless(str_trim(directive), STR("no-cache")) ||
		    str_equal_caseless(str_trim(directive), STR("no-store")))
			return true;
	}
	return false;
}

static void mark(struct request *request, const char *cache_status, uint64_t filled_ns)
{
	request->answer.cache_status = cache_status;
	if (cache_status == STALE) {
		uint64_t now_ns = clock_monotonic_ns();
		uint64_t age_s = now_ns > filled_ns ? (now_ns - filled_ns) / CLOCK_SECOND : 0;
		answer_header(request, "Age", arena_printf(&request->arena, "%llu", (unsigned long long)age_s));
		metrics_count(METRIC_CACHE, CACHE_STALE, 1);
	}
}

/* ---- one event ---- */

static void answer_no_event(struct request *request)
{
	answer_problem(request, PROBLEM_NOT_FOUND, "There is no event %lld.", (long long)request->path_id);
}

static void answer_capacity(struct request *request, struct local_entry *entry, const char *cache_status)
{
	int64_t now_us = clock_wall_us();
	struct event event = {.id = entry->id, .capacity = entry->capacity, .status = entry->status,
	                      .price_cents = entry->price_cents, .event_date_us = entry->event_date_us};
	struct buf body;

	buf_init(&body, 512);
	event_json_capacity(&body, &event, now_us);
	uint64_t etag = hash_content(buf_view(&body));
	answer_buf(request, 200, CONTENT_TYPE_JSON, &body);
	request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
	mark(request, cache_status, entry->filled_ns);
	answer_etag(request, etag);
	local_unref(entry);
}

/* Takes the reference. */
static void answer_entry(struct request *request, struct local_entry *entry, bool capacity, const char *cache_status)
{
	bool visible = entry->body_len > 0 && (service_visible(request) & EVENT_STATUS_BIT(entry->status)) != 0;

	if (!visible) {
		local_unref(entry);
		answer_no_event(request);
		return;
	}
	if (capacity) {
		answer_capacity(request, entry, cache_status);
		return;
	}
	answer_bytes(request, 200, CONTENT_TYPE_JSON, local_body(entry), local_unref, entry);
	request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
	mark(request, cache_status, entry->filled_ns);
	answer_etag(request, entry->etag);
}

/* What bookings rely on is never older than they were promised, however good the cache is. */
static bool too_old(struct request *request, const struct local_entry *entry, bool capacity)
{
	uint64_t ttl_ns = (uint64_t)service_of(request)->config->cache_ttl_bookings_s * CLOCK_SECOND;

	return capacity && clock_monotonic_ns() > entry->filled_ns + ttl_ns;
}

/* The database is away: what is there is better than nothing, and says what it is. False: nothing is there. */
static bool answer_stale(struct request *request, bool capacity)
{
	struct service *service = service_of(request);
	struct local_entry *entry =
		local_get(service->local, request->path_id, clock_monotonic_ns(), clock_wall_us(), true);

	if (entry == NULL || too_old(request, entry, capacity)) {
		local_unref(entry);
		return false;
	}
	answer_entry(request, entry, capacity, STALE);
	return true;
}

static void lookup_done(struct lookup_job *job)
{
	request_resume(job->context);
}

/* What the lane has given is still there when the connection ends before it was answered. */
static void drop_lookup(struct request *request)
{
	struct lookup_request *lookup = request->job;

	local_unref(lookup->job.entry);
}

static struct local_entry *take_entry(struct lookup_request *lookup)
{
	struct local_entry *entry = lookup->job.entry;

	lookup->job.entry = NULL;
	return entry;
}

static void answer_lookup(struct request *request)
{
	struct lookup_request *lookup = request->job;

	if (lookup->job.result == STORE_OK) {
		answer_entry(request, take_entry(lookup), lookup->capacity, lookup->job.from_primary ? REFRESHED : MISS);
		return;
	}
	if (lookup->job.result != STORE_UNAVAILABLE || lookup->refresh || !answer_stale(request, lookup->capacity))
		service_answer_failure(request, lookup->job.result);
}

static void look_up(struct request *request, bool capacity, bool refresh, bool from_primary)
{
	struct service *service = service_of(request);
	struct lookup_request *lookup = arena_new(&request->arena, struct lookup_request);

	if (lookup == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	lookup->capacity = capacity;
	lookup->refresh = refresh;
	lookup->job = (struct lookup_job){.event_id = request->path_id, .from_primary = from_primary,
	                                  .min_as_of = freshness_needed(service->freshness),
	                                  .deadline_ns = request->deadline_ns, .done = lookup_done, .context = request};
	request->job = lookup;
	request->cleanup = drop_lookup;
	metrics_count(METRIC_CACHE, CACHE_LOCAL_MISS, 1);
	request_suspend(request, answer_lookup);
	if (!lookup_submit(service->lookups, &lookup->job)) {
		lookup->job.result = STORE_UNAVAILABLE;
		request_resume(request);
	}
}

static void browse(struct request *request, bool capacity)
{
	struct service *service = service_of(request);
	struct local_entry *entry = NULL;

	if (request->headers[HEADER_CACHE_CONTROL].ptr != NULL && wants_primary(request)) {
		look_up(request, capacity, true, true);
		return;
	}
	bool held = freshness_held(service->freshness); /* before the entry is taken: see there */
	if (held)
		entry = local_get(service->local, request->path_id, request->started_ns, clock_wall_us(), false);
	if (entry != NULL && !too_old(request, entry, capacity)) {
		metrics_count(METRIC_CACHE, CACHE_LOCAL_HIT, 1);
		answer_entry(request, entry, capacity, HIT);
		return;
	}
	local_unref(entry);
	if (!service_database_away(service) || !answer_stale(request, capacity))
		look_up(request, capacity, false, !held);
}

void browse_event(struct request *request)
{
	browse(request, false);
}

void browse_capacity(struct request *request)
{
	browse(request, true);
}

/* ---- lists ---- */

/* Takes the reference. */
static void answer_list(struct request *request, struct list_entry *list, const char *cache_status)
{
	answer_bytes(request, 200, CONTENT_TYPE_JSON, lists_body(list), lists_unref, list);
	request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
	mark(request, cache_status, list->filled_ns);
	answer_etag(request, list->etag);
}

static bool answer_stale_list(struct request *request, struct str key)
{
	struct list_entry *list =
		lists_get(service_of(request)->lists, key, clock_monotonic_ns(), clock_wall_us(), true);

	if (list != NULL)
		answer_list(request, list, STALE);
	return list != NULL;
}

static void list_done(struct list_job *job)
{
	request_resume(job->context);
}

static void drop_list(struct request *request)
{
	struct list_request *listing = request->job;

	lists_unref(listing->job.entry);
}

static struct list_entry *take_list(struct list_job *job)
{
	struct list_entry *list = job->entry;

	job->entry = NULL;
	return list;
}

static void answer_list_job(struct request *request)
{
	struct list_request *listing = request->job;
	struct list_job *job = &listing->job;

	if (job->result == STORE_OK) {
		answer_list(request, take_list(job), job->from_primary ? REFRESHED : MISS);
		return;
	}
	if (job->result != STORE_UNAVAILABLE || listing->refresh || !answer_stale_list(request, job->key))
		service_answer_failure(request, job->result);
}

static void read_list(struct request *request, struct list_request *listing, struct str key, bool from_primary)
{
	struct service *service = service_of(request);

	listing->job = (struct list_job){.query = &listing->query, .key = key, .from_primary = from_primary,
	                                 .min_as_of = freshness_needed(service->freshness),
	                                 .deadline_ns = request->deadline_ns, .done = list_done, .context = request};
	request->job = listing;
	request->cleanup = drop_list;
	metrics_count(METRIC_CACHE, CACHE_LIST_MISS, 1);
	request_suspend(request, answer_list_job);
	if (!list_submit(service->list_lane, &listing->job)) {
		listing->job.result = STORE_UNAVAILABLE;
		request_resume(request);
	}
}

/* NULL: answered. */
static struct list_request *parse_list(struct request *request, bool upcoming, struct str *key)
{
	struct list_request *listing = arena_new(&request->arena, struct list_request);
	struct query_parameter *parameters;
	struct issues issues;
	struct buf canonical;
	size_t count;

	if (listing == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return NULL;
	}
	issues_init(&issues, &request->arena);
	if (!request_parameters(request, &parameters, &count, &issues) ||
	    !query_parse(&listing->query, parameters, count, upcoming, service_visible(request), &request->arena, &issues)) {
		answer_issues(request, &issues);
		return NULL;
	}
	buf_init(&canonical, 16384);
	query_canonical(&canonical, &listing->query);
	*key = canonical.failed ? STR_NONE : arena_str(&request->arena, buf_view(&canonical));
	buf_finish(&canonical);
	if (key->ptr != NULL)
		return listing;
	service_answer_failure(request, STORE_OUT_OF_MEMORY);
	return NULL;
}

static void browse_query(struct request *request, bool upcoming)
{
	struct service *service = service_of(request);
	struct str key;
	struct list_request *listing = parse_list(request, upcoming, &key);

	if (listing == NULL)
		return;
	if (request->headers[HEADER_CACHE_CONTROL].ptr != NULL && wants_primary(request)) {
		listing->refresh = true;
		read_list(request, listing, key, true);
		return;
	}
	bool held = freshness_held(service->freshness); /* before the entry is taken: see there */
	struct list_entry *list = held ? lists_get(service->lists, key, request->started_ns, clock_wall_us(), false) : NULL;
	if (list != NULL) {
		metrics_count(METRIC_CACHE, CACHE_LIST_HIT, 1);
		answer_list(request, list, HIT);
		return;
	}
	if (!service_database_away(service) || !answer_stale_list(request, key))
		read_list(request, listing, key, !held);
}

void browse_list(struct request *request)
{
	browse_query(request, false);
}

void browse_upcoming(struct request *request)
{
	browse_query(request, true);
}
