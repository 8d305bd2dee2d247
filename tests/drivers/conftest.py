"""An engine of each kind, and a way to play a scene on it that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from postroad.testing.conformance.engine import EmbeddedEngine, Engine, MemoryEngine

SCENE_TIMEOUT_S = 60.0

Play = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[EmbeddedEngine, MemoryEngine], ids=["file", "memory"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    made = request.param(tmp_path)
    assert isinstance(made, Engine)
    return made


@pytest.fixture
def play() -> Play:
    return lambda scene: asyncio.run(within(scene))


async def within(scene: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(SCENE_TIMEOUT_S):
        await scene
