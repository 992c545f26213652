from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from epochwatchd.config import ConfigError, load


def _no_spaces(url):
    if " " in url.get_secret_value():
        raise ValueError(f"{url.get_secret_value()} has a space in it")  # as a careless kind would say it
    return url


def _one_word(host):
    if " " in host:
        raise ValueError(f"{host!r} is no name of a host")
    return host


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Console(_Options):
    pass


class _Hook(_Options):
    url: Annotated[SecretStr, AfterValidator(_no_spaces)]
    headers: dict[str, SecretStr] = {}
    secret: SecretStr | None = None


class _Mail(_Options):
    host: Annotated[str, AfterValidator(_one_word)]
    port: int = 25
    tls: Literal["none", "starttls"] = "none"
    sender: str = Field(alias="from")
    password: SecretStr | None = None
    ca_file: Path | None = None


@pytest.fixture(scope="session")
def kinds():
    """Stand-ins for the kinds of channels, with every form of option that the real ones have."""
    return {"console": _Console, "hook": _Hook, "mail": _Mail}


@pytest.fixture
def read(tmp_path, kinds):
    """Loads a text as a file, with an environment."""

    def read_text(text, **env):
        path = tmp_path / "config.yaml"
        path.write_text(text, "utf-8")
        return load(path, kinds=kinds, env=env)

    return read_text


@pytest.fixture
def mistakes(read):
    """The problems that loading a text reports, as ``LINE: path: message (hint)``."""

    def problems_of(text, **env):
        with pytest.raises(ConfigError) as caught:
            read(text, **env)
        return [str(problem).removeprefix(f"{problem.file}:") for problem in caught.value.problems]

    return problems_of
