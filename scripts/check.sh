#!/bin/bash
# All that needs no other process than its own: style, types, layers, the fast tests, generated files. Green means mergeable.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD/operator"
pure='operator/drover/api/*,operator/drover/state/*,operator/drover/planning/*,operator/drover/translation/*'

step() {
  printf -- '-- %s\n' "$*"
  "$@"
}

scripts_of_shell() {
  git ls-files -z --cached --others --exclude-standard | xargs -0 grep -slzE '^#!/(usr/)?bin/(env )?(ba)?sh' --
}

step .venv/bin/ruff format --quiet --check .
step .venv/bin/ruff check --quiet .
step .venv/bin/mypy operator/drover tests scripts benchmarks
step .venv/bin/lint-imports --no-logo
step .venv/bin/pytest -q --cov --cov-report= tests/unit tests/golden tests/architecture
step .venv/bin/coverage report --skip-covered --include="$pure" --fail-under=100
step .venv/bin/python scripts/generate.py --check
mapfile -t shell < <(scripts_of_shell)
step shellcheck "${shell[@]}"
