#include "redis/reply.h"

#include "base/buf.h"
#include "unit/test.h"

struct reading {
	struct reply_reader *reader;
	struct arena arena;
};

static void begin(struct reading *reading)
{
	arena_init(&reading->arena, 16 << 20);
	reading->reader = reply_reader_create();
	assert_non_null(reading->reader);
	reply_reader_begin(reading->reader, &reading->arena);
}

static void finish(struct reading *reading)
{
	reply_reader_destroy(reading->reader);
	arena_finish(&reading->arena);
}

static const char sample[] = "+OK\r\n"
			     "$5\r\na\r\n\0b\r\n"
			     "*4\r\n:-7\r\n$-1\r\n*2\r\n$0\r\n\r\n-ERR no\r\n*0\r\n"
			     "*-1\r\n";

static void check_sample(struct reading *reading)
{
	struct redis_reply *reply;

	assert_int_equal(reply_reader_next(reading->reader, &reply), REPLY_READY);
	assert_int_equal(reply->type, REPLY_STATUS);
	assert_str(reply->text, "OK");
	assert_int_equal(reply_reader_next(reading->reader, &reply), REPLY_READY);
	assert_int_equal(reply->type, REPLY_TEXT);
	assert_int_equal(reply->text.len, 5);
	assert_memory_equal(reply->text.ptr, "a\r\n\0b", 6);
	assert_int_equal(reply_reader_next(reading->reader, &reply), REPLY_READY);
	assert_int_equal(reply->type, REPLY_ARRAY);
	assert_int_equal(reply->count, 4);
	assert_int_equal(reply->elements[0]->integer, -7);
	assert_int_equal(reply->elements[1]->type, REPLY_NIL);
	assert_int_equal(reply->elements[2]->count, 2);
	assert_str(reply->elements[2]->elements[0]->text, "");
	assert_true(redis_reply_is_error(reply->elements[2]->elements[1], "ERR"));
	assert_int_equal(reply->elements[3]->count, 0);
	assert_int_equal(reply_reader_next(reading->reader, &reply), REPLY_READY);
	assert_int_equal(reply->type, REPLY_NIL);
	assert_int_equal(reply_reader_next(reading->reader, &reply), REPLY_INCOMPLETE);
	assert_null(reply);
	assert_true(reply_reader_is_empty(reading->reader));
}

static void replies_of_every_kind(void **state)
{
	struct reading reading;

	(void)state;
	begin(&reading);
	assert_int_equal(reply_reader_feed(reading.reader, sample, sizeof sample - 1), REPLY_READY);
	assert_false(reply_reader_is_empty(reading.reader));
	check_sample(&reading);
	finish(&reading);
}

static void bytes_may_come_one_by_one(void **state)
{
	struct reading reading;
	struct redis_reply *reply;
	size_t ready = 0;

	(void)state;
	begin(&reading);
	for (size_t i = 0; i < sizeof sample - 1; i++) {
		assert_int_equal(reply_reader_feed(reading.reader, sample + i, 1), REPLY_READY);
		enum reply_progress progress = reply_reader_next(reading.reader, &reply);
		assert_true(progress == REPLY_READY || progress == REPLY_INCOMPLETE);
		ready += progress == REPLY_READY;
	}
	assert_int_equal(ready, 4);
	assert_true(reply_reader_is_empty(reading.reader));
	finish(&reading);
}

static void hostile_bytes_are_errors(void **state)
{
	static const struct {
		const char *bytes;
		enum reply_progress expected;
	} cases[] = {
		{"HTTP/1.1 400 Bad Request\r\n", REPLY_BROKEN},
		{"\r\n", REPLY_BROKEN},
		{"$-2\r\n", REPLY_BROKEN},
		{"$-9223372036854775808\r\n", REPLY_BROKEN},
		{"$99999999999999999999999\r\n", REPLY_BROKEN},
		{"$x\r\n", REPLY_BROKEN},
		{"*-2\r\n", REPLY_BROKEN},
		{"*9223372036854775807\r\n", REPLY_BROKEN},
		{"*2147483648\r\n", REPLY_BROKEN},
		{"*2147483647\r\n", REPLY_TOO_LARGE},
		{"*100001\r\n", REPLY_TOO_LARGE},
		{"*2\r\n*60000\r\n*60000\r\n", REPLY_TOO_LARGE},
		{":1x\r\n", REPLY_BROKEN},
		{"%1\r\n+a\r\n+b\r\n", REPLY_BROKEN},
		{"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", REPLY_BROKEN},
		{"$9223372036854775800\r\nabc", REPLY_INCOMPLETE},
		{"$2147483647\r\nabc", REPLY_INCOMPLETE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct reading reading;
		struct redis_reply *reply;
		begin(&reading);
		assert_int_equal(reply_reader_feed(reading.reader, cases[i].bytes, strlen(cases[i].bytes)),
				 REPLY_READY);
		enum reply_progress progress = reply_reader_next(reading.reader, &reply);
		if (progress != cases[i].expected)
			fail_msg("%s: %d", cases[i].bytes, (int)progress);
		assert_null(reply);
		finish(&reading);
	}
}

static void arrays_in_arrays_count_together(void **state)
{
	struct reading reading;
	struct redis_reply *reply;
	struct buf wire;

	(void)state;
	begin(&reading);
	buf_init(&wire, 1 << 20);
	buf_lit(&wire, "*2\r\n*60000\r\n");
	for (int i = 0; i < 60000; i++)
		buf_lit(&wire, ":1\r\n");
	buf_lit(&wire, "*60000\r\n");
	assert_int_equal(reply_reader_feed(reading.reader, wire.ptr, wire.len), REPLY_READY);
	assert_int_equal(reply_reader_next(reading.reader, &reply), REPLY_TOO_LARGE);
	buf_finish(&wire);
	finish(&reading);
}

static void bounds_of_bytes_and_memory_are_kept(void **state)
{
	struct reading reading;
	struct redis_reply *reply;
	static char block[1 << 20];

	(void)state;
	begin(&reading);
	assert_int_equal(reply_reader_feed(reading.reader, "$67108864\r\n", 11), REPLY_READY);
	for (int i = 0; i < 63; i++)
		assert_int_equal(reply_reader_feed(reading.reader, block, sizeof block), REPLY_READY);
	assert_int_equal(reply_reader_feed(reading.reader, block, sizeof block), REPLY_TOO_LARGE);
	finish(&reading);
	/* A reply that the arena cannot hold. */
	begin(&reading);
	assert_int_equal(reply_reader_feed(reading.reader, "$17825792\r\n", 11), REPLY_READY);
	for (int i = 0; i < 17; i++)
		assert_int_equal(reply_reader_feed(reading.reader, block, sizeof block), REPLY_READY);
	assert_int_equal(reply_reader_feed(reading.reader, "\r\n", 2), REPLY_READY);
	assert_int_equal(reply_reader_next(reading.reader, &reply), REPLY_TOO_LARGE);
	finish(&reading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_of_every_kind),
		cmocka_unit_test(bytes_may_come_one_by_one),
		cmocka_unit_test(hostile_bytes_are_errors),
		cmocka_unit_test(arrays_in_arrays_count_together),
		cmocka_unit_test(bounds_of_bytes_and_memory_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
