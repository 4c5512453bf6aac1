#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* None of these fails on a Linux that we know; where a sandbox forbids one of them, the service is as useful as before. */
void privilege_harden(void)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

bool privilege_drop(const char *user, struct buf *problem)
{
	errno = 0;
	const struct passwd *entry = getpwnam(user);
	if (entry == NULL) {
		buf_printf(problem, "--user %s: %s", user, errno == 0 ? "there is no such user" : strerrordesc_np(errno));
		return false;
	}
	if (entry->pw_uid == geteuid() && entry->pw_uid != 0)
		return true;
	if (geteuid() != 0) {
		buf_printf(problem, "--user %s: only root can become another user; leave it out", user);
		return false;
	}
	if (initgroups(user, entry->pw_gid) != 0 || setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
	    setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0) {
		buf_printf(problem, "--user %s: cannot become that user: %s", user, strerrordesc_np(errno));
		return false;
	}
	CHECK(entry->pw_uid == 0 || setuid(0) != 0);
	privilege_harden(); /* a change of user undoes a part of it */
	return true;
}
