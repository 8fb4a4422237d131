/*
 * The control channel between the master and one zygote: a stream socket that carries frames, both ways.
 *
 * Only the zygote, which the master started and which keeps the master's rights, holds the other end; workers close it
 * before they give up any right. So only the zygote reports forks and ends of workers, and names the worker that a
 * piece of output came from. src/zygote/control-frames.ts is the same in TypeScript; a test compares both.
 */
#ifndef TSFPM_CONTROL_H
#define TSFPM_CONTROL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TSFPM_CONTROL_VERSION 2u
#define TSFPM_FRAME_PAYLOAD_MAX 8388608u /* a CONFIGURE with time zones and a large environment needs most */
#define TSFPM_READY_MAX 8192u
#define TSFPM_SHARE_MAX 64u              /* bytes of an opcache.share's name */
#define TSFPM_OUTPUT_CHUNK 8192u         /* most bytes of worker output in one frame */

/* Every frame starts with this, in native byte order; `length` bytes of payload follow. */
struct tsfpm_frame {
    uint32_t length;
    uint16_t type;
    uint16_t version;
    int32_t slot; /* -1 where no worker is meant */
    int32_t pid;  /* 0 where no worker is meant */
};
static_assert(sizeof(struct tsfpm_frame) == 16, "layout");

enum tsfpm_frame_type {
    /* zygote to master */
    /*
     * The zygote waits for commands. Payload: one byte, expose_php; PHP's version, NUL, its ini file, NUL, and the ini
     * files of its scanned folder, separated by commas and newlines.
     */
    TSFPM_FRAME_READY = 1,
    TSFPM_FRAME_FORKED = 2,      /* slot, pid */
    TSFPM_FRAME_FORK_FAILED = 3, /* slot; payload: int32 errno */
    TSFPM_FRAME_EXITED = 4,      /* slot, pid; payload: int32 wait status, uint32 requests begun. After its output */
    TSFPM_FRAME_OUTPUT = 5,      /* slot, pid; payload: one byte, the descriptor (1 or 2), then what was written */
    TSFPM_FRAME_TAKEN = 6,       /* fewer workers are idle than ARM said. At most one for each ARM */
    TSFPM_FRAME_ECHOED = 9,      /* answers an ECHO */
    TSFPM_FRAME_STARTED = 8,     /* slot, pid: it has reached accept for the first time */
    TSFPM_FRAME_LOGGED = 30,     /* there is something in the rings of finished requests. Once for each LOGS_READ */
    TSFPM_FRAME_CANNOT_FORK = 10, /* from a template, instead of READY. Payload: why, a text */
    TSFPM_FRAME_KEEPER_WANTED = 33, /* a client keeps its connection, and the zygote knows no keeper. Once */
    TSFPM_FRAME_ASKED = 7,       /* slot, pid; payload: struct tsfpm_question and its text, as the worker sent them */

    /* master to zygote */
    TSFPM_FRAME_CONFIGURE = 16, /* payload: settings, see below; once, before the first FORK */
    TSFPM_FRAME_FORK = 17,      /* slot */
    TSFPM_FRAME_DRAIN = 18,     /* every worker finishes what it has in hand and ends; then the zygote ends */
    TSFPM_FRAME_RETIRE = 20,    /* slot, pid: that worker ends once it is idle */
    TSFPM_FRAME_ARM = 21,       /* payload: uint32 n; TAKEN is sent once when fewer than n workers are idle */
    TSFPM_FRAME_FORK_PROBE = 23, /* slot; a worker that serves the stand-in socket, which only the master can reach */
    TSFPM_FRAME_LOGS_READ = 31, /* the rings are empty, and LOGGED is wanted again */
    TSFPM_FRAME_KEEPER = 32, /* comes with a descriptor: the workers' end of the socket pair to the keeper; once */
    TSFPM_FRAME_ECHO = 24,      /* the zygote is to answer ECHOED: a check that it still runs */
    /* to a template: fork a zygote, with the descriptors that come along (template.c). Answered by FORKED, with the */
    /* zygote's pid, or by FORK_FAILED; `slot` is the master's name for the order */
    TSFPM_FRAME_FORK_ZYGOTE = 25,
    /* to a template: fork a template for the pools of one opcache.share, whose name is the payload. Else the same */
    TSFPM_FRAME_FORK_TEMPLATE = 26,
    TSFPM_FRAME_ERRAND = 34,    /* fork an errand, whose connection comes along as a descriptor (errand.c) */
    TSFPM_FRAME_ANSWER = 22,    /* slot, pid; payload: uint32 id of the question, then the answer */
};

/*
 * A signal from the master to a worker, whose value is the request_start_ns of a request: that request is to end now,
 * with an answer; see timeout.c. SIGRTMAX - 3, which neither libc nor PHP uses.
 */
#define TSFPM_TIME_OUT_SIGNAL 61

/*
 * The channel between a worker and its zygote: a packet socket for each worker, so that the zygote knows who sends. A
 * worker may be hostile, and send anything at any time. The zygote passes on one question at a time and one TAKEN for
 * each ARM.
 */
struct tsfpm_question {
    uint8_t kind;   /* enum tsfpm_question_kind */
    uint8_t is_head; /* the request's method is HEAD */
    uint16_t zero;
    uint32_t id; /* of the worker's choice; comes back with the answer */
};
static_assert(sizeof(struct tsfpm_question) == 8, "layout");

enum tsfpm_question_kind {
    TSFPM_QUESTION_TAKEN = 0, /* no question: too few workers are idle */
    TSFPM_QUESTION_PING = 1,
    TSFPM_QUESTION_STATUS = 2,     /* followed by the query string */
    TSFPM_QUESTION_LOGGED = 10,    /* no question: something is in the rings of finished requests */
    TSFPM_QUESTION_KEEPER_WANTED = 12, /* no question: a client keeps its connection, and there is no keeper */
    TSFPM_QUESTION_KEEPER = 13, /* for the zygote: the answer has no bytes, and a descriptor where there is a keeper */
    TSFPM_QUESTION_STARTED = 4,    /* no question: ready for its first client */
    TSFPM_QUESTION_GET_STATUS = 3, /* fpm_get_status(); the answer is a value for PHP, see ask.c */
};

#define TSFPM_QUESTION_MAX 1024u   /* bytes of a packet from a worker; what is longer is cut */
#define TSFPM_ANSWER_PACKET 32768u /* bytes of an answer in one packet to a worker, behind struct tsfpm_answer_part */

struct tsfpm_answer_part {
    uint32_t id;
    uint32_t is_last;
};
static_assert(sizeof(struct tsfpm_answer_part) == 8, "layout");

/* An errand's answer on its connection, in front of its text. Closed without a whole one: it could not be done. */
#define TSFPM_ERRAND_MAGIC 0x44525245u /* "ERRD" */
struct tsfpm_errand_answer {
    uint32_t magic;
    uint32_t length; /* of the text */
};
static_assert(sizeof(struct tsfpm_errand_answer) == 8, "layout");

/* A CONFIGURE payload is a row of settings: uint16 key, uint16 zero, uint32 length, then `length` bytes. */
struct tsfpm_setting {
    uint16_t key;
    uint16_t zero;
    uint32_t length;
};
static_assert(sizeof(struct tsfpm_setting) == 8, "layout");

enum tsfpm_setting_key {
    TSFPM_SETTING_POOL = 1,         /* name, for messages */
    TSFPM_SETTING_UID = 2,          /* uint32; absent: keep the identity */
    TSFPM_SETTING_GID = 3,          /* uint32 */
    TSFPM_SETTING_GROUPS = 4,       /* uint32 each, supplementary */
    TSFPM_SETTING_USER = 5,         /* user's name or number, for messages */
    TSFPM_SETTING_RLIMIT_FILES = 6, /* int64 */
    TSFPM_SETTING_RLIMIT_CORE = 7,  /* int64, -1 unlimited */
    TSFPM_SETTING_PRIORITY = 8,     /* int32, nice value */
    TSFPM_SETTING_DUMPABLE = 9,     /* int32, 1 */
    TSFPM_SETTING_CHROOT = 10,      /* path */
    TSFPM_SETTING_CHDIR = 11,       /* path */
    TSFPM_SETTING_ZYGOTE_TITLE = 12,
    TSFPM_SETTING_WORKER_TITLE = 13,
    TSFPM_SETTING_ENV = 14,         /* NAME=value, repeated: the workers' whole environment, in order */
    TSFPM_SETTING_ADMIN_VALUE = 15, /* name, NUL, value, repeated: ini values that scripts cannot change */
    TSFPM_SETTING_VALUE = 44,       /* name, NUL, value, repeated: ini values, set once before the first worker */
    TSFPM_SETTING_MAX_REQUESTS = 45, /* text, pm.max_requests; absent: what PHP_FCGI_MAX_REQUESTS said at PHP's start */
    TSFPM_SETTING_STATUS_PATH = 16, /* requests for it are answered by the master */
    TSFPM_SETTING_PING_PATH = 17,
    TSFPM_SETTING_LIMIT_EXTENSIONS = 18, /* separated by blanks; absent: any */
    TSFPM_SETTING_ALLOWED_CLIENTS = 19,  /* separated by commas; absent: everybody; empty: nobody */
    TSFPM_SETTING_CATCH_OUTPUT = 21,     /* int32, 1: what workers print goes to the log; absent: to /dev/null */
    TSFPM_SETTING_LOG_FIELD = 20,        /* struct tsfpm_log_field and a name, repeated: what the access log needs */
    TSFPM_SETTING_LOG_LEVEL = 43,        /* int32, enum tsfpm_level */
    TSFPM_SETTING_APPARMOR_HAT = 40,     /* name */
    TSFPM_SETTING_TIME_ZONES = 42,       /* uint32 n, n times where a name and where its data starts, names and data */
    TSFPM_SETTING_DROP_GONE = 50,        /* int32, 1: clients that have left the listen queue are not served */
    TSFPM_SETTING_SOFT_FILES = 41,       /* int64, soft limit of descriptors for workers; absent: as the zygote's */
};

/* The texts of a request for the access log, in the order of its record; response headers come last. */
enum tsfpm_log_field_kind {
    TSFPM_LOG_PARAM = 1,  /* the FastCGI param of that name */
    TSFPM_LOG_HEADER = 2, /* the response header of that name */
    TSFPM_LOG_URI = 3,    /* SCRIPT_NAME as PHP has made it out */
    TSFPM_LOG_SCRIPT = 4, /* the file that PHP is to run */
    TSFPM_LOG_PEER = 5,   /* the web server's address: 4 or 16 bytes */
    TSFPM_LOG_CPU = 6,    /* no text: CPU time is to be measured */
};

struct tsfpm_log_field {
    uint16_t kind;
    uint16_t most; /* bytes of the text that are kept */
};
static_assert(sizeof(struct tsfpm_log_field) == 4, "layout");

/* Where the master puts descriptors for the zygote, as it numbers them in the spawned process. */
enum tsfpm_descriptor {
    TSFPM_FD_STAND_IN = 0, /* a listening socket that only the master can reach: makes php-cgi choose FastCGI */
    TSFPM_FD_CONTROL = 3,
    TSFPM_FD_SCOREBOARD = 4,
    TSFPM_FD_LISTEN = 5,  /* the pool's listening socket */
    TSFPM_FD_LIBRARY = 6, /* this library; LD_PRELOAD and extension= name it through /proc/self/fd */
};

/*
 * Variables that the master sets for the zygote, whose constructor removes them: the version of this protocol,
 * php_sapi_name, which PHP must know before it preloads a script, and for a template that it is one: the name of the
 * opcache.share whose pools are forked from it, empty where there is none.
 */
#define TSFPM_ENV_MARK "TSFPM_RUNTIME"
#define TSFPM_ENV_SAPI_NAME "TSFPM_SAPI_NAME"
#define TSFPM_ENV_TEMPLATE "TSFPM_TEMPLATE"

/* ---- the zygote's end: control.c ---- */

void tsfpm_control_begin(void); /* once there are events */

/*
 * Sends one frame. Blocks while the master is busy: it reads all it is sent. Where it has gone the generation drains:
 * nobody is left to read this frame, or the next.
 */
void tsfpm_control_send(enum tsfpm_frame_type type, int32_t slot, int32_t pid, const void *payload, size_t length);

void tsfpm_control_send_ready(void);

enum tsfpm_control_state {
    TSFPM_CONTROL_FRAME, /* one is in `frame` and `payload`, until the next call */
    TSFPM_CONTROL_WAIT,  /* no whole one is here */
    TSFPM_CONTROL_GONE,  /* the master has gone: no more events come of it */
};
enum tsfpm_control_state tsfpm_control_receive(struct tsfpm_frame *frame, const uint8_t **payload);

/* What came with the frame that was received last; -1: nothing. It is the caller's now. */
int tsfpm_control_take_descriptor(void);

#endif
