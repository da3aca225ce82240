<?php
// SPDX-License-Identifier: MIT
// Reads lines "URL TRUST" and fetches each page through a stream.
while (($line = fgets(STDIN)) !== false) {
    [$url, $trust] = explode(' ', trim($line));
    $context = stream_context_create([
        'ssl' => ['cafile' => $trust],
        'http' => ['timeout' => 5, 'ignore_errors' => true],
    ]);
    $page = @file_get_contents($url, false, $context);
    $why = error_get_last();
    echo $page === false
        ? str_replace("\n", ' ', $why ? $why['message'] : 'failed') : 'ok', "\n";
    error_clear_last();
}
