/* Files that are part of the program: the documentation page with all that it loads, and the OpenAPI document.
 *
 * Read-only and there for ever; any thread. The build embeds each file twice, as it is and gzipped (RFC 1952). */
#ifndef EVENTLY_API_ASSETS_H
#define EVENTLY_API_ASSETS_H

#include "base/check.h"
#include "base/str.h"

struct asset {
	struct str name; /* "docs.js" */
	const char *content_type;
	struct str plain;
	struct str gzipped;
};

/* False when there is no such file. */
MUST_CHECK bool asset_find(struct str name, struct asset *asset);

/* openapi.json as it stands in the source, for `evently openapi`; a NUL follows it. */
extern const unsigned char openapi_json[];
extern const size_t openapi_json_bytes;

#endif
