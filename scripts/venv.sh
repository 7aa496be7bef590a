#!/bin/bash
# Make .venv with exactly the versions of requirements/dev.txt; with uv when it is there, else with pip.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(command -v python3.11 || command -v python3)
if command -v uv >/dev/null; then
  [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
  uv pip sync --quiet --require-hashes --python .venv/bin/python requirements/dev.txt
else
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
fi
touch .venv/ready
