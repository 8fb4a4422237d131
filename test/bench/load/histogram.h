/* Latencies in fixed buckets: no allocation, every value kept within 1.6 %. */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

/* Each power of two is cut into 2^HISTOGRAM_CUT equal buckets. */
#define HISTOGRAM_CUT 8
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_CUT + 1) << HISTOGRAM_CUT)

struct histogram {
	uint64_t count;
	uint64_t max_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* Upper end of the bucket that holds the given part (0 to 1) of all values, at most the maximum; 0 if there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);

#endif
