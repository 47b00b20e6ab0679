<?php
// Asks with PHP's own HTTP, which reads until the connection ends.

require __DIR__ . '/stream_events.php';

// HTTP/1.0 is what PHP spoke by default before version 8. Of HTTP/1.1, it gives lines of a stream out
// only when it has 8 kB of them.
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'protocol_version' => $argv[1] === 'stream' ? 1.0 : 1.1,
    'header' => [
        'Content-Type: application/json',
        'Authorization: Bearer ' . getenv('OPENAI_API_KEY'),
    ],
    'content' => json_encode(body($argv)),
]]);
$url = 'https://api.openai.com/v1/chat/completions';

if ($argv[1] !== 'stream') {
    $answer = file_get_contents($url, false, $context);
    if ($answer === false) {
        exit(1);
    }
    print_answer($answer);
    exit;
}
$answer = fopen($url, 'r', false, $context);
if ($answer === false) {
    exit(1);
}
while (($line = fgets($answer)) !== false) {
    print_line($line);
}
