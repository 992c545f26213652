#!/usr/bin/env bash
# Installs the system packages that some tests want (they are skipped without), where apt and root are there.
set -euo pipefail
cd "$(dirname "$0")"
[ -f e2e/systemd/apt-packages.txt ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
missing=()
while read -r package; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done < <(grep -v '^#' e2e/systemd/apt-packages.txt)
[ ${#missing[@]} -eq 0 ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; } >/dev/null
