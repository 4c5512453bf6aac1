/* What Zero said last, kept for the case that it cannot be asked: one source of settings (config.c asks for it).
 *
 * One thread at a time, that which loads the settings. */
#ifndef EVENTLY_CONFIG_FETCHED_H
#define EVENTLY_CONFIG_FETCHED_H

#include "config/setting.h"

/* Asks Zero, when ZERO_TOKEN is set, and fills the texts that are still NULL. When it cannot be asked, refuses, or has
 * lost a secret that it had, what it said before is used and a line goes to `warnings`; the first time that is a failure
 * with one line in `problem`. */
MUST_CHECK bool fetched_take(struct config_memory *memory, struct buf *problem, struct buf *warnings);
/* Wipes what is remembered. */
void fetched_forget(void);

#endif
