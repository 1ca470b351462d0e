#!/bin/sh
sleep 2
printf 'Content-Type: text/plain\n\nhello\n'
