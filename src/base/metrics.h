/* Counters, gauges and histograms for Prometheus: every one of them stands in the table METRICS.
 *
 * Counting costs a few unshared stores: each thread has a slab of its own, summed when /metrics is read. Gauges are
 * single atomics. Series of a metric are numbered by the caller's label value (an enum); their names are in the table. */
#ifndef EVENTLY_BASE_METRICS_H
#define EVENTLY_BASE_METRICS_H

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* X(identifier, type, "prometheus_name", label name or NULL, series count, "help")
 * Label values are registered at start with metrics_label; a histogram measures seconds. */
#define METRICS(X) \
	X(METRIC_REQUESTS, METRIC_HISTOGRAM, "evently_http_request_duration_seconds", "route", 48, "Time from a request's headers to its answer, by route.") \
	X(METRIC_RESPONSES, METRIC_COUNTER, "evently_http_responses_total", "code", 64, "Answers by status code.") \
	X(METRIC_CONNECTIONS, METRIC_GAUGE, "evently_http_connections", NULL, 1, "Open client connections.") \
	X(METRIC_CONNECTIONS_REFUSED, METRIC_COUNTER, "evently_http_connections_refused_total", NULL, 1, "Connections closed at the limit.") \
	X(METRIC_STORE_CALLS, METRIC_HISTOGRAM, "evently_store_call_duration_seconds", "call", 24, "Time of a call to the store, by call.") \
	X(METRIC_STORE_ERRORS, METRIC_COUNTER, "evently_store_errors_total", "result", 16, "Failed store calls by result.") \
	X(METRIC_CACHE, METRIC_COUNTER, "evently_cache_requests_total", "result", 16, "Cache lookups by tier and result.") \
	X(METRIC_CACHE_BYTES, METRIC_GAUGE, "evently_cache_bytes", "tier", 4, "Bytes held by the in-process cache.") \
	X(METRIC_CACHE_ENTRIES, METRIC_GAUGE, "evently_cache_entries", "tier", 4, "Entries of the in-process cache.") \
	X(METRIC_CACHE_EVICTIONS, METRIC_COUNTER, "evently_cache_evictions_total", "tier", 4, "Entries evicted to stay within CACHE_MAX_BYTES.") \
	X(METRIC_LANE_DEPTH, METRIC_GAUGE, "evently_lane_queue_depth", "lane", 8, "Jobs waiting in a lane.") \
	X(METRIC_LANE_REFUSED, METRIC_COUNTER, "evently_lane_refused_total", "lane", 8, "Jobs refused because a lane was full.") \
	X(METRIC_LANE_BATCH, METRIC_COUNTER, "evently_lane_batches_total", "lane", 8, "Batches run by a lane.") \
	X(METRIC_LANE_JOBS, METRIC_COUNTER, "evently_lane_jobs_total", "lane", 8, "Jobs run by a lane.") \
	X(METRIC_BREAKER, METRIC_GAUGE, "evently_breaker_state", "peer", 11, "Circuit breaker: 0 closed, 1 half-open, 2 open.") \
	X(METRIC_BREAKER_TRIPS, METRIC_COUNTER, "evently_breaker_trips_total", "peer", 11, "Times a circuit breaker opened.") \
	X(METRIC_SSE_CLIENTS, METRIC_GAUGE, "evently_sse_clients", NULL, 1, "Open event streams.") \
	X(METRIC_SSE_CUT, METRIC_COUNTER, "evently_sse_clients_cut_total", NULL, 1, "Event streams ended because the client was too slow.") \
	X(METRIC_LOG_DROPPED, METRIC_COUNTER, "evently_log_lines_dropped_total", NULL, 1, "Log lines dropped because the log was full.") \
	X(METRIC_CHANGES_APPLIED, METRIC_GAUGE, "evently_changes_applied_seq", NULL, 1, "Last change this instance has applied to its cache.") \
	X(METRIC_LEASE, METRIC_GAUGE, "evently_lease_held", NULL, 1, "1 while this instance may answer from its cache.") \
	X(METRIC_RELAY_POSITION, METRIC_GAUGE, "evently_relay_position_seq", NULL, 1, "Last change relayed to Redis.") \
	X(METRIC_RELAY_LAG, METRIC_GAUGE, "evently_relay_lag_changes", NULL, 1, "Committed changes not yet relayed.") \
	X(METRIC_RATE_LIMITED, METRIC_COUNTER, "evently_rate_limited_total", NULL, 1, "Requests answered with 429.") \
	X(METRIC_IMPORT_LINES, METRIC_COUNTER, "evently_import_lines_total", NULL, 1, "Lines read by imports.")

enum metric {
#define X(identifier, type, name, label, series, help) identifier,
	METRICS(X)
#undef X
	METRIC_COUNT
};

/* Names the label value of a series, once, before it is counted. `name` must live as long as the process. */
void metrics_label(enum metric metric, unsigned series, const char *name);
void metrics_count(enum metric metric, unsigned series, uint64_t amount);
void metrics_gauge(enum metric metric, unsigned series, int64_t value);
void metrics_gauge_add(enum metric metric, unsigned series, int64_t amount);
/* A histogram's observation. */
void metrics_observe_ns(enum metric metric, unsigned series, uint64_t elapsed_ns);
/* The sum of a counter, or the value of a gauge. */
int64_t metrics_value(enum metric metric, unsigned series);
/* Prometheus text format 0.0.4: only series that were labelled or counted. */
void metrics_print(struct buf *out);

#endif
