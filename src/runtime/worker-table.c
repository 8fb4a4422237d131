#define _GNU_SOURCE
#include "worker-table.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "channels.h"
#include "control.h"
#include "forward.h"
#include "scoreboard.h"

/* How often workers that are to leave are checked: ms. */
#define LEAVE_CHECK_MS 20

static struct worker {
    pid_t pid;      /* 0: the slot is free */
    bool retiring;  /* to end once it is idle */
    bool has_ended; /* it is reaped: its pid may be another process's. Its last output is not with the master yet */
    int32_t status; /* from wait(), then */
    bool is_probe;  /* it serves the master alone */
} *workers;
static uint32_t table_size; /* slots */
static uint32_t alive; /* ended ones with their last output included */
static uint32_t ended; /* of these */

int tsfpm_workers_prepare(uint32_t count)
{
    table_size = count;
    workers = calloc((size_t)count + 1, sizeof *workers);
    return workers != NULL ? 0 : -1;
}

int tsfpm_workers_refusal(int32_t slot)
{
    if (slot < 0 || (uint32_t)slot >= table_size) return EINVAL;
    if (workers[slot].pid != 0) return EBUSY;
    return tsfpm_scoreboard_is_draining() ? ESHUTDOWN : 0;
}

void tsfpm_workers_add(uint32_t slot, pid_t pid, bool is_probe)
{
    workers[slot] = (struct worker){.pid = pid, .is_probe = is_probe};
    alive++;
}

bool tsfpm_workers_has(int32_t slot, int32_t pid)
{
    if (slot < 0 || (uint32_t)slot >= table_size) return false;
    const struct worker *worker = &workers[slot];
    return worker->pid != 0 && worker->pid == pid && !worker->has_ended;
}

bool tsfpm_workers_are_gone(void)
{
    return alive == 0;
}

/* ---- ends ---- */

/* Tells the master of its end, once all that it printed has been sent. */
static void finish_worker(uint32_t slot)
{
    struct worker *worker = &workers[slot];
    if (!tsfpm_forward_last(slot)) return;
    /* Whether it had served anything tells the master a worker that cannot start from one that crashed in a script. */
    uint64_t accepted = tsfpm_scoreboard_slot(slot)->accepted;
    struct {
        int32_t status;
        uint32_t accepted;
    } end = {worker->status, accepted > UINT32_MAX ? UINT32_MAX : (uint32_t)accepted};
    tsfpm_scoreboard_count_out(slot, worker->is_probe);
    pid_t pid = worker->pid;
    *worker = (struct worker){0};
    alive--;
    ended--;
    tsfpm_control_send(TSFPM_FRAME_EXITED, (int32_t)slot, pid, &end, sizeof end);
}

static void on_exit_of(uint32_t slot, int32_t status)
{
    workers[slot].has_ended = true;
    workers[slot].retiring = false;
    workers[slot].status = status;
    ended++;
    tsfpm_channel_close(slot);
    finish_worker(slot);
}

void tsfpm_workers_reap(void)
{
    int status;
    pid_t pid;
    /* SIGCHLD merges: one may stand for many. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (uint32_t slot = 0; slot < table_size; slot++)
            if (workers[slot].pid == pid && !workers[slot].has_ended) {
                on_exit_of(slot, status);
                break;
            }
}

/* ---- leaving ---- */

void tsfpm_workers_retire(uint32_t slot)
{
    workers[slot].retiring = true;
    /* A worker whose clients wait for it is never found idle: it checks this before it takes the next. */
    __atomic_store_n(&tsfpm_scoreboard_slot(slot)->leave, 1, __ATOMIC_SEQ_CST);
}

/*
 * Signals the workers that are to leave, once they have nothing in hand: a signal in the middle of a script would cut
 * its sleep() short. Whether they are idle is their own claim, which decides only when they are signalled.
 */
static void tell_leaving_workers(void)
{
    bool is_draining = tsfpm_scoreboard_is_draining();
    for (uint32_t i = 0; i < table_size; i++) {
        if (workers[i].pid == 0 || workers[i].has_ended || !(is_draining || workers[i].retiring)) continue;
        struct tsfpm_slot *slot = tsfpm_scoreboard_slot(i);
        uint32_t stage = __atomic_load_n(&slot->stage, __ATOMIC_RELAXED);
        if (stage == TSFPM_STAGE_ACCEPTING || stage == TSFPM_STAGE_WAITING) kill(workers[i].pid, SIGTERM);
    }
}

void tsfpm_workers_wake(void)
{
    for (uint32_t i = 0; i < table_size; i++) {
        if (workers[i].pid == 0 || workers[i].has_ended) continue;
        uint32_t stage = __atomic_load_n(&tsfpm_scoreboard_slot(i)->stage, __ATOMIC_SEQ_CST);
        if (stage == TSFPM_STAGE_ACCEPTING || stage == TSFPM_STAGE_WAITING) kill(workers[i].pid, SIGUSR2);
    }
}

static bool any_leaving(void)
{
    if (tsfpm_scoreboard_is_draining()) return true;
    for (uint32_t i = 0; i < table_size; i++)
        if (workers[i].retiring) return true;
    return false;
}

void tsfpm_workers_tend(void)
{
    for (uint32_t slot = 0; ended > 0 && slot < table_size; slot++)
        if (workers[slot].has_ended) finish_worker(slot);
    tell_leaving_workers();
}

int tsfpm_workers_patience_ms(void)
{
    int output_ms = tsfpm_forward_wait_ms();
    /* The pause is over: what an ended worker printed can be read, and nothing may be left that tells of it. */
    if (output_ms < 0 && ended > 0) return 0;
    if (!any_leaving()) return output_ms;
    return output_ms >= 0 && output_ms < LEAVE_CHECK_MS ? output_ms : LEAVE_CHECK_MS;
}
