"""``config.d``: more files, laid over the configuration in the order of their names; and what holds for a job."""

import pytest
import yaml

from epochwatchd.alerting.channels import KINDS
from epochwatchd.config import ConfigError, explain, glance, load

OPTIONS = {name: KINDS[name].Options for name in ("console", "webhook")}
BASE = """\
defaults: {first_beat_within: 20m}
channels: {out: {kind: console}}
jobs:
  - {match: "res*", silent_after: 15m}
"""


@pytest.fixture
def read(tmp_path):
    """What gives the configuration of a file and of more files by their names."""

    def reading(text, **more):
        (tmp_path / "config.yaml").write_text(text)
        (tmp_path / "config.d").mkdir(exist_ok=True)
        for name, addition in more.items():
            (tmp_path / "config.d" / name.replace("_", ".")).write_text(addition)
        return load(tmp_path / "config.yaml", kinds=OPTIONS, env={})

    return reading


def test_channels_are_added_lists_go_on_and_what_comes_later_wins(read):
    config = read(
        BASE,
        a_yaml="channels: {hook: {kind: webhook, url: 'http://x'}}\ndefaults: {first_beat_within: 5m}\n",
        b_yaml="jobs: [{match: 'night*', max_runtime: 2h}]\ndefaults: {gpu_stalled_after: 1m}\n",
    )
    assert list(config.channels) == ["out", "hook"]
    assert [rule.match for rule in config.jobs] == ["res*", "night*"]
    assert (config.defaults.first_beat_within_s, config.defaults.gpu_stalled_after_s) == (300.0, 60.0)


@pytest.mark.parametrize("base", ["", "# nothing\n", "channels:\n"])
def test_an_empty_file_takes_what_the_others_have(read, base):
    assert list(read(base, a_yaml=BASE).channels) == ["out"]


@pytest.mark.parametrize("addition", ["", "# nothing\n", "channels:\njobs:\n"])
def test_an_empty_addition_takes_nothing_away(read, addition):
    assert list(read(BASE, a_yaml=addition).channels) == ["out"]


def test_other_files_of_the_folder_are_not_read(read):
    assert list(read(BASE, a_yaml_rpmsave="channels: {", README="no YAML: {").channels) == ["out"]


def test_a_mistake_is_told_with_its_own_file_and_line(read, tmp_path):
    with pytest.raises(ConfigError) as refused:
        read(BASE, a_yaml="# ours\njobs:\n  - {match: a, silent_after: 5}\nchanels: {}\n", b_yaml="defaults: {x: 1}\n")
    folder = tmp_path / "config.d"
    assert [(problem.file, problem.line) for problem in refused.value.problems] == [
        (f"{folder}/a.yaml", 3), (f"{folder}/a.yaml", 4), (f"{folder}/b.yaml", 1),
    ]  # fmt: skip


def test_what_is_no_yaml_is_named(read):
    with pytest.raises(ConfigError, match=r"a.yaml:1"):
        read(BASE, a_yaml="channels: {")


def test_a_store_that_an_addition_names_is_found_by_those_who_only_read_it(read, tmp_path):
    read(BASE, a_yaml="store: {path: here.db}\n")
    assert glance.store_path(tmp_path / "config.yaml", {}) == tmp_path / "here.db"


def test_each_setting_of_a_job_is_told_with_its_place(read, tmp_path):
    config = read(BASE, a_yaml="jobs: [{match: 'night*', max_runtime: 2h, expected: '0 2 * * *'}]\n")
    main, more = f"{tmp_path}/config.yaml", f"{tmp_path}/config.d/a.yaml"
    assert list(explain(config, "resnet")) == [
        "job resnet:",
        f"  silent_after: 15m  ({main}:4, jobs that match res*)",
        f"  first_beat_within: 20m  ({main}:1, defaults)",
        "  max_runtime: none  (built in)",
        "  gpu_stalled_after: 10m  (built in)",
        "  min_runtime: none  (built in)",
    ]
    assert f"  max_runtime: 2h  ({more}:1, jobs that match night*)" in list(explain(config, "nightly"))
    assert f"  expected: 0 2 * * *  ({more}:1)" in list(explain(config, "nightly"))


def test_one_document_or_many_say_the_same(read):
    parts = {f"{n}_yaml": yaml.safe_dump({key: value}) for n, (key, value) in enumerate(yaml.safe_load(BASE).items())}
    whole, split = read(BASE), read("", **parts)
    assert (whole.jobs, whole.defaults, whole.routes) == (split.jobs, split.defaults, split.routes)
