import pytest

from epochwatchd.store import Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "epochwatch.db"


@pytest.fixture
def store(path):
    store = Store(path, "this boot")
    yield store
    store.close()
