/* What the process may do: becoming another user once the ports are bound, and keeping its memory to itself. */
#ifndef EVENTLY_BASE_PRIVILEGE_H
#define EVENTLY_BASE_PRIVILEGE_H

#include "base/buf.h"
#include "base/check.h"

/* No new privileges through exec (prctl(2), PR_SET_NO_NEW_PRIVS); no core file, and no look into the memory by other
 * processes of the same user (PR_SET_DUMPABLE), because secrets are there. Before the secrets are read. */
void privilege_harden(void);

/* All threads become the user, with the groups that it has, for good. False: one line in `problem`. Only root can. */
MUST_CHECK bool privilege_drop(const char *user, struct buf *problem);

#endif
