#include "lanes/lanes.h"

#include "base/metrics.h"

void lanes_label_metrics(void)
{
	static const char *const names[LANE_COUNT] = {
		[LANE_LOOKUP] = "lookup", [LANE_LIST] = "list", [LANE_WRITE] = "write", [LANE_BULK] = "bulk",
		[LANE_HEALTH] = "health"};
	static const enum metric metrics[] = {METRIC_LANE_DEPTH, METRIC_LANE_REFUSED, METRIC_LANE_BATCH, METRIC_LANE_JOBS};

	for (unsigned metric = 0; metric < sizeof metrics / sizeof metrics[0]; metric++) {
		for (unsigned lane = 0; lane < LANE_COUNT; lane++)
			metrics_label(metrics[metric], lane, names[lane]);
	}
}
