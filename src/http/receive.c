#include "http/receive.h"

#include <llhttp.h>

/* The parser's state while a message comes in; in the request's arena. */
struct receiver {
	llhttp_t parser;
	receive_body_fn *take_body;
	struct str name; /* of the header whose value comes next */
	bool head_is_in; /* what looks like headers after it are trailers: nobody here reads those */
};

static struct request *request_of(llhttp_t *parser)
{
	return parser->data;
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
	request_of(parser)->target = (struct str){at, length};
	return HPE_OK;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length)
{
	request_of(parser)->receiver->name = (struct str){at, length};
	return HPE_OK;
}

static const struct str header_names[HEADER_COUNT] = {
#define X(identifier, name) [identifier] = {name, sizeof name - 1},
	HEADERS(X)
#undef X
};

/* Of each length of a name the first that has it, and after it the next: HEADER_COUNT ends the chain. */
enum { NAME_BYTES_MAX = 32 };
static uint8_t first_of_len[NAME_BYTES_MAX + 1], next_of_len[HEADER_COUNT];

__attribute__((constructor)) static void chain_names(void)
{
	memset(first_of_len, HEADER_COUNT, sizeof first_of_len);
	for (unsigned i = 0; i < HEADER_COUNT; i++) {
		CHECK(header_names[i].len <= NAME_BYTES_MAX);
		next_of_len[i] = first_of_len[header_names[i].len];
		first_of_len[header_names[i].len] = (uint8_t)i;
	}
}

static uint64_t load_8_lower(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word | 0x2020202020202020u;
}

/* Of equal length, both tokens, `known` of lower-case letters and hyphens: with bit 5 set, no other token byte is one. */
static bool names_equal(struct str name, struct str known)
{
	size_t at = 0;

	for (; at + 8 <= name.len; at += 8) {
		if (load_8_lower(name.ptr + at) != load_8_lower(known.ptr + at))
			return false;
	}
	if (at > 0 && at < name.len)
		return load_8_lower(name.ptr + name.len - 8) == load_8_lower(known.ptr + name.len - 8);
	for (; at < name.len; at++) {
		if ((name.ptr[at] | 0x20) != known.ptr[at])
			return false;
	}
	return true;
}

/* llhttp leaves out the space before a value, and gives what is behind it (RFC 9110 section 5.5). */
static struct str without_trailing_space(struct str value)
{
	while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
		value.len--;
	return value;
}

/* Lists may come in several lines, which mean the same as one (RFC 9110 section 5.3). */
static const unsigned lists = 1u << HEADER_ACCEPT | 1u << HEADER_ACCEPT_ENCODING | 1u << HEADER_CACHE_CONTROL |
                              1u << HEADER_CORS_HEADERS | 1u << HEADER_IF_MATCH | 1u << HEADER_IF_NONE_MATCH;

static void repeat_header(struct request *request, unsigned header, struct str value)
{
	struct str *first = &request->headers[header];

	request->header_repeated |= 1u << header;
	if ((lists & 1u << header) == 0)
		return;
	struct str joined = arena_printf(&request->arena, "%.*s, %.*s", STR_ARG(*first), STR_ARG(value));
	if (joined.ptr != NULL)
		*first = joined;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length)
{
	struct request *request = request_of(parser);
	struct str name = request->receiver->name;

	if (name.len > NAME_BYTES_MAX || request->receiver->head_is_in)
		return HPE_OK;
	for (unsigned i = first_of_len[name.len]; i < HEADER_COUNT; i = next_of_len[i]) {
		if (!names_equal(name, header_names[i]))
			continue;
		struct str value = without_trailing_space((struct str){at, length});
		if (request->headers[i].ptr != NULL)
			repeat_header(request, i, value);
		else
			request->headers[i] = value;
		break;
	}
	return HPE_OK;
}

static int on_headers_complete(llhttp_t *parser)
{
	struct request *request = request_of(parser);

	request->receiver->head_is_in = true;
	request->http_1_0 = parser->http_minor == 0;
	request->keep_alive = llhttp_should_keep_alive(parser) != 0;
	parser->upgrade = 0; /* another protocol is never spoken here: the request is an ordinary one (RFC 9110 section 7.8) */
	return parser->http_major == 1 ? HPE_OK : HPE_USER;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
	struct request *request = request_of(parser);

	request->receiver->take_body(request, (struct str){at, length});
	return HPE_OK;
}

/* What follows on the connection is another message, for another parser. */
static int on_message_complete(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static const struct str method_names[] = {
	[METHOD_GET] = {"GET", 3},   [METHOD_HEAD] = {"HEAD", 4},     [METHOD_POST] = {"POST", 4},
	[METHOD_PUT] = {"PUT", 3},   [METHOD_DELETE] = {"DELETE", 6}, [METHOD_OPTIONS] = {"OPTIONS", 7},
};

/* A method is a token (RFC 9110 section 5.6.2). */
static bool is_token(struct str text)
{
	static const unsigned char allowed[256] = {
		['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
		['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
	};
	unsigned char good = text.len > 0;

	for (size_t i = 0; i < text.len; i++)
		good &= allowed[(unsigned char)text.ptr[i]];
	return good != 0;
}

/* llhttp knows methods of its own, some of which begin other protocols, and refuses all others. Here there are six, and any
 * other is a method that no path has: the parser is told TRACE instead. */
static bool begin_method(struct request *request, struct str *head)
{
	static const char instead[] = "TRACE ";

	for (unsigned i = 0; i < ARRAY_LENGTH(method_names); i++) {
		struct str name = method_names[i];
		if (head->len <= name.len || head->ptr[name.len] != ' ' || memcmp(head->ptr, name.ptr, name.len) != 0)
			continue;
		request->method = (enum method)i;
		return true;
	}
	const char *space = memchr(head->ptr, ' ', head->len);
	struct str method = {head->ptr, space != NULL ? (size_t)(space - head->ptr) : 0};
	request->method = METHOD_OTHER;
	*head = str_skip(*head, method.len + 1);
	return is_token(method) && llhttp_execute(&request->receiver->parser, instead, sizeof instead - 1) == HPE_OK;
}

static enum receive_result execute(struct request *request, struct str bytes, size_t *used)
{
	llhttp_t *parser = &request->receiver->parser;
	llhttp_errno_t outcome = llhttp_execute(parser, bytes.ptr, bytes.len);

	*used = bytes.len;
	if (outcome == HPE_OK)
		return RECEIVE_MORE;
	if (outcome != HPE_PAUSED)
		return RECEIVE_MALFORMED;
	*used = (size_t)(llhttp_get_error_pos(parser) - bytes.ptr);
	return RECEIVE_COMPLETE;
}

enum receive_result receive_head(struct request *request, struct str head, receive_body_fn *take_body)
{
	struct receiver *receiver = arena_alloc(&request->arena, sizeof *receiver);
	size_t used;

	if (receiver == NULL)
		return RECEIVE_NO_MEMORY;
	request->receiver = receiver;
	receiver->take_body = take_body;
	receiver->name = STR_NONE;
	receiver->head_is_in = false;
	llhttp_init(&receiver->parser, HTTP_REQUEST, &settings);
	receiver->parser.data = request;
	if (!begin_method(request, &head))
		return RECEIVE_MALFORMED;
	enum receive_result result = execute(request, head, &used);
	return used == head.len && receiver->head_is_in ? result : RECEIVE_MALFORMED;
}

enum receive_result receive_more(struct request *request, struct str bytes, size_t *used)
{
	return execute(request, bytes, used);
}
