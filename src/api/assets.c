#include "api/assets.h"

/* X(symbol, "name", "content type"); the symbols are made by meson.build. */
#define ASSETS(X) \
	X(docs_html, "docs.html", "text/html; charset=utf-8") \
	X(docs_js, "docs.js", "text/javascript; charset=utf-8") \
	X(docs_css, "docs.css", "text/css; charset=utf-8") \
	X(icon_svg, "icon.svg", "image/svg+xml") \
	X(swagger_ui_css, "swagger-ui.css", "text/css; charset=utf-8") \
	X(swagger_ui_bundle_js, "swagger-ui-bundle.js", "text/javascript; charset=utf-8") \
	X(licenses_txt, "licenses.txt", "text/plain; charset=utf-8") \
	X(openapi_json, "openapi.json", "application/json")

#define X(symbol, name, content_type) \
	extern const unsigned char symbol[], symbol##_gz[]; \
	extern const size_t symbol##_bytes, symbol##_gz_bytes;
ASSETS(X)
#undef X

bool asset_find(struct str name, struct asset *asset)
{
#define X(symbol, file_name, type) \
	if (str_equal(name, STR(file_name))) { \
		*asset = (struct asset){STR(file_name), type, {(const char *)symbol, symbol##_bytes}, \
		                        {(const char *)symbol##_gz, symbol##_gz_bytes}}; \
		return true; \
	}
	ASSETS(X)
#undef X
	return false;
}
