"""``@agent.watched`` on generators: the run lasts as long as they are used, and they are what they were."""

import pytest

from epochwatch import wire

LOOP = """
@agent.watched("gen", epochs=4)
def generate():
    for epoch in range(4):
        agent.beat(epoch)
        got = yield epoch
        if got == "stop": return "stopped"
        if got == "fail": raise RuntimeError("data loader broke")
    return "all"
"""
STATES = {wire.FINISHED: "finished", wire.FAILED: "failed"}


def ended(training, code):
    done = training.run(LOOP + code)
    beat = training.beat()
    return done, STATES.get(beat.head.state), beat


def test_it_finishes_when_it_is_exhausted(training):
    done, state, beat = ended(training, "print(list(generate()))")
    assert (done.stdout, done.stderr) == ("[0, 1, 2, 3]\n", "")
    assert (state, beat.body.job, beat.head.epoch, beat.body.reason) == ("finished", "gen", 3, "'all'")


def test_it_has_not_ended_while_it_is_used(training):
    done, state, beat = ended(training, "g = generate(); next(g); import os; os._exit(0)")
    assert (done.returncode, state, beat.head.epoch) == (0, None, 0)


def test_who_breaks_off_has_finished(training):
    _, state, beat = ended(training, "for epoch in generate():\n    if epoch == 1: break")
    assert (state, beat.head.epoch) == ("finished", 1)


def test_what_is_sent_arrives(training):
    code = """
g = generate(); next(g)
try: g.send("stop")
except StopIteration as end: print(end.value)
"""
    done, state, beat = ended(training, code)
    assert (done.stdout, state, beat.body.reason) == ("stopped\n", "finished", "'stopped'")


def test_what_is_thrown_arrives(training):
    code = "g = generate(); next(g)\ntry: g.throw(KeyError('k'))\nexcept KeyError: print('k')"
    done, state, _ = ended(training, code)
    assert (done.stdout, state) == ("k\n", "failed")


def test_its_exception_is_the_failure(training):
    done, state, beat = ended(training, "g = generate(); next(g); g.send('fail')")
    assert (done.returncode, state, beat.body.exception) == (1, "failed", "RuntimeError: data loader broke")


def test_beats_between_its_steps_are_not_its_own(training):
    done = training.run(LOOP + "agent.start('outer')\nfor epoch in generate(): agent.beat(10 + epoch)")
    told = {beat.body.job: beat.head.epoch for beat in training.beats()}
    assert (done.stderr, told) == ("", {"gen": 3, "outer": 13})


@pytest.mark.parametrize(("after", "state"), [("", "finished"), ("raise ValueError('x')", "failed")])
def test_an_asynchronous_one_too(training, after, state):
    done = training.run(
        f"""
        import asyncio
        @agent.watched("agen", epochs=3)
        async def generate():
            for epoch in range(3):
                agent.beat(epoch)
                yield epoch
                await asyncio.sleep(0)
            {after}
        async def use():
            print([epoch async for epoch in generate()])
        asyncio.run(use())
        """
    )
    beat = training.beat()
    assert (STATES[beat.head.state], beat.body.job, beat.head.epoch) == (state, "agen", 2)
    assert ("[0, 1, 2]" in done.stdout) == (state == "finished")
