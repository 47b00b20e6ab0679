<?php
// Asks with Guzzle and 'stream' => true, for which it uses PHP's own HTTP.

require 'GuzzleHttp/autoload.php';
require __DIR__ . '/stream_events.php';

$client = new GuzzleHttp\Client();
$answer = $client->post('https://api.openai.com/v1/chat/completions', [
    'headers' => ['Authorization' => 'Bearer ' . getenv('OPENAI_API_KEY')],
    'json' => body($argv),
    'stream' => true,
]);
$body = $answer->getBody();
if ($argv[1] !== 'stream') {
    print_answer($body->getContents());
    exit;
}
while (!$body->eof()) {
    print_line(GuzzleHttp\Psr7\Utils::readLine($body));
}
