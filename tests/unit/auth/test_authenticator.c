/* The authenticator: what a thread remembers, and when it must not. */
#include "auth/authenticator.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "support.h"

static int64_t now(void)
{
	return clock_wall_us() / 1000000;
}

static struct str bearer(struct buf *out, const struct keys *keys, int64_t user_id, int64_t minted_s)
{
	buf_init(out, 16384);
	buf_lit(out, "Bearer ");
	assert_true(token_mint(out, keys, user_id, STR("ann@example.com"), ROLE_USER, minted_s, 30));
	return buf_view(out);
}

static enum token_result check(struct authenticator *authenticator, struct str header)
{
	const struct principal *principal;
	bool missing;

	enum token_result result = authenticator_check(authenticator, header, &principal, &missing);
	assert_int_equal(principal != NULL, result == TOKEN_OK);
	return result;
}

static void a_token_is_remembered_and_names_its_user(void **state)
{
	(void)state;
	struct keys *keys = load_secret("HS256", SECRET_A);
	struct authenticator *authenticator = authenticator_create(keys);
	struct buf text;
	struct str header = bearer(&text, keys, 7, now());
	const struct principal *first, *second;
	bool missing;

	assert_int_equal(authenticator_check(authenticator, header, &first, &missing), TOKEN_OK);
	assert_int_equal(first->user_id, 7);
	assert_int_equal(authenticator_check(authenticator, header, &second, &missing), TOKEN_OK);
	assert_ptr_not_equal(first, second); /* now it is the table's */
	assert_int_equal(second->user_id, 7);
	assert_int_equal(second->role, ROLE_USER);
	assert_memory_equal(second->email, "ann@example.com", second->email_len);
	assert_false(missing);
	buf_finish(&text);
	authenticator_destroy(authenticator);
	keys_unref(keys);
}

static void headers_are_read_strictly(void **state)
{
	(void)state;
	struct keys *keys = load_secret("HS256", SECRET_A);
	struct authenticator *authenticator = authenticator_create(keys);
	struct buf text, other;
	struct str token = str_skip(bearer(&text, keys, 7, now()), strlen("Bearer "));
	static const struct {
		const char *before, *after;
		enum token_result result;
		bool missing;
	} rows[] = {
		{"Bearer ", "", TOKEN_OK, false},
		{"bearer ", "", TOKEN_OK, false},
		{"BEARER    ", "", TOKEN_OK, false},
		{"  Bearer ", "  \t", TOKEN_OK, false},
		{"Bearer ", " x", TOKEN_MALFORMED, false},
		{"Bearer ", ",", TOKEN_MALFORMED, false},
		{"Bearer ", "=", TOKEN_MALFORMED, false},
		{"Bearer token=", "", TOKEN_MALFORMED, false},
		{"Bearer \t", "", TOKEN_MALFORMED, false},
		{"Bearer\t", "", TOKEN_MALFORMED, true},
		{"Bearer", "", TOKEN_MALFORMED, true},
		{"Basic ", "", TOKEN_MALFORMED, true},
		{"", "", TOKEN_MALFORMED, true},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct principal *principal;
		bool missing;
		buf_init(&other, 16384);
		buf_printf(&other, "%s%.*s%s", rows[i].before, STR_ARG(token), rows[i].after);
		enum token_result result = authenticator_check(authenticator, buf_view(&other), &principal, &missing);
		if (result != rows[i].result || missing != rows[i].missing)
			fail_msg("row %zu: %d %d", i, (int)result, missing);
		buf_finish(&other);
	}
	static const char *const empty[] = {"", "Bearer", "Bearer ", "B", "Bearer  "};
	for (size_t i = 0; i < ARRAY_LENGTH(empty); i++)
		assert_int_equal(check(authenticator, str_from(empty[i])), TOKEN_MALFORMED);
	assert_int_equal(check(authenticator, STR_NONE), TOKEN_MALFORMED);
	buf_finish(&text);
	authenticator_destroy(authenticator);
	keys_unref(keys);
}

static void new_keys_and_users_count_at_once(void **state)
{
	(void)state;
	struct keys *old = load_secret("HS256", SECRET_A), *new = load_secret("HS256", SECRET_B);
	struct authenticator *authenticator = authenticator_create(old);
	struct buf text;
	struct str header = bearer(&text, old, 7, now());

	assert_int_equal(check(authenticator, header), TOKEN_OK);
	assert_int_equal(check(authenticator, header), TOKEN_OK);
	authenticator_set_keys(authenticator, new);
	assert_int_equal(check(authenticator, header), TOKEN_BAD_SIGNATURE);
	authenticator_set_keys(authenticator, old);
	assert_int_equal(check(authenticator, header), TOKEN_OK);
	static const int64_t others[] = {1, 6, 8, 900}, among[] = {1, 7, 900}, alone[] = {7};
	assert_true(authenticator_set_inactive(authenticator, others, ARRAY_LENGTH(others)));
	assert_int_equal(check(authenticator, header), TOKEN_OK);
	assert_true(authenticator_set_inactive(authenticator, among, ARRAY_LENGTH(among)));
	assert_int_equal(check(authenticator, header), TOKEN_USER_INACTIVE);
	assert_int_equal(check(authenticator, header), TOKEN_USER_INACTIVE);
	assert_true(authenticator_set_inactive(authenticator, alone, ARRAY_LENGTH(alone)));
	assert_int_equal(check(authenticator, header), TOKEN_USER_INACTIVE);
	assert_true(authenticator_set_inactive(authenticator, NULL, 0));
	assert_int_equal(check(authenticator, header), TOKEN_OK);
	buf_finish(&text);
	authenticator_destroy(authenticator);
	keys_unref(old);
	keys_unref(new);
}

static void a_remembered_token_expires(void **state)
{
	(void)state;
	struct keys *keys = load_secret("HS256", SECRET_A);
	struct authenticator *authenticator = authenticator_create(keys);
	struct buf text;
	struct str header = bearer(&text, keys, 7, now() - 30 * 60 + 2);
	enum token_result result = check(authenticator, header);

	assert_int_equal(result, TOKEN_OK);
	uint64_t deadline_ns = clock_monotonic_ns() + 10 * CLOCK_SECOND;
	while (result == TOKEN_OK && clock_left_ms(deadline_ns) > 0) {
		nanosleep(&(struct timespec){0, 20000000}, NULL);
		result = check(authenticator, header);
	}
	assert_int_equal(result, TOKEN_EXPIRED);
	buf_finish(&text);
	authenticator_destroy(authenticator);
	keys_unref(keys);
}

static void more_tokens_than_places_are_all_accepted(void **state)
{
	(void)state;
	struct keys *keys = load_secret("HS256", SECRET_A);
	struct authenticator *authenticator = authenticator_create(keys);

	for (int round = 0; round < 2; round++) {
		for (int64_t user_id = 1; user_id <= 5000; user_id++) {
			struct buf text;
			const struct principal *principal;
			bool missing;
			struct str header = bearer(&text, keys, user_id, now());
			assert_int_equal(authenticator_check(authenticator, header, &principal, &missing), TOKEN_OK);
			assert_int_equal(principal->user_id, user_id);
			buf_finish(&text);
		}
	}
	authenticator_destroy(authenticator);
	keys_unref(keys);
}

struct shared {
	struct authenticator *authenticator;
	struct str header;
	atomic_bool stop;
	atomic_uint checks;
};

static void *check_until_stopped(void *argument)
{
	struct shared *shared = argument;

	while (!atomic_load(&shared->stop)) {
		const struct principal *principal;
		bool missing;
		enum token_result result = authenticator_check(shared->authenticator, shared->header, &principal, &missing);
		CHECK(result == TOKEN_OK || result == TOKEN_USER_INACTIVE || result == TOKEN_BAD_SIGNATURE);
		CHECK(result != TOKEN_OK || principal->user_id == 7);
		atomic_fetch_add(&shared->checks, 1);
	}
	return NULL;
}

/* For the thread sanitizer: threads come, check and go while keys and users change; then all is destroyed. */
static void threads_share_an_authenticator(void **state)
{
	(void)state;
	struct keys *old = load_secret("HS256", SECRET_A), *new = load_secret("HS256", SECRET_B);
	struct buf text;
	struct shared shared = {.authenticator = authenticator_create(old)};
	shared.header = bearer(&text, old, 7, now());
	static const int64_t seven[] = {7};

	for (int round = 0; round < 5; round++) {
		pthread_t threads[4];
		atomic_store(&shared.stop, false);
		unsigned start = atomic_load(&shared.checks);
		for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
			assert_int_equal(pthread_create(&threads[i], NULL, check_until_stopped, &shared), 0);
		for (int i = 0; i < 100 || atomic_load(&shared.checks) < start + 1000; i++) {
			authenticator_set_keys(shared.authenticator, i % 2 == 0 ? new : old);
			assert_true(authenticator_set_inactive(shared.authenticator, seven, (size_t)(i % 3 == 0)));
			sched_yield();
		}
		atomic_store(&shared.stop, true);
		for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
			pthread_join(threads[i], NULL);
	}
	authenticator_destroy(shared.authenticator);
	buf_finish(&text);
	keys_unref(old);
	keys_unref(new);
}

struct leaver {
	struct authenticator *authenticator;
	struct str header;
	atomic_bool checked;
};

static void *check_once_and_leave(void *argument)
{
	struct leaver *leaver = argument;
	const struct principal *principal;
	bool missing;

	CHECK(authenticator_check(leaver->authenticator, leaver->header, &principal, &missing) == TOKEN_OK);
	atomic_store(&leaver->checked, true);
	return NULL;
}

/* The thread's end and the authenticator's end race on purpose: the table must be freed once. */
static void a_thread_may_end_while_its_authenticator_is_destroyed(void **state)
{
	(void)state;
	struct keys *keys = load_secret("HS256", SECRET_A);
	struct buf text;
	struct str header = bearer(&text, keys, 7, now());

	for (int round = 0; round < 300; round++) {
		struct leaver leaver = {.authenticator = authenticator_create(keys), .header = header};
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, check_once_and_leave, &leaver), 0);
		while (!atomic_load(&leaver.checked))
			sched_yield();
		authenticator_destroy(leaver.authenticator);
		pthread_join(thread, NULL);
	}
	buf_finish(&text);
	keys_unref(keys);
}

static void two_authenticators_in_one_thread_are_apart(void **state)
{
	(void)state;
	struct keys *a = load_secret("HS256", SECRET_A), *b = load_secret("HS256", SECRET_B);
	struct authenticator *first = authenticator_create(a), *second = authenticator_create(b);
	struct buf text;
	struct str header = bearer(&text, a, 7, now());

	for (int i = 0; i < 3; i++) {
		assert_int_equal(check(first, header), TOKEN_OK);
		assert_int_equal(check(second, header), TOKEN_BAD_SIGNATURE);
	}
	authenticator_destroy(first);
	assert_int_equal(check(second, header), TOKEN_BAD_SIGNATURE);
	authenticator_destroy(second);
	authenticator_destroy(NULL);
	buf_finish(&text);
	keys_unref(a);
	keys_unref(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_remembered_and_names_its_user),
		cmocka_unit_test(headers_are_read_strictly),
		cmocka_unit_test(new_keys_and_users_count_at_once),
		cmocka_unit_test(a_remembered_token_expires),
		cmocka_unit_test(more_tokens_than_places_are_all_accepted),
		cmocka_unit_test(threads_share_an_authenticator),
		cmocka_unit_test(a_thread_may_end_while_its_authenticator_is_destroyed),
		cmocka_unit_test(two_authenticators_in_one_thread_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
