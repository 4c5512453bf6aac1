/* What the kernel knows of this process, as the process_* metrics that every Prometheus client gives. Any thread. */
#ifndef EVENTLY_BASE_PROCESS_H
#define EVENTLY_BASE_PROCESS_H

#include "base/buf.h"

/* Appends them in Prometheus text format; leaves out what /proc does not tell. Does I/O on /proc. */
void process_print_metrics(struct buf *out);

#endif
