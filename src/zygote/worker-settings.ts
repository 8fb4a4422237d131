import { accessFormatOf } from '../accesslog/pool-format.js';
import { LOG_FIELD_KINDS, type LogField } from '../accesslog/record.js';
import type { PoolConfig } from '../config/config.js';
import { inOrderOfApplication } from '../config/config.js';
import { LOG_LEVELS, type LogLevel } from '../log/levels.js';
import { nativeInt32 } from '../os/native-integers.js';
import type { Setting } from './control-frames.js';
import { type Environment, SOFT_FILES_VARIABLE, workerEnvironment } from './environment.js';
import type { PoolAccount } from './identity.js';
import { timeZoneDatabase } from './time-zones.js';

const text = (key: Setting['key'], value: string): Setting => ({ key, value: Buffer.from(value) });
const int32 = (key: Setting['key'], value: number): Setting => ({ key, value: nativeInt32(value) });
const int64 = (key: Setting['key'], value: number): Setting => ({
  key,
  value: Buffer.from(BigInt64Array.of(BigInt(value)).buffer),
});

/** What decides how a pool's workers are set up. */
export interface WorkerPlan {
  readonly config: PoolConfig;
  readonly account: PoolAccount;
  /** The master's own. */
  readonly environment: Environment;
  /** `log_level`: workers leave out messages of their own below it. */
  readonly logLevel: LogLevel;
}

/** All that a pool's zygote needs to turn a fork of itself into a worker: the CONFIGURE frame, before encoding. */
export function workerSettings({
  config: pool,
  account,
  environment: master,
  logLevel,
}: WorkerPlan): Setting[] {
  const { identity } = account;
  const isRoot = process.geteuid?.() === 0;
  const settings = [
    text('POOL', pool.name),
    text('ZYGOTE_TITLE', `tsfpm: zygote ${pool.name}`),
    text('WORKER_TITLE', `tsfpm: pool ${pool.name}`),
    int32('LOG_LEVEL', LOG_LEVELS.indexOf(logLevel) + 1),
  ];
  if (identity !== undefined)
    settings.push(text('USER', identity.user), int32('UID', identity.uid), int32('GID', identity.gid), {
      key: 'GROUPS',
      value: Buffer.concat(identity.groups.map(nativeInt32)),
    });
  const softFiles = master[SOFT_FILES_VARIABLE];
  if (softFiles !== undefined && /^[0-9]{1,15}$/.test(softFiles))
    // else unlimited: then Node had nothing to raise
    settings.push(int64('SOFT_FILES', Number(softFiles)));
  if (pool.rlimitFiles > 0) settings.push(int64('RLIMIT_FILES', pool.rlimitFiles));
  if (pool.rlimitCore !== 0)
    settings.push(int64('RLIMIT_CORE', pool.rlimitCore === 'unlimited' ? -1 : pool.rlimitCore));
  if (isRoot && pool.processPriority !== undefined) settings.push(int32('PRIORITY', pool.processPriority));
  if (pool.processDumpable) settings.push(int32('DUMPABLE', 1));
  if (isRoot && pool.chroot) {
    settings.push(text('CHROOT', pool.chroot));
    const value = timeZoneDatabase();
    if (value !== undefined) settings.push({ key: 'TIME_ZONES', value });
  }
  if (pool.chdir) settings.push(text('CHDIR', pool.chdir));
  if (pool.apparmorHat) settings.push(text('APPARMOR_HAT', pool.apparmorHat));
  if (pool.pmStatusPath) settings.push(text('STATUS_PATH', pool.pmStatusPath));
  if (pool.pingPath) settings.push(text('PING_PATH', pool.pingPath));
  if (pool.securityLimitExtensions) settings.push(text('LIMIT_EXTENSIONS', pool.securityLimitExtensions));
  if (pool.listenAllowedClients !== undefined)
    settings.push(text('ALLOWED_CLIENTS', pool.listenAllowedClients));
  if (pool.queueTimeout > 0 || pool.queueMax > 0) settings.push(int32('DROP_GONE', 1));
  if (pool.catchWorkersOutput) settings.push(int32('CATCH_OUTPUT', 1));
  settings.push(...logFieldSettings(accessFormatOf(pool)?.fields ?? []));
  for (const variable of workerEnvironment(pool, master, account.home)) settings.push(text('ENV', variable));
  for (const { key, value } of inOrderOfApplication(pool.phpAdminValue))
    settings.push(text('ADMIN_VALUE', `${key}\0${value}`));
  return settings;
}

/** `struct tsfpm_log_field` of runtime/control.h and a name, for each text of a request that workers note. */
function logFieldSettings(fields: readonly LogField[]): Setting[] {
  return fields.map(({ kind, name, most }) => {
    const head = Buffer.from(Uint16Array.of(LOG_FIELD_KINDS[kind], most).buffer);
    return { key: 'LOG_FIELD', value: Buffer.concat([head, Buffer.from(name)]) };
  });
}
