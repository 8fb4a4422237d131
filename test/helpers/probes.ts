/** Scripts that several tests use: each tells as JSON what PHP sees. */

/** Whom the worker is. */
export const IDENTITY_PHP = `<?php
echo json_encode([
  'uid' => [posix_getuid(), posix_geteuid()],
  'gid' => [posix_getgid(), posix_getegid()],
  'groups' => posix_getgroups(),
  'pid' => getmypid(),
  'status' => file_get_contents('/proc/self/status'),
]);`;

/** Everything that is visible of an environment. */
export const ENVIRONMENT_PHP = `<?php
ob_start(); phpinfo(INFO_ENVIRONMENT | INFO_VARIABLES); $info = ob_get_clean();
echo json_encode([
  'getenv' => getenv(), 'server' => $_SERVER, 'env' => $_ENV, 'info' => $info,
  'proc' => @file_get_contents('/proc/self/environ'), 'shell' => shell_exec('env'),
], JSON_INVALID_UTF8_SUBSTITUTE);`;

/** Values of the settings named in the query, before and after an attempt to change each to the given one. */
export const INI_PHP = `<?php
$answer = [];
foreach ($_GET as $name => $value) {
  $name = strtr($name, ['__' => '.']);
  $before = ini_get($name);
  $set = @ini_set($name, $value);
  $answer[$name] = ['before' => base64_encode((string) $before), 'changed' => $set !== false, 'after' => ini_get($name)];
}
echo json_encode($answer);`;

/** Leaves a mark, sleeps for the milliseconds in the query in many small naps, then answers with its pid. */
export const SLOW_PHP = `<?php
touch(__DIR__ . '/../marks/started-' . ($_GET['name'] ?? 'x'));
for ($end = microtime(true) + $_GET['ms'] / 1000; microtime(true) < $end; ) usleep(5000);
echo 'slept ', getmypid();`;

export const PID_PHP = '<?php echo getmypid();';
