#include "auth/authenticator.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "auth/token_table.h"
#include "base/clock.h"

/* One thread's table. Only its thread looks into it; its life is guarded by registry_lock. */
struct seat {
	struct seat *next;
	uint64_t thread; /* the serial number of the thread */
	struct token_table table;
};

struct authenticator {
	struct authenticator *next; /* under registry_lock */
	uint64_t serial;            /* never used twice, so a thread's pointer to a dead table is never followed */
	struct seat *seats;         /* under registry_lock */
	atomic_uint_fast64_t generation;
	pthread_mutex_t lock;       /* of what follows; held for a few loads */
	struct keys *keys;
	int64_t *inactive;          /* ascending */
	size_t inactive_count;
	void (*ask)(void *context); /* for unknown keys; may be NULL */
	void *ask_context;
	void (*told)(void *context); /* of users that are shut out; may be NULL; not under the lock */
	void *told_context;
};

/* A thread may end while an authenticator is destroyed. Both look their tables up here by number, under one lock,
 * instead of holding pointers to each other. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct authenticator *registry;
static uint64_t authenticators_made;
static uint64_t threads_seen;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;

static _Thread_local struct {
	uint64_t thread;        /* 0: this thread has no number yet */
	uint64_t authenticator; /* whose seat it is */
	struct seat *seat;
	struct principal principal; /* of the token that was verified last */
} here;

static void seat_free(struct seat *seat)
{
	token_table_finish(&seat->table);
	free(seat);
}

static void leave_seats(void *thread)
{
	pthread_mutex_lock(&registry_lock);
	for (struct authenticator *each = registry; each != NULL; each = each->next) {
		struct seat **link = &each->seats;
		while (*link != NULL) {
			struct seat *seat = *link;
			if (seat->thread != (uintptr_t)thread) {
				link = &seat->next;
				continue;
			}
			*link = seat->next;
			seat_free(seat);
		}
	}
	pthread_mutex_unlock(&registry_lock);
}

static void make_thread_end(void)
{
	CHECK(pthread_key_create(&thread_end, leave_seats) == 0);
}

static struct seat *seat_create(uint64_t thread)
{
	struct seat *seat = calloc(1, sizeof *seat);

	if (seat == NULL)
		return NULL;
	seat->thread = thread;
	if (token_table_init(&seat->table))
		return seat;
	free(seat);
	return NULL;
}

/* The first call of a thread, or of a thread that changed authenticators. NULL without memory: then every token is
 * verified. */
static struct seat *take_seat(struct authenticator *authenticator)
{
	pthread_once(&thread_end_once, make_thread_end);
	pthread_mutex_lock(&registry_lock);
	if (here.thread == 0)
		here.thread = ++threads_seen;
	struct seat *seat = authenticator->seats;
	while (seat != NULL && seat->thread != here.thread)
		seat = seat->next;
	if (seat == NULL && pthread_setspecific(thread_end, (void *)(uintptr_t)here.thread) == 0) {
		seat = seat_create(here.thread);
		if (seat != NULL) {
			seat->next = authenticator->seats;
			authenticator->seats = seat;
		}
	}
	pthread_mutex_unlock(&registry_lock);
	here.authenticator = seat != NULL ? authenticator->serial : 0;
	here.seat = seat;
	return seat;
}

static struct seat *my_seat(struct authenticator *authenticator)
{
	return here.authenticator == authenticator->serial ? here.seat : take_seat(authenticator);
}

struct authenticator *authenticator_create(struct keys *keys)
{
	struct authenticator *authenticator = calloc(1, sizeof *authenticator);

	if (authenticator == NULL)
		return NULL;
	atomic_init(&authenticator->generation, 1);
	CHECK(pthread_mutex_init(&authenticator->lock, NULL) == 0);
	authenticator->keys = keys_ref(keys);
	pthread_mutex_lock(&registry_lock);
	authenticator->serial = ++authenticators_made;
	authenticator->next = registry;
	registry = authenticator;
	pthread_mutex_unlock(&registry_lock);
	return authenticator;
}

void authenticator_destroy(struct authenticator *authenticator)
{
	if (authenticator == NULL)
		return;
	pthread_mutex_lock(&registry_lock);
	struct authenticator **link = &registry;
	while (*link != authenticator)
		link = &(*link)->next;
	*link = authenticator->next;
	while (authenticator->seats != NULL) {
		struct seat *seat = authenticator->seats;
		authenticator->seats = seat->next;
		seat_free(seat);
	}
	pthread_mutex_unlock(&registry_lock);
	keys_unref(authenticator->keys);
	free(authenticator->inactive);
	pthread_mutex_destroy(&authenticator->lock);
	free(authenticator);
}

/* The token of "Bearer TOKEN" (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1). */
static bool bearer_token(struct str header, struct str *token)
{
	static const struct str scheme = STR("Bearer");

	header = str_trim(header);
	if (header.len <= scheme.len || header.ptr[scheme.len] != ' ')
		return false;
	if (!str_equal_caseless((struct str){header.ptr, scheme.len}, scheme))
		return false;
	*token = str_skip(header, scheme.len);
	while (token->len > 0 && token->ptr[0] == ' ')
		*token = str_skip(*token, 1);
	return true;
}

bool authenticator_is_inactive(void *context, int64_t user_id)
{
	struct authenticator *authenticator = context;

	pthread_mutex_lock(&authenticator->lock);
	size_t first = 0, end = authenticator->inactive_count;
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		if (authenticator->inactive[middle] < user_id)
			first = middle + 1;
		else
			end = middle;
	}
	bool found = first < authenticator->inactive_count && authenticator->inactive[first] == user_id;
	pthread_mutex_unlock(&authenticator->lock);
	return found;
}

/* Under the lock, so that whoever takes the callback away knows that it is not running. */
static void report_unknown_key(struct authenticator *authenticator)
{
	pthread_mutex_lock(&authenticator->lock);
	if (authenticator->ask != NULL)
		authenticator->ask(authenticator->ask_context);
	pthread_mutex_unlock(&authenticator->lock);
}

static enum token_result verify(struct authenticator *authenticator, struct str token, int64_t now_s,
                                struct principal *principal)
{
	pthread_mutex_lock(&authenticator->lock);
	struct keys *keys = keys_ref(authenticator->keys);
	pthread_mutex_unlock(&authenticator->lock);

	enum token_result result = token_verify(token, keys, now_s, principal);
	keys_unref(keys);
	if (result == TOKEN_UNKNOWN_KEY)
		report_unknown_key(authenticator);
	if (result == TOKEN_OK && authenticator_is_inactive(authenticator, principal->user_id))
		result = TOKEN_USER_INACTIVE;
	return result;
}

/* The generation is read before keys and users are: whatever changes after that makes what is kept here stale. */
enum token_result authenticator_check(struct authenticator *authenticator, struct str header,
                                      const struct principal **principal, bool *missing)
{
	struct str token;

	*principal = NULL;
	*missing = header.ptr == NULL || !bearer_token(header, &token);
	if (*missing)
		return TOKEN_MALFORMED;
	struct seat *seat = my_seat(authenticator);
	uint64_t generation = atomic_load_explicit(&authenticator->generation, memory_order_acquire);
	int64_t now_s = clock_wall_us() / 1000000;

	const struct principal *kept = seat != NULL ? token_table_find(&seat->table, token, generation) : NULL;
	if (kept != NULL && now_s >= kept->expires_at_s)
		return TOKEN_EXPIRED;
	if (kept == NULL) {
		enum token_result result = verify(authenticator, token, now_s, &here.principal);
		if (result != TOKEN_OK)
			return result;
		if (seat != NULL)
			token_table_keep(&seat->table, token, generation, &here.principal);
		kept = &here.principal;
	}
	*principal = kept;
	return TOKEN_OK;
}

static void raise_generation(struct authenticator *authenticator)
{
	atomic_fetch_add_explicit(&authenticator->generation, 1, memory_order_acq_rel);
}

void authenticator_set_keys(struct authenticator *authenticator, struct keys *keys)
{
	pthread_mutex_lock(&authenticator->lock);
	struct keys *old = authenticator->keys;
	authenticator->keys = keys_ref(keys);
	pthread_mutex_unlock(&authenticator->lock);
	raise_generation(authenticator);
	keys_unref(old);
}

bool authenticator_set_inactive(struct authenticator *authenticator, const int64_t *user_ids, size_t count)
{
	int64_t *copy = count > 0 ? reallocarray(NULL, count, sizeof *copy) : NULL;

	if (count > 0 && copy == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		CHECK(i == 0 || user_ids[i - 1] < user_ids[i]);
		copy[i] = user_ids[i];
	}
	pthread_mutex_lock(&authenticator->lock);
	int64_t *old = authenticator->inactive;
	authenticator->inactive = copy;
	authenticator->inactive_count = count;
	pthread_mutex_unlock(&authenticator->lock);
	raise_generation(authenticator);
	free(old);
	if (authenticator->told != NULL)
		authenticator->told(authenticator->told_context);
	return true;
}

void authenticator_on_inactive(struct authenticator *authenticator, void (*told)(void *context), void *context)
{
	authenticator->told = told;
	authenticator->told_context = context;
}

void authenticator_on_unknown_key(struct authenticator *authenticator, void (*ask)(void *context), void *context)
{
	pthread_mutex_lock(&authenticator->lock);
	authenticator->ask = ask;
	authenticator->ask_context = context;
	pthread_mutex_unlock(&authenticator->lock);
}
