import pytest

from epochwatch.wire import Head
from epochwatchd.detection import silence
from epochwatchd.detection.silence import Life, SilenceHistory, least_limit_s, limit_s
from epochwatchd.detection.silence.durations import Spread, bound_s, spread_of
from epochwatchd.detection.silence.limits import ANNOUNCED_FLOOR_S, FLOOR_S
from epochwatchd.store.records import history_from, history_json

STEP_S = 0.5


class Training:
    """A run, beat after beat as the daemon hears it; it may begin with what an earlier one has taught."""

    def __init__(self, known=SilenceHistory(), *, per_epoch=0, step_s=STEP_S, told="epoch"):  # noqa: B008 - immutable
        self.known, self.per_epoch, self.step_s, self.told = known, per_epoch, step_s, told
        self.now, self.seq = 0.0, 0

    def head(self):
        epoch = (self.seq - 1) // self.per_epoch if self.per_epoch and self.seq else None
        step = (self.seq - 1) % self.per_epoch if self.told == "epoch and its steps" and self.seq else None
        return Head(seq=self.seq, epoch=epoch, step=step)

    def life(self):
        return Life(self.now, self.seq)

    def beat(self, pause_s=0.0):
        gap_s, before, life = self.step_s + pause_s, self.head(), self.life()
        self.seq += 1
        if silence.teaches(gap_s, before, self.head()):
            self.known = silence.learn(self.known, gap_s, before, self.head(), life)
        self.now += gap_s
        return self

    def steps(self, count, pauses=None):
        """So many beats; ``pauses`` says after which beat of the run there is one, and how long."""
        for _ in range(count):
            self.beat((pauses or (lambda _: 0.0))(self.seq))
        return self

    @property
    def limit_s(self):
        return limit_s(self.known, self.head(), self.life())

    def end(self):
        return silence.next_run(self.known, self.now)


def every(period, lasts_s):
    return lambda seq: lasts_s if seq and seq % period == 0 else 0.0


def acquainted():
    """A job of which four epochs of a thousand steps are known, each with an evaluation of 100 s at its end."""
    return Training(per_epoch=1000).steps(4001, every(1000, 100.0))


@pytest.mark.parametrize(("every", "period"), [(100, 782), (10, 5003), (50, 391), (100, 1000)])
def test_pauses_between_beats_that_are_many_steps_apart_are_foretold(every, period):
    """CIFAR-10 by batches of 64 has 782 steps an epoch; it beats every hundredth, and evaluates for 150 s."""
    known, age_s, told = SilenceHistory(), 0.0, []
    for beats, step in enumerate(range(every, 40 * period, every), 1):
        before, after = Head(seq=beats, step=step), Head(seq=beats + 1, step=step + every)
        pause_s = 150.0 if step // period != (step + every) // period else 0.0
        life = Life(age_s, beats, stride=every)
        gap_s = every * 0.2 + pause_s
        if pause_s:
            told.append(limit_s(known, before, life) < gap_s)
        if silence.teaches(gap_s, before, after):
            known = silence.learn(known, gap_s, before, after, life)
        age_s += gap_s
    assert sum(told[5:]) == 0


def test_a_phase_that_was_announced_for_too_little_alerts_once():
    known = silence.learn_phase(SilenceHistory(), "eval", 50.0, in_mid_run=True, within_s=40.0)
    assert silence.phase_limit_s(known, "eval", 40.0, 600.0) == pytest.approx(62.5)


def test_a_phase_that_hung_for_hours_makes_no_hang_of_hours_normal():
    known = silence.learn_phase(SilenceHistory(), "eval", 36_000.0, in_mid_run=True, within_s=40.0)
    assert silence.phase_limit_s(known, "eval", 40.0, 600.0) == pytest.approx(100.0)


def test_a_job_that_is_not_known_yet_is_given_time():
    assert Training().steps(100).limit_s == 600.0


def test_the_time_given_shrinks_as_the_job_lives_on_without_a_pause():
    run = Training(step_s=1.0).steps(700)
    assert FLOOR_S < run.limit_s < 600.0
    assert run.steps(2000).limit_s == FLOOR_S


def test_in_mid_epoch_of_a_known_job_nothing_is_due():
    assert acquainted().steps(500).limit_s == FLOOR_S


def test_at_the_end_of_an_epoch_its_pause_is_due():
    assert 125.0 <= acquainted().steps(999).limit_s <= 300.0


def test_the_more_evaluations_were_seen_the_closer_the_limit():
    few, many = (Training(per_epoch=100).steps(n * 100, every(100, 100.0)).limit_s for n in (5, 40))
    assert few > many
    assert many == pytest.approx(200.0, rel=0.02)


def test_the_next_run_begins_with_what_the_last_has_taught():
    run = Training(acquainted().end(), per_epoch=1000).steps(500)
    assert run.limit_s == FLOOR_S
    assert run.steps(500).limit_s > 125.0


def test_a_run_resumed_in_mid_epoch_knows_by_its_step_where_the_epoch_ends():
    known = acquainted().end()
    assert limit_s(known, Head(seq=1700, epoch=5.0, step=5700), Life(850.0, 1700)) == FLOOR_S
    assert limit_s(known, Head(seq=2000, epoch=5.0, step=6000), Life(1000.0, 2000)) > 125.0


def test_pauses_every_so_many_beats_are_expected_when_the_third_would_come():
    run = Training(step_s=1.0).steps(3700).steps(1800, every(500, 80.0))
    assert run.seq == 5500
    assert run.limit_s > FLOOR_S
    assert run.beat(80.0).steps(200).limit_s == FLOOR_S


def test_a_habit_of_the_last_run_is_expected_in_the_next():
    known = Training(step_s=1.0).steps(6000, every(500, 100.0)).end()
    run = Training(known, step_s=1.0).steps(900)
    assert run.limit_s == FLOOR_S
    assert run.steps(100).limit_s > 100.0


def test_pauses_every_so_many_steps_are_expected_though_each_epoch_counts_its_steps_anew():
    run = Training(per_epoch=218, step_s=5.0, told="epoch and its steps").steps(2500, every(250, 150.0))
    for _ in range(9):
        assert run.limit_s > 150.0
        run.steps(250, every(250, 150.0))


def test_where_epochs_have_another_length_than_in_the_last_run_their_second_end_is_known():
    run = Training(acquainted().end(), per_epoch=600).steps(1200, every(600, 100.0))
    assert run.limit_s > FLOOR_S
    assert run.steps(300, every(600, 100.0)).limit_s == FLOOR_S


def test_pauses_that_keep_to_the_clock_are_due_when_it_is_time():
    run = Training(step_s=1.0).steps(3700)
    for steps in (613, 609, 611):
        run.steps(steps).beat(80.0)
    assert run.steps(300).limit_s == FLOOR_S
    assert run.steps(310).limit_s > FLOOR_S


def test_one_surprise_does_not_make_everything_slow_but_two_do():
    run = Training(step_s=1.0).steps(3700).beat(80.0).steps(170)
    assert run.limit_s == FLOOR_S
    assert run.beat(80.0).steps(1000).limit_s == pytest.approx(1.5 * 81.0)


def test_two_pauses_close_together_do_not_hide_that_one_of_them_comes_again():
    def pauses(seq):
        return 100.0 if seq and seq % 700 == 0 else 8.0 if seq % 700 == 1 else 0.0

    run = Training(step_s=1.0).steps(4900, pauses)
    assert run.limit_s > 100.0


def test_a_job_for_which_silence_was_called_wrongly_twice_is_not_bothered_again():
    run = Training(step_s=1.0).steps(3700).beat(110.0).steps(1234).beat(120.0).steps(4321)
    assert run.limit_s > 120.0


def test_a_hang_that_ended_after_a_day_does_not_make_a_day_normal():
    run = acquainted().steps(300).beat(86400.0).steps(7).beat(86400.0).steps(60)
    assert run.limit_s < 900.0


@pytest.mark.parametrize("step_s", [30.0, 600.0, 3600.0])
def test_slow_steps_are_held_against_their_own_length(step_s):
    run = Training(step_s=step_s).steps(200)
    assert max(FLOOR_S, step_s * 1.2) <= run.limit_s <= max(FLOOR_S, step_s * 2.0)


@pytest.mark.parametrize("step_s", [0.02, 0.5])
def test_fast_steps_are_given_the_least_there_is(step_s):
    assert Training(acquainted().end(), per_epoch=100_000, step_s=step_s).steps(500).limit_s == FLOOR_S


def test_one_beat_an_epoch_is_held_against_the_epochs():
    run = Training(per_epoch=1, step_s=600.0).steps(40)
    assert 700.0 <= run.limit_s <= 1000.0


def test_who_announces_phases_is_trusted_with_less_time_outside_of_them():
    known = silence.learn_phase(SilenceHistory(), "eval", 100.0, in_mid_run=True)
    assert Training(known).steps(500).limit_s == ANNOUNCED_FLOOR_S


def test_a_phase_before_the_first_beat_announces_nothing_of_later_pauses():
    known = silence.learn_phase(SilenceHistory(), "compile", 100.0, in_mid_run=False)
    assert Training(known).steps(500).limit_s > FLOOR_S


@pytest.mark.parametrize(
    ("within_s", "earlier", "limit_s"),
    [
        pytest.param(40.0, [], 40.0, id="what was announced holds"),
        pytest.param(40.0, [30.0], 40.0, id="also where it takes less"),
        pytest.param(40.0, [100.0], 125.0, id="it took longer, and may do so again"),
        pytest.param(None, [], 1800.0, id="nothing known: the time of grace"),
        pytest.param(None, [100.0], 500.0, id="one seen: five times as long"),
        pytest.param(None, [100.0] * 25, 125.0, id="many alike: a quarter more"),
        pytest.param(None, [0.0], FLOOR_S, id="never less than the floor"),
    ],
)
def test_how_long_a_phase_may_take(within_s, earlier, limit_s):
    known = SilenceHistory()
    for took_s in earlier:
        known = silence.learn_phase(known, "eval", took_s, in_mid_run=True)
    assert silence.phase_limit_s(known, "eval", within_s, 1800.0) == pytest.approx(limit_s, rel=0.01)


@pytest.mark.parametrize(
    ("seen", "bound"),
    [
        pytest.param([], 0.0, id="nothing seen"),
        pytest.param([10.0], 50.0, id="one: five times"),
        pytest.param([10.0] * 4, 25.0, id="four alike: by the root of their number"),
        pytest.param([10.0] * 100, 12.5, id="many alike: a quarter more"),
        pytest.param([10.0] * 15 + [40.0], 60.0, id="uneven: half as long again as the longest at most"),
    ],
)
def test_what_the_next_of_a_kind_hardly_exceeds(seen, bound):
    assert bound_s(spread_of(seen)) == pytest.approx(bound)


def test_gaps_in_mid_epoch_that_are_short_teach_nothing():
    assert not silence.teaches(4.9, Head(seq=1, epoch=0.2), Head(seq=2, epoch=0.9))
    assert silence.teaches(0.1, Head(seq=1, epoch=0.9), Head(seq=2, epoch=1.0))
    assert silence.teaches(5.0, Head(seq=1), Head(seq=2))


def test_what_a_finished_run_did_at_its_end_is_expected_of_the_next_there():
    first = Training(step_s=1.0).steps(4000)
    known = silence.learn_end(first.known, 150.0, first.head(), first.life())
    again = Training(silence.next_run(known, first.now), step_s=1.0).steps(4000)
    assert again.limit_s > 150.0


def test_places_that_jump_back_or_are_absurd_harm_nothing():
    run = Training(acquainted().end())
    for i, step in enumerate([0, -5, 2**62, 3, 3, -(2**62), 17] * 20):
        before, after = Head(seq=i + 1, step=step, epoch=float(-i)), Head(seq=i + 2, step=step, epoch=float(-i - i % 2))
        run.known = silence.learn(run.known, 10.0 + i, before, after, Life(20.0 * i, i + 1))
        assert limit_s(run.known, after, Life(20.0 * i + 20.0, i + 2)) >= FLOOR_S


def test_what_is_known_survives_being_stored():
    known = Training(step_s=1.0).steps(6000, lambda seq: 80.0 * (seq % 700 == 0) + 9.0 * (seq % 1331 == 0)).known
    known = silence.learn_phase(known, "eval", 12.0, in_mid_run=True)
    stored = history_json(known)
    assert history_from(stored) == known
    assert len(stored) < 4096


def test_of_what_another_version_stored_nothing_is_known():
    assert history_from('{"longest_s": 3.0}') == SilenceHistory()
    assert history_from('{"lived_s": 7.0, "recurring": [[1, 2, 3, 4, 5, 6]]}') == SilenceHistory()


def test_what_an_older_version_stored_under_other_names_is_known():
    pauses = '"habits": [[[3, 2.5, 12.0], 100, 7, false, null]], "surprises": [[40, null, 80.0, 9.0, true]]'
    known = history_from(f'{{"lived_s": 60.0, {pauses}, "phases": [["eval", [1, 2.0, 8.0]]]}}')
    assert (known.lived_s, known.recurring[0].spread.longest_s, known.one_offs[0].anywhere) == (60.0, 12.0, True)
    assert known.phases == (("eval", Spread(1, 2.0, 8.0)),)


def test_a_save_right_after_an_evaluation_is_not_its_return():
    pauses = {395: 150.0, 396: 100.0}
    run = Training(per_epoch=1151, step_s=1.0).steps(790, lambda seq: pauses.get(seq, 0.0))
    assert run.limit_s > 150.0


def test_a_place_that_every_run_passes_is_due_at_twice_its_place_in_the_one_that_gets_there():
    first = Training(step_s=1.0).steps(4000).beat(150.0).steps(20)
    second = Training(first.end(), step_s=1.0).steps(4000).beat(150.0).steps(20)
    third = Training(second.end(), step_s=1.0).steps(4000).beat(150.0).steps(3999)
    assert third.limit_s > 150.0
    assert third.steps(300).limit_s == FLOOR_S


def test_a_resumed_run_is_known_by_its_epoch_where_steps_are_not_told():
    def ends(seq):
        return 100.0 if seq % 1000 == 0 else 0.0

    first = Training(per_epoch=1000).steps(4000, ends)
    known = silence.next_run(silence.learn_end(first.known, 300.0, first.head(), first.life()), first.now)
    before_last, last = Head(seq=500, epoch=3.0), Head(seq=1000, epoch=3.0)
    assert limit_s(known, before_last, Life(250.0, 500)) == FLOOR_S
    assert limit_s(known, last, Life(500.0, 1000)) > 300.0


def test_of_many_pauses_the_long_ones_are_remembered():
    run = Training(step_s=1.0).steps(3700)
    for i, pause_s in enumerate([140.0, 200.0, *range(6, 16)]):
        run.beat(float(pause_s)).steps(round(61 * 1.5**i))
    assert run.limit_s > 1.4 * 140.0


@pytest.mark.parametrize("known", [SilenceHistory(), acquainted().known], ids=["unknown", "known"])
@pytest.mark.parametrize("step_s", [0.5, 60.0])
def test_the_least_limit_is_never_above_the_limit(known, step_s):
    run = Training(known, per_epoch=50, step_s=step_s)
    for _ in range(120):
        run.beat()
        assert least_limit_s(run.known, run.life()) <= run.limit_s
