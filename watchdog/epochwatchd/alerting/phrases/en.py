"""English."""

from epochwatchd.alerting.phrases import failures_en

FAILURES: dict[str, tuple[str, str]] = failures_en.FAILURES

KINDS: dict[str, str] = {
    "running": "running",
    "finished": "finished",
    "crashed": "crashed",
    "interrupted": "interrupted",
    "silent": "silent",
    "stalled": "stalled",
    "diverged": "diverged",
    "lost": "out of contact",
    "overdue": "overdue",
    "missing": "missing",
    "started": "started",
    "watchdog": "out of order",
    "digest": "summary",
}

HEADLINES: dict[str, str] = {
    "firing": "{job} is {kind}{on_host}",
    "firing.crashed": "{job} crashed{on_host}",
    "firing.silent": "{job} is stuck{on_host} for {age}",
    "firing.stalled": "{job} has stalled{on_host}",
    "firing.diverged": "{job} diverged{on_host}",
    "firing.lost": "lost contact with {job}{on_host}",
    "firing.overdue": "{job} is overdue{on_host}",
    "firing.missing": "{job} never began{on_host}",
    "firing.watchdog": "the watchdog{on_host} needs help",
    "resolved": "{job} is no longer {kind}{on_host}, after {age}",
    "resolved.silent": "{job} is moving again{on_host}, after {age}",
    "resolved.crashed": "{job} is running again{on_host}, after {age}",
    "resolved.diverged": "{job} no longer diverges{on_host}, after {age}",
    "resolved.lost": "{job} is back in contact{on_host}, after {age}",
    "resolved.missing": "{job} began after all{on_host}, {age} late",
    "resolved.watchdog": "the watchdog{on_host} is well again, after {age}",
    "notice": "{job} is {kind}{on_host}",
    "notice.finished": "{job} finished{on_host} after {elapsed}",
    "notice.interrupted": "{job} was interrupted{on_host}",
    "notice.started": "{job} started{on_host}",
    "notice.digest": "summary of {age}{on_host}",
    "notice.started.test": "a test of epochwatch{on_host}",
}

REASONS: dict[str, str] = {
    "reminder": "[still] {headline}",
    "worse": "[now worse] {headline}",
    "amended": "[now known] {headline}",
    "unacked": "[nobody has seen it] {headline}",
    "resolved.first": "[came and went] {headline}",
}

TIMES: dict[str, str] = {
    "notice.digest": "from {since} to {detected}",
    "firing": "since {since} ({age}), running for {elapsed}",
    "firing.crashed": "{since}, after {elapsed}",
    "firing.missing": "expected since {since}",
    "firing.watchdog": "since {since}",
    "resolved": "from {since} to {detected} ({age})",
    "notice": "{since}",
    "notice.finished": "{since}, after {elapsed}",
    "notice.interrupted": "{since}, after {elapsed}",
}

BRIEF: dict[str, tuple[str, ...]] = {
    "summary": ("{finished} finished, {failed} failed, {running} running",),
    "exception": ("{type}", "an exception"),
    "oom_kill": ("out of memory (OOM-killed)",),
    "gpu_lost": ("GPU {gpus} fell off the bus", "its GPU fell off the bus"),
    "deadlock": ("waits at {at}", "waits, uses no CPU"),
    "busy": ("busy at {at}", "uses the CPU, does not beat"),
    "io_wait": ("waits for a disk at {at}", "waits for a disk or a network"),
    "network_wait": ("waits for the network",),
    "polling": ("polls at {at}", "polls or sleeps"),
    "peer_wait": ("waits for another rank",),
    "crashed.unknown": ("how it ended is not known",),
    "keyboard_interrupt": ("Ctrl-C at epoch {epoch}/{epochs}", "Ctrl-C at step {step}/{steps}", "Ctrl-C"),
    "terminated.orderly": ("by {signal}, left in order", "left in order"),
    "unseen_status": (
        "stopped at {epoch}/{epochs}, status not seen",
        "stopped at {step}/{steps}, status not seen",
        "exit status not seen",
    ),
    "too_fast": ("suspiciously fast",),
    "error_in_output": ("its output ends in an error",),
    "still_there": ("done, still holds GPU {gpus}", "done, and still there"),
    "exec": ("it has become {program}", "it has become another program"),
    "finished.exec": ("as another program",),
    "stopped": ("worker {child} is stopped", "stopped (SIGSTOP, Ctrl-Z)"),
    "stopped.terminal": ("waits for its terminal, in the background",),
    "stopped.prompt": ("waits at a prompt or in a debugger",),
    "busy.gpu": ("a GPU works for it",),
    "io_wait.moving": ("reads or writes, does not beat",),
    "silent.unknown": ("why is not known",),
    "gpu_idle": ("GPU {gpus} idle for {idle_s}", "its GPU is idle"),
    "gpu_spin": ("GPU {gpus} spins, does no work", "its GPU spins"),
    "gpu_driver": ("the NVIDIA driver hangs",),
    "step_frozen": ("step {step} stands for {stood_s}", "its step stands"),
    "loss_exploded": ("the loss has exploded",),
    "unreachable": ("its datagrams stopped",),
    "past_estimate": ("far slower than at first",),
    "run_set_aside": ("{runs} not judged for now", "a run is not judged for now"),
    "too_many_runs": ("{user} has too many runs", "too many runs"),
    "store_unwritable": ("the store cannot be written",),
    "store_replaced": ("the store was damaged",),
    "config_refused": ("the new configuration is faulty",),
    "daemon_ended": ("it ended badly ({result})", "it ended badly"),
    "login_ends": ("{channel}'s login ends on {day}", "a login ends soon"),
}
"""For the headline, where the sentence of the cause is long; that stands below."""

CAUSES: dict[str, tuple[str, ...]] = {
    "summary": (
        "stuck for {lost_s} in all: {gpu_hours} GPU hours lost",
        "stuck for {lost_s} in all",
        "nothing was stuck",
    ),
    "exception": ("{type}: {message}", "{type}", "an exception that nothing caught"),
    "keyboard_interrupt": (
        "from the keyboard (Ctrl-C), at epoch {epoch} of {epochs}",
        "from the keyboard (Ctrl-C), at step {step} of {steps}",
        "from the keyboard (Ctrl-C)",
    ),
    "preempted": ("preempted by the scheduler",),
    "still_there": (
        "all that was planned is done; the process is still there and holds memory of GPU {gpus}",
        "all that was planned is done; the process is still there",
    ),
    "retried": ("after it had fallen {times} times", "after it had fallen before"),
    "error_in_output": ("its output ends in an error, although it left with status 0",),
    "time_limit": ("its time limit was over",),
    "shutdown": ("the machine is going down",),
    "hangup": ("its terminal or SSH session was closed",),
    "exit_code": ("it exited with status {status}", "it exited by itself"),
    "exit_code.0": ("it left with status 0 before its end, as os._exit does",),
    "signal": ("killed by {signal} ({core})", "killed by {signal}", "killed by a signal"),
    "oom_kill": ("killed by {signal}: the kernel ran out of memory", "killed: the kernel ran out of memory"),
    "terminated": ("by {signal}", "by a signal"),
    "terminated.orderly": (
        "by {signal}; it left in order, at epoch {epoch} of {epochs}",
        "by {signal}; it left in order, at step {step} of {steps}",
        "by {signal}; it left in order",
        "it left in order",
    ),
    "reported": ("it reported: {reason}", "it reported a failure"),
    "reboot": ("the machine went down while it was running",),
    "crashed.unknown": ("the process is gone, and how it ended cannot be known",),
    "unknown.unreaped": ("the process is dead, and how it ended is not known yet",),
    "stopped": (
        "its worker process {child} is stopped (SIGSTOP, Ctrl-Z or a debugger)",
        "the process is stopped (SIGSTOP, Ctrl-Z or a debugger)",
    ),
    "stopped.terminal": ("it waits for an answer in its terminal, in the background",),
    "stopped.prompt": ("the process waits at a prompt or in a debugger",),
    "deadlock": (
        "the process waits and uses no CPU, and its worker process {child} was killed by {child_signal}",
        "the process waits and uses no CPU, as in a deadlock",
    ),
    "network_wait": ("the process waits for the network, or for another program",),
    "polling": ("the process sleeps, and looks now and then for what does not come",),
    "peer_wait": ("the process waits for another process of its run",),
    "busy": (
        "its worker process {child} uses the CPU, but the process does not beat",
        "the process uses the CPU but does not beat",
    ),
    "busy.gpu": ("a GPU works for the process, which does not beat",),
    "io_wait": (
        "its worker process {child} waits in the kernel for a disk or a network file system",
        "the process waits in the kernel for a disk or a network file system",
    ),
    "io_wait.moving": ("the process still reads or writes data, but does not beat",),
    "exec": (
        "the process has become another program, which does not beat: {program}",
        "the process has become another program, which does not beat",
    ),
    "finished.exec": (
        "by then it was another program, which ended with status 0: {program}",
        "by then it was another program, which ended with status 0",
    ),
    "silent.unknown": ("the process is there, and why it does not beat is not known",),
    "gpu_idle": (
        "GPU {gpus} has done no work for {idle_s} while {memory_mib} of its memory are held",
        "GPU {gpus} has done no work for {idle_s}",
        "its GPU does no work",
    ),
    "gpu_lost": ("GPU {gpus} has fallen off the bus", "its GPU has fallen off the bus"),
    "gpu_spin": ("GPU {gpus} spins: fully busy on paper, and idle in truth", "its GPU spins without working"),
    "gpu_error": ("GPU {gpus} reported Xid {xid}", "GPU {gpus} reported an error", "its GPU reported an error"),
    "gpu_error.hardware": (
        "GPU {gpus} is failing (Xid {xid})",
        "the memory of GPU {gpus} is failing",
        "its GPU is failing",
    ),
    "gpu_error.noted": ("GPU {gpus} had to mend its memory (Xid {xid})", "its GPU had to mend its memory"),
    "gpu_driver": (
        "the NVIDIA driver has not answered for {waiting_s}, how GPU {gpus} does cannot be known",
        "the NVIDIA driver does not answer",
    ),
    "step_frozen": (
        "it beats, but step {step} has not advanced for {stood_s}",
        "it beats, but its step does not advance",
    ),
    "loss_nan": ("the loss is NaN",),
    "loss_inf": ("the loss is infinite",),
    "loss_exploded": ("the loss has exploded, far above what was usual",),
    "unreachable": ("its datagrams stopped: the process, the machine or the network is down",),
    "overdue": ("it has run longer than {limit_s}", "it has run longer than planned"),
    "past_estimate": (
        "at its first pace it would have taken {estimate_s}",
        "it takes far longer than its first pace said",
    ),
    "run_set_aside": (
        "{runs} of {user} are not judged for now: a part of the watchdog broke on them",
        "{run} is not judged for now: a part of the watchdog broke on it",
        "a run is not judged for now: a part of the watchdog broke on it",
    ),
    "too_many_runs": (
        "{user} has more runs than one user may have here; some are not watched",
        "senders that are not known have more runs than they may have here; some are not watched",
    ),
    "store_unwritable": ("the store cannot be written: {problem}", "the store cannot be written"),
    "store_replaced": (
        "the store was damaged; it was set aside as {file}, and a new one was begun",
        "a new store was begun",
    ),
    "config_refused": ("the new configuration was refused; the old one stays",),
    "channel_parked": ("the channel {channel} takes no messages", "a channel takes no messages"),
    "daemon_ended": (
        "the watchdog ended badly ({result}, {status})",
        "the watchdog ended badly",
    ),
    "login_ends": ("the login of the channel {channel} ends on {day}", "the login of a channel ends soon"),
    "not_begun": ("no run began within {within_s} of its time", "no run began at its time"),
    "stopped_early": (
        "stopped early at epoch {epoch} of {epochs}",
        "stopped early at step {step} of {steps}",
        "stopped early",
    ),
    "unseen_status": (
        "it left in order, but its exit status was not seen (stopped early at epoch {epoch} of {epochs})",
        "it left in order, but its exit status was not seen (stopped early at step {step} of {steps})",
        "it left in order, but its exit status was not seen",
    ),
    "too_fast": ("suspiciously fast, as it was to take at least {least_s}", "suspiciously fast"),
    "finished.reported": (
        "{reason} (stopped early at epoch {epoch} of {epochs})",
        "{reason} (stopped early at step {step} of {steps})",
        "{reason}",
    ),
    "test": ("this channel works",),
    "unknown": ("the cause is not known",),
}

ADVICE: dict[str, tuple[str, ...]] = {
    "exception": ("the traceback's last line in your own code is where to look.",),
    "exception.OutOfMemoryError": (
        "lower the batch size, or see with `nvidia-smi` whether another process holds the GPU's memory.",
    ),
    "exception.ModuleNotFoundError": ("is it the right environment? `python -m pip list` in it tells.",),
    "keyboard_interrupt": (),
    "still_there": ("it may wait for an answer or serve; `kill {pid}` ends it.", "it may wait for an answer or serve."),
    "error_in_output": ("`set -o pipefail` in the shell lets the status through a pipe.",),
    "preempted": ("start it again from its last checkpoint; the scheduler may do so by itself.",),
    "time_limit": ("give it more time, or go on from its last checkpoint.",),
    "shutdown": ("start it again when the machine is back; `last -x` tells of reboots.",),
    "hangup": ("start it by `nohup`, in `tmux` or `screen`: then it outlives the connection.",),
    "exit_code": ("the end of the job's own log should say why it left.",),
    "signal": ("`python -X faulthandler` prints the Python line at which such a signal strikes.",),
    "signal.SIGKILL": (
        "`kill -9`, a scheduler or the kernel short of memory does this; `journalctl -k` tells of the last.",
    ),
    "oom_kill": (
        "fewer DataLoader workers or smaller batches need less memory; `journalctl -k` lists who held how much.",
    ),
    "terminated": ("a person's `kill` or a scheduler does this; the evidence says what it ran in.",),
    "reboot": ("`journalctl -b -1 -e` shows the last words before the machine went down.",),
    "crashed.unknown": ("see the end of the job's own log; `journalctl -k` tells of a kill by the kernel.",),
    "stopped": (
        "`kill -CONT {child_pid}` lets it go on.",
        "`kill -CONT {pid}` lets it go on.",
        "`kill -CONT` lets it go on.",
    ),
    "stopped.terminal": ("`fg` in its shell brings it back; started with `< /dev/null` it fails instead of waiting.",),
    "stopped.prompt": ("answer it in its terminal; a `breakpoint()` left in the code does this.",),
    "exec": ("start such a program by `epochwatch run`, or let it beat itself.",),
    "finished.exec": (),
    "deadlock": (
        "what {at} waits for is what to look at; the stack above leads there.",
        "`py-spy dump --pid {pid}` shows what each thread waits for.",
        "`py-spy dump` shows what each thread waits for.",
    ),
    "network_wait": (
        "see whether whom {at} talks to is still there; a time-out would tell sooner.",
        "`ss -tnp | grep pid={pid}` shows whom it talks to.",
        "see whether whom it talks to is still there.",
    ),
    "polling": (
        "see whether what {at} looks for can still come.",
        "`py-spy dump --pid {pid}` shows what it looks for.",
        "`py-spy dump` shows what it looks for.",
    ),
    "peer_wait": ("look at the other ranks: one of them does not come to where this one waits.",),
    "busy": (
        "`py-spy dump --pid {child_pid}` shows what it computes; announce long stretches with `agent.phase(...)`.",
        "if {at} is meant to take so long, announce it with `agent.phase(...)`.",
        "`py-spy dump --pid {pid}` shows what it computes; announce long stretches with `agent.phase(...)`.",
        "announce long stretches with `agent.phase(...)`.",
    ),
    "io_wait": (
        "`cat /proc/{pid}/stack` shows where it waits; is the disk or network file system healthy?",
        "is the disk or network file system healthy?",
    ),
    "silent.unknown": (
        "`py-spy dump --pid {pid}` shows what each thread does.",
        "look at the end of the job's own log.",
    ),
    "gpu_idle": (
        "`py-spy dump --pid {pid}` shows what it waits for, often the data loader.",
        "see what it waits for, often the data loader.",
    ),
    "gpu_lost": ("`dmesg | grep -i xid` names the fault; the machine mostly has to be restarted.",),
    "gpu_spin": ("it probably waits for another rank: look at the slowest one.",),
    "gpu_error": ("`dmesg | grep -i xid` names the fault.",),
    "gpu_error.program": (
        "it is mostly the program's own fault: `CUDA_LAUNCH_BLOCKING=1` shows the call that does it.",
    ),
    "gpu_error.hardware": ("save what can be saved, and take the GPU out of use until it was reset and checked.",),
    "gpu_error.noted": ("the run may go on; reset the GPU when it is free, and have it checked if this comes often.",),
    "gpu_driver": ("does `nvidia-smi` hang too? Then the machine mostly has to be restarted; `dmesg | grep -i nvrm`.",),
    "step_frozen": (
        "`py-spy dump --pid {pid}` shows what it repeats; announce long evaluations with `agent.phase(...)`.",
        "announce long evaluations with `agent.phase(...)`.",
    ),
    "loss_nan": ("go back to the last good checkpoint, lower the learning rate, check the last batch.",),
    "loss_inf": ("go back to the last good checkpoint, lower the learning rate, check the last batch.",),
    "loss_exploded": ("go back to the last good checkpoint, lower the learning rate, check the last batch.",),
    "unreachable": ("is the machine up? `ping {host}`", "is the machine up?"),
    "overdue": ("let it go on, or raise `max_runtime` for this job.",),
    "past_estimate": ("see what slows it down: other jobs on the machine, the data loader, a hot GPU.",),
    "run_set_aside": (
        "the training is not touched. It is judged again within an hour. Please report what the watchdog's log says.",
    ),
    "too_many_runs": ("end runs that need no watching; those that wait are watched as soon as there is room.",),
    "store_unwritable": (
        "make room, or mend the folder's permissions. Until then alerts are told from memory, and none is lost.",
    ),
    "store_replaced": (
        "look at the disk (`dmesg`). Running trainings were found again; earlier ones are in the file set aside.",
    ),
    "channel_parked": (
        "mend it: `epochwatchd test-alert {channel}` says what is wrong; then `systemctl reload epochwatchd`.",
    ),
    "daemon_ended": ("systemd starts it again; `journalctl -u epochwatchd -n 50` says why it ended.",),
    "login_ends": ("`epochwatchd login {channel}` renews it.", "`epochwatchd login` renews it."),
    "config_refused": ("mend it: `epochwatchd check` names each line; then `systemctl reload epochwatchd`.",),
    "not_begun": ("`crontab -l`, `systemctl list-timers` or the scheduler's log tells whether it was started at all.",),
    "unseen_status": ("the end of the job's own log should say whether all went well.",),
    "too_fast": ("was the data there, and did a checkpoint say that all was done? The job's log should tell.",),
}

PROGRESS: tuple[tuple[str, ...], ...] = (
    ("epoch {epoch_shown}/{epochs}", "epoch {epoch_shown}"),
    ("step {step}/{steps}", "step {step}"),
    (
        "loss {loss} (best {best_loss} at epoch {best_epoch})",
        "loss {loss} (best {best_loss} at step {best_step})",
        "loss {loss} (best {best_loss})",
        "loss {loss}",
    ),
    ("{metrics}",),
    ("about {eta_s} to go",),
)
CHECKPOINT: tuple[tuple[str, ...], ...] = (("{ckpt_age} old",), ("{ckpt}",))
MEMORY: tuple[tuple[str, ...], ...] = (("peak {peak_mib} of {limit_mib}", "peak {peak_mib}"),)
PLACE: tuple[tuple[str, ...], ...] = (("{host}",), ("pid {pid}",), ("run {run}",), ("user {user}",))
COMMAND: tuple[tuple[str, ...], ...] = (("{argv}",), ("in {cwd}",), ("{tags}",))
ON_HOST = " on {host}"
RANKED = "{job} (rank {rank})"
CORE_DUMPED = "core dumped"
STANDS = "{sentence}; its main thread is in {at}"

LINES: dict[str, str] = {}
"""Our own lines of evidence are English where they are made."""

LABELS: dict[str, str] = {
    "when": "When: {text}",
    "progress": "Progress: {text}",
    "checkpoint": "Checkpoint: {text}",
    "memory": "Memory: {text}",
    "place": "Where: {text}",
    "command": "Started as: {text}",
    "cause": "Why: {text}",
    "evidence": "Evidence:",
    "evidence_cut": "Evidence (the last {count} lines):",
    "advice": "Next: {text}",
    "ack": "Seen it? `epochwatch ack {id}`",
    "looping": "It crashes again and again. If it goes on like this, it is told once in half an hour.",
    "flapping": "It comes and goes: {count} times in half an hour. Its end is told when it has stayed away so long.",
    "unverified": "Unverified: it rests on datagrams whose sender is not known.",
    "unstored": "Told from memory: the store cannot be written, so it may be told again after a restart.",
}

TOGETHER: dict[str, str] = {
    "count": "{count} runs",
    "count.of": "{count} runs of {job}",
    "alike": "{runs} {kind}{on_host}",
    "resolved": "{runs} no longer {kind}{on_host}",
    "alike.silent": "{runs} are stuck{on_host}",
    "alike.stalled": "{runs} have stalled{on_host}",
    "resolved.silent": "{runs} are moving again{on_host}",
    "mixed": "{count} messages{on_host}",
    "runs": "Runs: {names}",
    "more": "and {count} more",
    "user": "User: {user}",
    "epochs": "epoch {span}",
}
"""What is said of several runs in one message."""

DURATIONS: dict[str, str] = {"d": "{n} d", "h": "{n} h", "m": "{n} min", "s": "{n} s"}
