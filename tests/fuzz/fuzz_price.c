/* Whatever is accepted as a price is one, and prints back to the same price in both forms. */
#include "events/event.h"
#include "events/money.h"

static void expect_same(const struct buf *printed, int64_t cents)
{
	int64_t back;

	CHECK(!printed->failed);
	CHECK(money_parse(buf_view(printed), &back) == MONEY_OK && back == cents);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	int64_t cents;
	struct buf out;

	if (money_parse((struct str){(const char *)bytes, count}, &cents) != MONEY_OK)
		return 0;
	CHECK(cents >= 0 && cents <= EVENT_PRICE_CENTS_MAX);
	buf_init(&out, 100);
	money_print(&out, cents);
	expect_same(&out, cents);
	buf_clear(&out);
	money_print_number(&out, cents);
	expect_same(&out, cents);
	buf_finish(&out);
	return 0;
}
