/**
 * Where a master listens for commands, and where commands look for it: at `control.listen`, or beside its pid file,
 * `/run/tsfpm.pid` -> `/run/tsfpm.control`. Not `.sock`: that could be a pool's.
 *
 * @returns undefined where there is neither: that master takes signals only
 */
export function controlPath(
  controlListen: string | undefined,
  pidFile: string | undefined,
): string | undefined {
  if (controlListen) return controlListen;
  return pidFile ? `${pidFile.replace(/\.pid$/, '')}.control` : undefined;
}
