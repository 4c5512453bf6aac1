/* The embedded store itself: its folder, its lock, its table of functions. */
#include "store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"

enum { PATH_BYTES_MAX = 4096 + 32 };

static enum breaker_state state_of_breaker(struct store *store)
{
	(void)store;
	return BREAKER_CLOSED; /* a file does not go away and come back */
}

static void close_store(struct store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;

	if (store->lock_fd >= 0)
		close(store->lock_fd); /* and with it the lock */
	pthread_cond_destroy(&store->hint);
	pthread_cond_destroy(&store->writer_left);
	pthread_mutex_destroy(&store->lock);
	pthread_mutex_destroy(&store->migrating);
	free(store->lock_path);
	free(store->path);
	free(store);
}

static const struct store_backend backend = {
	.kind = "sqlite",
	.shared = false,
	.close = close_store,
	.session_open = sqlite_session_open,
	.session_close = sqlite_session_close,
	.breaker_state = state_of_breaker,
	.get_many = sqlite_get_many,
	.list = sqlite_list,
	.changes_after = sqlite_changes_after,
	.audit = sqlite_audit,
	.each = sqlite_each,
	.apply = sqlite_apply,
	.user_get = sqlite_user_get,
	.user_set_active = sqlite_user_set_active,
	.users_inactive = sqlite_users_inactive,
	.head = sqlite_head,
	.lease_renew = sqlite_lease_renew,
	.lease_seen = sqlite_lease_seen,
	.lease_drop = sqlite_lease_drop,
	.lease_wait = sqlite_lease_wait,
	.listen = sqlite_listen,
	.interrupt = sqlite_interrupt,
	.relay_lock = sqlite_relay_lock,
	.relay_position = sqlite_relay_position,
	.relay_advance = sqlite_relay_advance,
	.housekeeping = sqlite_housekeeping,
	.audit_prune = sqlite_audit_prune,
	.audit_verify = sqlite_audit_verify,
	.migrations = sqlite_migrations,
	.migrate_up = sqlite_migrate_up,
	.migrate_down = sqlite_migrate_down,
	.schema_check = sqlite_schema_check,
};

static enum store_result result_of_errno(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case EROFS: return STORE_DENIED;
	case ENOSPC:
	case EDQUOT: return STORE_FULL;
	case ENOMEM: return STORE_OUT_OF_MEMORY;
	default: return STORE_UNAVAILABLE;
	}
}

/* The folder and those above it, each with mode 0700 when it has to be made. */
static bool make_folder(const char *path)
{
	char part[PATH_BYTES_MAX];
	size_t length = strlen(path);

	if (length >= sizeof part) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(part, path, length + 1);
	for (size_t i = 1; i <= length; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		char kept = part[i];
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return false;
		part[i] = kept;
	}
	return true;
}

static char *path_in(const char *folder, const char *name)
{
	size_t bytes = strlen(folder) + 1 + strlen(name) + 1;
	char *path = malloc(bytes);

	if (path != NULL)
		snprintf(path, bytes, "%s/%s", folder, name);
	return path;
}

/* Makes the folder, the lock and the database's file, which SQLite itself would make readable for everybody. */
static enum store_result prepare_files(struct sqlite_store *store, const char *folder, bool exclusive,
                                       struct buf *problem)
{
	if (!make_folder(folder)) {
		buf_printf(problem, "cannot make the folder %s (DATA_DIR): %s", folder, strerror(errno));
		return result_of_errno(errno);
	}
	store->lock_fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0) {
		buf_printf(problem, "cannot open %s: %s", store->lock_path, strerror(errno));
		return result_of_errno(errno);
	}
	if (exclusive && flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK) {
			buf_printf(problem, "another evently serves %s: stop it, or use the HTTP interface", folder);
			return STORE_IN_USE;
		}
		buf_printf(problem, "cannot lock %s: %s", store->lock_path, strerror(errno));
		return result_of_errno(errno);
	}
	store->exclusive = exclusive;
	int file = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0) {
		buf_printf(problem, "cannot open %s: %s", store->path, strerror(errno));
		return result_of_errno(errno);
	}
	close(file);
	return STORE_OK;
}

/* Opens the file once, so that a folder that cannot hold a database is found at the start. */
static enum store_result try_file(struct store *store, struct buf *problem)
{
	struct store_session *session = store_session_open(store);

	if (session == NULL) {
		buf_lit(problem, "no memory to open the store");
		return STORE_OUT_OF_MEMORY;
	}
	store_session_deadline(session, clock_monotonic_ns() + 10 * CLOCK_SECOND);
	enum store_result result = sqlite_read_begin(sqlite_session(session));
	result = sqlite_read_end(sqlite_session(session), result);
	if (result != STORE_OK)
		buf_printf(problem, "cannot use %s: %s", ((struct sqlite_store *)store)->path, store_session_problem(session));
	store_session_close(session);
	return result;
}

enum store_result sqlite_store_open(struct store **opened, const struct config *config, bool exclusive,
                                    struct buf *problem)
{
	pthread_condattr_t monotonic;
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* or every allocation of every session takes one lock */
	struct sqlite_store *store = calloc(1, sizeof *store);

	if (store == NULL) {
		buf_lit(problem, "no memory to open the store");
		return STORE_OUT_OF_MEMORY;
	}
	store->base.backend = &backend;
	store->lock_fd = -1;
	CHECK(pthread_mutex_init(&store->lock, NULL) == 0);
	CHECK(pthread_mutex_init(&store->migrating, NULL) == 0);
	CHECK(pthread_condattr_init(&monotonic) == 0);
	CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&store->writer_left, &monotonic) == 0);
	CHECK(pthread_cond_init(&store->hint, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	store->path = path_in(config->data_dir, "evently.db");
	store->lock_path = path_in(config->data_dir, "lock");

	enum store_result result = STORE_OUT_OF_MEMORY;
	if (store->path != NULL && store->lock_path != NULL)
		result = prepare_files(store, config->data_dir, exclusive, problem);
	else
		buf_lit(problem, "no memory to open the store");
	if (result == STORE_OK)
		result = try_file(&store->base, problem);
	if (result != STORE_OK) {
		close_store(&store->base);
		return result;
	}
	*opened = &store->base;
	return STORE_OK;
}
