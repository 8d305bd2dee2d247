"""The rates of `top`: from looks some seconds apart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from postroad.cli.top.picture import Pictures, Sight
from postroad.drivers.registry import open_driver
from postroad.observe.inspect import Inspection


def sight(at: float, published: int, **ended: int) -> Sight:
    return Sight(at, {"media": published}, {(key, "media", "shop.resize"): count for key, count in ended.items()})


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    async def made() -> Pictures:
        async with open_driver(f"sqlite:///{tmp_path}/shop.db") as driver:
            return Pictures(Inspection(driver), 60.0)

    return asyncio.run(made())


def test_rates_are_of_the_last_ten_seconds(pictures: Pictures) -> None:
    assert pictures.rates(sight(100, 1000)).published == {}
    for second in range(1, 21):
        rates = pictures.rates(sight(100 + second, 1000 + 50 * second, one=20 * second))
    assert rates.published == {"media": 50.0}
    assert rates.of_handler("media", "shop.resize", -1.0) == rates.of_queue("media", -1.0) == 20.0
    assert rates.of_queue("other", -1.0) == 0.0


def test_a_minute_that_ends_and_one_that_begins_count_both(pictures: Pictures) -> None:
    pictures.rates(sight(100, 0, first=600))
    rates = pictures.rates(sight(105, 0, first=640, second=60))
    assert rates.of_queue("media", -1.0) == 20.0
    rates = pictures.rates(sight(108, 0, second=140))
    assert rates.of_queue("media", -1.0) == 140 / 8


def test_of_too_short_a_while_the_window_tells(pictures: Pictures) -> None:
    pictures.rates(sight(100, 0, one=1))
    assert pictures.rates(sight(101, 0, one=5)).of_queue("media", 7.0) == 7.0
