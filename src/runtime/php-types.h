/* The few types of PHP that the runtime touches, as they are in PHP 7.4 to 8.5 on 64-bit machines. */
#ifndef TSFPM_PHP_TYPES_H
#define TSFPM_PHP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zend/zend_types.h: a value, then its type; bits 8 up say how it is counted. */
struct zval {
    void *pointer;
    uint32_t types;
    uint32_t extra;
};
#define ZVAL_FALSE 2u
#define ZVAL_TRUE 3u
#define ZVAL_ARRAY (7u | 3u << 8) /* IS_ARRAY, counted, may be part of a cycle */

/* Zend/zend_types.h: here one that PHP neither counts references of nor frees. */
struct zend_string {
    uint32_t refcount;
    uint32_t type_info;
    uint64_t hash; /* 0: PHP computes it at the first use */
    size_t length;
    char value[];
};
#define ZEND_TYPE_STRING 6u
#define ZEND_GC_IMMUTABLE (1u << 6)
#define ZEND_GC_PERSISTENT (1u << 7)

/* Zend/zend_compile.h, the start of a frame: This is a zval whose last word counts the arguments. */
struct execute_data {
    const void *opline;
    struct execute_data *called;
    struct zval *return_value;
    void *function;
    void *this_pointer;
    uint32_t this_types;
    uint32_t argument_count;
};

/* module.c: for the life of the process; no memory ends it. */
struct zend_string *tsfpm_permanent_string(const char *text);

/* get-status.c */
bool tsfpm_get_status_prepare(void); /* false where this PHP lacks something that it needs */
void tsfpm_get_status(struct execute_data *call, struct zval *result);

/* finish.c */
bool tsfpm_finish_prepare(void);
void tsfpm_finish_request(struct execute_data *call, struct zval *result);
void tsfpm_finish_answer(void); /* in a request: what PHP has written is the whole answer */

#endif
