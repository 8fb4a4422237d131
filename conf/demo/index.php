<?php

/*
 * The page that `npm start` shows: that PHP answers, and who did.
 * Runs on PHP 7.4 and newer, needs nothing but this file, and trusts nothing that it prints.
 */

declare(strict_types=1);

header('Content-Type: text/html; charset=UTF-8');
header('Cache-Control: no-store');
header("Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'");

function escape(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function formatBytes(int $bytes): string
{
    if ($bytes < 1024) {
        return "$bytes bytes";
    }
    return $bytes < 1024 * 1024
        ? sprintf('%.1f KiB', $bytes / 1024)
        : sprintf('%.1f MiB', $bytes / (1024 * 1024));
}

/** Hits and cached scripts of the opcache that this pool's workers share, or why there are none to tell. */
function describeOpcache(): string
{
    if (!function_exists('opcache_get_status')) {
        return 'not loaded';
    }
    // Warns where opcache.restrict_api keeps this script from asking.
    $status = @opcache_get_status(false);
    if (!is_array($status)) {
        return 'off, or closed to this script';
    }
    $statistics = $status['opcache_statistics'];
    return sprintf('%d (scripts cached: %d)', $statistics['hits'], $statistics['num_cached_scripts']);
}

/** What became of the form, in one sentence; null where none was sent. */
function describePost(): ?string
{
    if (($_SERVER['REQUEST_METHOD'] ?? 'GET') !== 'POST') {
        return null;
    }
    if ($_POST === [] && $_FILES === [] && (int) ($_SERVER['CONTENT_LENGTH'] ?? 0) > 0) {
        return 'PHP took nothing of it: no form, or larger than post_max_size (' . ini_get('post_max_size') . ').';
    }
    $upload = $_FILES['file'] ?? null;
    if (is_array($upload) && is_int($upload['error'])) {
        return describeUpload($upload);
    }
    $message = $_POST['message'] ?? null;
    return is_string($message)
        ? sprintf('You posted %d bytes: “%s”', strlen($message), $message)
        : 'You posted a form without a message.';
}

function describeUpload(array $upload): string
{
    switch ($upload['error']) {
        case UPLOAD_ERR_OK:
            return sprintf('You uploaded “%s”, %s.', $upload['name'], formatBytes($upload['size']));
        case UPLOAD_ERR_NO_FILE:
            return 'No file was chosen.';
        case UPLOAD_ERR_INI_SIZE:
            return 'The file is larger than upload_max_filesize (' . ini_get('upload_max_filesize') . ').';
        default:
            return "The upload failed, PHP's error code is {$upload['error']}.";
    }
}

$facts = [
    'Pool' => (string) ($_SERVER['TSFPM_POOL'] ?? 'www'),
    'Worker' => 'pid ' . getmypid(),
    'PHP' => PHP_VERSION,
    'SAPI' => PHP_SAPI,
    'Opcache hits' => describeOpcache(),
    'Memory' => formatBytes(memory_get_peak_usage()) . ' at most',
    'Asked at' => date('Y-m-d H:i:s T', (int) $_SERVER['REQUEST_TIME']),
    'Answered in' => sprintf('%.2f ms', (microtime(true) - $_SERVER['REQUEST_TIME_FLOAT']) * 1000),
    'Server' => (string) ($_SERVER['SERVER_SOFTWARE'] ?? 'unknown'),
];
if (($_SERVER['PATH_INFO'] ?? '') !== '') {
    $facts['Path info'] = (string) $_SERVER['PATH_INFO'];
}
$posted = describePost();
$action = escape((string) ($_SERVER['SCRIPT_NAME'] ?? '/'));

?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>It works - tsfpm</title>
<link rel="icon" href="data:,">
<style>
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --text: #1c2128; --soft: #5b6470; --line: #dfe3e8; --accent: #1f6f4a; --on-accent: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --card: #1d2126; --text: #e7eaee; --soft: #9aa4b0; --line: #323840; --accent: #6fd3a3; --on-accent: #10241a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 44rem; margin: 0 auto; padding: 12vh 1.25rem 4rem; }
h1 { margin: 0; font-size: 2.25rem; line-height: 1.2; }
h1 + p { margin: .5rem 0 2rem; color: var(--soft); }
h2 { margin: 0 0 .75rem; font-size: 1.05rem; }
section { margin-top: 1.25rem; padding: 1.25rem 1.5rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
dl { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: .4rem 1.5rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; }
form + form { margin-top: .75rem; }
input { flex: 1 1 14rem; min-width: 0; padding: .5rem .7rem; font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: .5rem; }
button { flex: none; min-width: 6rem; padding: .55rem 1rem; font: inherit; font-weight: 600; color: var(--on-accent); background: var(--accent); border: 0; border-radius: .5rem; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
output { display: block; margin: 0 0 1rem; padding: .6rem .8rem; border-left: 3px solid var(--accent); background: var(--page); overflow-wrap: anywhere; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; } }
</style>
</head>
<body>
<main>
<h1>It works</h1>
<p>PHP made this page, in a worker that tsfpm started. Reload it to meet the others.</p>

<section>
<h2>This request</h2>
<dl>
<?php foreach ($facts as $name => $value): ?>
<dt><?= escape($name) ?></dt><dd><?= escape($value) ?></dd>
<?php endforeach ?>
</dl>
</section>

<section>
<h2>Send something</h2>
<?php if ($posted !== null): ?>
<output><?= escape($posted) ?></output>
<?php endif ?>
<form method="post" action="<?= $action ?>">
<input type="text" name="message" aria-label="Message" placeholder="A message" required>
<button>Post</button>
</form>
<form method="post" action="<?= $action ?>" enctype="multipart/form-data">
<input type="file" name="file" aria-label="File" required>
<button>Upload</button>
</form>
</section>
</main>
</body>
</html>
