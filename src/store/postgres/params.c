#include "store/postgres/params.h"

#include <endian.h>
#include <limits.h>

#include "events/timestamp.h"

#define EPOCH_2000_US INT64_C(946684800000000)
#define TIME_MIN_US INT64_C(-62135596800000000) /* year 1 */
#define TIME_MAX_US (TIMESTAMP_MAX_US + 1)

enum { ARRAY_HEADER_BYTES = 20 };

static void add(struct params *params, const void *value, size_t bytes)
{
	CHECK(params->count < PARAMS_MAX && bytes <= INT_MAX);
	params->values[params->count] = value;
	params->lengths[params->count] = (int)bytes;
	params->formats[params->count] = 1;
	params->count++;
}

void params_i64(struct params *params, int64_t value)
{
	CHECK(params->count < PARAMS_MAX);
	params->numbers[params->count] = htobe64((uint64_t)value);
	add(params, &params->numbers[params->count], sizeof(uint64_t));
}

void params_bool(struct params *params, bool value)
{
	CHECK(params->count < PARAMS_MAX);
	memset(&params->numbers[params->count], value ? 1 : 0, 1);
	add(params, &params->numbers[params->count], 1);
}

/* PostgreSQL refuses times far outside of ours, which a filter or a forged cursor may name. */
static int64_t wire_time(int64_t us)
{
	int64_t kept = us < TIME_MIN_US ? TIME_MIN_US : us > TIME_MAX_US ? TIME_MAX_US : us;
	return kept - EPOCH_2000_US;
}

void params_time(struct params *params, int64_t us)
{
	params_i64(params, wire_time(us));
}

void params_text(struct params *params, struct str text)
{
	add(params, text.ptr, text.len);
}

/* ---- arrays: dimensions, has-null flag, element type, then length and lower bound of the one dimension, then each
 * element with its length (src/backend/utils/adt/arrayfuncs.c, array_recv) ---- */

void array_init(struct array *array, enum array_type type, size_t bytes_max)
{
	static const char ROOM[ARRAY_HEADER_BYTES];

	*array = (struct array){.type = type};
	buf_init(&array->bytes, bytes_max);
	buf_append(&array->bytes, ROOM, sizeof ROOM);
}

void array_finish(struct array *array)
{
	buf_finish(&array->bytes);
}

static void append_u32(struct buf *buf, uint32_t value)
{
	uint32_t wire = htobe32(value);
	buf_append(buf, &wire, sizeof wire);
}

static void put_u32(struct buf *buf, size_t at, uint32_t value)
{
	uint32_t wire = htobe32(value);
	if (!buf->failed)
		memcpy(buf->ptr + at, &wire, sizeof wire);
}

void array_i32(struct array *array, int32_t value)
{
	append_u32(&array->bytes, sizeof value);
	append_u32(&array->bytes, (uint32_t)value);
	array->count++;
}

void array_i64(struct array *array, int64_t value)
{
	uint64_t wire = htobe64((uint64_t)value);

	append_u32(&array->bytes, sizeof wire);
	buf_append(&array->bytes, &wire, sizeof wire);
	array->count++;
}

void array_time(struct array *array, int64_t us)
{
	array_i64(array, wire_time(us));
}

void array_null(struct array *array)
{
	append_u32(&array->bytes, UINT32_MAX);
	array->count++;
	array->has_null = true;
}

void array_text(struct array *array, struct str text)
{
	if (text.ptr == NULL) {
		array_null(array);
		return;
	}
	append_u32(&array->bytes, (uint32_t)text.len);
	buf_append(&array->bytes, text.ptr, text.len);
	array->count++;
}

size_t array_text_begin(struct array *array)
{
	append_u32(&array->bytes, 0);
	return array->bytes.len;
}

void array_text_end(struct array *array, size_t begin)
{
	put_u32(&array->bytes, begin - sizeof(uint32_t), (uint32_t)(array->bytes.len - begin));
	array->count++;
}

void array_text_undo(struct array *array, size_t begin)
{
	if (!array->bytes.failed)
		array->bytes.len = begin - sizeof(uint32_t);
}

void params_array(struct params *params, struct array *array)
{
	put_u32(&array->bytes, 0, array->count > 0 ? 1 : 0);
	put_u32(&array->bytes, 4, array->has_null ? 1 : 0);
	put_u32(&array->bytes, 8, (uint32_t)array->type);
	put_u32(&array->bytes, 12, array->count);
	put_u32(&array->bytes, 16, 1);
	/* Without elements there is no dimension either. */
	add(params, array->bytes.ptr, array->count > 0 ? array->bytes.len : 12);
}

/* ---- cells ---- */

int64_t cell_i64(const PGresult *result, int row, int column)
{
	const char *bytes = PQgetvalue(result, row, column);

	switch (PQgetlength(result, row, column)) {
	case 8: {
		uint64_t wire;
		memcpy(&wire, bytes, sizeof wire);
		return (int64_t)be64toh(wire);
	}
	case 4: {
		uint32_t wire;
		memcpy(&wire, bytes, sizeof wire);
		return (int32_t)be32toh(wire);
	}
	default:
		return 0; /* NULL */
	}
}

bool cell_bool(const PGresult *result, int row, int column)
{
	return PQgetlength(result, row, column) == 1 && PQgetvalue(result, row, column)[0] != 0;
}

int64_t cell_time(const PGresult *result, int row, int column)
{
	int64_t since_2000_us = cell_i64(result, row, column), us;

	/* ±infinity are the extremes of int64. */
	if (since_2000_us == INT64_MAX || __builtin_add_overflow(since_2000_us, EPOCH_2000_US, &us))
		return INT64_MAX;
	return us;
}

struct str cell_text(const PGresult *result, int row, int column)
{
	if (PQgetisnull(result, row, column))
		return STR_NONE;
	return (struct str){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

static uint16_t word_at(const char *bytes, size_t index)
{
	uint16_t wire;
	memcpy(&wire, bytes + index * sizeof wire, sizeof wire);
	return be16toh(wire);
}

/* numeric is a count of base-10000 digits, the weight of the first, a sign, a display scale, and the digits
 * (src/backend/utils/adt/numeric.c, numeric_send). The column has two decimals. */
static bool cell_cents(const PGresult *result, int row, int column, int64_t *cents)
{
	static const int64_t POWERS[] = {100, 1000000, INT64_C(10000000000)};
	const char *bytes = PQgetvalue(result, row, column);
	int length = PQgetlength(result, row, column);

	if (length < 8)
		return false;
	int digits = word_at(bytes, 0), weight = (int16_t)word_at(bytes, 1);
	if (word_at(bytes, 2) != 0 || length < 8 + 2 * digits)
		return false; /* negative or not a number: the table's check forbids both */
	*cents = 0;
	for (int i = 0; i < digits; i++) {
		int64_t digit = word_at(bytes, (size_t)(4 + i));
		int power = weight - i;
		if (power > 2 || (power < -1 && digit != 0))
			return false;
		*cents += power >= 0 ? digit * POWERS[power] : power == -1 ? digit / 100 : 0;
	}
	return *cents <= EVENT_PRICE_CENTS_MAX;
}

bool cell_event(const PGresult *result, int row, int column, struct arena *arena, struct event *event)
{
	*event = (struct event){
		.id = cell_i64(result, row, column),
		.title = arena_str(arena, cell_text(result, row, column + 1)),
		.venue = arena_str(arena, cell_text(result, row, column + 2)),
		.description = arena_str(arena, cell_text(result, row, column + 3)),
		.event_date_us = cell_time(result, row, column + 4),
		.capacity = (int32_t)cell_i64(result, row, column + 6),
		.created_at_us = cell_time(result, row, column + 8),
		.updated_at_us = cell_time(result, row, column + 9),
		.created_by = cell_i64(result, row, column + 10),
		.version = cell_i64(result, row, column + 11),
	};
	return !arena->failed && cell_cents(result, row, column + 5, &event->price_cents)
	       && event_status_parse(cell_text(result, row, column + 7), &event->status);
}

bool cell_change(const PGresult *result, int row, int column, struct arena *arena, struct change *change)
{
	*change = (struct change){
		.seq = (uint64_t)cell_i64(result, row, column),
		.event_id = cell_i64(result, row, column + 2),
		.version = cell_i64(result, row, column + 3),
		.actor_id = cell_i64(result, row, column + 4),
		.request_id = arena_str(arena, cell_text(result, row, column + 5)),
		.occurred_at_us = cell_time(result, row, column + 6),
		.has_before = !cell_null(result, row, column + 7),
		.has_after = !cell_null(result, row, column + 8),
	};
	return !arena->failed && change_kind_parse(cell_text(result, row, column + 1), &change->kind)
	       && (!change->has_before || event_from_stored(&change->before, cell_text(result, row, column + 7), arena))
	       && (!change->has_after || event_from_stored(&change->after, cell_text(result, row, column + 8), arena));
}
