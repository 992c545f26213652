#!/usr/bin/env bash
# What does not agree with the shared torch of tests/launchers.sh: Ultralytics needs torchvision, and so a torch of the same make.
# And the oldest versions that the integrations are made for. Gigabytes: not a part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
make_env() {
  env=.venv/$1; shift
  [ -e "$env/.done" ] && return
  .venv/bin/python -m venv --clear "$env"
  "$env/bin/python" -m pip install --quiet "$@"
  "$env/bin/python" -m pip install --quiet --no-deps --editable .
  touch "$env/.done"
}
make_env vision ultralytics torch torchvision
