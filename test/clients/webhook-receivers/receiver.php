<?php // php -S 127.0.0.1:8080 receiver.php
$key = base64_decode(str_replace('whsec_', '', getenv('WEBHOOK_SECRET')));
$body = file_get_contents('php://input');
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '0';

$expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
$signatures = explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '');
$matching = array_filter($signatures, fn ($signature) => hash_equals($expected, $signature));
if (!$matching || abs(time() - (int) $timestamp) > 300) {
    http_response_code(401);
    exit;
}

$event = json_decode($body, true); // Ignore an id that was seen before.
$groupId = $event['data']['group']['id'] ?? '';
file_put_contents('php://stdout', "{$event['type']} $id $groupId\n");
http_response_code(204);
