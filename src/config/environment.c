#include "config/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A secret that was taken out of the environment. */
struct kept {
	struct kept *next;
	const char *name;
	char *value;
};

static struct kept *kept_secrets;

void wipe_text(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

static struct kept *find_kept(const char *name)
{
	struct kept *kept = kept_secrets;

	while (kept != NULL && strcmp(kept->name, name) != 0)
		kept = kept->next;
	return kept;
}

/* Remembers the variable's value and overwrites it in place. */
static bool move_out(const char *name, char *value)
{
	struct kept *kept = find_kept(name);

	char *copy = strdup(value);
	if (copy == NULL)
		return false;
	if (kept == NULL) {
		kept = calloc(1, sizeof *kept);
		if (kept == NULL) {
			wipe_text(copy);
			return false;
		}
		kept->name = name;
		kept->next = kept_secrets;
		kept_secrets = kept;
	}
	wipe_text(kept->value);
	kept->value = copy;
	explicit_bzero(value, strlen(value));
	unsetenv(name);
	return true;
}

bool environment_take(const char *name, bool secret, char **value)
{
	char *found = getenv(name);

	*value = NULL;
	if (secret) {
		if (found != NULL && found[0] != '\0' && !move_out(name, found))
			return false;
		struct kept *kept = find_kept(name);
		found = kept != NULL ? kept->value : NULL;
	}
	if (found == NULL || found[0] == '\0')
		return true;
	*value = strdup(found);
	return *value != NULL;
}

void environment_forget(void)
{
	while (kept_secrets != NULL) {
		struct kept *kept = kept_secrets;
		kept_secrets = kept->next;
		wipe_text(kept->value);
		free(kept);
	}
}

/* Reads all of `fd` into text[0..bytes_max], NUL-terminated. Negative: errno; more than bytes_max: EFBIG. */
static ssize_t read_whole(int fd, char *text, size_t bytes_max)
{
	size_t len = 0;

	for (;;) {
		ssize_t count = read(fd, text + len, bytes_max + 1 - len);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		len += (size_t)count;
		if (len > bytes_max) {
			errno = EFBIG;
			return -1;
		}
	}
	text[len] = '\0';
	return (ssize_t)len;
}

bool environment_take_file(const char *name, char **value, struct buf *problem)
{
	char variable[128];

	*value = NULL;
	snprintf(variable, sizeof variable, "%s_FILE", name);
	const char *path = getenv(variable);
	if (path == NULL || path[0] == '\0')
		return true;

	bool ok = false;
	int fd = -1;
	char *text = malloc(SETTING_FILE_BYTES_MAX + 2);
	if (text == NULL) {
		buf_lit(problem, "out of memory");
		goto out;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t len = fd < 0 ? -1 : read_whole(fd, text, SETTING_FILE_BYTES_MAX);
	if (len < 0) {
		buf_printf(problem, "%s is \"%s\": cannot read that file: %s", variable, path, strerror(errno));
		goto out;
	}
	if (strlen(text) != (size_t)len) {
		buf_printf(problem, "%s is \"%s\": the file must be a text without NUL bytes", variable, path);
		goto out;
	}
	if (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (len > 0 && text[len - 1] == '\r')
		text[--len] = '\0';
	ok = true;
	if (len > 0) {
		*value = strdup(text);
		ok = *value != NULL;
		if (!ok)
			buf_lit(problem, "out of memory");
	}
out:
	if (fd >= 0)
		close(fd);
	if (text != NULL)
		explicit_bzero(text, SETTING_FILE_BYTES_MAX + 2);
	free(text);
	return ok;
}
