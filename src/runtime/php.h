/*
 * PHP as the runtime knows it, without PHP's headers: the few types that it touches, as they are in PHP 7.4 to 8.5 on
 * 64-bit machines, and what most files ask of it.
 */
#ifndef TSFPM_PHP_H
#define TSFPM_PHP_H

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

/* Zend/zend_compile.h, the start of a frame. The value of $this comes last; its third word counts the arguments. */
struct execute_data {
    const void *opline;
    struct execute_data *called;
    struct zval *return_value;
    void *function;
    void *this_pointer;
    uint32_t this_types;
    uint32_t argument_count;
};

/* Zend/zend_compile.h zif_handler: a function that is written in C */
typedef void tsfpm_php_function(struct execute_data *call, struct zval *result);

/* Zend/zend_modules.h, builds without thread safety */
struct module_entry {
    unsigned short size;
    unsigned int zend_api;
    unsigned char zend_debug;
    unsigned char zts;
    const void *ini_entry;
    const void *deps;
    const char *name;
    const void *functions;
    int (*module_startup)(int type, int module_number);
    int (*module_shutdown)(int type, int module_number);
    int (*request_startup)(int type, int module_number);
    int (*request_shutdown)(int type, int module_number);
    void (*info)(struct module_entry *);
    const char *version;
    size_t globals_size;
    void *globals;
    void (*globals_ctor)(void *);
    void (*globals_dtor)(void *);
    int (*post_deactivate)(void);
    int module_started;
    unsigned char type;
    void *handle;
    int module_number;
    const char *build_id;
};

/*
 * Zend/zend_API.h: an extension's functions are a row of entries that ends with zeros. An entry is a name, a handler,
 * argument information, its count and flags; PHP 8.4 added two pointers behind that, which may be null.
 */
#define TSFPM_FUNCTION_WORDS_MOST 6
size_t tsfpm_function_words(const void *functions); /* words of an entry, from a row of at least two */
extern const uint64_t tsfpm_no_arguments[8]; /* argument information of a function that takes none */

/* main/SAPI.h, the start of sapi_module_struct: functions that php-cgi gives to PHP. The runtime replaces some. */
struct sapi_headers;
struct sapi_module {
    const char *name, *pretty_name;
    int (*startup)(void *);
    int (*shutdown)(void *);
    int (*activate)(void);
    int (*deactivate)(void);
    size_t (*write)(const char *, size_t);
    void (*flush)(void *);
    void *(*get_stat)(void);
    char *(*getenv)(const char *name, size_t length);
    void (*error)(int type, const char *format, ...);
    int (*header_handler)(void *header, int operation, struct sapi_headers *);
    int (*send_headers)(struct sapi_headers *);
    void (*send_header)(void *, void *);
    size_t (*read_post)(char *, size_t);
    char *(*read_cookies)(void);
    void (*register_server_variables)(struct zval *);
    void (*log_message)(const char *, int);
};

/* main/SAPI.h sapi_headers_struct; Zend/zend_llist.h for the list that it starts with */
struct header_element {
    struct header_element *next, *previous;
    char *line; /* not terminated for certain */
    size_t length;
};
struct sapi_headers {
    struct header_element *first, *last;
    size_t count, element_size;
    void *destructor;
    unsigned char is_persistent;
    void *position;
    int http_response_code;
    unsigned char send_default_content_type;
    char *mimetype, *http_status_line;
};

/* main/SAPI.h, the start of sapi_globals, in builds without thread safety */
struct sapi_globals {
    void *server_context;
    const char *request_method;
    char *query_string;
    char *cookie_data;
    long content_length;
    char *path_translated;
    char *request_uri;
    void *request_body;
    const char *content_type;
    bool headers_only, no_headers, headers_read;
    void *post_entry;
    char *content_type_copy, *auth_user, *auth_password, *auth_digest, *argv0, *current_user;
    int current_user_length, argc;
    char **argv;
    int proto_num;
    struct sapi_headers headers;
    int64_t read_post_bytes;
    unsigned char post_read, headers_sent;
};

/* main/SAPI.h sapi_header_line: what sapi_header_op() is given */
struct header_line {
    const char *line;
    size_t length;
    long response_code;
};
#define SAPI_HEADER_REPLACE 0

/* Zend/zend_ini.h: who sets a value, and when */
#define ZEND_INI_USER 1
#define ZEND_INI_SYSTEM 4
#define ZEND_INI_STAGE_ACTIVATE 4
#define ZEND_INI_STAGE_RUNTIME 16

/* "8.2.36"; NULL until PHP has loaded the runtime as an extension (module.c). */
extern const char *tsfpm_php_version;

/* PHP's own, or NULL where it is not laid out as expected. */
struct sapi_module *tsfpm_sapi_module(void);

/* For the life of the process, which ends where there is no memory. */
struct zend_string *tsfpm_permanent_string(const char *text);

bool tsfpm_php_is_exposed(void);         /* php.ini's expose_php */
const char *tsfpm_php_ini_file(void);    /* "" where there is none */
const char *tsfpm_php_ini_scanned(void); /* the files of the scanned folder; "" where there are none */

#endif
