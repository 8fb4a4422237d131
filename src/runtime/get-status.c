/*
 * fpm_get_status(): asks the master, and builds PHP's array from its answer, which is a row of steps. A step is a
 * letter, a key with its length in one byte, and a value: l, a 64-bit integer; d, a double; s, a string with its length
 * in 32 bits; [ and {, an array under that key or, without a key, the next one of the present array. } ends an array.
 * src/pages/answers.ts writes the steps.
 */
#define _GNU_SOURCE
#include "get-status.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "control.h"
#include "libc.h"
#include "php.h"

#define DEEPEST 3
#define LARGEST_ANSWER (16u * 1024 * 1024)

static struct {
    void *(*new_array)(uint32_t size);
    void (*add_long)(struct zval *array, const char *key, size_t key_length, long value);
    void (*add_double)(struct zval *array, const char *key, size_t key_length, double value);
    void (*add_string)(struct zval *array, const char *key, size_t key_length, const char *value, size_t length);
    struct zval *(*insert_next)(void *table, struct zval *value);
    struct zval *(*update)(void *table, const char *key, size_t key_length, struct zval *value);
    void (*wrong_parameters)(void);
} php;

bool tsfpm_get_status_prepare(void)
{
    *(void **)&php.new_array = dlsym(RTLD_DEFAULT, "_zend_new_array");
    *(void **)&php.add_long = dlsym(RTLD_DEFAULT, "add_assoc_long_ex");
    *(void **)&php.add_double = dlsym(RTLD_DEFAULT, "add_assoc_double_ex");
    *(void **)&php.add_string = dlsym(RTLD_DEFAULT, "add_assoc_stringl_ex");
    *(void **)&php.insert_next = dlsym(RTLD_DEFAULT, "zend_hash_next_index_insert");
    *(void **)&php.update = dlsym(RTLD_DEFAULT, "zend_hash_str_update");
    *(void **)&php.wrong_parameters = dlsym(RTLD_DEFAULT, "zend_wrong_parameters_none_error");
    return php.new_array != NULL && php.add_long != NULL && php.add_double != NULL && php.add_string != NULL &&
           php.insert_next != NULL && php.update != NULL && php.wrong_parameters != NULL;
}

struct answer {
    uint8_t *bytes;
    size_t length;
};

static bool collect(void *context, const uint8_t *bytes, size_t length)
{
    struct answer *answer = context;
    if (length > LARGEST_ANSWER - answer->length) return false;
    uint8_t *grown = realloc(answer->bytes, answer->length + length + 1);
    if (grown == NULL) return false;
    memcpy(grown + answer->length, bytes, length);
    answer->bytes = grown;
    answer->length += length;
    return true;
}

static void make_array(struct zval *value)
{
    value->pointer = php.new_array(8);
    value->types = ZVAL_ARRAY;
}

static bool take(const struct answer *answer, size_t *at, void *out, size_t size)
{
    if (answer->length - *at < size) return false;
    memcpy(out, answer->bytes + *at, size);
    *at += size;
    return true;
}

/* Returns false where the answer is not what it should be; what was built so far is a whole array all the same. */
static bool build(const struct answer *answer, struct zval *root)
{
    struct zval stack[DEEPEST];
    size_t depth = 0, at = 0;
    stack[0] = *root;
    while (at < answer->length) {
        char kind = (char)answer->bytes[at++];
        uint8_t key_length;
        if (!take(answer, &at, &key_length, 1) || answer->length - at < key_length) return false;
        const char *key = (const char *)answer->bytes + at;
        at += key_length;
        int64_t integer;
        double number;
        uint32_t length;
        struct zval array;
        switch (kind) {
        case 'l':
            if (!take(answer, &at, &integer, sizeof integer)) return false;
            php.add_long(&stack[depth], key, key_length, (long)integer);
            break;
        case 'd':
            if (!take(answer, &at, &number, sizeof number)) return false;
            php.add_double(&stack[depth], key, key_length, number);
            break;
        case 's':
            if (!take(answer, &at, &length, sizeof length) || answer->length - at < length) return false;
            php.add_string(&stack[depth], key, key_length, (const char *)answer->bytes + at, length);
            at += length;
            break;
        case '[':
        case '{':
            if (depth + 1 == DEEPEST) return false;
            make_array(&array);
            if (key_length > 0) php.update(stack[depth].pointer, key, key_length, &array);
            else php.insert_next(stack[depth].pointer, &array);
            stack[++depth] = array;
            break;
        case '}':
            if (depth == 0) return false;
            depth--;
            break;
        default: return false;
        }
    }
    return depth == 0;
}

void tsfpm_get_status(struct execute_data *call, struct zval *result)
{
    result->types = ZVAL_FALSE;
    if (call->argument_count > 0) {
        php.wrong_parameters();
        return;
    }
    struct answer answer = {0};
    if (tsfpm_role == TSFPM_ROLE_WORKER && tsfpm_ask(TSFPM_QUESTION_GET_STATUS, false, NULL, 0, collect, &answer)) {
        make_array(result);
        build(&answer, result);
    }
    free(answer.bytes);
}
