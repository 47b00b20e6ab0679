<?php
// Asks with PHP's curl.

$streamed = $argv[1] === 'stream';
$body = ['model' => 'gpt-4o', 'messages' => [['role' => 'user', 'content' => 'hello there']]];
if ($streamed) {
    $body += ['stream' => true, 'standin' => ['gate' => $argv[2]]];
}

$curl = curl_init('https://api.openai.com/v1/chat/completions');
curl_setopt_array($curl, [
    CURLOPT_FAILONERROR => true,
    CURLOPT_HTTPHEADER => [
        'Content-Type: application/json',
        'Authorization: Bearer ' . getenv('OPENAI_API_KEY'),
    ],
    CURLOPT_POSTFIELDS => json_encode($body),
]);
if ($streamed) {
    $rest = '';
    curl_setopt($curl, CURLOPT_WRITEFUNCTION, function ($curl, $data) use (&$rest) {
        $lines = explode("\n", $rest . $data);
        $rest = array_pop($lines);
        foreach ($lines as $line) {
            if (!str_starts_with($line, 'data: ') || $line === 'data: [DONE]') {
                continue;
            }
            foreach (json_decode(substr($line, strlen('data: ')), true)['choices'] as $choice) {
                if (($choice['delta']['content'] ?? '') !== '') {
                    echo json_encode($choice['delta']['content']), "\n";
                }
            }
        }
        return strlen($data);
    });
} else {
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
}

$answer = curl_exec($curl);
if ($answer === false) {
    fwrite(STDERR, curl_error($curl) . "\n");
    exit(1);
}
if (!$streamed) {
    echo json_decode($answer, true)['choices'][0]['message']['content'], "\n";
}
