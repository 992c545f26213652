#!/usr/bin/env bash
# Runs the agent's tests on every CPython from 3.8 on that this machine has, each in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

pythons() {
  for minor in 8 9 10 11 12 13 14; do
    for candidate in "$(command -v "python3.$minor" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python; do
      if [ -x "$candidate" ] && "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "$minor $candidate"
        break
      fi
    done
  done
}

run() { # minor python
  local env=.venv/agent-3.$1 log=.venv/agent-3.$1.log
  {
    [ -x "$env/bin/python" ] || "$2" -m venv "$env"
    "$env/bin/python" -m pip install --quiet 'pytest>=8.3' 'pytest-xdist>=3.6' 'pytest-timeout>=2.3' hypothesis
    PYTHONPATH=agent "$env/bin/python" -m pytest -o addopts= -q -ra -n auto -p no:cacheprovider \
      tests/unit/agent tests/unit/agent_cli tests/integration/agent tests/integration/agent_cli
  } >"$log" 2>&1 && echo "Python 3.$1: $(tail -n 1 "$log")" || { cat "$log"; echo "Python 3.$1: FAILED"; return 1; }
}

mkdir -p .venv
status=0
while read -r minor python; do
  run "$minor" "$python" || status=1
done < <(pythons)
exit $status
