<?php
// A download as many applications do it: by readfile() or a part by fread().
$file = __DIR__ . '/large.bin';
$size = filesize($file);
header('Content-Type: application/octet-stream');
header('Accept-Ranges: bytes');
if (preg_match('/^bytes=(\d+)-(\d+)$/', $_SERVER['HTTP_RANGE'] ?? '', $range)) {
  [, $from, $to] = array_map('intval', $range);
  http_response_code(206);
  header("Content-Range: bytes $from-$to/$size");
  header('Content-Length: ' . ($to - $from + 1));
  $handle = fopen($file, 'rb');
  fseek($handle, $from);
  for ($left = $to - $from + 1; $left > 0; $left -= 8192) echo fread($handle, min(8192, $left));
  exit;
}
header("Content-Length: $size");
readfile($file);
