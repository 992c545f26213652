"""``epochwatch.track``: a loop that beats by itself; and phases whose begin and end are two calls."""

import pytest

from epochwatch import wire

WITHOUT_TQDM = "import sys; sys.modules['tqdm'] = sys.modules['tqdm.auto'] = None\n"


def test_each_turn_is_a_beat_and_the_length_is_the_plan(training):
    done = training.run(f"{WITHOUT_TQDM}import epochwatch\nprint(list(epochwatch.track('abc', 'letters')))")
    head, body = training.beat()
    assert (done.stdout, body.job, body.steps, head.step) == ("['a', 'b', 'c']\n", "letters", 3, 3)
    assert (head.seq, head.state) == (3, wire.EXITING)


def test_what_has_no_length_is_told_by_total_or_not_at_all(training):
    code = "import epochwatch\nfor _ in epochwatch.track({0}): pass"
    training.run(WITHOUT_TQDM + code.format("iter(range(4)), 'plain'"))
    training.run(WITHOUT_TQDM + code.format("iter(range(4)), 'planned', total=4"))
    assert {beat.body.job: beat.body.steps for beat in training.beats()} == {"plain": None, "planned": 4}


def test_of_loops_within_each_other_the_outer_one_has_the_plan(training):
    training.run(f"""
        {WITHOUT_TQDM}
        from epochwatch import track
        for epoch in track(range(2), "nested"):
            for batch in track(range(10)):
                pass
    """)
    head, body = training.beat()
    assert (body.job, body.steps, head.step, head.seq) == ("nested", 2, 2, 22)


def test_what_the_loop_raises_goes_on_its_way_and_a_loop_that_was_left_is_no_longer_the_outer_one(training):
    done = training.run(f"""
        {WITHOUT_TQDM}
        from epochwatch import track
        for step in track(range(5)):
            if step == 2: break
        try:
            for step in track(map(int, ["1", "x"])): pass
        except ValueError as error:
            print(error)
        for step in track(range(7), total=7): pass
    """)
    assert done.stdout.startswith("invalid literal for int()")
    head, body = training.beat()
    assert (body.steps, head.step) == (7, 7)


def test_where_tqdm_is_it_shows_the_loop(training):
    pytest.importorskip("tqdm")
    done = training.run("import epochwatch\nfor _ in epochwatch.track(range(3), 'shown', mininterval=0): pass")
    assert "shown: 100%" in done.stderr
    assert training.beat().head.step == 3


def test_a_phase_may_begin_and_end_in_two_calls(training):
    process = training.start("""
        agent.enter("eval", within="10m")
        agent.enter("checkpoint")
        print("inner", flush=True); input()
        agent.leave()
        print("outer", flush=True); input()
        agent.leave(); agent.leave()
        print("none", flush=True); input()
    """)
    seen = []
    for _ in range(3):
        process.stdout.readline()
        seen.append((training.beat().head.phase, training.beat().head.within_s))
        process.stdin.write("\n")
        process.stdin.flush()
    assert seen == [("checkpoint", None), ("eval", 600.0), (None, None)]
