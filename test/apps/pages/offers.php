<?php
// What this PHP offers. Debian builds php-cgi with pcntl, and php-fpm without; the runtime is an extension of its own.
$both = fn ($name) => !preg_match('/^(?:pcntl|PCNTL_|tsfpm)/i', $name);
$functions = array_filter(get_defined_functions()['internal'], $both);
sort($functions);
$extensions = array_filter(get_loaded_extensions(), $both);
sort($extensions);
$constants = array_filter(get_defined_constants(true), $both, ARRAY_FILTER_USE_KEY);
ksort($constants);
$classes = get_declared_classes();
sort($classes);
header('Content-Type: application/json');
echo json_encode([
  'functions' => $functions,
  'extensions' => $extensions,
  'constants' => $constants,
  'classes' => $classes,
  'wrappers' => stream_get_wrappers(),
  'disabled' => [ini_get('disable_functions'), ini_get('disable_classes')],
], JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_PARTIAL_OUTPUT_ON_ERROR);
