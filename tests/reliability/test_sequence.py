"""Order by number through the gate, on a real engine: early, repeated, missing, begun anew, redriven."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reliability.engines import auntil

from postroad.core.delivery import Delivery
from postroad.core.message import Address, Message, Send
from postroad.core.outcome import ACCEPT, Settlement
from postroad.core.topology import Queue, Topology
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.errors import Undecodable
from postroad.ports.driver import Consumer, DeadLetterFilter, Subscription
from postroad.reliability.sequence import PARKED, STATE, SequenceGate

NAMES = itertools.count(1)
TURN_S = 0.02


class Clock:
    """The engine's and the gate's."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Nobody:
    """A listener that is told nothing it must act on."""

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        raise AssertionError(why)

    def state(self, state: str) -> None: ...


def number_of(delivery: Delivery) -> object:
    if b"bad" in delivery.message.body:
        raise Undecodable("the body has no field 'seq'")
    return float(delivery.message.body) if b"." in delivery.message.body else int(delivery.message.body)


class Line:
    """One queue through a gate: what comes out is handled at once and accepted. ``out``: the numbers by key."""

    def __init__(
        self, driver: SqliteDriver, clock: Clock, on_gap: str = "dead-letter", max_length: int | None = None
    ) -> None:
        self.driver = driver
        self.clock = clock
        self.name = f"line {next(NAMES)}"
        self.declared = Queue(self.name, max_length=max_length)
        self.gate = SequenceGate(self.name, number_of, 60.0, on_gap, clock)
        self.out: list[tuple[str | None, int]] = []
        self.consumer: Consumer | None = None

    async def put(self, number: object, key: str | None = "k", id: str | None = None) -> str:
        identity = id or f"{self.name} {next(NAMES)}"
        message = Message(identity, str(number).encode(), key=key, queued_at=self.clock())
        await self.driver.publish([Send(Address(self.name), message)])
        return identity

    async def run(self) -> None:
        """Until nothing comes any more."""
        if self.consumer is None:
            await self.driver.apply(await self.driver.plan(Topology((self.declared,))))
            self.consumer = await self.driver.consume(Subscription((self.name,)), Nobody())
        turn = await self.consumer.turn((), 100, TURN_S)
        while turn.deliveries:
            settled = await self.admit(turn.deliveries)
            turn = await self.consumer.turn(settled, 100, TURN_S)
            assert not turn.failures

    async def admit(self, deliveries: Sequence[Delivery]) -> list[Settlement]:
        keys = [one.message.key for one in deliveries if one.message.key is not None]
        assert len(keys) == len(set(keys)), "two of one key are out"
        settled = []
        for delivery, answer in zip(deliveries, await self.gate.admit(self.driver, deliveries), strict=True):
            if not isinstance(answer, Settlement):
                self.out.append((delivery.message.key, int(delivery.message.body)))
                answer = Settlement(delivery, ACCEPT, answer.sends, answer.writes)
            settled.append(answer)
        return settled

    async def start(self) -> Line:
        await self.run()
        return self

    async def close(self) -> None:
        if self.consumer is not None:
            await self.consumer.close()

    def numbers(self, key: str = "k") -> list[int]:
        return [number for of, number in self.out if of == key]

    async def letters(self) -> list[tuple[str, bytes]]:
        found = await self.driver.dead_letters(DeadLetterFilter(source=self.name), 1000)
        return [(one.error_type, one.message.body) for one in reversed(found)]

    async def parked(self) -> int:
        return len(
            [one for one in await self.driver.scan(PARKED, limit=10_000) if one.key.startswith(f"{self.name}\x1f")]
        )

    async def records(self, tag: str) -> list[str]:
        return [one.value for one in await self.driver.scan("message", tag=tag, limit=1000) if self.name in one.value]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def driver(loop: asyncio.Runner, clock: Clock) -> Iterator[SqliteDriver]:
    driver = SqliteDriver(None, clock=clock)
    loop.run(driver.__aenter__())
    yield driver
    loop.run(driver.__aexit__(None, None, None))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9).flatmap(
        lambda count: st.tuples(
            st.permutations(range(1, count + 1)),
            st.lists(st.integers(1, count), max_size=6),
            st.lists(st.integers(0, 12), max_size=4),
            st.randoms(use_true_random=False),
        )
    )
)
def test_any_order_with_repeats_comes_out_in_order_each_once(
    loop: asyncio.Runner, driver: SqliteDriver, clock: Clock, arrival: tuple
) -> None:  # type: ignore[type-arg]
    order, repeats, stops, chance = arrival
    messages = [(number, f"id {number}") for number in order]
    for number in repeats:  # a repeat is the same message again, anywhere after the first
        at = messages.index((number, f"id {number}"))
        messages.insert(chance.randint(at + 1, len(messages)), (number, f"id {number}"))

    async def scenario() -> None:
        line = await Line(driver, clock).start()
        other = chance.sample(order, len(order))
        for at, (number, id) in enumerate(messages):
            await line.put(number, "k", f"{line.name} {id}")
            if at < len(other):
                await line.put(other[at], "other")
            if at in stops:
                await line.run()
        await line.run()
        await line.close()
        assert line.numbers() == sorted(order) == line.numbers("other")
        assert await line.parked() == 0
        assert await line.letters() == [] and len(await line.records("DUPLICATE")) == len(set(repeats))

    loop.run(scenario())


def scenario_of(on_gap: str = "dead-letter"):  # type: ignore[no-untyped-def]
    """A test that is a coroutine, given its line."""

    def decorate(function):  # type: ignore[no-untyped-def]
        def test(loop: asyncio.Runner, driver: SqliteDriver, clock: Clock) -> None:
            async def scenario() -> None:
                line = await Line(driver, clock, on_gap).start()
                await function(line)
                await line.close()

            loop.run(scenario())

        test.__doc__ = function.__doc__
        return test

    return decorate


async def due(line: Line, seconds: float) -> None:
    """So much later; what is due then is handled."""
    line.clock.now += seconds
    await auntil(lambda: nothing_due(line), "what is due is handled")


async def nothing_due(line: Line) -> bool:
    await line.run()
    located = await line.driver.list_messages(line.name, 1000)
    return all(one.due_at is not None and one.due_at > line.clock() for one in located)


@scenario_of()
async def test_a_gap_becomes_dead_letters_and_its_number_stays_expected(line: Line) -> None:
    for number in (1, 3, 4, 7):
        await line.put(number)
    await line.run()
    assert line.numbers() == [1] and await line.parked() == 3
    await due(line, 59)
    assert await line.letters() == []
    await due(line, 2)
    assert await line.letters() == [("SequenceGap", b"3"), ("SequenceGap", b"4"), ("SequenceGap", b"7")]
    assert await line.parked() == 0
    await line.put(2)
    await line.run()
    await line.driver.redrive(DeadLetterFilter(source=line.name), 100)
    await line.run()
    assert line.numbers() == [1, 2, 3, 4] and await line.parked() == 1
    await line.put(6)
    await line.put(5)
    await line.run()
    assert line.numbers() == [1, 2, 3, 4, 5, 6, 7]


@scenario_of("skip")
async def test_a_gap_is_skipped_with_a_record(line: Line) -> None:
    for number in (1, 4, 6, 2):
        await line.put(number)
    await line.run()
    assert line.numbers() == [1, 2]
    await due(line, 61)
    assert line.numbers() == [1, 2], "the gap before 4 began when 2 ended; it is counted from the next look"
    await due(line, 61)
    assert line.numbers() == [1, 2, 4] and "skipped number 3" in (await line.records("DROPPED"))[0]
    await due(line, 61)
    await due(line, 61)
    assert line.numbers() == [1, 2, 4, 6]
    await line.put(3)
    await line.put(7)
    await line.run()
    assert await line.letters() == [("SequenceLate", b"3")]
    assert line.numbers() == [1, 2, 4, 6, 7]


@pytest.mark.parametrize("on_gap", ["dead-letter", "skip"])
def test_a_series_that_is_joined_in_the_middle(
    loop: asyncio.Runner, driver: SqliteDriver, clock: Clock, on_gap: str
) -> None:
    async def scenario() -> None:
        line = await Line(driver, clock, on_gap).start()
        for number in (43, 42, 44):
            await line.put(number)
        await line.run()
        assert line.numbers() == []
        await due(line, 61)
        assert line.numbers() == [42, 43, 44] and await line.letters() == []
        assert "begins at 42" in (await line.records("DROPPED"))[0]
        await line.close()

    loop.run(scenario())


@scenario_of()
async def test_a_gap_that_fills_in_time_is_none(line: Line) -> None:
    await line.put(1)
    await line.put(3)
    await line.run()
    await due(line, 50)
    await line.put(2)
    await line.put(5)
    await line.run()
    await due(line, 30)
    assert line.numbers() == [1, 2, 3] and await line.letters() == [], "the second gap has a time of its own"
    await line.put(4)
    await line.run()
    await due(line, 300)
    assert line.numbers() == [1, 2, 3, 4, 5] and await line.letters() == []


@scenario_of()
async def test_more_than_one_settlement_carries_become_dead_letters_in_order(line: Line) -> None:
    await line.put(1)
    for number in range(3, 260):
        await line.put(number)
    await line.run()
    await due(line, 61)
    assert [int(body) for _type, body in await line.letters()] == list(range(3, 260))


@scenario_of()
async def test_a_repeat_leaves_a_record(line: Line) -> None:
    for number in (1, 2, 2, 4, 4):
        await line.put(number)
    await line.run()
    assert line.numbers() == [1, 2] and await line.parked() == 1
    assert len(await line.records("DUPLICATE")) == 2


@scenario_of()
async def test_a_producer_that_counts_anew_is_told_so(line: Line) -> None:
    for number in (1, 2, 3, 1, 2):
        await line.put(number)
    await line.run()
    assert line.numbers() == [1, 2, 3]
    assert await line.letters() == [("SequenceReset", b"1"), ("SequenceReset", b"2")]
    (letter,) = await line.driver.dead_letters(DeadLetterFilter(source=line.name), 1)
    assert "4 is expected" in letter.reason and "a key of its own" in letter.reason
    await line.driver.redrive(DeadLetterFilter(source=line.name), 100)
    await line.run()
    assert line.numbers() == [1, 2, 3, 1, 2], "an operator who redrives means it"


@pytest.mark.parametrize("body", ["bad", "1.5", "-3", str(2**64)])
def test_what_has_no_number_is_a_dead_letter(
    loop: asyncio.Runner, driver: SqliteDriver, clock: Clock, body: str
) -> None:
    async def scenario() -> None:
        line = await Line(driver, clock).start()
        await line.put(body)
        await line.put(1)
        await line.run()
        await line.close()
        assert line.numbers() == [1]
        assert await line.letters() == [("SequenceNumber", body.encode())]

    loop.run(scenario())


@scenario_of()
async def test_without_a_key_there_is_no_order(line: Line) -> None:
    await line.put(1, None)
    await line.run()
    (letter,) = await line.driver.dead_letters(DeadLetterFilter(source=line.name), 1)
    assert line.out == [] and "no key" in letter.reason


@scenario_of()
async def test_the_state_is_one_document_a_key(line: Line) -> None:
    for number in range(1, 51):
        await line.put(number)
    await line.run()
    found = await line.driver.get(STATE, [f"{line.name}\x1fk"])
    assert len(found) == 1 and len(found[0].value) < 150 and found[0].expires_at is not None
