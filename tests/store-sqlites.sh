#!/usr/bin/env bash
# Runs the store's tests with the oldest SQLite that it is made for, the newest there is, and the system's own.
set -uo pipefail
cd "$(dirname "$0")/.."

python_of() { # minor: the first CPython 3.MINOR of this machine that can make environments
  for candidate in "$(command -v "python3.$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$1".*/bin/python; do
    if [ -x "$candidate" ] && "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

run() { # name python [requirement of another SQLite]
  local name=$1 python=$2 sqlite=${3:-} env=.venv/store-$1 log=.venv/store-$1.log plugin=()
  if [ -z "$python" ] || ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "store, $name: skipped, no Python for it on this machine"
    return
  fi
  [ -n "$sqlite" ] && plugin=(-p other_sqlite)
  {
    { [ -x "$env/bin/python" ] || "$python" -m venv "$env"; } &&
      "$env/bin/python" -m pip install --quiet 'pytest>=8.3' 'pytest-timeout>=2.3' $sqlite &&
      PYTHONPATH=agent:watchdog:tests/support "$env/bin/python" -m pytest -o addopts= -q -ra -p no:cacheprovider \
        "${plugin[@]}" tests/integration/store
  } >"$log" 2>&1 && echo "store, $name: $(tail -n 1 "$log")" || { cat "$log"; echo "store, $name: FAILED"; return 1; }
}

newest=$(python_of 13)
mkdir -p .venv
status=0
run SQLite-3.36 "$(python_of 10)" pysqlite3-binary==0.4.6 || status=1
run newest-SQLite "${newest:-$(python_of 12)}" pysqlite3-binary || status=1
run system "$(ls /usr/bin/python3 2>/dev/null)" || status=1
exit $status
