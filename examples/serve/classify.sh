#!/bin/sh
# Asks a server what is in pictures; several go in one request.
#
#   classify.sh http://127.0.0.1:8080 photo.jpg...
set -eu
server=$1
shift
for picture; do
    set -- "$@" -F "image=@$picture"
    shift
done
exec curl --silent --show-error --fail-with-body --retry 5 "$@" "$server/predict?top=1"
