#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reads up to the room of `text` and ends it with NUL; false when the file is not there. */
static bool read_text(const char *path, char *text, size_t room)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return false;
	ssize_t got = read(file, text, room - 1);
	close(file);
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Seconds since 1970 at which the machine was booted, 0 when unknown. */
static uint64_t boot_time_s(void)
{
	char text[65536];

	if (!read_text("/proc/stat", text, sizeof text))
		return 0;
	const char *found = strstr(text, "\nbtime ");
	return found != NULL ? strtoull(found + 7, NULL, 10) : 0;
}

/* proc(5): utime, stime and starttime are fields 14, 15 and 22 of /proc/self/stat, counted in clock ticks. */
static void print_times(struct buf *out)
{
	char text[1024];
	uint64_t user, system, start;
	double ticks_per_s = (double)sysconf(_SC_CLK_TCK);

	if (!read_text("/proc/self/stat", text, sizeof text))
		return;
	/* The name in field 2 may hold anything, so count from its closing parenthesis. */
	const char *rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest + 1,
				   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
				   " %*d %*d %*d %*d %*d %*d %" SCNu64,
				   &user, &system, &start) != 3)
		return;
	head(out, "process_cpu_seconds_total", "counter", "User and system CPU time in seconds.");
	buf_printf(out, "process_cpu_seconds_total %.2f\n", (double)(user + system) / ticks_per_s);
	uint64_t booted_s = boot_time_s();
	if (booted_s == 0)
		return;
	head(out, "process_start_time_seconds", "gauge", "Start of the process in seconds since 1970.");
	buf_printf(out, "process_start_time_seconds %.2f\n", (double)booted_s + (double)start / ticks_per_s);
}

static void print_memory(struct buf *out)
{
	char text[256];
	uint64_t total, resident, page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!read_text("/proc/self/statm", text, sizeof text) ||
	    sscanf(text, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
		return;
	head(out, "process_virtual_memory_bytes", "gauge", "Virtual memory in bytes.");
	buf_printf(out, "process_virtual_memory_bytes %" PRIu64 "\n", total * page_bytes);
	head(out, "process_resident_memory_bytes", "gauge", "Resident memory in bytes.");
	buf_printf(out, "process_resident_memory_bytes %" PRIu64 "\n", resident * page_bytes);
}

static void print_files(struct buf *out)
{
	DIR *folder = opendir("/proc/self/fd");

	if (folder == NULL)
		return;
	uint64_t open_count = 0;
	for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
		open_count += entry->d_name[0] != '.';
	closedir(folder);
	head(out, "process_open_fds", "gauge", "Open file descriptors.");
	/* Without the one that the counting needed. */
	buf_printf(out, "process_open_fds %" PRIu64 "\n", open_count > 0 ? open_count - 1 : 0);
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	head(out, "process_max_fds", "gauge", "File descriptors that may be open.");
	buf_printf(out, "process_max_fds %" PRIu64 "\n", (uint64_t)limit.rlim_cur);
}

void process_print_metrics(struct buf *out)
{
	print_times(out);
	print_memory(out);
	print_files(out);
}
