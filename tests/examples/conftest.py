"""Each test says which example it runs: ``example("work-queue")``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.examples.example import Example


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Example]:
    return lambda name: Example(name, tmp_path)
