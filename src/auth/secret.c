#include "auth/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/base64url.h"
#include "base/random.h"
#include "config/config.h"

static const char file_name[] = "jwt-secret";

bool secret_is_generated(const struct config *config)
{
	return config->jwt_secret[0] == '\0' && !config_uses_postgres(config) &&
	       strncmp(config->jwt_algorithm, "HS", 2) == 0;
}

void secret_wipe(struct secret *secret)
{
	explicit_bzero(secret, sizeof *secret);
}

static bool failed(struct buf *problem, const char *data_dir, const char *what)
{
	buf_printf(problem, "%s/%s cannot be %s: %s", data_dir, file_name, what, strerror(errno));
	return false;
}

static bool write_all(int fd, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(fd, bytes, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		bytes += written;
		count -= (size_t)written;
	}
	return true;
}

/* Gives the finished file its name, unless another process was first. (link is missing on some file systems.) */
static bool publish(int folder, const char *temporary)
{
	if (linkat(folder, temporary, folder, file_name, 0) == 0 || errno == EEXIST)
		return true;
	return renameat2(folder, temporary, folder, file_name, RENAME_NOREPLACE) == 0 || errno == EEXIST;
}

/* Writes a new secret under a name of its own first, so that nobody ever reads half of one. */
static bool create(int folder)
{
	unsigned char random[SECRET_RANDOM_BYTES];
	char temporary[64];
	struct buf text;
	bool ok = false;
	int kept_errno;

	random_bytes(random, sizeof random);
	buf_init(&text, 256);
	base64url_encode(&text, random, sizeof random);
	buf_char(&text, '\n');
	snprintf(temporary, sizeof temporary, ".%s.%016llx", file_name, (unsigned long long)random_u64());
	int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		goto out;
	if (text.failed)
		errno = ENOMEM;
	else
		ok = write_all(fd, text.ptr, text.len) && fsync(fd) == 0 && publish(folder, temporary) &&
		     fsync(folder) == 0;
out:
	kept_errno = errno;
	if (fd >= 0) {
		close(fd);
		unlinkat(folder, temporary, 0);
	}
	explicit_bzero(random, sizeof random);
	if (text.ptr != NULL)
		explicit_bzero(text.ptr, text.len);
	buf_finish(&text);
	errno = kept_errno;
	return ok;
}

/* Others must not read it. The group may: orchestrators give a volume's files to the service by its group. */
static bool is_private(int fd, const char *data_dir, struct buf *problem)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return failed(problem, data_dir, "read");
	if (!S_ISREG(status.st_mode)) {
		buf_printf(problem, "%s/%s is not a file", data_dir, file_name);
		return false;
	}
	if ((status.st_mode & S_IRWXO) != 0) {
		buf_printf(problem, "%s/%s is open to every user of the machine (mode %04o): chmod 600 it, or delete it for "
		                    "a new one", data_dir, file_name, (unsigned)status.st_mode & 07777);
		return false;
	}
	return true;
}

static bool read_secret(int fd, struct secret *secret, const char *data_dir, struct buf *problem)
{
	ssize_t count;

	if (!is_private(fd, data_dir, problem))
		return false;
	do
		count = read(fd, secret->text, sizeof secret->text);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return failed(problem, data_dir, "read");
	secret->len = (size_t)count;
	while (secret->len > 0 && (secret->text[secret->len - 1] == '\n' || secret->text[secret->len - 1] == '\r'))
		secret->len--;
	if (secret->len < SECRET_TEXT_BYTES_MIN || secret->len > SECRET_TEXT_BYTES_MAX) {
		buf_printf(problem, "%s/%s has %zu bytes: allowed are %d to %d; delete it for a new one", data_dir, file_name,
		           secret->len, SECRET_TEXT_BYTES_MIN, SECRET_TEXT_BYTES_MAX);
		return false;
	}
	secret->text[secret->len] = '\0';
	return true;
}

/* As `mkdir -p`; what is there already stays as it is. */
static bool make_folder(const char *path, struct buf *problem)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof part) {
		buf_lit(problem, "DATA_DIR is too long");
		return false;
	}
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST) {
			buf_printf(problem, "DATA_DIR is \"%s\": cannot make that folder: %s", path, strerror(errno));
			return false;
		}
	}
	return true;
}

bool secret_load_or_create(struct secret *secret, const char *data_dir, struct buf *problem)
{
	bool ok = false;
	int fd = -1;

	*secret = (struct secret){0};
	if (!make_folder(data_dir, problem))
		return false;
	int folder = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		buf_printf(problem, "DATA_DIR is \"%s\": cannot open that folder: %s", data_dir, strerror(errno));
		return false;
	}
	fd = openat(folder, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) {
		if (!create(folder)) {
			failed(problem, data_dir, "made");
			goto out;
		}
		fd = openat(folder, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	if (fd < 0) {
		failed(problem, data_dir, "read");
		goto out;
	}
	ok = read_secret(fd, secret, data_dir, problem);
out:
	if (fd >= 0)
		close(fd);
	close(folder);
	if (!ok)
		secret_wipe(secret);
	return ok;
}
