import { libcFunction } from './libc.js';

// <syslog.h>: options and the priorities that php-fpm's levels map to.
const LOG_PID = 0x01;
const LOG_CONS = 0x02;

/** `<syslog.h>`, most urgent first. */
const SYSLOG_PRIORITIES = {
  emerg: 0,
  alert: 1,
  crit: 2,
  err: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 7,
} as const;

export type SyslogPriority = keyof typeof SYSLOG_PRIORITIES;

const c = {
  openlog: libcFunction<(ident: Buffer, option: number, facility: number) => void>(
    'void openlog(const void *ident, int option, int facility)',
  ),
  syslog: libcFunction<(priority: number, format: string, type: 'char *', message: string) => void>(
    'void syslog(int priority, const char *format, ...)',
  ),
  closelog: libcFunction<() => void>('void closelog()'),
};

/** openlog(3) keeps the pointer, not the text: this holds the memory for as long as it may be read. */
const held: { ident?: Buffer } = {};

/**
 * @param ident put before each message, with the pid of this process
 * @param facility the number of a facility as `<syslog.h>` has it (a multiple of 8): 24 is LOG_DAEMON
 * @see openlog(3)
 */
export function openSyslog(ident: string, facility: number): void {
  const next = Buffer.from(`${ident}\0`);
  c.openlog(next, LOG_PID | LOG_CONS, facility);
  held.ident = next;
}

/** Never fails: syslog(3) drops what it cannot deliver. `message` is text, not a format; a NUL ends it. */
export function writeSyslog(priority: SyslogPriority, message: string): void {
  c.syslog(SYSLOG_PRIORITIES[priority], '%s', 'char *', message);
}

export function closeSyslog(): void {
  c.closelog();
  delete held.ident;
}
