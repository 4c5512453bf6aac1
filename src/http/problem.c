#include "http/problem.h"

static const struct {
	unsigned status;
	const char *slug;
	const char *title;
} table[] = {
#define X(identifier, status, slug, title) [identifier] = {status, slug, title},
	PROBLEMS(X)
#undef X
};

unsigned problem_status(enum problem problem)
{
	return table[problem].status;
}

const char *problem_title(enum problem problem)
{
	return table[problem].title;
}

void problem_json(struct buf *out, enum problem problem, struct str detail, struct str request_id,
                  const struct issues *issues)
{
	buf_lit(out, "{\"type\":\"urn:evently:problem:");
	buf_str(out, str_from(table[problem].slug));
	buf_lit(out, "\",\"title\":");
	buf_json(out, str_from(table[problem].title));
	buf_lit(out, ",\"status\":");
	buf_u64(out, table[problem].status);
	buf_lit(out, ",\"detail\":");
	buf_json(out, detail);
	buf_lit(out, ",\"request_id\":");
	buf_json(out, request_id);
	if (issues != NULL && issues->count > 0) {
		buf_lit(out, ",\"errors\":");
		issues_json(out, issues);
	}
	buf_char(out, '}');
}
