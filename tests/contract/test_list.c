/* store_list against a naive model: random catalogues, every order, filter and way of paging. */
#include "world.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_MAX = 400, ROUNDS = 400 };

/* ---- the model ---- */

struct model {
	struct event events[EVENTS_MAX];
	size_t count;
};

static const char *const words[] = {"Jazz", "jazz", "JAZZ night", "Rock", "rock 'n' roll", "Ärger", "Zebra", "night",
	"a-b", "100% \"free\"", "*", "Quartet", "OR AND NOT", "été"};
static const char *const venues[] = {"Blue Hall", "blue hall", "Red Barn", "Arena 2"};

static struct str text_of(struct dice *dice, struct arena *arena)
{
	size_t first = dice_roll(dice, ARRAY_LENGTH(words)), second = dice_roll(dice, ARRAY_LENGTH(words));
	return arena_printf(arena, "%s %s", words[first], words[second]);
}

static struct patch random_patch(struct dice *dice, struct arena *arena)
{
	struct patch patch = event_patch("", "", 0, EVENT_DRAFT);

	patch.event.title = text_of(dice, arena);
	patch.event.venue = str_from(venues[dice_roll(dice, ARRAY_LENGTH(venues))]);
	patch.event.description = dice_roll(dice, 2) == 0 ? STR_NONE : text_of(dice, arena);
	/* Few dates and prices, so that ties are many; some far away, so that every size of span is met. */
	static const int64_t units[] = {HOUR_US / 60, HOUR_US, DAY_US, 100 * DAY_US, 10000 * DAY_US};
	int64_t unit = units[dice_roll(dice, ARRAY_LENGTH(units))];
	patch.event.event_date_us = NOW_US + ((int64_t)dice_roll(dice, 7) - (unit > DAY_US ? 1 : 3)) * unit;
	patch.event.price_cents = (int64_t)dice_roll(dice, 4) * 500;
	patch.event.status = (enum event_status)dice_roll(dice, EVENT_STATUS_COUNT);
	return patch;
}

static void apply_at(struct world *world, struct store_write *write, int64_t now_us)
{
	assert_ok(world->session, store_apply(world->session, write, 1, false, now_us, &world->arena));
	assert_true(write->outcome == WRITE_APPLIED || write->outcome == WRITE_UNCHANGED);
}

static void fill(struct world *world, struct model *model, struct dice *dice, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct patch patch = random_patch(dice, &world->arena);
		struct store_write write = write_create(&patch);
		apply_at(world, &write, NOW_US - (int64_t)dice_roll(dice, 20) * HOUR_US);
		model->events[model->count++] = write.event;
	}
}

static void stir(struct world *world, struct model *model, struct dice *dice, size_t count)
{
	for (size_t i = 0; i < count && model->count > 0; i++) {
		size_t at = dice_roll(dice, model->count);
		int64_t id = model->events[at].id;
		struct patch patch = random_patch(dice, &world->arena);
		struct store_write write = dice_roll(dice, 3) == 0 ? write_delete(id) : write_update(id, &patch);
		apply_at(world, &write, NOW_US);
		if (write.kind == WRITE_DELETE)
			model->events[at] = model->events[--model->count];
		else
			model->events[at] = write.event;
	}
}

/* Whole words, in any case; accents do not count. Enough of Unicode for the words above. */
static void fold(struct str text, char *out, size_t size)
{
	size_t length = 0;

	CHECK(text.len + 3 < size);
	out[length++] = ' ';
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c == 0xc3 && i + 1 < text.len) {
			unsigned char next = (unsigned char)text.ptr[++i];
			out[length++] = next == 0x84 || next == 0xa4 ? 'a' : 'e'; /* Ä ä, É é */
		} else {
			out[length++] = isalnum(c) ? (char)tolower(c) : ' ';
		}
	}
	out[length++] = ' ';
	out[length] = '\0';
}

static bool has_word(const struct event *event, const char *word)
{
	char folded[256], wanted[64];

	snprintf(wanted, sizeof wanted, " %s ", word);
	fold(event->title, folded, sizeof folded);
	if (strstr(folded, wanted) != NULL)
		return true;
	fold(event->venue, folded, sizeof folded);
	if (strstr(folded, wanted) != NULL)
		return true;
	fold(event->description, folded, sizeof folded);
	return strstr(folded, wanted) != NULL;
}

static bool matches(const struct event *event, struct str q)
{
	char folded[256];
	bool any = false;

	fold(q, folded, sizeof folded);
	for (char *rest = NULL, *word = strtok_r(folded, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		any = true;
		if (!has_word(event, word))
			return false;
	}
	return any;
}

static bool shows(const struct query *query, const struct event *event, int64_t now_us)
{
	return (query->statuses & EVENT_STATUS_BIT(event->status)) != 0
		&& (!query->upcoming || event_is_upcoming(event, now_us))
		&& (query->q.ptr == NULL || matches(event, query->q))
		&& (query->venue.ptr == NULL || str_equal(query->venue, event->venue))
		&& (!query->has_date_from || event->event_date_us >= query->date_from_us)
		&& (!query->has_date_to || event->event_date_us <= query->date_to_us)
		&& (!query->has_price_min || event->price_cents >= query->price_min_cents)
		&& (!query->has_price_max || event->price_cents <= query->price_max_cents)
		&& (!query->has_updated_since || event->updated_at_us >= query->updated_since_us);
}

static int64_t number_of(const struct event *event, enum event_sort sort)
{
	switch (sort) {
	case SORT_EVENT_DATE: return event->event_date_us;
	case SORT_CREATED_AT: return event->created_at_us;
	case SORT_UPDATED_AT: return event->updated_at_us;
	case SORT_PRICE: return event->price_cents;
	default: return event->id;
	}
}

static int compare_bytes(struct str a, struct str b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static const struct query *sorting; /* for qsort; tests run on one thread */

static int compare(const void *left, const void *right)
{
	const struct event *a = left, *b = right;
	int64_t x = number_of(a, sorting->sort), y = number_of(b, sorting->sort);
	int order = sorting->sort == SORT_TITLE ? compare_bytes(a->title, b->title) : (x > y) - (x < y);

	if (order == 0)
		order = (a->id > b->id) - (a->id < b->id);
	return sorting->descending ? -order : order;
}

static size_t expect(const struct model *model, const struct query *query, int64_t now_us,
                     struct event shown[EVENTS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < model->count; i++) {
		if (shows(query, &model->events[i], now_us))
			shown[count++] = model->events[i];
	}
	sorting = query;
	qsort(shown, count, sizeof *shown, compare);
	return count;
}

/* ---- random questions ---- */

static struct query random_query(struct dice *dice)
{
	static const char *const qs[] = {"jazz", "JAZZ night", "rock roll", "arger", "zebra jazz", "nothing", "\"free\"",
		"-", "* OR", "night AND", "a-b", "title:jazz", "jazz*", "hall blue", "n", "ÉTÉ", "NEAR(jazz night)", "((", "été jazz"};
	struct query query = {.statuses = (unsigned)dice_roll(dice, EVENT_STATUS_ALL + 1), .page = 1};

	if (dice_roll(dice, 2) == 0)
		query.statuses = dice_roll(dice, 2) == 0 ? EVENT_STATUS_ALL : EVENT_STATUS_NOT_DRAFT;
	query.sort = (enum event_sort)dice_roll(dice, EVENT_SORT_COUNT);
	query.descending = dice_roll(dice, 2) == 0;
	query.size = 1 + (int32_t)dice_roll(dice, 40);
	query.upcoming = dice_roll(dice, 4) == 0;
	if (query.upcoming && dice_roll(dice, 2) == 0) {
		query.sort = SORT_EVENT_DATE;
		query.descending = false;
	}
	if (dice_roll(dice, 2) == 0)
		return query; /* no filters */
	query.q = dice_roll(dice, 3) == 0 ? str_from(qs[dice_roll(dice, ARRAY_LENGTH(qs))]) : STR_NONE;
	query.venue = dice_roll(dice, 4) == 0 ? str_from(venues[dice_roll(dice, ARRAY_LENGTH(venues))]) : STR_NONE;
	query.has_date_from = dice_roll(dice, 4) == 0;
	query.date_from_us = NOW_US - (int64_t)dice_roll(dice, 3) * DAY_US;
	query.has_date_to = dice_roll(dice, 4) == 0;
	query.date_to_us = NOW_US + (int64_t)dice_roll(dice, 3) * DAY_US;
	query.has_price_min = dice_roll(dice, 4) == 0;
	query.price_min_cents = (int64_t)dice_roll(dice, 4) * 500;
	query.has_price_max = dice_roll(dice, 4) == 0;
	query.price_max_cents = (int64_t)dice_roll(dice, 4) * 500;
	query.has_updated_since = dice_roll(dice, 4) == 0;
	query.updated_since_us = NOW_US - (int64_t)dice_roll(dice, 20) * HOUR_US;
	return query;
}

static struct query_page ask(struct world *world, const struct query *query)
{
	struct query_page page;
	uint64_t as_of = 0;
	struct store_head head;

	assert_ok(world->session, store_list(world->session, query, NOW_US, true, &world->arena, &page, &as_of));
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(head.seq, as_of);
	return page;
}

static void check_page(const struct query_page *page, const struct event *shown, size_t shown_count, size_t from,
                       int32_t size)
{
	size_t left = from < shown_count ? shown_count - from : 0;
	size_t wanted = left < (size_t)size ? left : (size_t)size;

	assert_int_equal(shown_count, page->total);
	assert_int_equal(wanted, page->count);
	assert_int_equal(left > wanted, page->has_next);
	for (size_t i = 0; i < wanted; i++)
		assert_events_equal(&shown[from + i], &page->events[i]);
}

/* All pages, each from the cursor behind the one before, or by number. */
static void walk(struct world *world, struct query query, const struct event *shown, size_t shown_count, bool by_cursor)
{
	for (size_t from = 0;; from += (size_t)query.size) {
		struct query_page page = ask(world, &query);
		check_page(&page, shown, shown_count, from, query.size);
		if (!page.has_next)
			break;
		query.page++;
		if (!by_cursor)
			continue;
		const struct event *last = &page.events[page.count - 1];
		query.has_cursor = true;
		query.cursor = (struct query_cursor){.number = number_of(last, query.sort), .text = last->title, .id = last->id,
			.page = query.page};
	}
	query.has_cursor = false;
	query.page = 1000000000; /* far beyond the end */
	struct query_page beyond = ask(world, &query);
	assert_int_equal(0, beyond.count);
	assert_int_equal(shown_count, beyond.total);
	assert_false(beyond.has_next);
}

static void lists_are_what_a_naive_model_says(void **state)
{
	struct world *world = *state;
	static struct model model;
	static struct event shown[EVENTS_MAX];
	struct dice dice = {.state = 20261122};

	model.count = 0;
	for (int round = 0; round < ROUNDS; round++) {
		if (round % 100 == 0) {
			fill(world, &model, &dice, 60);
			stir(world, &model, &dice, 60);
		}
		struct query query = random_query(&dice);
		size_t count = expect(&model, &query, NOW_US, shown);
		walk(world, query, shown, count, dice_roll(&dice, 2) == 0);
	}
	assert_verified(world);
}

static void an_empty_catalogue_has_empty_lists(void **state)
{
	struct world *world = *state;
	struct dice dice = {.state = 1};

	for (int i = 0; i < 50; i++) {
		struct query query = random_query(&dice);
		walk(world, query, NULL, 0, false);
	}
}

static void a_cursor_behind_a_deleted_event_goes_on(void **state)
{
	struct world *world = *state;
	struct query query = {.statuses = EVENT_STATUS_ALL, .sort = SORT_PRICE, .size = 2, .page = 1};
	int64_t ids[5];

	for (int i = 0; i < 5; i++)
		ids[i] = create_event(world, "Jazz", NOW_US, EVENT_PUBLISHED);
	struct query_page page = ask(world, &query);
	assert_int_equal(ids[1], page.events[1].id);
	(void)apply_one(world, write_delete(ids[1]));
	query.has_cursor = true;
	query.cursor = (struct query_cursor){.number = page.events[1].price_cents, .id = ids[1], .page = 2};
	page = ask(world, &query);
	assert_int_equal(ids[2], page.events[0].id);
	assert_int_equal(ids[3], page.events[1].id);
	assert_true(page.has_next);
	assert_int_equal(4, page.total);
}

static void upcoming_means_later_than_now(void **state)
{
	struct world *world = *state;
	struct query query = {.statuses = EVENT_STATUS_ALL, .upcoming = true, .sort = SORT_EVENT_DATE, .size = 10, .page = 1};
	int64_t now = create_event(world, "Now", NOW_US, EVENT_PUBLISHED);
	int64_t soon = create_event(world, "Soon", NOW_US + 1, EVENT_PUBLISHED);
	int64_t later = create_event(world, "Later", NOW_US + 36500 * DAY_US, EVENT_PUBLISHED);
	struct query_page page = ask(world, &query);

	(void)create_event(world, "Draft", NOW_US + DAY_US, EVENT_DRAFT);
	assert_int_equal(2, page.total);
	assert_int_equal(2, page.count);
	assert_int_equal(soon, page.events[0].id);
	assert_int_equal(later, page.events[1].id);
	/* A cursor that time has overtaken shows nothing of the past. */
	query.has_cursor = true;
	query.cursor = (struct query_cursor){.number = NOW_US - DAY_US, .id = 1, .page = 2};
	page = ask(world, &query);
	assert_int_equal(2, page.count);
	assert_int_equal(soon, page.events[0].id);
	query.has_cursor = false;
	query.statuses = EVENT_STATUS_ALL & ~EVENT_STATUS_BIT(EVENT_PUBLISHED);
	page = ask(world, &query);
	assert_int_equal(0, page.total);
	assert_int_not_equal(now, soon);
}

/* However a store sums up what lies ahead, its sums have edges: events stand on, before and behind each of them. */
static void upcoming_totals_are_true_at_every_edge(void **state)
{
	struct world *world = *state;
	struct query query = {.statuses = EVENT_STATUS_ALL, .upcoming = true, .sort = SORT_EVENT_DATE, .size = 100, .page = 1};
	int64_t total = 0;

	for (unsigned shift = 16; shift < 56; shift += 2) {
		int64_t edge = ((NOW_US >> shift) + 1) << shift;
		for (int64_t date = edge - 1; date <= edge + 1; date++) {
			(void)create_event(world, "Edge", date, EVENT_PUBLISHED);
			total++;
		}
	}
	for (int64_t day = 1; day < 5; day++) {
		(void)create_event(world, "Midnight", (NOW_US / DAY_US + day) * DAY_US, EVENT_PUBLISHED);
		total++;
	}
	struct query_page page = ask(world, &query);
	assert_int_equal(total, page.total);
	assert_int_equal(total, page.count);
	assert_false(page.has_next);
}

static void full_text_takes_any_input_as_words(void **state)
{
	struct world *world = *state;
	static const char *const nasty[] = {"\"", "'", "\"\"", "a\"b", "*", "^jazz", "jazz OR", "NOT jazz", "title : jazz",
		"{title} : jazz", "jazz + night", "NEAR(", ")", "--", ";DROP TABLE events", "%", "_", "\\", "&", "|", "!", ":*",
		"<->", "\x01", "—", "„“", "日本", "\U0001F3B7", "a b c d e f g h i j k l m n o p q r s t u v w x y z"};
	struct query query = {.statuses = EVENT_STATUS_ALL, .size = 10, .page = 1};
	char many[QUERY_TEXT_BYTES_MAX + 1];

	int64_t id = create_event(world, "Jazz 日本 night", NOW_US, EVENT_PUBLISHED);
	for (size_t i = 0; i < ARRAY_LENGTH(nasty); i++) {
		query.q = str_from(nasty[i]);
		(void)ask(world, &query);
	}
	query.q = (struct str){"jazz\0night", 10};
	assert_int_equal(1, ask(world, &query).total);
	for (size_t i = 0; i < sizeof many - 1; i++)
		many[i] = i % 2 == 0 ? (char)('a' + i / 2 % 26) : ' ';
	query.q = (struct str){many, sizeof many - 1};
	assert_int_equal(0, ask(world, &query).total);
	for (size_t i = 0; i + 5 <= sizeof many - 1; i += 5)
		memcpy(many + i, "jazz ", 5);
	query.q = (struct str){many, (sizeof many - 1) / 5 * 5};
	assert_int_equal(1, ask(world, &query).total);
	query.q = STR("  ,;  ");
	assert_int_equal(0, ask(world, &query).total);
	query.q = STR("jazz");
	assert_int_equal(id, ask(world, &query).events[0].id);
}

int run_list_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(lists_are_what_a_naive_model_says),
		STORE_TEST(an_empty_catalogue_has_empty_lists),
		STORE_TEST(a_cursor_behind_a_deleted_event_goes_on),
		STORE_TEST(upcoming_means_later_than_now),
		STORE_TEST(upcoming_totals_are_true_at_every_edge),
		STORE_TEST(full_text_takes_any_input_as_words),
	};
	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
