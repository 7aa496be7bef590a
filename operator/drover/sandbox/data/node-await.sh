#!/bin/bash
# Run a command once a socket is there.
# usage: node-await.sh SOCKET COMMAND...
socket=$1
shift
until [ -S "$socket" ]; do sleep 0.05; done
exec "$@"
