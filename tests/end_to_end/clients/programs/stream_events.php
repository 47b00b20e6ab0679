<?php
// What the PHP clients here share: the body they ask with, and reading a stream by lines.

function body(array $argv): array
{
    $body = ['model' => 'gpt-4o', 'messages' => [['role' => 'user', 'content' => 'hello there']]];
    if ($argv[1] === 'stream') {
        $body += ['stream' => true, 'standin' => ['gate' => $argv[2]]];
    }
    return $body;
}

function print_answer(string $answer): void
{
    echo json_decode($answer, true)['choices'][0]['message']['content'], "\n";
}

function print_line(string $line): void
{
    if (!str_starts_with($line, 'data: ') || rtrim($line) === 'data: [DONE]') {
        return;
    }
    foreach (json_decode(substr($line, strlen('data: ')), true)['choices'] as $choice) {
        if (($choice['delta']['content'] ?? '') !== '') {
            echo json_encode($choice['delta']['content']), "\n";
        }
    }
}
