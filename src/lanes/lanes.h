/* The lanes' names in the metrics. */
#ifndef EVENTLY_LANES_LANES_H
#define EVENTLY_LANES_LANES_H

enum lane { LANE_LOOKUP, LANE_LIST, LANE_WRITE, LANE_BULK, LANE_HEALTH, LANE_COUNT };

void lanes_label_metrics(void);

#endif
