#include "histogram.h"

/* Values below 2^CUT have a bucket each; above, the leading CUT + 1 bits choose the bucket. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns < (1u << HISTOGRAM_CUT))
		return (unsigned)ns;
	unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_CUT;
	return ((shift + 1) << HISTOGRAM_CUT) + (unsigned)((ns >> shift) & ((1u << HISTOGRAM_CUT) - 1));
}

static uint64_t upper_end(unsigned bucket)
{
	if (bucket < (1u << HISTOGRAM_CUT))
		return bucket;
	unsigned shift = (bucket >> HISTOGRAM_CUT) - 1;
	uint64_t lower = (uint64_t)((1u << HISTOGRAM_CUT) | (bucket & ((1u << HISTOGRAM_CUT) - 1))) << shift;
	return lower + (((uint64_t)1 << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->count++;
	histogram->buckets[bucket_of(ns)]++;
	if (ns > histogram->max_ns)
		histogram->max_ns = ns;
}

uint64_t histogram_quantile(const struct histogram *histogram, double part)
{
	uint64_t wanted = (uint64_t)(part * (double)histogram->count + 0.5);
	uint64_t seen = 0;

	if (wanted == 0)
		wanted = 1;
	for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		seen += histogram->buckets[bucket];
		if (seen >= wanted) {
			uint64_t end = upper_end(bucket);
			return end < histogram->max_ns ? end : histogram->max_ns;
		}
	}
	return histogram->max_ns;
}
