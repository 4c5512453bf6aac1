/* A preloaded library that makes the nth allocation, file write or sync of a process fail, as a test says.
 *
 * The test and the process share one page, the file that FAILNTH_CONTROL names, mapped by both: the test arms, counts and
 * disarms while the process runs, without a signal or a system call. Without FAILNTH_CONTROL the library does nothing.
 * Writes and syncs are those to regular files: a failing eventfd or socket would be another fault. Any thread. */
#undef _FILE_OFFSET_BITS /* pwrite and pwrite64 are two names here, both are ours */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { KIND_MEMORY = 1, KIND_WRITE = 2, KIND_SYNC = 4 };

/* tests/fault/failnth.py knows this layout. */
struct control {
	atomic_uint kinds;      /* set of enum kind that count; 0: disarmed */
	atomic_int error;       /* errno of failing writes and syncs */
	atomic_llong countdown; /* the call that takes it from 1 to 0 fails */
	atomic_llong failed;    /* calls that were made to fail */
	atomic_uint sticky;     /* not 0: every later call fails as well */
};

static struct control *control;

/* The C library's own names: dlsym itself allocates, so it cannot be asked for malloc. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *memalign(size_t alignment, size_t bytes);

__attribute__((constructor)) static void map_control(void)
{
	const char *path = getenv("FAILNTH_CONTROL");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		control = page;
}

static bool must_fail(enum kind kind)
{
	if (control == NULL || (atomic_load_explicit(&control->kinds, memory_order_relaxed) & kind) == 0)
		return false;
	long long left = atomic_fetch_sub(&control->countdown, 1);
	if (left > 1 || (left < 1 && atomic_load(&control->sticky) == 0))
		return false;
	atomic_fetch_add(&control->failed, 1);
	return true;
}

static bool must_fail_file(enum kind kind, int fd)
{
	struct stat status;
	if (control == NULL || (atomic_load_explicit(&control->kinds, memory_order_relaxed) & kind) == 0)
		return false;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || !must_fail(kind))
		return false;
	errno = atomic_load(&control->error);
	return true;
}

void *malloc(size_t bytes)
{
	if (must_fail(KIND_MEMORY)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	if (must_fail(KIND_MEMORY)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
	if (must_fail(KIND_MEMORY)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
	if (must_fail(KIND_MEMORY)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	return memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
	void *made = memalign(alignment, bytes);
	if (made == NULL)
		return ENOMEM;
	*memory = made;
	return 0;
}

#define NEXT(name) \
	static __typeof__(name) *next; \
	if (next == NULL) \
		next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t bytes)
{
	NEXT(write);
	return must_fail_file(KIND_WRITE, fd) ? -1 : next(fd, data, bytes);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	NEXT(pwrite);
	return must_fail_file(KIND_WRITE, fd) ? -1 : next(fd, data, bytes, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
	NEXT(pwrite64);
	return must_fail_file(KIND_WRITE, fd) ? -1 : next(fd, data, bytes, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	NEXT(writev);
	return must_fail_file(KIND_WRITE, fd) ? -1 : next(fd, parts, count);
}

int fsync(int fd)
{
	NEXT(fsync);
	return must_fail_file(KIND_SYNC, fd) ? -1 : next(fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync);
	return must_fail_file(KIND_SYNC, fd) ? -1 : next(fd);
}
