import os
import select

import pytest

from epochwatch import wire
from epochwatch.wire import Body, Head, WireError
from epochwatchd.inputs.heartbeats.files import BeatFile, BeatFiles, Folder


@pytest.fixture
def files(tmp_path):
    files = BeatFiles()
    assert files.watch([Folder(tmp_path)]) == []
    yield files
    files.close()


def heartbeat(seq=1, job="digits", slot=0, **head):
    """The whole content of a heartbeat file."""
    body = wire.encode_body(Body(job))
    at = wire.BODY_SLOTS[slot]
    made = Head(seq=seq, body_at=at, body_len=len(body), body_crc=wire.zlib.crc32(body), **head)
    return (wire.encode_head(made)).ljust(at, b"\0") + body


def test_a_file_that_appears_is_an_event(files, tmp_path):
    (tmp_path / ".tmp").write_bytes(heartbeat())
    (tmp_path / ".tmp").rename(tmp_path / "a.beat")
    select.select([files], [], [])
    assert files.appeared() == [str(tmp_path / "a.beat")]


def test_files_of_other_names_are_not_looked_at(files, tmp_path):
    for name in ("a.txt", ".hidden.beat", "beat"):
        (tmp_path / name).write_bytes(heartbeat())
    assert files.appeared() == []


def test_files_that_were_there_before_are_found(tmp_path):
    (tmp_path / "a.beat").write_bytes(heartbeat())
    files = BeatFiles()
    assert files.watch([Folder(tmp_path), Folder(tmp_path / "missing")]) == [str(tmp_path / "a.beat")]
    assert files.watch([Folder(tmp_path)]) == []
    files.close()


def test_a_directory_of_two_names_is_watched_once(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    files = BeatFiles()
    files.watch([Folder(real), Folder(link)])
    assert files.directories == [real]
    files.close()


def test_a_directory_that_is_made_anew_is_watched_anew(files, tmp_path):
    folder = tmp_path / "beats"
    folder.mkdir()
    files.watch([Folder(folder)])
    folder.rmdir()
    files.appeared()
    folder.mkdir()
    (folder / "a.beat").write_bytes(heartbeat())
    assert files.watch([Folder(folder)]) == [str(folder / "a.beat")]


def test_a_heartbeat_is_read_and_then_only_when_it_changed(files, tmp_path):
    path = tmp_path / "a.beat"
    file = BeatFile(str(path))
    path.write_bytes(heartbeat(seq=1, epoch=2.0))
    first = files.read(file)
    assert (first.beat.head.seq, first.beat.head.epoch, first.beat.body.job) == (1, 2.0, "digits")
    assert first.uid == os.getuid()
    assert files.read(file) is None
    path.write_bytes(heartbeat(seq=2))
    assert files.read(file).beat.head.seq == 2


def test_a_body_in_the_other_slot_is_read(files, tmp_path):
    path = tmp_path / "a.beat"
    file = BeatFile(str(path))
    path.write_bytes(heartbeat())
    files.read(file)
    path.write_bytes(heartbeat(seq=2, job="renamed", slot=1))
    assert files.read(file).beat.body.job == "renamed"


def link_to_a_heartbeat(path):
    (path.parent / "real").write_bytes(heartbeat())
    path.symlink_to(path.parent / "real")


def one_gigabyte(path):
    path.touch()
    os.truncate(path, 2**30)


BAD = [
    pytest.param(lambda p: p.touch(), "short", id="empty"),
    pytest.param(lambda p: p.write_bytes(heartbeat()[:100]), "short", id="cut in its head"),
    pytest.param(lambda p: p.write_bytes(heartbeat()[:-1]), "torn", id="cut in its body"),
    pytest.param(lambda p: p.write_bytes(heartbeat()[:40] + b"x" + heartbeat()[41:]), "torn", id="a byte changed"),
    pytest.param(lambda p: p.write_bytes(b"\0" * 4096), "magic", id="zeros"),
    pytest.param(lambda p: p.write_bytes(b"EPWT\x63" + heartbeat()[5:]), "version", id="from a future version"),
    pytest.param(one_gigabyte, "magic", id="a gigabyte of nothing"),
    pytest.param(link_to_a_heartbeat, "kind", id="a symbolic link"),
    pytest.param(lambda p: p.symlink_to("nowhere"), "kind", id="a dangling link"),
    pytest.param(os.mkfifo, "kind", id="a FIFO"),
    pytest.param(lambda p: p.mkdir(), "kind", id="a directory"),
]


@pytest.mark.parametrize(("make", "code"), BAD)
def test_what_is_no_heartbeat_is_named(files, tmp_path, make, code):
    path = tmp_path / "bad.beat"
    make(path)
    with pytest.raises(WireError) as caught:
        files.read(BeatFile(str(path)))
    assert caught.value.code == code


def test_a_head_that_points_anywhere_is_refused(files, tmp_path):
    path = tmp_path / "a.beat"
    file = BeatFile(str(path))
    path.write_bytes(wire.encode_head(Head(seq=1, body_at=5, body_len=2**31)))
    with pytest.raises(WireError, match="points to no body"):
        files.read(file)


def test_a_file_that_changes_hands_is_refused(files, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    path = tmp_path / "a.beat"
    file = BeatFile(str(path))
    path.write_bytes(heartbeat())
    files.read(file)
    path.write_bytes(heartbeat(seq=2))
    os.chown(path, 65534, 65534)
    with pytest.raises(WireError, match="somebody else"):
        files.read(file)


def test_a_missing_file_is_said_to_be_missing(files, tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read(BeatFile(str(tmp_path / "gone.beat")))
