#include "config/zero.h"

#include <curl/curl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/json_memory.h"

#define SECRET_NAME "evently" /* of the secret that is picked, and what we call ourselves */

enum { QUERY_BYTES_MAX = 16384, MESSAGE_BYTES_MAX = 200, PAUSE_MS_MAX = 4000, SLICE_MS = 50 };

/* Word for word what Zero's public clients ask. */
static const char QUERY[] =
	"query Secrets($token: String!, $pick: [String!], $callerName: String) {"
	" secrets(zeroToken: $token, pick: $pick, callerName: $callerName) { name fields { name value } } }";

enum outcome { FETCHED, FAILED, TRY_AGAIN };

static bool is_interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

static void buf_wipe(struct buf *text)
{
	if (text->ptr != NULL)
		explicit_bzero(text->ptr, text->len);
	buf_finish(text);
}

/* ---- the question ---- */

static int append(const char *bytes, size_t count, void *out)
{
	buf_append(out, bytes, count);
	return 0;
}

/* Room is taken at once, so that no copy is left behind where the text was shorter. */
static bool print_question(struct buf *out, const char *token)
{
	json_t *question = json_pack("{s:s, s:{s:s, s:[s], s:s}}", "query", QUERY, "variables", "token", token, "pick",
	                             SECRET_NAME, "callerName", SECRET_NAME);
	bool printed = question != NULL && buf_reserve(out, QUERY_BYTES_MAX - 1) != NULL &&
	               json_dump_callback(question, append, out, JSON_COMPACT) == 0 && !out->failed;

	json_decref(question);
	buf_char(out, '\0');
	return printed && !out->failed;
}

/* ---- the answer ---- */

/* Somebody else's words, on one line, not too many, and never with the token. */
static void print_message(struct buf *problem, const char *message, const char *token)
{
	const char *found = strstr(message, token);
	size_t shown = found != NULL ? (size_t)(found - message) : strlen(message);

	if (shown > MESSAGE_BYTES_MAX)
		shown = MESSAGE_BYTES_MAX;
	for (size_t i = 0; i < shown; i++)
		buf_char(problem, message[i] >= ' ' && message[i] <= '~' ? message[i] : '?');
	if (message[shown] != '\0')
		buf_lit(problem, "…");
}

static bool not_understood(struct buf *problem)
{
	buf_lit(problem, "Zero's answer is not understood: is ZERO_URL its address?");
	return false;
}

static bool yield_fields(const json_t *fields, zero_field_fn *field, void *context, struct buf *problem)
{
	const json_t *each;
	size_t i;

	if (json_array_size(fields) == 0) {
		buf_lit(problem, "Zero's secret \"" SECRET_NAME "\" has no fields: add the settings to it (db-host, jwt-secret …)");
		return false;
	}
	json_array_foreach(fields, i, each) {
		const char *name = json_string_value(json_object_get(each, "name"));
		const json_t *value = json_object_get(each, "value");
		if (name == NULL || !json_is_string(value))
			return not_understood(problem);
		if (!field(context, str_from(name), (struct str){json_string_value(value), json_string_length(value)}))
			return false;
	}
	return true;
}

static bool take_answer(const json_t *answer, const char *token, zero_field_fn *field, void *context,
                        struct buf *problem)
{
	const json_t *errors = json_object_get(answer, "errors"), *each;
	const json_t *secrets = json_object_get(json_object_get(answer, "data"), "secrets");
	size_t i;

	/* With errors the rest may be a part only, and half a configuration is none. */
	if (errors != NULL && !json_is_null(errors)) {
		const char *message = json_string_value(json_object_get(json_array_get(errors, 0), "message"));
		buf_lit(problem, "Zero refuses ZERO_TOKEN: ");
		print_message(problem, message != NULL ? message : "no reason given", token);
		return false;
	}
	if (!json_is_array(secrets))
		return not_understood(problem);
	json_array_foreach(secrets, i, each) {
		const char *name = json_string_value(json_object_get(each, "name"));
		if (name != NULL && strcmp(name, SECRET_NAME) == 0)
			return yield_fields(json_object_get(each, "fields"), field, context, problem);
	}
	buf_lit(problem, "Zero has no secret \"" SECRET_NAME "\" for this ZERO_TOKEN: make it there, or let the token read it");
	return false;
}

/* ---- the exchange ---- */

static size_t receive(char *bytes, size_t size, size_t count, void *answer)
{
	buf_append(answer, bytes, size * count);
	return ((struct buf *)answer)->failed ? 0 : size * count;
}

static int look_up(void *context, curl_off_t download_total, curl_off_t downloaded, curl_off_t upload_total,
                   curl_off_t uploaded)
{
	(void)context, (void)download_total, (void)downloaded, (void)upload_total, (void)uploaded;
	return is_interrupted() ? 1 : 0;
}

/* No redirects: the token is for the address that was configured. */
static bool set_options(CURL *curl, const struct zero_request *request, struct curl_slist *headers, const char *question,
                        struct buf *answer)
{
	bool secure = strncmp(request->url, "https://", 8) == 0;

	return curl_easy_setopt(curl, CURLOPT_URL, request->url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       (request->ca_file[0] == '\0' || (curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file) == CURLE_OK &&
	                                        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
	       curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, SECRET_NAME) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ZERO_TIMEOUT_MS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK;
}

static enum outcome exchange(const struct zero_request *request, const char *question, struct buf *answer, long *status,
                             struct buf *problem)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode result = CURLE_OUT_OF_MEMORY;

	/* The service ignores it anyway; a command may be writing to a pipe, and libcurl to a connection that was cut. */
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	*status = 0;
	if (curl != NULL && headers != NULL && set_options(curl, request, headers, question, answer))
		result = curl_easy_perform(curl);
	if (result == CURLE_OK)
		result = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (before != SIG_ERR)
		(void)signal(SIGPIPE, before);
	if (result == CURLE_OK)
		return FETCHED;
	bool untrusted = result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE;
	buf_printf(problem, "Zero cannot be reached (ZERO_URL is %s): %s%s", request->url, curl_easy_strerror(result),
	           untrusted ? "; is ZERO_CA_FILE right?" : "");
	return untrusted || result == CURLE_OUT_OF_MEMORY || result == CURLE_WRITE_ERROR ? FAILED : TRY_AGAIN;
}

static enum outcome judge(const struct zero_request *request, struct str text, long status, zero_field_fn *field,
                          void *context, struct buf *problem)
{
	json_memory_forget();
	json_t *answer = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
	bool says_why = json_object_get(answer, "errors") != NULL;
	enum outcome outcome = FAILED;

	if (status >= 500 || status == 429) {
		buf_printf(problem, "Zero is in trouble: it answers with status %ld", status);
		outcome = TRY_AGAIN;
	} else if (json_memory_failed()) {
		buf_lit(problem, "out of memory");
	} else if (status != 200 && !says_why) {
		buf_printf(problem, "Zero answers with status %ld: is ZERO_URL (%s) its address, and ZERO_TOKEN valid?", status,
		           request->url);
	} else if (answer == NULL) {
		(void)not_understood(problem);
	} else if (take_answer(answer, request->token, field, context, problem)) {
		outcome = FETCHED;
	}
	json_decref(answer);
	return outcome;
}

static enum outcome try_once(const struct zero_request *request, const char *question, zero_field_fn *field,
                             void *context, struct buf *problem)
{
	struct buf answer;
	long status;
	enum outcome outcome = FAILED;

	buf_init(&answer, ZERO_ANSWER_BYTES_MAX);
	if (buf_reserve(&answer, ZERO_ANSWER_BYTES_MAX - 1) == NULL)
		buf_lit(problem, "out of memory");
	else
		outcome = exchange(request, question, &answer, &status, problem);
	if (outcome == FETCHED)
		outcome = judge(request, buf_view(&answer), status, field, context, problem);
	buf_wipe(&answer);
	return outcome;
}

static void wait_ms(unsigned pause_ms)
{
	for (; pause_ms > 0 && !is_interrupted(); pause_ms -= pause_ms < SLICE_MS ? pause_ms : SLICE_MS)
		(void)nanosleep(&(struct timespec){0, SLICE_MS * 1000000L}, NULL);
}

bool zero_fetch(const struct zero_request *request, zero_field_fn *field, void *context, struct buf *problem)
{
	size_t problem_len = problem->len;
	enum outcome outcome = FAILED;
	unsigned pause_ms = ZERO_PAUSE_MS;
	struct buf question;

	json_memory_wipe(true);
	buf_init(&question, QUERY_BYTES_MAX);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !print_question(&question, request->token)) {
		buf_lit(problem, "out of memory");
		goto out;
	}
	for (unsigned attempt = 1; attempt <= request->attempts; attempt++) {
		problem->len = problem_len;
		outcome = try_once(request, question.ptr, field, context, problem);
		if (outcome != TRY_AGAIN || attempt == request->attempts || is_interrupted())
			break;
		wait_ms(pause_ms);
		pause_ms = pause_ms * 2 < PAUSE_MS_MAX ? pause_ms * 2 : PAUSE_MS_MAX;
	}
out:
	buf_wipe(&question);
	json_memory_wipe(false);
	return outcome == FETCHED;
}
