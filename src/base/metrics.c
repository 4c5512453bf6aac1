#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/process.h"

/* Bounds of the histograms' buckets, in ns and as Prometheus prints them; the last bucket, +Inf, has none. */
static const uint64_t bounds_ns[] = {
	50000,    100000,    250000,    500000,    1000000,    2500000,    5000000,    10000000,    25000000,
	50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000,
};
static const char *const bound_names[] = {
	"0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025",
	"0.05",    "0.1",    "0.25",    "0.5",    "1",     "2.5",    "5",     "10",   "+Inf",
};
enum { BUCKETS = ARRAY_LENGTH(bound_names), SUM = BUCKETS, HISTOGRAM_CELLS, SLABS_MAX = 1024 };
_Static_assert(ARRAY_LENGTH(bounds_ns) + 1 == ARRAY_LENGTH(bound_names), "one name a bucket");

/* Compile-time layout: where a metric's cells begin in a slab, and how many it has. A gauge has none there. */
#define CELLS_OF(type, series) \
	((type) == METRIC_COUNTER ? (series) : (type) == METRIC_HISTOGRAM ? (series)*HISTOGRAM_CELLS : 0)
enum layout {
#define X(identifier, type, name, label, series, help) \
	FIRST_##identifier, LAST_##identifier = FIRST_##identifier + CELLS_OF(type, series) - 1,
	METRICS(X)
#undef X
		CELLS
};
/* The same for series of any type: labels and gauges. */
enum series_layout {
#define X(identifier, type, name, label, series, help) \
	SERIES_##identifier, SERIES_LAST_##identifier = SERIES_##identifier + (series)-1,
	METRICS(X)
#undef X
		SERIES_ALL
};

static const struct description {
	enum metric_type type;
	unsigned series;
	unsigned first_cell;
	unsigned first_series;
	const char *name, *label, *help;
} descriptions[METRIC_COUNT] = {
#define X(identifier, type, name, label, series, help) \
	[identifier] = {type, series, FIRST_##identifier, SERIES_##identifier, name, label, help},
	METRICS(X)
#undef X
};

/* One thread's cells. Only its thread writes, so a relaxed load and store do for adding; anybody may read. */
struct slab {
	_Atomic uint64_t cells[CELLS];
	struct slab *next;      /* of all, since it was made; never unlinked, so that no count is lost */
	struct slab *next_idle; /* of those whose thread has ended; under slabs_lock */
};

static pthread_mutex_t slabs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab *_Atomic slabs;
static struct slab *idle_slabs;
static unsigned slabs_count;
/* For threads that found no slab of their own: there adding is a locked instruction. */
static struct slab shared_slab;
static _Thread_local struct slab *own_slab;
static pthread_key_t end_of_thread;
static pthread_once_t end_of_thread_once = PTHREAD_ONCE_INIT;

static _Atomic int64_t gauges[SERIES_ALL];
static const char *_Atomic labels[SERIES_ALL];

static void give_back(void *memory)
{
	struct slab *slab = memory;

	own_slab = NULL;
	pthread_mutex_lock(&slabs_lock);
	slab->next_idle = idle_slabs;
	idle_slabs = slab;
	pthread_mutex_unlock(&slabs_lock);
}

static void make_key(void)
{
	CHECK(pthread_key_create(&end_of_thread, give_back) == 0);
}

/* A thread's first count: an ended thread's slab with its sums, or a new one, or the shared one at the bound. */
static struct slab *adopt_slab(void)
{
	pthread_once(&end_of_thread_once, make_key);
	pthread_mutex_lock(&slabs_lock);
	struct slab *slab = idle_slabs;
	if (slab != NULL) {
		idle_slabs = slab->next_idle;
	} else if (slabs_count < SLABS_MAX) {
		slab = calloc(1, sizeof *slab);
		if (slab != NULL) {
			slabs_count++;
			slab->next = atomic_load_explicit(&slabs, memory_order_relaxed);
			atomic_store_explicit(&slabs, slab, memory_order_release);
		}
	}
	pthread_mutex_unlock(&slabs_lock);
	if (slab != NULL && pthread_setspecific(end_of_thread, slab) != 0) {
		give_back(slab);
		slab = NULL;
	}
	own_slab = slab != NULL ? slab : &shared_slab;
	return own_slab;
}

static void add(struct slab *slab, unsigned cell, uint64_t amount)
{
	_Atomic uint64_t *place = &slab->cells[cell];

	if (slab == &shared_slab)
		atomic_fetch_add_explicit(place, amount, memory_order_relaxed);
	else
		atomic_store_explicit(place, atomic_load_explicit(place, memory_order_relaxed) + amount,
				      memory_order_relaxed);
}

void metrics_label(enum metric metric, unsigned series, const char *name)
{
	CHECK(series < descriptions[metric].series);
	atomic_store_explicit(&labels[descriptions[metric].first_series + series], name, memory_order_release);
}

void metrics_count(enum metric metric, unsigned series, uint64_t amount)
{
	const struct description *description = &descriptions[metric];

	CHECK(series < description->series && description->type == METRIC_COUNTER);
	add(own_slab != NULL ? own_slab : adopt_slab(), description->first_cell + series, amount);
}

void metrics_gauge(enum metric metric, unsigned series, int64_t value)
{
	CHECK(series < descriptions[metric].series && descriptions[metric].type == METRIC_GAUGE);
	atomic_store_explicit(&gauges[descriptions[metric].first_series + series], value, memory_order_relaxed);
}

void metrics_gauge_add(enum metric metric, unsigned series, int64_t amount)
{
	CHECK(series < descriptions[metric].series && descriptions[metric].type == METRIC_GAUGE);
	atomic_fetch_add_explicit(&gauges[descriptions[metric].first_series + series], amount, memory_order_relaxed);
}

/* The first bucket that a time of so many bits can fall into: from there the search takes two steps at most. */
static unsigned char first_buckets[65];

static unsigned bit_length(uint64_t value)
{
	return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

__attribute__((constructor)) static void prepare_buckets(void)
{
	for (unsigned bits = 1; bits <= 64; bits++) {
		uint64_t least = (uint64_t)1 << (bits - 1);
		while (first_buckets[bits] < ARRAY_LENGTH(bounds_ns) && least > bounds_ns[first_buckets[bits]])
			first_buckets[bits]++;
	}
}

void metrics_observe_ns(enum metric metric, unsigned series, uint64_t elapsed_ns)
{
	const struct description *description = &descriptions[metric];
	unsigned bucket = first_buckets[bit_length(elapsed_ns)];

	CHECK(series < description->series && description->type == METRIC_HISTOGRAM);
	while (bucket < ARRAY_LENGTH(bounds_ns) && elapsed_ns > bounds_ns[bucket])
		bucket++;
	struct slab *slab = own_slab != NULL ? own_slab : adopt_slab();
	unsigned first = description->first_cell + series * HISTOGRAM_CELLS;
	add(slab, first + bucket, 1);
	add(slab, first + SUM, elapsed_ns);
}

static uint64_t sum(unsigned cell)
{
	uint64_t total = atomic_load_explicit(&shared_slab.cells[cell], memory_order_relaxed);

	for (struct slab *slab = atomic_load_explicit(&slabs, memory_order_acquire); slab != NULL; slab = slab->next)
		total += atomic_load_explicit(&slab->cells[cell], memory_order_relaxed);
	return total;
}

int64_t metrics_value(enum metric metric, unsigned series)
{
	const struct description *description = &descriptions[metric];
	uint64_t count = 0;

	CHECK(series < description->series);
	switch (description->type) {
	case METRIC_COUNTER: return (int64_t)sum(description->first_cell + series);
	case METRIC_GAUGE:
		return atomic_load_explicit(&gauges[description->first_series + series], memory_order_relaxed);
	case METRIC_HISTOGRAM:
		for (unsigned i = 0; i < BUCKETS; i++)
			count += sum(description->first_cell + series * HISTOGRAM_CELLS + i);
		return (int64_t)count;
	}
	return 0;
}

/* Label values and help texts: backslash, line feed and (in label values) the quote are escaped. */
static void print_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buf_lit(out, "\\n");
		else if (*text == '\\' || *text == '"')
			buf_printf(out, "\\%c", *text);
		else
			buf_char(out, *text);
	}
}

/* name_suffix{label="value",le="bound"} and a space. */
static void print_name(struct buf *out, const struct description *description, unsigned series, const char *suffix,
		       const char *bound)
{
	buf_printf(out, "%s%s", description->name, suffix);
	if (description->label != NULL || bound != NULL)
		buf_char(out, '{');
	if (description->label != NULL) {
		const char *value =
			atomic_load_explicit(&labels[description->first_series + series], memory_order_acquire);
		buf_printf(out, "%s=\"", description->label);
		if (value != NULL)
			print_escaped(out, value);
		else
			buf_u64(out, series);
		buf_char(out, '"');
	}
	if (bound != NULL)
		buf_printf(out, "%sle=\"%s\"", description->label != NULL ? "," : "", bound);
	if (description->label != NULL || bound != NULL)
		buf_char(out, '}');
	buf_char(out, ' ');
}

static void print_histogram(struct buf *out, const struct description *description, unsigned series)
{
	unsigned first = description->first_cell + series * HISTOGRAM_CELLS;
	uint64_t count = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		count += sum(first + i);
		print_name(out, description, series, "_bucket", bound_names[i]);
		buf_printf(out, "%" PRIu64 "\n", count);
	}
	uint64_t sum_ns = sum(first + SUM);
	print_name(out, description, series, "_sum", NULL);
	buf_printf(out, "%" PRIu64 ".%09" PRIu64 "\n", sum_ns / 1000000000, sum_ns % 1000000000);
	print_name(out, description, series, "_count", NULL);
	buf_printf(out, "%" PRIu64 "\n", count);
}

static bool is_shown(const struct description *description, enum metric metric, unsigned series)
{
	return description->label == NULL ||
	       atomic_load_explicit(&labels[description->first_series + series], memory_order_acquire) != NULL ||
	       metrics_value(metric, series) != 0;
}

static void print_metric(struct buf *out, enum metric metric)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const struct description *description = &descriptions[metric];
	bool headed = false;

	for (unsigned series = 0; series < description->series; series++) {
		if (!is_shown(description, metric, series))
			continue;
		if (!headed)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", description->name, description->help,
				   description->name, types[description->type]);
		headed = true;
		if (description->type == METRIC_HISTOGRAM) {
			print_histogram(out, description, series);
			continue;
		}
		print_name(out, description, series, "", NULL);
		buf_printf(out, "%" PRId64 "\n", metrics_value(metric, series));
	}
}

void metrics_print(struct buf *out)
{
	for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
		print_metric(out, (enum metric)metric);
	process_print_metrics(out);
}
