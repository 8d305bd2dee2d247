"""The embedded engine beside the reference: the same steps for both, and after each they must look the same."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.model.reference import Entry, Reference

from postroad.core.delivery import Delivery
from postroad.core.message import Address, Message, Receipt, Refused, Send, Unique
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release, Settlement
from postroad.core.slots import FREE, SLOT
from postroad.core.topology import Queue, Topology
from postroad.core.writes import Absent, Committed, Condition, Conflict, Delete, Document, Put, Tagged
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.ports.driver import Consumer, DeadLetterFilter, DeadLetterRecord, Located, QueueDepth, Seat, Subscription

T = TypeVar("T")

QUEUES = ("a", "b")
SLOTS = 4
ALL = DeadLetterFilter()

Shape = tuple[int, str | None, bool, float | None, tuple[str, float | None] | None, int | None]

DELAYS = st.sampled_from([1.0, 5.0, 30.0])
SHAPES: st.SearchStrategy[Shape] = st.tuples(
    st.sampled_from([4, 4, 4, 0, 9]),
    st.sampled_from([None, None, "x", "y"]),
    st.booleans(),
    st.sampled_from([None, None, None, 1.0, 5.0, 30.0]),
    st.sampled_from([None, None, None, None, ("u", None), ("v", None), ("w", None), ("v", 20.0)]),
    st.sampled_from([None, None, None, None, None, 0, 1, 2]),
)
"""Priority, key, skips, delay, unique key with its time, number of an id that the sender chose."""

OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    [
        ACCEPT,
        ACCEPT,
        ACCEPT,
        Release(),
        Release(0.0, counted=True),
        Release(1.0, counted=True),
        Release(30.0),
        Reject("no"),
    ]
)


def receipt_of(delivery: Delivery) -> tuple[int, int]:
    return delivery.receipt


def rank_of(settlement: Settlement) -> int:
    return 0 if isinstance(settlement.outcome, Release) else 1 if isinstance(settlement.outcome, Reject) else 2


SUSPECT_ENDS = st.sampled_from(["die", "close", "settle", "give back", "keep"])

LIVING = [
    *["publish", "work", "claim", "settle", "time_passes"] * 3,
    *["publish_to_nowhere", "settle_what_is_lost", "settle_with_a_refused_send", "close_one", "cancel", "redrive"],
    *["delete_dead", "commit", "commit"],
]
DYING = [*["claim_and_die", "claim_suspect"] * 4, "reopen"]
"""What may be done next, as often as it stands here. One rule draws from them: separate rules would be left out of
whole examples, and what is rare already (a suspect) never met."""


class Holder:
    """A consumer of queue "a" with a driver of its own, as another process has. ``held``: what it believes to hold."""

    def __init__(self, number: int, driver: SqliteDriver, seat: Seat | None, consumer: Consumer) -> None:
        self.number = number
        self.driver = driver
        self.seat = seat
        self.consumer = consumer
        self.held: list[Delivery] = []


class Ear:
    def lost(self, held: Sequence[Delivery], why: str) -> None:
        return None

    def state(self, state: str) -> None:
        return None


class EngineMachine(RuleBasedStateMachine):
    """On a file; `MemoryMachine` has one driver for all, and nobody dies."""

    acts = st.sampled_from(LIVING + DYING)

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.reference = Reference()
        self.sent = 0
        self.holders: list[Holder] = []
        self.stale: list[tuple[Holder, Delivery]] = []
        self.holder_count = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def clock(self) -> float:
        return self.reference.now

    @initialize(shapes=st.lists(SHAPES, min_size=4, max_size=10))
    def begin(self, shapes: list[Shape]) -> None:
        self.open()
        self.publish_these(shapes, "full")

    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        getattr(self, data.draw(self.acts))(data)

    # Opening and closing

    def new_driver(self, seat: Seat | None = None) -> SqliteDriver:
        return SqliteDriver(str(Path(self.folder.name) / "model.db"), seat=seat, clock=self.clock)

    def open(self) -> None:
        self.main = self.new_driver()
        self.run(self.main.__aenter__())
        self.run(self.declare())
        for _ in range(2):
            self.join()

    async def declare(self) -> None:
        await self.main.apply(await self.main.plan(Topology(tuple(Queue(name) for name in QUEUES))))

    def join(self) -> None:
        seat = self.main.reserve(SLOTS)
        driver = self.new_driver(seat)
        self.run(driver.__aenter__())
        self.take_in(driver, seat)

    def take_in(self, driver: SqliteDriver, seat: Seat | None) -> None:
        self.holder_count += 1
        consumer = self.run(driver.consume(Subscription(("a",)), Ear()))
        self.holders.append(Holder(self.holder_count, driver, seat, consumer))

    def teardown(self) -> None:
        for holder in self.holders:
            self.leave(holder)
        if hasattr(self, "main"):
            self.run(self.main.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    def leave(self, holder: Holder) -> None:
        if holder.driver is not self.main:
            self.run(holder.driver.__aexit__(None, None, None))

    def one(self, data: st.DataObject) -> Holder:
        return self.holders[data.draw(st.integers(0, 1))]

    # Sending

    def message(self, shape: Shape) -> tuple[Message, Entry]:
        priority, key, skips, delay_s, unique, chosen = shape
        self.sent += 1
        id = f"m{self.sent:05d}" if chosen is None else f"chosen-{chosen}"
        due_at = None if delay_s is None else self.reference.now + delay_s
        message = Message(
            id,
            id.encode(),
            key=key,
            priority=priority,
            due_at=due_at,
            queued_at=self.reference.now,
            track=True,
            dedupe=chosen is not None,
            unique=None if unique is None else Unique(*unique),
            order_skip=skips and key is not None,
        )
        return message, Entry(0, id, "a", priority, key, message.order_skip, unique[0] if unique else None, due_at)

    def expect(self, message: Message, entry: Entry, queue: str) -> str | None:
        entry.queue = queue
        ttl_s = message.unique.ttl_s if message.unique else None
        return self.reference.publish(entry, dedupe=message.dedupe, ttl_s=ttl_s)

    def sends(self, shapes: Sequence[Shape], queue: str) -> tuple[list[Send], list[tuple[Message, Entry]]]:
        made = [self.message(shape) for shape in shapes]
        return [Send(Address(queue), message) for message, _entry in made], made

    def publish(self, data: st.DataObject) -> None:
        durability = data.draw(st.sampled_from(["full", "relaxed"]))
        self.publish_these(data.draw(st.lists(SHAPES, min_size=1, max_size=5)), durability)

    def publish_these(self, shapes: Sequence[Shape], durability: str) -> None:
        sends, made = self.sends(shapes, "a")
        answers = self.run(self.main.publish(sends, durability=durability))
        expected = [self.expect(message, entry, "a") for message, entry in made]
        assert [receipt.duplicate_of for receipt in answers if isinstance(receipt, Receipt)] == expected

    def publish_to_nowhere(self, data: st.DataObject) -> None:
        sends, _made = self.sends([data.draw(SHAPES)], "nowhere")
        assert isinstance(self.run(self.main.publish(sends))[0], Refused)

    def time_passes(self, data: st.DataObject) -> None:
        self.reference.now += data.draw(st.sampled_from([0.5, 1.0, 5.0, 25.0]))

    # Taking

    def claim(self, data: st.DataObject) -> None:
        self.turn(self.one(data), data.draw(st.integers(1, 6)), alone=False)

    def work(self, data: st.DataObject) -> None:
        """Take some and settle them."""
        holder = self.one(data)
        taken = self.turn(holder, data.draw(st.integers(1, 6)), alone=False)
        if taken:
            self.settle_these(holder, taken, data)

    def claim_suspect(self, data: st.DataObject) -> None:
        """It runs alone; then it ends, or its holder does, or it is kept for now."""
        holder = self.one(data)
        taken = self.turn(holder, 1, alone=True)
        begins = data.draw(st.sampled_from([True, True, False]))
        if taken and begins:
            (begun,) = self.run(holder.consumer.begin(taken))
            assert begun.verdict == "run"
            self.reference.begin(self.reference.entries[taken[0].receipt[1]])
        then = data.draw(SUSPECT_ENDS)
        if then == "die":
            self.die(holder, taken if begins else [], swept=data.draw(st.booleans()))
        elif then == "close":
            self.close(holder)
        elif then == "settle" and taken:
            self.settle_these(holder, taken, data)
        elif then == "give back" and taken:
            self.settle_as(holder, taken, [Release()], data)

    def turn(self, holder: Holder, limit: int, *, alone: bool) -> list[Delivery]:
        turn = self.run(holder.consumer.turn((), limit, 0, alone=alone))
        expected = self.reference.claim("a", limit, holder.number, alone=alone)
        assert [
            (d.message.id, d.receipt[1], d.attempt, d.crashes, d.suspect, d.needs_begin) for d in turn.deliveries
        ] == [(entry.id, entry.seq, entry.attempt, entry.crashes, alone, alone) for entry in expected]
        waiting = [
            entry for entry in self.reference.entries.values() if entry.place == "suspect" and entry.queue == "a"
        ]
        assert turn.suspects_waiting == bool(waiting)
        assert turn.cancelled == self.reference.marks
        holder.held.extend(turn.deliveries)
        return list(turn.deliveries)

    # Settling

    def busy(self, data: st.DataObject) -> Holder | None:
        """One that holds something."""
        busy = [holder for holder in self.holders if holder.held]
        return data.draw(st.sampled_from(busy)) if busy else None

    def settle(self, data: st.DataObject) -> None:
        holder = self.busy(data)
        if holder is not None:
            held = st.sampled_from(holder.held)
            self.settle_these(holder, data.draw(st.lists(held, min_size=1, max_size=3, unique_by=receipt_of)), data)

    def settle_these(self, holder: Holder, chosen: list[Delivery], data: st.DataObject) -> None:
        self.settle_as(holder, chosen, [data.draw(OUTCOMES) for _ in chosen], data)

    def settle_as(self, holder: Holder, chosen: list[Delivery], outcomes: list[Outcome], data: st.DataObject) -> None:
        shapes = [data.draw(st.lists(SHAPES, max_size=1)) if outcome is ACCEPT else [] for outcome in outcomes]
        made = [self.sends(each, data.draw(st.sampled_from(QUEUES))) for each in shapes]
        settlements = [
            Settlement(delivery, outcome, tuple(sends), (Put("end", delivery.message.id, "{}"),))
            for delivery, outcome, (sends, _made) in zip(chosen, outcomes, made, strict=True)
        ]
        lost = [Settlement(delivery, ACCEPT) for gone, delivery in self.stale[-2:] if gone is holder]
        failures = self.run(holder.consumer.turn([*settlements, *lost], 0, 0)).failures
        assert [(failure.settlement, failure.kind) for failure in failures] == [(each, "lost") for each in lost]
        holder.held = [delivery for delivery in holder.held if delivery not in chosen]
        self.stale += [(holder, delivery) for delivery in chosen]
        self.conclude(settlements)
        for sends, messages in made:
            for each, (message, entry) in zip(sends, messages, strict=True):
                self.expect(message, entry, each.to.routing_key)

    def conclude(self, settlements: Sequence[Settlement]) -> None:
        """In the engine's order: what returns, what dies, what ends."""
        for each in sorted(settlements, key=rank_of):
            entry = self.reference.entries[each.delivery.receipt[1]]
            self.reference.documents[f"end/{entry.id}"] = ("", "{}", None)
            if isinstance(each.outcome, Release):
                self.reference.release(entry, each.outcome.delay_s, each.outcome.counted, each.delivery.crashes)
            elif isinstance(each.outcome, Reject):
                self.reference.reject(entry, each.delivery.crashes)
            else:
                self.reference.remove(entry)

    def settle_with_a_refused_send(self, data: st.DataObject) -> None:
        holder = self.busy(data)
        if holder is not None:
            sends, _made = self.sends([data.draw(SHAPES)], "a")
            bad, _made = self.sends([data.draw(SHAPES)], "nowhere")
            settlement = Settlement(holder.held[0], ACCEPT, (*sends, *bad), (Put("end", "refused", "{}"),))
            failures = self.run(holder.consumer.turn([settlement], 0, 0)).failures
            assert [failure.kind for failure in failures] == ["refused"]

    def settle_what_is_lost(self, data: st.DataObject) -> None:
        stale = [(holder, delivery) for holder, delivery in self.stale if holder in self.holders]
        if stale:
            holder, delivery = data.draw(st.sampled_from(stale))
            settlement = Settlement(delivery, data.draw(OUTCOMES), (), (Put("end", "stale", "{}"),))
            failures = self.run(holder.consumer.turn([settlement], 0, 0)).failures
            assert [failure.kind for failure in failures] == ["lost"]

    # Holders come and go

    def claim_and_die(self, data: st.DataObject) -> None:
        holder = self.one(data)
        self.turn(holder, data.draw(st.integers(1, 3)), alone=False)
        running = data.draw(st.sets(st.integers(0, SLOTS - 1)))
        started = [delivery for index, delivery in enumerate(holder.held) if index in running]
        self.die(holder, started, swept=data.draw(st.booleans()))

    def die(self, holder: Holder, started: list[Delivery], *, swept: bool) -> None:
        """Its process ends while these run."""
        assert holder.seat is not None
        image = b"".join(SLOT.pack(*delivery.receipt, 1) for delivery in started)
        Path(holder.seat.slots_path).write_bytes(image + FREE * (SLOTS - len(started)))
        count = self.run(self.sweep_after_death(holder.seat) if swept else self.main.vacate(holder.seat))
        running = {delivery.receipt[1] for delivery in started}
        assert count == self.reference.give_back(holder.number, running, died=True)
        self.replace(holder)

    async def sweep_after_death(self, seat: Seat) -> int:
        os.close(seat.fd)
        self.main.own_seats = [own for own in self.main.own_seats if own.name != seat.name]
        return await self.main.sweep()

    def close_one(self, data: st.DataObject) -> None:
        self.close(self.one(data))

    def close(self, holder: Holder) -> None:
        """It goes in good order."""
        self.run(holder.consumer.close())
        self.reference.give_back(holder.number, set(), died=False)
        self.replace(holder)

    def replace(self, holder: Holder) -> None:
        self.holders.remove(holder)
        self.leave(holder)
        self.join()

    def reopen(self, data: st.DataObject) -> None:
        """Everything is closed, and opened again."""
        for holder in self.holders:
            self.run(holder.consumer.close())
            self.reference.give_back(holder.number, set(), died=False)
            self.leave(holder)
        self.run(self.main.__aexit__(None, None, None))
        self.holders = []
        self.open()

    # Operating

    def cancel(self, data: st.DataObject) -> None:
        known = [*sorted({entry.id for entry in self.reference.entries.values()}), "nobody"]
        ids = data.draw(st.sets(st.sampled_from(known), max_size=3))
        assert set(self.run(self.main.cancel(sorted(ids), "why"))) == self.reference.cancel(ids)

    def redrive(self, data: st.DataObject) -> None:
        limit = data.draw(st.integers(0, 3))
        assert self.run(self.main.redrive(ALL, limit)).count == self.reference.redrive(limit)

    def delete_dead(self, data: st.DataObject) -> None:
        limit = data.draw(st.integers(0, 1))
        assert self.run(self.main.delete_dead(ALL, limit)) == len(self.reference.dead[:limit])
        del self.reference.dead[:limit]

    # Documents

    def commit(self, data: st.DataObject) -> None:
        keys = st.sampled_from(["1", "2", "3"])
        expiries = st.sampled_from([None, None, self.reference.now + 1.0, self.reference.now + 5.0])
        put = st.builds(Put, st.just("d"), keys, st.sampled_from(["1", "{}"]), st.sampled_from(["", "T"]), expiries)
        writes = data.draw(st.lists(put | st.builds(Delete, st.just("d"), keys), max_size=3))
        tagged = st.builds(Tagged, st.just("d"), keys, st.sampled_from([("T",), ("", "T"), ("",)]))
        require = data.draw(st.lists(st.builds(Absent, st.just("d"), keys) | tagged, max_size=1))
        broken = [each for each in require if not self.holds(each)]
        assert self.run(self.main.commit(writes, require)) == (Conflict(broken[0]) if broken else Committed())
        for write in [] if broken else writes:
            self.reference.documents.pop(f"d/{write.key}", None)
            if isinstance(write, Put):
                self.reference.documents[f"d/{write.key}"] = (write.tag, write.value, write.expires_at)

    def holds(self, condition: Condition) -> bool:
        present = self.reference.visible().get(f"d/{condition.key}")
        return (
            present is None if isinstance(condition, Absent) else present is not None and present[0] in condition.tags
        )

    # Both must look the same

    @invariant()
    def both_look_the_same(self) -> None:
        if hasattr(self, "main"):
            self.run(self.compare())

    async def compare(self) -> None:
        self.compare_messages(await self.main.list_messages(None, 10_000))
        self.compare_dead(await self.main.dead_letters(ALL, 10_000))
        self.compare_documents([*await self.main.scan("d"), *await self.main.scan("end", limit=10_000)])
        self.compare_depths(await self.main.queues())

    def compare_messages(self, listed: Sequence[Located]) -> None:
        found = {each.message.id + each.queue: (each.place, each.attempt, each.crashes, each.due_at) for each in listed}
        assert found == {entry.id + entry.queue: self.facts(entry) for entry in self.reference.entries.values()}
        assert len(listed) == len(self.reference.entries)

    def facts(self, entry: Entry) -> tuple[str, int, int, float | None]:
        place = entry.place if entry.place in ("held", "delayed") else "ready"
        return (place, entry.attempt, entry.crashes, entry.due_at if place == "delayed" else None)

    def compare_dead(self, letters: Sequence[DeadLetterRecord]) -> None:
        found = [(letter.message.id, letter.attempt, letter.crashes) for letter in letters]
        assert found[::-1] == [(entry.id, entry.attempt, entry.crashes) for entry in self.reference.dead]

    def compare_documents(self, documents: Sequence[Document]) -> None:
        found = {f"{each.kind}/{each.key}": (each.tag, each.value, each.expires_at) for each in documents}
        assert found == self.reference.visible()

    def compare_depths(self, depths: Sequence[QueueDepth]) -> None:
        for depth in depths:
            places = [self.facts(e)[0] for e in self.reference.entries.values() if e.queue == depth.queue]
            dead = sum(entry.queue == depth.queue for entry in self.reference.dead)
            counted = (depth.ready, depth.delayed, depth.in_flight, depth.dead)
            assert counted == (places.count("ready"), places.count("delayed"), places.count("held"), dead)


class MemoryMachine(EngineMachine):
    """One driver in memory for all: quicker, so there are more examples. Nobody dies, nothing is opened again."""

    acts = st.sampled_from(LIVING)

    def new_driver(self, seat: Seat | None = None) -> SqliteDriver:
        return SqliteDriver(None, clock=self.clock)

    def join(self) -> None:
        self.take_in(self.main, None)
