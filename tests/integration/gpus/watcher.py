"""The process that has pynvml load the stand-in: answers pickled ``(command, *args)`` from stdin on stdout."""

import pickle
import sys
import threading
from functools import cache

from epochwatchd.inputs.gpu.nvml import open_driver, sample
from epochwatchd.inputs.gpu.reader import GpuReader
from epochwatchd.inputs.gpu.xid_events import XidEvents


def main():
    looks = []
    reader = GpuReader(looks.append)
    driver = cache(open_driver)
    events = cache(lambda: XidEvents(driver()))
    commands = {
        "sample": lambda previous: sample(driver(), previous, events().drain()),
        "unanswered since": reader.unanswered_since,
        "poll": reader.poll,
        "problem": reader.problem,
        "looks": lambda: list(looks),
        "looking": lambda: sum(thread.name == "gpus" for thread in threading.enumerate()),
        "forget function": lambda name: delattr(driver(), name),
        "forget pynvml": lambda: sys.modules.update(pynvml=None),
    }
    while True:
        try:
            command, *args = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(commands[command](*args), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
