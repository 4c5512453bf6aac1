#include "events/money.h"

#include "events/event.h"

enum { DECIMALS = 2, EXPONENT_MAX = 1000000000 };

/* The parts of a number's text; see RFC 8259 section 6 for the grammar. */
struct decimal {
	bool negative;
	struct str whole, fraction; /* digits */
	int64_t exponent;           /* cut to ±EXPONENT_MAX, far beyond any text's number of digits that could undo it */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct str take_digits(struct str *rest)
{
	struct str digits = {rest->ptr, 0};

	while (digits.len < rest->len && is_digit(rest->ptr[digits.len]))
		digits.len++;
	*rest = str_skip(*rest, digits.len);
	return digits;
}

static bool take_char(struct str *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = str_skip(*rest, 1);
	return true;
}

static bool take_exponent(struct str *rest, int64_t *exponent)
{
	bool negative = take_char(rest, '-');

	if (!negative)
		(void)take_char(rest, '+');
	struct str digits = take_digits(rest);
	int64_t value = 0;
	for (size_t i = 0; i < digits.len && value < EXPONENT_MAX; i++)
		value = value * 10 + (digits.ptr[i] - '0');
	if (value > EXPONENT_MAX)
		value = EXPONENT_MAX;
	*exponent = negative ? -value : value;
	return digits.len > 0;
}

static bool split(struct str text, struct decimal *decimal)
{
	*decimal = (struct decimal){.negative = take_char(&text, '-')};
	decimal->whole = take_digits(&text);
	if (decimal->whole.len == 0 || (decimal->whole.len > 1 && decimal->whole.ptr[0] == '0'))
		return false;
	if (take_char(&text, '.')) {
		decimal->fraction = take_digits(&text);
		if (decimal->fraction.len == 0)
			return false;
	}
	if ((take_char(&text, 'e') || take_char(&text, 'E')) && !take_exponent(&text, &decimal->exponent))
		return false;
	return text.len == 0;
}

/* Appends digits to *sum; false when it leaves what a price may be, whatever follows. */
static bool add_digits(struct str digits, int64_t *sum)
{
	for (size_t i = 0; i < digits.len; i++) {
		*sum = *sum * 10 + (digits.ptr[i] - '0');
		if (*sum > EVENT_PRICE_CENTS_MAX)
			return false;
	}
	return true;
}

enum money_result money_parse(struct str text, int64_t *cents)
{
	struct decimal decimal;
	int64_t sum = 0;

	if (text.len == 0 || !split(text, &decimal))
		return MONEY_NOT_A_NUMBER;
	bool fits = add_digits(decimal.whole, &sum) && add_digits(decimal.fraction, &sum);
	if (decimal.negative && sum != 0)
		return MONEY_NEGATIVE;
	/* Decimals are counted as written ("25.000" has three), an exponent moves the point. */
	int64_t decimals = (int64_t)decimal.fraction.len - decimal.exponent;
	if (decimals > DECIMALS)
		return MONEY_TOO_PRECISE;
	for (; fits && sum != 0 && decimals < DECIMALS; decimals++) {
		sum *= 10;
		fits = sum <= EVENT_PRICE_CENTS_MAX;
	}
	if (!fits)
		return MONEY_TOO_LARGE;
	*cents = sum;
	return MONEY_OK;
}

static void print_whole(struct buf *out, int64_t *cents)
{
	if (*cents < 0) {
		buf_char(out, '-');
		*cents = -*cents;
	}
	buf_u64(out, (uint64_t)*cents / 100);
	buf_char(out, '.');
}

void money_print(struct buf *out, int64_t cents)
{
	print_whole(out, &cents);
	const char decimals[2] = {(char)('0' + cents % 100 / 10), (char)('0' + cents % 10)};
	buf_append(out, decimals, 2);
}

void money_print_number(struct buf *out, int64_t cents)
{
	print_whole(out, &cents);
	const char decimals[2] = {(char)('0' + cents % 100 / 10), (char)('0' + cents % 10)};
	buf_append(out, decimals, decimals[1] == '0' ? 1 : 2);
}
