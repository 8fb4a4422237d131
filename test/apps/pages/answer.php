<?php
// Answers of every kind, by ?as=.
switch ($_GET['as'] ?? '') {
  case 'redirect': header('Location: /show.php?redirected', true, 303); exit;
  case 'status-line': header('HTTP/1.1 404 Nothing Here'); echo 'nothing'; exit;
  case 'status-header': header('Status: 418 Teapot'); echo 'tea'; exit;
  case 'code': http_response_code(429); header('Retry-After: 7'); echo 'slowly'; exit;
  case 'not-modified': header('ETag: "x"'); header('Content-Type: text/x-mine'); http_response_code(304); exit;
  case 'many': header('X-Many: one'); header('X-Many: two', false); header('X-Odd: tab' . "\t" . 'and ü'); echo 'many'; exit;
  case 'type': header('Content-Type: image/x-icon'); echo "\0\1\2\xff"; exit;
  case 'no-type': ini_set('default_mimetype', ''); echo 'plain'; exit;
  case 'exit': echo 'left'; exit(3);
  case 'fatal': throw new LogicException('nobody catches this');
  case 'fatal-late': echo str_repeat('x', 10000); flush(); throw new LogicException('too late for a status');
  case 'warning': trigger_error('careful', E_USER_WARNING); error_log('a line for the log'); echo 'went on'; exit;
  case 'pieces': for ($i = 0; $i < 20; $i++) { echo "piece $i\n"; flush(); usleep(2000); } exit;
  case 'buffers': ob_start(fn ($text) => strtoupper($text)); echo 'shouted'; exit;
  case 'large': for ($i = 0; $i < 3000; $i++) echo str_pad((string) $i, 1000, '.'), "\n"; exit;
  case 'empty': exit;
  case 'shutdown': register_shutdown_function(function () { echo ' and more at ', getcwd(); }); echo 'text'; exit;
  case 'memory': echo str_repeat('y', 1 << 28); exit;
  case 'compressed': ini_set('zlib.output_compression', '1'); echo str_repeat('z', 5000); exit;
  case 'include': echo (include 'piece.inc'), ' ', __DIR__, ' ', get_include_path(); exit;
  default: echo 'no such answer';
}
