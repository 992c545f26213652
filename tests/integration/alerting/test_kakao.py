"""Kakao's tokens, friends and quotas. Against a stand-in: see vendors/kakao.py."""

import time
from datetime import datetime

import pytest
from telling import DictMemory, sending, told
from vendors import said
from vendors.kakao import FRIENDS, Kakao, code

from epochwatchd.alerting.channels import kakao as module
from epochwatchd.model import ChannelError


@pytest.fixture
def kakao(serve_http):
    kakao = Kakao()
    kakao.url = serve_http(kakao.answer)
    kakao.send, _ = sending(kakao.options(kakao.url))
    return kakao


def test_an_access_token_is_used_as_long_as_it_lives(kakao, crash):
    kakao.send(told(crash, memory=DictMemory(kakao.memory())))
    assert [asked.path for asked in kakao.asked] == ["/v2/api/talk/memo/default/send"]


@pytest.mark.parametrize("expires_wall", [0.0, None])
def test_one_that_is_over_is_renewed_and_kept(kakao, crash, expires_wall):
    memory = DictMemory({**kakao.memory(), "expires_wall": expires_wall or 0.0})
    kakao.send(told(crash, memory=memory))
    assert memory.known["access_token"] == "geheim-access-1"
    assert memory.known["refresh_token"] == "geheim-refresh-0"
    assert len(kakao.taken) == 1


def test_one_that_was_revoked_is_renewed_at_once(kakao, crash):
    memory = DictMemory({**kakao.memory(), "access_token": "another"})
    kakao.send(told(crash, memory=memory))
    assert (len(kakao.taken), memory.known["access_token"]) == (1, "geheim-access-1")


def test_a_new_refresh_token_is_kept_before_anything_else_is_asked(kakao, crash):
    """The old one is dead from then on: a daemon that is killed in between must find the new one."""
    kakao.rotates = True

    class Memory(DictMemory):
        def save(self, known):
            assert [asked.path for asked in kakao.asked] == ["/oauth/token"]
            super().save(known)

    memory = Memory({**kakao.memory(), "expires_wall": 0.0})
    kakao.send(told(crash, memory=memory))
    assert memory.known["refresh_token"] == kakao.refresh == "geheim-refresh-1"


def test_where_it_cannot_be_kept_nothing_is_sent(kakao, crash):
    class Full(DictMemory):
        def save(self, _):
            raise ChannelError("cannot be written: No space left on device")

    with pytest.raises(ChannelError, match="No space left"):
        kakao.send(told(crash, memory=Full({**kakao.memory(), "expires_wall": 0.0})))
    assert kakao.taken == []


@pytest.mark.parametrize("known", [{}, {"refresh_token": "dead", "access_token": "dead", "expires_wall": 4e9}])
def test_without_a_login_that_is_valid_the_channel_is_parked(kakao, crash, known):
    with pytest.raises(ChannelError, match="log in again") as refused:
        kakao.send(told(crash, memory=DictMemory(known)))
    assert refused.value.refusal == "channel"
    assert "geheim" not in str(refused.value)


def test_a_login_server_that_fails_is_asked_again(kakao, crash):
    kakao.answers = [said(503, "busy")]
    with pytest.raises(ChannelError, match="503") as refused:
        kakao.send(told(crash, memory=DictMemory({**kakao.memory(), "expires_wall": 0.0})))
    assert refused.value.refusal == "later"


def test_friends_get_it(kakao, crash):
    send, _ = sending(kakao.options(kakao.url, to=FRIENDS))
    assert send(told(crash, memory=DictMemory(kakao.memory()))).said == "sent to 2"


def test_friends_who_all_refuse_are_an_error(kakao, crash):
    send, _ = sending(kakao.options(kakao.url, to=FRIENDS))
    failed = {"successful_receiver_uuids": [], "failure_info": [{"code": -532, "msg": "daily"}]}
    kakao.answers = [said(200, failed)]
    with pytest.raises(ChannelError) as refused:
        send(told(crash, memory=DictMemory(kakao.memory())))
    assert refused.value.refusal == "until"


def test_a_quota_ends_with_the_day_in_seoul(kakao, crash):
    kakao.answers = [code(-532, "daily")]
    with pytest.raises(ChannelError) as refused:
        kakao.send(told(crash, memory=DictMemory(kakao.memory())))
    assert 0 < refused.value.wait_s <= 86_400 + 60


def test_a_memo_is_noted_to_ring_no_phone(kakao):
    _, options = sending(kakao.options(kakao.url))
    assert module.notes(options) == ["a memo to yourself rings no phone"]
    _, options = sending(kakao.options(kakao.url, to=["a"] * 6))
    assert module.notes(options) == ["at most 5 friends get a message"]


DAY_S = 86400.0


def waiting(kakao, days_left, renewed_days_ago=8.0):
    """The memory of a login with so many days left, renewed so long ago."""
    now = time.time()
    ends = {"refresh_expires_wall": now + days_left * DAY_S, "renewed_wall": now - renewed_days_ago * DAY_S}
    return DictMemory({**kakao.memory(), **ends})


def refreshed(kakao, memory):
    _, options = sending(kakao.options(kakao.url))
    return module.refresh(options, memory, frozenset())


def test_a_login_that_ends_soon_and_cannot_be_renewed_is_told_with_its_day(kakao):
    memory = waiting(kakao, days_left=6.5)
    kakao.answers = [said(503)]
    assert (
        refreshed(kakao, memory)
        == f"{datetime.fromtimestamp(memory.known['refresh_expires_wall'], module.SEOUL):%Y-%m-%d}"
    )


def test_one_that_is_renewed_is_not(kakao):
    kakao.rotates = True
    memory = waiting(kakao, days_left=6.5)
    assert refreshed(kakao, memory) is None
    assert memory.known["refresh_expires_wall"] - time.time() > 50 * DAY_S


def test_far_from_its_end_a_failure_is_the_channels_to_try_again(kakao):
    kakao.answers = [said(503)]
    with pytest.raises(ChannelError, match="503"):
        refreshed(kakao, waiting(kakao, days_left=20))


def test_a_dead_one_is_told_as_dead(kakao):
    memory = waiting(kakao, days_left=3)
    memory.known["refresh_token"] = "dead"
    with pytest.raises(ChannelError, match="no longer valid"):
        refreshed(kakao, memory)


def test_what_was_renewed_this_week_is_left_alone(kakao):
    assert refreshed(kakao, waiting(kakao, days_left=40, renewed_days_ago=6.0)) is None
    assert kakao.asked == []
