<?php
// Everything a script can learn about its request and about the PHP that runs it, but what differs from run to run.
$server = $_SERVER;
unset($server['REQUEST_TIME'], $server['REQUEST_TIME_FLOAT'], $server['REMOTE_PORT']);
$environment = getenv();
unset($environment['REMOTE_PORT']);
$settings = ini_get_all(null, false);
foreach (array_keys($settings) as $name)
  if (preg_match('/^(cgi|fastcgi|fpm)\./', $name)) unset($settings[$name]); // of one SAPI each
$files = array_map(
  fn ($file) => ['size' => $file['size'], 'error' => $file['error'], 'name' => $file['full_path'], 'type' => $file['type'],
    'sha1' => $file['error'] === 0 ? sha1_file($file['tmp_name']) : '', 'in' => dirname($file['tmp_name'])],
  $_FILES,
);
header('Content-Type: application/json');
echo json_encode([
  'server' => $server,
  'environment' => $environment,
  'one by getenv' => [getenv('SITE_COLOUR'), getenv('REQUEST_METHOD'), getenv('HTTP_USER_AGENT'), getenv('PATH_INFO'), getenv('PATH')],
  'env' => $_ENV,
  'headers' => getallheaders(),
  'get' => $_GET, 'post' => $_POST, 'cookie' => $_COOKIE, 'request' => $_REQUEST, 'files' => $files,
  'input' => [strlen(file_get_contents('php://input')), sha1(file_get_contents('php://input'))],
  'sapi' => [PHP_SAPI, php_sapi_name()],
  'settings' => $settings,
  'ids' => [posix_getuid(), posix_geteuid(), posix_getgid(), posix_getegid(), posix_getgroups(), umask()],
  'limits' => posix_getrlimit(),
  'folder' => getcwd(),
  'buffers' => [ob_get_level(), ob_get_status()],
  'program' => trim((string) shell_exec('env | sort; grep -E "^Sig(Blk|Ign)" /proc/self/status')),
], JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
