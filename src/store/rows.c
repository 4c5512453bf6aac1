#include "store/rows.h"

void rows_init(struct rows *rows, bool quotes, size_t row_bytes_max)
{
	*rows = (struct rows){.quotes = quotes, .line = 1, .next_line = 1};
	buf_init(&rows->row, row_bytes_max);
}

void rows_finish(struct rows *rows)
{
	buf_finish(&rows->row);
}

/* Bytes up to and with the next line end, or all. */
static struct str cut_line(struct str *bytes, bool *ended)
{
	const char *end = memchr(bytes->ptr, '\n', bytes->len);
	struct str piece = {bytes->ptr, end != NULL ? (size_t)(end - bytes->ptr) + 1 : bytes->len};

	*ended = end != NULL;
	*bytes = str_skip(*bytes, piece.len);
	return piece;
}

static bool odd_quotes(struct str piece)
{
	bool odd = false;

	for (const char *c = piece.ptr; (c = memchr(c, '"', (size_t)(piece.ptr + piece.len - c))) != NULL; c++)
		odd = !odd;
	return odd;
}

static void give(struct rows *rows, struct rows_row *row)
{
	struct str text = buf_view(&rows->row);

	if (!rows->started && str_starts_with(text, STR("\xef\xbb\xbf")))
		text = str_skip(text, 3);
	if (text.len > 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	*row = (struct rows_row){rows->skipping ? STR("") : text, rows->line, rows->skipping};
	rows->started = true;
	rows->skipping = false;
	rows->in_quotes = false;
	rows->line = rows->next_line;
	/* The text stays valid: only the length is taken back. */
	buf_clear(&rows->row);
}

bool rows_next(struct rows *rows, struct str *bytes, struct rows_row *row)
{
	while (bytes->len > 0 && !rows->failed) {
		bool ended;
		struct str piece = cut_line(bytes, &ended);
		if (rows->quotes && !rows->skipping && odd_quotes(piece))
			rows->in_quotes = !rows->in_quotes;
		if (!rows->skipping)
			buf_append(&rows->row, piece.ptr, piece.len);
		if (rows->row.failed) {
			/* The bound, or no memory. A quote left open must not swallow the file: the row ends with this line. */
			rows->failed = piece.len <= rows->row.bytes_max - rows->row.len;
			rows->skipping = true;
			rows->in_quotes = false;
			buf_clear(&rows->row);
		}
		if (!ended)
			continue;
		rows->next_line++;
		if (!rows->in_quotes) {
			give(rows, row);
			return true;
		}
	}
	return false;
}

bool rows_last(struct rows *rows, struct rows_row *row)
{
	if (rows->row.len == 0 && !rows->skipping)
		return false;
	rows->next_line++;
	give(rows, row);
	return true;
}
