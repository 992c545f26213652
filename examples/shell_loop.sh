#!/bin/sh
# Two ways to have a shell script watched: beats of its own, and `epochwatch run` around a command.
set -eu

# The script is the run: its first beat registers it, its process is watched until it says that it has finished.
for epoch in 0 1 2 3 4; do
    loss=$(awk "BEGIN { print 1 / ($epoch + 1) }") # the training of one epoch
    epochwatch beat --job shell-loop --epoch "$epoch" --epochs 5 --loss "$loss"
done
epochwatch beat --job shell-loop --event finished

# The command is the run: it needs no beats of its own, and if it fails, its last lines stand in the alert.
epochwatch run --job shell-evaluate -- awk 'BEGIN { print "accuracy 0.97" }'
