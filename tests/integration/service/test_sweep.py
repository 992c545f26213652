"""Twenty runs of one job: a message says which of them it is about."""

import os

from watching import watching

from epochwatch import wire
from epochwatch.wire import Body
from epochwatchd.inputs.process import procfs


def test_the_one_that_fell_is_named_by_what_only_it_has(tmp_path):
    me = procfs.read_stat(os.getpid()).start
    with watching(tmp_path) as watch:
        for number in range(20):
            argv = ("train.py", "--seed", "7", "--lr", f"0.{number}")
            body = Body(
                "sweep", run=f"r{number}", pid=os.getpid(), start=me, boot=procfs.boot_id(), argv=argv, cwd="/x"
            )
            watch.beat(f"{number}", body=body)
        watch.tick()
        watch.beat("13", body=body._replace(run="r13", argv=("train.py", "--seed", "7", "--lr", "0.13")),
                   seq=2, state=wire.FAILED)  # fmt: skip
        watch.tick()
        [fell] = [m for m in watch.messages() if m.kind == "crashed"]
        assert (fell.differs, fell.cwd, fell.argv[-1]) == ("--lr 0.13", "/x", "0.13")
        assert fell.text.startswith("💀 sweep (--lr 0.13) crashed")
        assert {row.about["argv"][-1] for row in watch.rows()} == {f"0.{number}" for number in range(20)}
