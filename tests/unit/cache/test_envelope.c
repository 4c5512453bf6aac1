#include "cache/envelope.h"

#include "base/hash.h"
#include "unit/test.h"

static const struct envelope sample = {
	.history = 0x0102030405060708,
	.as_of = UINT64_MAX,
	.created_us = -1,
	.valid_until_us = INT64_MAX,
	.name = {"event:7", 7},
	.body = {"{\"id\":7}\0x", 10},
};

static void what_was_printed_is_parsed(void **state)
{
	struct buf out;
	struct envelope read;

	(void)state;
	buf_init(&out, 4096);
	buf_lit(&out, "before");
	envelope_print(&out, &sample);
	assert_false(out.failed);
	assert_true(envelope_parse(&read, str_skip(buf_view(&out), 6), sample.history));
	assert_true(read.as_of == sample.as_of);
	assert_true(read.created_us == -1 && read.valid_until_us == INT64_MAX);
	assert_true(str_equal(read.name, sample.name) && str_equal(read.body, sample.body));
	buf_finish(&out);
}

static void empty_parts_are_fine(void **state)
{
	struct buf out;
	struct envelope read, empty = {.name = STR(""), .body = STR("")};

	(void)state;
	buf_init(&out, 4096);
	envelope_print(&out, &empty);
	assert_int_equal(out.len, ENVELOPE_HEADER_BYTES + ENVELOPE_SEAL_BYTES);
	assert_true(envelope_parse(&read, buf_view(&out), empty.history));
	assert_int_equal(read.name.len + read.body.len, 0);
	buf_finish(&out);
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct buf out;
	struct envelope read;

	(void)state;
	buf_init(&out, 4096);
	envelope_print(&out, &sample);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ (1 << bit % 8));
		if (envelope_parse(&read, buf_view(&out), sample.history))
			fail_msg("bit %zu", bit);
		out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ (1 << bit % 8));
	}
	assert_true(envelope_parse(&read, buf_view(&out), sample.history));
	buf_finish(&out);
}

static void every_cut_is_noticed(void **state)
{
	struct buf out;
	struct envelope read;

	(void)state;
	buf_init(&out, 4096);
	envelope_print(&out, &sample);
	for (size_t length = 0; length < out.len; length++) {
		assert_false(envelope_parse(&read, (struct str){out.ptr, length}, sample.history));
		assert_false(envelope_parse(&read, (struct str){out.ptr + length + 1, out.len - length - 1}, sample.history));
	}
	buf_char(&out, '\0');
	assert_false(envelope_parse(&read, buf_view(&out), sample.history));
	buf_finish(&out);
}

/* A forger can compute the hash; the lengths still have to fit. */
static void hostile_lengths_are_refused(void **state)
{
	static const uint64_t lengths[][2] = {
		{0, 0},
		{17, 1},
		{1, 17},
		{UINT64_MAX, 18},
		{18, UINT64_MAX},
		{UINT64_MAX, 0},
		{0, UINT64_MAX},
		{1ull << 63, 1ull << 63},
		{17ull + 1, UINT64_MAX},
		{19, UINT64_MAX},
	};
	struct buf out;
	struct envelope read;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
		buf_clear(&out);
		envelope_print(&out, &sample);
		memcpy(out.ptr + 32, &lengths[i][0], 8);
		memcpy(out.ptr + 40, &lengths[i][1], 8);
		envelope_seal((struct str){out.ptr, out.len - ENVELOPE_SEAL_BYTES}, sample.history,
			      (unsigned char *)out.ptr + out.len - ENVELOPE_SEAL_BYTES);
		if (envelope_parse(&read, buf_view(&out), sample.history))
			fail_msg("lengths %zu", i);
	}
	buf_finish(&out);
}

/* Who does not know the history cannot make a value that opens; one that was sealed with another does not open. */
static void another_key_does_not_open(void **state)
{
	struct buf out;
	struct envelope read;

	(void)state;
	buf_init(&out, 4096);
	envelope_print(&out, &sample);
	assert_false(envelope_parse(&read, buf_view(&out), sample.history + 1));
	assert_true(envelope_parse(&read, buf_view(&out), sample.history));
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_key_does_not_open),
		cmocka_unit_test(what_was_printed_is_parsed),   cmocka_unit_test(empty_parts_are_fine),
		cmocka_unit_test(every_flipped_bit_is_noticed), cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(hostile_lengths_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
