#!/bin/bash
# Write requirements/*.txt anew from pyproject.toml: exact versions with hashes, and no word of where they came from.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() {
  uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
    --python-version 3.11 --output-file "requirements/$1.txt" "${@:2}" pyproject.toml
}

lock runtime
lock dev --extra dev
