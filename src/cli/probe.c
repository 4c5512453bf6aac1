#include "cli/probe.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>

#include "config/config.h"

/* Where a client on this machine reaches the address that the service listens on. */
static const char *reachable_host(const char *host)
{
	if (strcmp(host, "") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0)
		return "127.0.0.1";
	return strcmp(host, "::") == 0 ? "::1" : host;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct buf *body = context;

	/* What is too long is cut, not an error: only the status decides. */
	if (!body->failed)
		buf_append(body, bytes, size * count);
	return size * count;
}

static bool perform(CURL *curl, const char *url, bool is_local, long *status, struct buf *body, struct buf *problem)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PROBE_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (is_local) {
		curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* loopback is never asked through http_proxy */
		/* It is ourselves, asked by address: the certificate names another host, and nothing secret is sent. */
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	CURLcode code = curl_easy_perform(curl);
	if (code != CURLE_OK) {
		buf_printf(problem, "%s: %s%s", url, curl_easy_strerror(code),
		           is_local && code == CURLE_COULDNT_CONNECT ? ": is the service running there?" : "");
		return false;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	return true;
}

static bool get(const char *url, bool is_local, long *status, struct buf *body, struct buf *problem)
{
	CURL *curl = curl_easy_init();

	if (curl == NULL) {
		buf_lit(problem, "out of memory");
		return false;
	}
	bool ok = perform(curl, url, is_local, status, body, problem);
	curl_easy_cleanup(curl);
	return ok;
}

bool probe_url(const char *url, long *status, struct buf *body, struct buf *problem)
{
	return get(url, false, status, body, problem);
}

bool probe(const struct config *config, const char *path, long *status, struct buf *body, struct buf *problem)
{
	const char *host = reachable_host(config->host);
	bool is_ipv6 = strchr(host, ':') != NULL;
	char url[512];

	if (config->port == 0) {
		buf_lit(problem, "PORT is 0: the service took a free one, which is not known here");
		return false;
	}
	snprintf(url, sizeof url, "%s://%s%s%s:%" PRId64 "%s", config->tls_certificate_file[0] != '\0' ? "https" : "http",
	         is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", config->port, path);
	return get(url, true, status, body, problem);
}
