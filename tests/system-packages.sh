#!/usr/bin/env bash
# Installs what some tests want; they are skipped without. System packages come where apt and root are there.
# With --servers, for CI: compilers, mail servers, Alertmanager, a desktop and synapse, too. Nobody wants these on a machine of his own.
set -euo pipefail
cd "$(dirname "$0")"
lists=(e2e/systemd/apt-packages.txt)
if [ "${1:-}" = --servers ]; then
  lists+=(integration/alerting/apt-servers.txt)
  synapse=../.venv/synapse
  [ -x $synapse/bin/synctl ] || { python3 -m venv $synapse && $synapse/bin/python -m pip install --quiet matrix-synapse; } >/dev/null 2>&1 ||
    echo "synapse cannot be installed here: its test will be skipped"
fi
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
missing=()
if [ "${1:-}" = --servers ]; then  # for examples/languages and completions
  for compiler in g++:g++ go:golang-go rustc:rustc zsh:zsh fish:fish; do
    command -v "${compiler%%:*}" >/dev/null || missing+=("${compiler##*:}")
  done
fi
wheels() {  # for the service's own environment, made by the system's Python in a machine without a network
  local to=../.venv/wheels version
  version=$(/usr/bin/python3 -c 'import sys, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 0
  [ -x ../.venv/bin/python ] && [ ! $to/.done-$version -nt ../pyproject.toml ] || return 0
  ../.venv/bin/python -m pip download --quiet --dest $to --python-version "$version" --only-binary=:all: \
    $(../.venv/bin/python -c 'from importlib.metadata import requires as of
print(*(r.split(";")[0] for r in of("epochwatch") if "daemon" in r))') &&
    touch "$to/.done-$version"
}
while read -r package; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done < <(cat "${lists[@]}" 2>/dev/null | grep -v '^#')
[ ${#missing[@]} -eq 0 ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; } >/dev/null
wheels || echo "the wheels of the daemon cannot be had here: the test of \`service install\` will be skipped"
