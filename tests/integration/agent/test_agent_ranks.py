"""However the processes of one training are started, they are one run; processes started side by side are not."""

import pytest

ALONE = dict.fromkeys(("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"))
LAUNCHERS = {
    "torchrun": ("RANK", "WORLD_SIZE"),
    "Open MPI": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    "MVAPICH": ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    "MPICH": ("PMI_RANK", "PMI_SIZE"),
    "PMIx": ("PMIX_RANK", "PMIX_SIZE"),
    "Slurm": ("SLURM_PROCID", "SLURM_NTASKS"),
    "Lightning": ("LOCAL_RANK", "WORLD_SIZE"),
}


def runs_of(training):
    return sorted((beat.body.rank, beat.body.run, beat.body.world_size) for beat in training.beats())


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_ranks_of_a_launcher_are_one_run(training, launcher):
    rank, size = LAUNCHERS[launcher]
    for number in range(3):
        done = training.run("agent.beat(1)", **{**ALONE, rank: str(number), size: "3", "NODE_RANK": "0"})
        assert (done.returncode, done.stderr) == (0, "")
    told = runs_of(training)
    assert [(one[0], one[2]) for one in told] == [(0, 3), (1, 3), (2, 3)]
    assert len({one[1] for one in told}) == 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_children_of_multiprocessing_are_one_run(training, method):
    done = training.run(
        f"""
        import multiprocessing
        def work(number):
            agent.beat(number)
        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=work, args=(n,)) for n in range(3)]
            [child.start() for child in children]
            [child.join() for child in children]
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = runs_of(training)
    assert (len(told), len({run for _, run, _ in told})) == (3, 1)


def test_processes_that_one_shell_starts_side_by_side_are_runs_of_their_own(training):
    for _ in range(3):
        training.run("agent.beat(1)")
    assert len({run for _, run, _ in runs_of(training)}) == 3


def test_who_knows_its_rank_may_say_so(training):
    for number in range(2):
        training.run(f"agent.start('ddp', rank={number}, world_size=2); agent.beat(1)")
    told = runs_of(training)
    assert [(rank, size) for rank, _, size in told] == [(0, 2), (1, 2)]
    assert told[0][1] == told[1][1]


@pytest.mark.parametrize("wrong", ["-1", "'many'", "10**9"])
def test_a_rank_that_makes_no_sense_is_left_out(training, wrong):
    done = training.run(f"agent.start('ddp', rank={wrong}); agent.beat(1)")
    assert (done.returncode, training.beat().body.rank) == (0, None)
    assert "rank" in done.stderr
