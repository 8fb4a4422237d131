/* What the fuzz programs share: numbers that a seed repeats, a time limit, and a way to say what went wrong. */
#ifndef TSFPM_FUZZ_H
#define TSFPM_FUZZ_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t fuzz_state;
static uint64_t fuzz_round_seed; /* of the round under way: `PROGRAM 0 SEED` runs it alone */

/* splitmix64 */
static inline uint64_t fuzz_next(void)
{
    uint64_t z = fuzz_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 up to, not including, limit. */
static inline size_t fuzz_below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(fuzz_next() % limit);
}

static inline void fuzz_fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)fuzz_next();
}

/* Sizes that code treats differently are likelier than others. */
static inline size_t fuzz_size(size_t limit)
{
    switch (fuzz_below(4)) {
    case 0: return fuzz_below(limit < 4 ? limit : 4);
    case 1: return fuzz_below(limit < 300 ? limit : 300);
    default: return fuzz_below(limit);
    }
}

__attribute__((format(printf, 1, 2))) static inline _Noreturn void fuzz_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "seed %llu: ", (unsigned long long)fuzz_round_seed);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* Runs rounds for argv[1] seconds from seed argv[2] on, or with 0 seconds that round alone. */
static inline int fuzz_main(int argc, char **argv, void (*round)(void))
{
    double seconds = argc > 1 ? atof(argv[1]) : 10;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
    struct timespec start, now;
    uint64_t rounds = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        fuzz_state = fuzz_round_seed = seed + rounds++;
        round();
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
    printf("%llu rounds from seed %llu\n", (unsigned long long)rounds, (unsigned long long)seed);
    return 0;
}

#endif
