"""User code that only has to type-check."""

from __future__ import annotations

import epochwatch
from epochwatch import agent


def plain() -> None:
    agent.start("resnet50", epochs=90, steps=1000, tags={"lr": "0.1"})
    with agent.phase("eval", within="10m"):
        agent.beat(1, 0.5, step=3, accuracy=0.9)
    with agent.phase("checkpoint", within=90):
        epochwatch.beat(2)
    agent.finish("done")
    agent.fail(ValueError("bad"))


def several() -> None:
    with agent.run("a", epochs=3) as first, agent.run("b") as second:
        first.beat(1, 0.5)
        second.fail("no data")


@agent.watched
def bare(epochs: int) -> float:
    return epochs / 2


@agent.watched("fold", epochs=3)
def named(path: str) -> str:
    return path


@agent.watched()
async def coroutine(n: int) -> int:
    return n


def keeps_the_types() -> float:
    return bare(3) + len(named("x"))


async def keeps_the_types_of_coroutines() -> int:
    return await coroutine(3)
