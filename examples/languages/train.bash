#!/usr/bin/env bash
# A training in bash alone, watched: no program of epochwatch's, nor any other, is needed. Where `epochwatch` is installed,
# `epochwatch beat` is better (examples/shell_loop.sh): UDP tells nothing of who sent it.
set -euo pipefail

run=$(printf '%04x%04x%04x' $RANDOM $RANDOM $RANDOM)
address=${EPOCHWATCH_UDP:-127.0.0.1:8765}

beat() { # the rest of a JSON object, as '"epoch": 3, "loss": 0.21'
    printf '{"job": "train-in-bash", "run": "%s", "pid": %d, "host": "%s", %s}' "$run" $$ "$HOSTNAME" "$1" \
        >"/dev/udp/${address%:*}/${address##*:}" || true # nobody listens: the training goes on
}

for epoch in 0 1 2 3 4; do
    beat "\"epoch\": $epoch, \"epochs\": 5, \"loss\": 0.$((9 - epoch))"
done
if [ "${1:-}" = fail ]; then beat '"event": "failed", "reason": "a \"bad\" batch"'; else beat '"event": "finished"'; fi
