from __future__ import annotations

import pytest

from epochwatch import transport, wire


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("resnet50", "resnet50"),
        ("a/b\\c:d", "a_b_c_d"),
        (".hidden", "_hidden"),
        ("..", "_."),
        ("실험-1.0", "실험-1.0"),
        ("한" * 200, "한" * 60),
        ("\ud800", "_"),
    ],
)
def test_a_file_is_named_after_the_job(job, name):
    assert transport.file_name(wire.Body(job, "r"), shared=False) == f"{name}.r.beat"


def test_processes_that_share_a_run_have_files_of_their_own():
    assert transport.file_name(wire.Body("a", "r", 42), shared=True) == "a.r-42.beat"


def test_the_places_are_in_the_order_of_the_contract():
    env = {"EPOCHWATCH_DIR": "/d", "XDG_RUNTIME_DIR": "/x", "TMPDIR": "/t"}
    first, system, users, last = transport.directories(env)
    assert (first, system, users) == ("/d", "/run/epochwatch", "/x/epochwatch")
    assert last.startswith("/t/epochwatch-")


def test_no_place_is_named_by_what_is_not_set():
    assert len(transport.directories({})) == 2
