/* Tells the service manager how the service is: one datagram to $NOTIFY_SOCKET, as sd_notify(3) describes it. Without a
 * manager that asks for it every call does nothing. Any thread, but notify_start comes first. */
#ifndef EVENTLY_BASE_NOTIFY_H
#define EVENTLY_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. `steps`: how many calls of notify_step make it ready. */
void notify_start(unsigned steps);
/* A step of the start is done; the last one sends READY=1. */
void notify_step(void);
/* Sends a state, such as "STOPPING=1"; several are separated by newlines. False when nobody took it. */
bool notify_send(const char *state);
/* How often WATCHDOG=1 is wanted: a third of what the manager allows, in nanoseconds; 0 when it does not watch. */
uint64_t notify_watchdog_ns(void);

#endif
