import pytest

from epochwatch.command import job_of


@pytest.mark.parametrize(
    ("command", "job"),
    [
        ("python train.py --epochs 3", "train"),
        ("python -u src/train.py eval.py", "train"),
        ("python -m package.train -m fast", "package.train"),
        ("torchrun --nproc-per-node 4 train.py", "train"),
        ("accelerate launch --config-file a.yaml train.py", "train"),
        ("./train.sh", "train"),
        ("/opt/bin/train --fast", "train"),
        ("bash -c exit", "bash"),
        ("program -m", "program"),
    ],
)
def test_a_command_is_called_after_its_script_or_module_or_program(command, job):
    assert job_of(command.split()) == job
