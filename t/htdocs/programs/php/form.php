<?php
header('Content-Type: application/json');
$file = $_FILES['file'] ?? null;
echo json_encode([
    'post' => $_POST,
    'get' => $_GET,
    'name' => $file['name'] ?? null,
    'size' => $file['size'] ?? null,
    'sha' => $file ? hash_file('sha256', $file['tmp_name']) : null,
    'raw' => strlen(file_get_contents('php://input')),
]);
