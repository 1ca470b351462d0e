#!/bin/sh
# One GiB, or as many bytes as the query says.
printf 'Content-Type: application/octet-stream\n\n'
exec head -c "${QUERY_STRING:-1073741824}" /dev/zero
