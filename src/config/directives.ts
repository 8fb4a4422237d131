import type { LogLevel } from '../log/levels.js';
import type { ValueKind, ValueTypes } from './values.js';

/** Bounds of a number, both allowed, and php-fpm's words for a number outside; `%d` is the number. */
export interface Range {
  readonly min: number;
  readonly max?: number;
  readonly refusal: string;
  readonly level: LogLevel;
}

/** All that is known of one directive. Parser, validator, dump, sample file and tests walk these rows. */
export interface DirectiveRow {
  readonly name: string;
  readonly scope: 'global' | 'pool';
  /** For an array directive, the type of each of its values. */
  readonly type: ValueKind;
  /**
   * `keyed` is `name[key] = value`, `list` is `name[] = value`. Entries keep the order of the file;
   * php-fpm applies them backwards, see `inOrderOfApplication` in config.ts.
   */
  readonly array?: 'keyed' | 'list';
  /** The array directive whose list takes the entries of this one too. */
  readonly storedIn?: string;
  /** The value if the file does not set it; without one the setting is `undefined`. */
  readonly default?: ValueTypes[ValueKind];
  /** A checked configuration always has a value, though there is no default. */
  readonly required?: true;
  readonly range?: Range;
  readonly unit?: 'seconds' | 'bytes';
  /** A relative value starts at this directory: see prefix.ts. */
  readonly path?: 'state' | 'pool';
  /** How `-tt` differs from "name = value": not shown, without its unit, or what it shows if not set. */
  readonly dump?: 'hidden' | 'bare' | 'unknown value';
  /** One sentence for the sample file. */
  readonly summary: string;
  /** More for the sample file, one line each. */
  readonly details?: readonly string[];
  /** The default as the sample file tells it, if it is not `default`. */
  readonly defaultText?: string;
  /** An array entry or value for the sample file where there is no default to show. */
  readonly example?: string;
}

/** In the order of php-fpm's dump; what only tsfpm has comes last. */
export const GLOBAL_DIRECTIVES = [
  {
    name: 'pid',
    scope: 'global',
    type: 'string',
    path: 'state',
    summary: 'File that holds the process id of the master while it runs.',
    details: ['Comes before --pid of the command line. A relative path starts at /var.'],
    defaultText: 'none',
    example: 'run/tsfpm.pid',
  },
  {
    name: 'error_log',
    scope: 'global',
    type: 'string',
    default: 'log/tsfpm.log',
    path: 'state',
    summary: "File of the error log, or 'syslog'.",
    details: [
      'A relative path starts at /var. Without a terminal or in the background all messages go there.',
    ],
  },
  {
    name: 'syslog.ident',
    scope: 'global',
    type: 'string',
    default: 'tsfpm',
    summary: 'Name in front of each message in the system log.',
    details: ['Tells several instances on one machine apart.'],
  },
  {
    name: 'syslog.facility',
    scope: 'global',
    type: 'facility',
    default: 'daemon',
    summary: 'Which kind of program the system log takes the messages for.',
    details: [
      'Possible values: auth, authpriv, cron, daemon, ftp, kern, lpr, mail, news, syslog, user, uucp,',
      'local0 to local7',
    ],
  },
  {
    name: 'log_buffering',
    scope: 'global',
    type: 'boolean',
    default: true,
    summary: 'Write each line of worker output in one piece.',
    details: ['no writes it as it comes, so that lines of several workers can mix.'],
  },
  {
    name: 'log_level',
    scope: 'global',
    type: 'level',
    default: 'notice',
    dump: 'unknown value',
    summary: 'The least important messages that are logged.',
    details: ['Possible values: alert, error, warning, notice, debug'],
  },
  {
    name: 'log_limit',
    scope: 'global',
    type: 'integer',
    default: 1024,
    range: { min: 512, refusal: 'log_limit must be greater than 512', level: 'error' },
    unit: 'bytes',
    summary: 'Length at which a line of worker output is wrapped, 512 at least.',
  },
  {
    name: 'emergency_restart_interval',
    scope: 'global',
    type: 'time',
    default: 0,
    unit: 'seconds',
    summary: 'Time in which emergency_restart_threshold is counted; 0 is off.',
  },
  {
    name: 'emergency_restart_threshold',
    scope: 'global',
    type: 'integer',
    default: 0,
    summary: 'Workers of a pool that may crash within emergency_restart_interval; 0 is off.',
    details: ['When more do, the pool gets a new generation with a fresh opcache.'],
  },
  {
    name: 'process_control_timeout',
    scope: 'global',
    type: 'time',
    default: 0,
    unit: 'seconds',
    summary: 'How long workers may take to finish their requests when told to stop.',
    details: ['With 0 a stop by TERM does not wait, and a reload waits without a limit.'],
  },
  {
    name: 'process.max',
    scope: 'global',
    type: 'integer',
    default: 0,
    range: { min: 0, refusal: "process_max can't be negative", level: 'error' },
    summary: 'Most workers of all pools together; 0 is no limit.',
  },
  {
    name: 'process.priority',
    scope: 'global',
    type: 'integer',
    range: { min: -19, max: 20, refusal: 'process.priority must be included into [-19,20]', level: 'error' },
    summary: 'nice(2) value of the master, from -19 (first) to 20 (last). Needs root.',
    defaultText: 'not changed',
    example: '-19',
  },
  {
    name: 'daemonize',
    scope: 'global',
    type: 'boolean',
    default: true,
    summary: 'Run in the background.',
    details: ['--daemonize and --nodaemonize of the command line come first.'],
  },
  {
    name: 'rlimit_files',
    scope: 'global',
    type: 'integer',
    default: 0,
    summary: 'Most descriptors that the master may have open; 0 leaves the limit alone.',
  },
  {
    name: 'rlimit_core',
    scope: 'global',
    type: 'rlimitCore',
    default: 0,
    unit: 'bytes',
    summary: 'Largest core file of the master; 0 leaves the limit alone.',
    details: ["Possible values: 'unlimited' or a number from 0"],
  },
  {
    name: 'events.mechanism',
    scope: 'global',
    type: 'string',
    default: 'epoll',
    summary: 'Accepted for files written for php-fpm; tsfpm always waits by epoll.',
    details: ['Possible values: epoll, poll, select. ondemand pools are accepted with epoll only.'],
  },
  {
    name: 'systemd_interval',
    scope: 'global',
    type: 'time',
    default: 10,
    unit: 'seconds',
    summary: 'Time between two reports to systemd; 0 is off.',
    details: ['Without systemd there are none. A watchdog of the unit (WatchdogSec) comes first.'],
  },
  {
    name: 'log_format',
    scope: 'global',
    type: 'logFormat',
    default: 'fpm',
    summary: "Form of the error log: php-fpm's lines, or one JSON object a line.",
    details: ['Possible values: fpm, json'],
  },
  {
    name: 'http.listen',
    scope: 'global',
    type: 'string',
    summary: 'Address at which the master itself answers by HTTP: /metrics, /status, /health and /ready.',
    details: ['Same values as for listen. Nobody is asked for a password there: keep it local.'],
    defaultText: 'none',
    example: '127.0.0.1:9253',
  },
  {
    name: 'http.hosts',
    scope: 'global',
    type: 'string',
    summary: 'Host names under which http.listen may be asked, separated by commas.',
    details: [
      'Addresses and localhost always may. Any other name is refused on a loopback address, so that no web',
      'page can read there by a name of its own; on other addresses only where this is set.',
    ],
    defaultText: 'none',
    example: 'metrics.example.org',
  },
  {
    name: 'control.listen',
    scope: 'global',
    type: 'string',
    path: 'state',
    summary: "Unix socket for the commands 'tsfpm status', 'reload', 'stop' and so on.",
    details: ["Only root and the master's own user may use it. A relative path starts at /var."],
    defaultText: 'beside the pid file, /run/tsfpm.control for /run/tsfpm.pid; without a pid file none',
    example: '/run/tsfpm.control',
  },
  {
    name: 'reload_unchanged',
    scope: 'global',
    type: 'boolean',
    default: true,
    summary: 'At a reload, renew also pools whose settings, binary and ini files are the same as before.',
    details: ['A deploy relies on the fresh opcache that this gives. no leaves such pools as they are.'],
  },
] as const satisfies readonly DirectiveRow[];

/** In the order of php-fpm's dump; what only tsfpm has comes last. */
export const POOL_DIRECTIVES = [
  {
    name: 'prefix',
    scope: 'pool',
    type: 'string',
    summary: 'Directory at which relative paths of this pool start.',
    details: ['Applies to listen, access.log, slowlog, chroot, chdir and php_value entries that hold paths.'],
    defaultText: '--prefix of the command line, or /usr',
    example: '/srv/$pool',
  },
  {
    name: 'user',
    scope: 'pool',
    type: 'string',
    summary: 'User that the workers run as, by name or number. Mandatory for a master that is root.',
    defaultText: 'none',
    example: 'www-data',
  },
  {
    name: 'group',
    scope: 'pool',
    type: 'string',
    summary: 'Group that the workers run as, by name or number.',
    defaultText: "the user's own",
    example: 'www-data',
  },
  {
    name: 'listen',
    scope: 'pool',
    type: 'string',
    required: true,
    path: 'pool',
    summary: 'Address that FastCGI requests come to. Mandatory.',
    details: [
      'Possible values:',
      "  'ip.add.re.ss:port'     a TCP port of one IPv4 address",
      "  '[ip:6:addr:ess]:port'  a TCP port of one IPv6 address",
      "  'port'                  a TCP port of every address",
      "  '/path/to/unix/socket'  a unix socket",
    ],
    example: '/run/tsfpm-$pool.sock',
  },
  {
    name: 'listen.backlog',
    scope: 'pool',
    type: 'integer',
    default: -1,
    summary: 'Connections that may wait to be accepted; -1 is the most that the system allows.',
  },
  {
    name: 'listen.acl_users',
    scope: 'pool',
    type: 'string',
    summary: 'Users that may connect to the unix socket by its access control list, separated by commas.',
    details: [
      'Names, no numbers. When set, listen.owner and listen.group are ignored; listen.mode still counts.',
      'The file system has to keep POSIX access control lists.',
    ],
    defaultText: 'none',
    example: 'www-data,backup',
  },
  {
    name: 'listen.acl_groups',
    scope: 'pool',
    type: 'string',
    summary: 'Groups that may connect to the unix socket by its access control list, separated by commas.',
    defaultText: 'none',
    example: 'www-data',
  },
  {
    name: 'listen.owner',
    scope: 'pool',
    type: 'string',
    summary: 'Owner of the unix socket, by name or number.',
    details: ["The web server needs to write to it. An owner's own group comes with it."],
    defaultText: 'the user of the master',
    example: 'www-data',
  },
  {
    name: 'listen.group',
    scope: 'pool',
    type: 'string',
    summary: 'Group of the unix socket, by name or number.',
    defaultText: 'the group of the master',
    example: 'www-data',
  },
  {
    name: 'listen.mode',
    scope: 'pool',
    type: 'mode',
    summary: 'Permissions of the unix socket, as an octal number.',
    defaultText: '0660',
    example: '0660',
  },
  {
    name: 'listen.allowed_clients',
    scope: 'pool',
    type: 'string',
    summary: 'Addresses that may connect by TCP, IPv4 or IPv6, separated by commas without blanks.',
    defaultText: 'everyone',
    example: '127.0.0.1,::1',
  },
  {
    name: 'process.priority',
    scope: 'pool',
    type: 'integer',
    range: { min: -19, max: 20, refusal: 'process.priority must be included into [-19,20]', level: 'error' },
    summary: 'nice(2) value of the workers, from -19 (first) to 20 (last). Needs root.',
    defaultText: "the master's",
    example: '-19',
  },
  {
    name: 'process.dumpable',
    scope: 'pool',
    type: 'boolean',
    default: false,
    summary: 'Let workers be traced and write core files though they changed their user.',
  },
  {
    name: 'pm',
    scope: 'pool',
    type: 'pm',
    required: true,
    summary: 'How the number of workers is chosen. Mandatory.',
    details: [
      'Possible values:',
      '  static    always pm.max_children',
      '  dynamic   as many as needed, with pm.min_spare_servers to pm.max_spare_servers idle',
      '  ondemand  none at first; started when requests come, ended when idle for long',
    ],
    example: 'static',
  },
  {
    name: 'pm.max_children',
    scope: 'pool',
    type: 'integer',
    required: true,
    range: { min: 1, refusal: 'pm.max_children must be a positive value', level: 'alert' },
    summary: 'Number of workers (static), or the most there may be (dynamic, ondemand). Mandatory.',
    details: ['It is the number of requests that are served at the same time.'],
    example: '5',
  },
  {
    name: 'pm.start_servers',
    scope: 'pool',
    type: 'integer',
    default: 0,
    summary: 'Workers at the start (dynamic).',
    defaultText: 'halfway from pm.min_spare_servers to pm.max_spare_servers',
    example: '2',
  },
  {
    name: 'pm.min_spare_servers',
    scope: 'pool',
    type: 'integer',
    default: 0,
    range: { min: 1, refusal: 'pm.min_spare_servers(%d) must be a positive value', level: 'alert' },
    summary: 'Least idle workers (dynamic, mandatory there).',
    defaultText: 'none',
    example: '1',
  },
  {
    name: 'pm.max_spare_servers',
    scope: 'pool',
    type: 'integer',
    default: 0,
    range: { min: 1, refusal: 'pm.max_spare_servers(%d) must be a positive value', level: 'alert' },
    summary: 'Most idle workers (dynamic, mandatory there).',
    defaultText: 'none',
    example: '3',
  },
  {
    name: 'pm.max_spawn_rate',
    scope: 'pool',
    type: 'integer',
    default: 32,
    range: { min: 1, refusal: 'pm.max_spawn_rate must be a positive value', level: 'alert' },
    summary: 'Most workers started in one second (dynamic).',
  },
  {
    name: 'pm.process_idle_timeout',
    scope: 'pool',
    type: 'time',
    default: 10,
    range: { min: 1, refusal: 'pm.process_idle_timeout(%ds) must be greater than 0s', level: 'alert' },
    unit: 'seconds',
    dump: 'bare',
    summary: 'Time after which an idle worker is ended (ondemand).',
  },
  {
    name: 'pm.max_requests',
    scope: 'pool',
    type: 'integer',
    default: 0,
    summary: 'Requests after which a worker is replaced; 0 is never.',
    details: ['Helps against memory leaks of libraries.'],
  },
  {
    name: 'pm.status_path',
    scope: 'pool',
    type: 'string',
    summary: 'Path at which the pool answers with its status page.',
    details: ["Begins with '/'; made of letters, digits and /_-.~ only."],
    defaultText: 'none',
    example: '/status',
  },
  {
    name: 'pm.status_listen',
    scope: 'pool',
    type: 'string',
    summary: 'An address of its own for the status page, which then answers when all workers are busy.',
    details: ['Same values as for listen. pm.status_path is / then, unless set.'],
    defaultText: 'none',
    example: '127.0.0.1:9001',
  },
  {
    name: 'ping.path',
    scope: 'pool',
    type: 'string',
    summary: 'Path at which the pool answers with ping.response, to show that it is alive.',
    details: ["Begins with '/'; made of letters, digits and /_-.~ only."],
    defaultText: 'none',
    example: '/ping',
  },
  {
    name: 'ping.response',
    scope: 'pool',
    type: 'string',
    summary: 'Text that answers a ping.',
    defaultText: 'pong',
    example: 'pong',
  },
  {
    name: 'access.log',
    scope: 'pool',
    type: 'string',
    path: 'pool',
    summary: 'File that gets one line for each request.',
    details: ['Made for the master alone, mode 0600. SIGUSR1 opens it anew after a rotation.'],
    defaultText: 'none',
    example: '/var/log/$pool.access.log',
  },
  {
    name: 'access.format',
    scope: 'pool',
    type: 'string',
    summary: 'What a line of the access log holds.',
    details: [
      '  %%  a percent sign',
      '  %C  CPU used, in percent: %{user}C, %{system}C, %{total}C',
      '  %d  time taken: %{seconds}d, %{milliseconds}d, %{microseconds}d',
      '  %e  a FastCGI parameter: %{NAME}e',
      '  %f  script file          %l  content length of the request',
      '  %m  method               %M  most memory used: %{bytes}M, %{kilobytes}M, %{megabytes}M',
      '  %n  pool                 %o  a response header: %{NAME}o',
      '  %p  pid of the worker    %P  pid of its parent',
      '  %q  query                %Q  ? where there is a query',
      '  %r  path of the request  %R  address of the web server',
      '  %s  status               %u  user of Basic authorization',
      '  %t  time of the request, by strftime(3): %{%Y-%m-%d}t; %T the same for the end of the request',
      'json stands for one JSON object a line, with all of that.',
    ],
    defaultText: '"%R - %u %t \\"%m %r\\" %s"',
    example: '"%R - %u %t \\"%m %r%Q%q\\" %s %f %{milli}d %{kilo}M %C%%"',
  },
  {
    name: 'access.suppress_path',
    scope: 'pool',
    type: 'string',
    array: 'list',
    summary: 'Path that is left out of the access log when asked by GET or HEAD, with success and no query.',
    defaultText: 'none',
    example: '/ping',
  },
  {
    name: 'slowlog',
    scope: 'pool',
    type: 'string',
    path: 'pool',
    summary: 'File for the backtraces of slow requests.',
    details: [
      'Opened for each entry, so it can be moved away at any time. Backtraces need PHP 7.4 to 8.5 without thread',
      'safety, and a master that may trace its workers.',
    ],
    defaultText: 'none; mandatory with request_slowlog_timeout',
    example: '/var/log/$pool.log.slow',
  },
  {
    name: 'request_slowlog_timeout',
    scope: 'pool',
    type: 'fineTime',
    default: 0,
    unit: 'seconds',
    summary: 'Time after which a backtrace of the request is written to slowlog; 0 is off.',
    details: ['Fractions are allowed: 1500ms, 1.5s.'],
  },
  {
    name: 'request_slowlog_trace_depth',
    scope: 'pool',
    type: 'integer',
    default: 20,
    range: { min: 1, refusal: "'request_slowlog_trace_depth' (%d) must be a positive value", level: 'error' },
    summary: 'Most functions in a backtrace.',
  },
  {
    name: 'request_terminate_timeout',
    scope: 'pool',
    type: 'fineTime',
    default: 0,
    unit: 'seconds',
    summary: 'Time after which a request is ended by force; 0 is off.',
    details: [
      "For scripts that PHP's max_execution_time does not stop. The client gets '504 Gateway Timeout' where nothing",
      'was sent yet. Fractions are allowed: 1500ms, 1.5s.',
    ],
  },
  {
    name: 'request_terminate_timeout_track_finished',
    scope: 'pool',
    type: 'boolean',
    default: false,
    summary: 'Let request_terminate_timeout count on after fastcgi_finish_request().',
    details: ['Shutdown functions count in any case.'],
  },
  {
    name: 'rlimit_files',
    scope: 'pool',
    type: 'integer',
    default: 0,
    summary: 'Most descriptors that a worker may have open; 0 leaves the limit alone.',
  },
  {
    name: 'rlimit_core',
    scope: 'pool',
    type: 'rlimitCore',
    default: 0,
    unit: 'bytes',
    summary: 'Largest core file of a worker; 0 leaves the limit alone.',
    details: ["Possible values: 'unlimited' or a number from 0"],
  },
  {
    name: 'chroot',
    scope: 'pool',
    type: 'string',
    path: 'pool',
    summary: 'Directory that workers see as /. Needs root.',
    details: [
      'An absolute path, or one that begins with $prefix, the prefix of the pool.',
      'PHP, its extensions, time zones and name servers come along. What scripts need besides is yours to put',
      'there: a /tmp for uploads and sessions, /etc/hosts, CA certificates, /bin/sh for programs.',
    ],
    defaultText: 'none',
    example: '/srv/$pool',
  },
  {
    name: 'chdir',
    scope: 'pool',
    type: 'string',
    path: 'pool',
    summary: 'Directory that workers start in, seen from inside the chroot.',
    defaultText: 'not changed, or / in a chroot',
    example: '/var/www',
  },
  {
    name: 'catch_workers_output',
    scope: 'pool',
    type: 'boolean',
    default: false,
    summary: 'Write what workers print to stdout and stderr into the error log.',
  },
  {
    name: 'decorate_workers_output',
    scope: 'pool',
    type: 'boolean',
    default: true,
    summary: 'Put time, pool and process id in front of such lines.',
  },
  {
    name: 'clear_env',
    scope: 'pool',
    type: 'boolean',
    default: true,
    summary: 'Start workers with an empty environment, but for env[] entries.',
    details: ['no lets scripts see the environment of the master by getenv(), $_ENV and $_SERVER.'],
  },
  {
    name: 'security.limit_extensions',
    scope: 'pool',
    type: 'string',
    default: '.php .phar',
    summary: 'Extensions of files that may run as PHP, separated by blanks; empty allows all.',
    details: ['Keeps a mistake in the web server from running uploads as PHP.'],
  },
  {
    name: 'apparmor_hat',
    scope: 'pool',
    type: 'string',
    dump: 'hidden',
    summary: 'AppArmor hat that workers change to.',
    details: ['A subprofile of the profile that tsfpm runs under. Without AppArmor no worker starts.'],
    defaultText: 'none',
    example: 'tsfpm-$pool',
  },
  {
    name: 'env',
    scope: 'pool',
    type: 'string',
    array: 'keyed',
    summary: 'Variable in the environment of the workers.',
    details: [
      "A value that begins with '$' is taken from the environment of the master. USER and HOME are set",
      'by themselves. Of several entries for one name the first counts.',
    ],
    defaultText: 'none',
    example: '[PATH] = /usr/local/bin:/usr/bin:/bin',
  },
  {
    name: 'php_value',
    scope: 'pool',
    type: 'string',
    array: 'keyed',
    summary: 'Setting of php.ini for this pool, which scripts may change by ini_set().',
    details: ['Of several entries for one name the first counts.'],
    defaultText: 'none',
    example: '[memory_limit] = 64M',
  },
  {
    name: 'php_flag',
    scope: 'pool',
    type: 'boolean',
    array: 'keyed',
    storedIn: 'php_value',
    summary: 'The same for settings that are on or off.',
    defaultText: 'none',
    example: '[display_errors] = off',
  },
  {
    name: 'php_admin_value',
    scope: 'pool',
    type: 'string',
    array: 'keyed',
    summary: 'Setting of php.ini for this pool, which scripts can not change.',
    defaultText: 'none',
    example: '[open_basedir] = /srv/$pool',
  },
  {
    name: 'php_admin_flag',
    scope: 'pool',
    type: 'boolean',
    array: 'keyed',
    storedIn: 'php_admin_value',
    summary: 'The same for settings that are on or off.',
    defaultText: 'none',
    example: '[log_errors] = on',
  },
  {
    name: 'php_cgi',
    scope: 'pool',
    type: 'string',
    summary: 'The php-cgi binary of this pool, so that pools may have PHP versions of their own.',
    defaultText: 'the php-cgi found on PATH',
    example: '/usr/bin/php-cgi8.2',
  },
  {
    name: 'php_ini',
    scope: 'pool',
    type: 'string',
    path: 'pool',
    summary: 'The php.ini of this pool, or the directory it is in.',
    defaultText: '--php-ini of the command line, or the one that php-cgi finds',
    example: '/etc/php/8.2/cgi/php.ini',
  },
  {
    name: 'php_sapi_name',
    scope: 'pool',
    type: 'sapiName',
    default: 'fpm-fcgi',
    summary: 'What PHP_SAPI and php_sapi_name() say to scripts.',
    details: ["Possible values: fpm-fcgi, which applications test for; cgi-fcgi, php-cgi's own"],
  },
  {
    name: 'opcache.share',
    scope: 'pool',
    type: 'string',
    summary: 'Pools of one name share one opcache, and APCu: for many sites of one owner.',
    details: [
      'They need far less memory, and what one of them has compiled all of them run. It gives up what keeps',
      'them apart: whoever breaks into one can change what the others run, read it, and hold its locks.',
      'Shared by pools with the same php_cgi, php_ini, php_sapi_name and settings of PHP that count at its',
      'start; -t tells which are not alike. opcache.validate_root and opcache.validate_permission are on in',
      'such pools, unless a php_admin_value turns them off.',
      'Up to 64 letters, digits, dots, underscores and hyphens.',
    ],
    defaultText: 'none, each pool has its own',
    example: 'owner1',
  },
  {
    name: 'opcache.warmup',
    scope: 'pool',
    type: 'integer',
    default: 0,
    range: { min: 0, max: 20000, refusal: 'opcache.warmup(%d) must be within 0 and 20000', level: 'alert' },
    summary: 'Scripts that a reload compiles at most before the new children serve; 0 is off.',
    details: [
      'Those that the old children used most, in at most five seconds, while the old children serve. Nothing of',
      'them is run, what cannot be compiled is passed over, and half of the memory of opcache stays free. Not for',
      'deploys that put each release into a folder of its own: the scripts would be those of the last release.',
    ],
    example: '2000',
  },
  {
    name: 'pm.zygote_idle_timeout',
    scope: 'pool',
    type: 'fineTime',
    default: 300,
    range: { min: 0, refusal: 'pm.zygote_idle_timeout(%ds) must not be less than 0s', level: 'alert' },
    unit: 'seconds',
    summary: 'Time without a worker after which the zygote is ended (ondemand); 0 is never.',
    details: ['Its opcache goes with it, unless it has an opcache.share. The next client starts another.'],
  },
  {
    name: 'pm.max_memory',
    scope: 'pool',
    type: 'size',
    default: 0,
    summary: 'Private memory above which a worker is replaced, after its request; 0 is off.',
    details: [
      'A number of bytes, or of K, M or G. Private is what a worker shares with no other process: neither',
      'opcache nor what all workers of the pool have from their zygote. Checked once a second. No more than',
      'a quarter of the workers, or one, leave at once.',
    ],
    example: '256M',
  },
  {
    name: 'pm.max_memory_hard',
    scope: 'pool',
    type: 'size',
    default: 0,
    summary: 'Private memory above which a worker is killed, a second after it was seen; 0 is off.',
    details: ['For a request that would take the memory of the whole machine. The log names it.'],
    example: '1G',
  },
  {
    name: 'queue.timeout',
    scope: 'pool',
    type: 'fineTime',
    default: 0,
    range: { min: 0, refusal: 'queue.timeout(%ds) must not be less than 0s', level: 'alert' },
    unit: 'seconds',
    summary: "Time after which a client in the listen queue gets '503 Service Unavailable'; 0 is never.",
    details: [
      'For a pool that is asked more than it can bear: its workers then serve those who still wait, and not those',
      'who have given up. Less than the time after which the web server gives up. The answer has a Retry-After,',
      'and comes from the master. Fractions are allowed: 1500ms, 1.5s.',
    ],
    example: '10s',
  },
  {
    name: 'queue.max',
    scope: 'pool',
    type: 'integer',
    default: 0,
    range: { min: 0, refusal: 'queue.max(%d) must not be less than 0', level: 'alert' },
    summary:
      'Clients that may wait in the listen queue; of more, the oldest get the same answer; 0 is any number.',
    details: [
      'Looked at ten times a second. Well below listen.backlog, beyond which the system refuses clients.',
    ],
    example: '100',
  },
] as const satisfies readonly DirectiveRow[];

/** Every row, global ones first. */
export const DIRECTIVES: readonly DirectiveRow[] = [...GLOBAL_DIRECTIVES, ...POOL_DIRECTIVES];

const ROWS_BY_NAME: ReadonlyMap<string, DirectiveRow> = new Map(
  DIRECTIVES.map((row) => [rowKey(row.scope, row.name, row.array !== undefined), row]),
);

function rowKey(scope: DirectiveRow['scope'], name: string, isArray: boolean): string {
  return `${scope} ${name}${isArray ? '[]' : ''}`;
}

/** Scalar names match in any letter case, array names exactly, as in php-fpm. */
export function findDirective(
  scope: DirectiveRow['scope'],
  name: string,
  isArray: boolean,
): DirectiveRow | undefined {
  return ROWS_BY_NAME.get(rowKey(scope, isArray ? name : name.toLowerCase(), isArray));
}

/** The row of a directive that is known to exist. */
export function directive(scope: DirectiveRow['scope'], name: string): DirectiveRow {
  const row = ROWS_BY_NAME.get(rowKey(scope, name, false)) ?? ROWS_BY_NAME.get(rowKey(scope, name, true));
  if (row === undefined) {
    throw new Error(`no directive ${name} in the ${scope} table`);
  }
  return row;
}
