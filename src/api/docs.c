/* GET /docs, /docs/{asset} and /openapi.json: the interactive documentation, from files in the program itself.
 *
 * HTTP threads. An admin's token is typed into the page, so its Content-Security-Policy lets it load and call only what
 * this service serves, and runs no inline script or style. */
#include "api/routes.h"

#include "api/assets.h"
#include "base/hash.h"

/* Swagger UI's own drawings are data: images. */
#define PAGE_POLICY \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* Is the weight of a coding zero, as in "gzip;q=0" (RFC 9110 section 12.4.2)? */
static bool weighs_nothing(struct str parameters)
{
	struct str parameter, name;

	while (str_cut(&parameters, ';', &parameter)) {
		parameter = str_trim(parameter);
		if (!str_cut(&parameter, '=', &name) || !str_equal_caseless(str_trim(name), STR("q")))
			continue;
		for (size_t i = 0; i < parameter.len; i++) {
			if (parameter.ptr[i] >= '1' && parameter.ptr[i] <= '9')
				return false;
		}
		return true;
	}
	return false;
}

/* Does Accept-Encoding allow gzip (RFC 9110 section 12.5.3)? A coding that is named decides over "*". */
static bool accepts_gzip(struct str accepted)
{
	struct str element, coding;
	bool any = false;

	while (str_cut(&accepted, ',', &element)) {
		if (!str_cut(&element, ';', &coding))
			continue;
		coding = str_trim(coding);
		bool allowed = !weighs_nothing(element);
		if (str_equal_caseless(coding, STR("gzip")) || str_equal_caseless(coding, STR("x-gzip")))
			return allowed;
		if (str_equal(coding, STR("*")))
			any = allowed;
	}
	return any;
}

static void answer_asset(struct request *request, struct str name, enum cache_control cache_control)
{
	struct asset asset;

	if (!asset_find(name, &asset)) {
		answer_problem(request, PROBLEM_NOT_FOUND, "The documentation has no such file.");
		return;
	}
	bool gzip = accepts_gzip(request_header(request, HEADER_ACCEPT_ENCODING));
	struct str body = gzip ? asset.gzipped : asset.plain;
	answer_bytes(request, 200, asset.content_type, body, NULL, NULL);
	request->answer.cache_control = cache_control;
	answer_header(request, "Content-Security-Policy", STR(PAGE_POLICY));
	answer_header(request, "Vary", STR("Accept-Encoding"));
	if (gzip)
		answer_header(request, "Content-Encoding", STR("gzip"));
	answer_etag(request, hash_content(body));
}

void docs_page(struct request *request)
{
	answer_asset(request, STR("docs.html"), CACHE_CONTROL_PRIVATE_NO_CACHE);
}

void docs_asset(struct request *request)
{
	answer_asset(request, request->path_tail, CACHE_CONTROL_PUBLIC_HOUR);
}

void docs_openapi(struct request *request)
{
	answer_asset(request, STR("openapi.json"), CACHE_CONTROL_PRIVATE_NO_CACHE);
}
