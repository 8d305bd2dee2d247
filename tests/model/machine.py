"""The embedded engine beside the reference: the same steps for both, and after each they must look the same."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.model import shapes
from tests.model.reference import Answer, Binding, Entry, Key, Reference, Sending
from tests.model.shapes import SHAPES, Shape, Target

from postroad.core import topology
from postroad.core.delivery import Delivery
from postroad.core.message import Address, Message, Receipt, Refused, Send, Unique
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release, Settlement
from postroad.core.slots import FREE, SLOT
from postroad.core.topology import Topology
from postroad.core.writes import Put
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.ports.driver import Consumer, DeadLetterFilter, Seat, Subscription

T = TypeVar("T")

SLOTS = 4
ALL = DeadLetterFilter()
CONSUMED = ("a", "few", "wait", "drop", "brief")


def receipt_of(delivery: Delivery) -> tuple[int, int]:
    return delivery.receipt


def rank_of(settlement: Settlement) -> int:
    return 0 if isinstance(settlement.outcome, Release) else 1 if isinstance(settlement.outcome, Reject) else 2


def place_of(delivery: Delivery) -> Key:
    return (delivery.source, delivery.message.id)


class Holder:
    """A consumer with a driver of its own, as another process has. ``held``: what it believes to hold."""

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


class Machine(RuleBasedStateMachine):
    """Sending, taking and settling; on a file. What operators do is in `operating`."""

    acts = st.sampled_from(shapes.LIVING + shapes.DYING)

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.reference = Reference(shapes.RULES, shapes.KINDS, set(shapes.FIRST_BINDINGS))
        self.sent = 0
        self.holders: list[Holder] = []
        self.stale: list[tuple[Holder, Delivery]] = []
        self.holder_count = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def clock(self) -> float:
        return self.reference.now

    @initialize(drawn=st.lists(st.tuples(SHAPES, shapes.TARGETS), min_size=8, max_size=16))
    def begin(self, drawn: list[tuple[Shape, Target]]) -> None:
        self.open()
        self.publish_these(self.main, drawn, "full")

    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        getattr(self, data.draw(self.acts))(data)

    # Opening and closing

    def new_driver(self, seat: Seat | None = None) -> SqliteDriver:
        return SqliteDriver(str(Path(self.folder.name) / "model.db"), seat=seat, clock=self.clock)

    def open(self) -> None:
        self.main = self.new_driver()
        self.run(self.main.__aenter__())
        bound = tuple(map(self.declared, sorted(self.reference.bindings)))
        self.run(self.declare(Topology(shapes.QUEUES, shapes.EXCHANGES, bound)))
        for _ in range(2):
            self.join()

    async def declare(self, declared: Topology) -> None:
        await self.main.apply(await self.main.plan(declared))

    def declared(self, binding: Binding) -> topology.Binding:
        exchange, pattern, to = binding
        return topology.Binding(exchange, to, pattern, to_exchange=to in shapes.KINDS)

    def join(self) -> None:
        seat = self.main.reserve(SLOTS)
        driver = self.new_driver(seat)
        self.run(driver.__aenter__())
        self.take_in(driver, seat)

    def take_in(self, driver: SqliteDriver, seat: Seat | None) -> None:
        self.holder_count += 1
        consumer = self.run(driver.consume(Subscription(CONSUMED), Ear()))
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

    def sending(self, shape: Shape, target: Target) -> tuple[Send, Sending]:
        """The same for both."""
        priority, key, skips, delay_s, unique, chosen, mandatory = shape
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
        own_key, ttl_s = unique or (None, None)
        entry = Entry(0, id, "", priority, key, message.order_skip, own_key, ttl_s, due_at, body=message.body)
        exchange, routing_key = target
        send = Send(Address(routing_key, exchange), message, mandatory)
        return send, Sending(exchange, routing_key, entry, message.dedupe, mandatory)

    def publish(self, data: st.DataObject) -> None:
        """By the main driver, or by another one that knows of topology changes by itself only."""
        driver = data.draw(st.sampled_from([self.main, *(holder.driver for holder in self.holders)]))
        how = data.draw(st.sampled_from(["full", "relaxed", "waiting"]))
        self.publish_these(driver, data.draw(st.lists(st.tuples(SHAPES, shapes.TARGETS), min_size=1, max_size=5)), how)

    def publish_these(self, driver: SqliteDriver, drawn: Sequence[tuple[Shape, Target]], how: str) -> None:
        pairs = [self.sending(shape, target) for shape, target in drawn]
        sends = [send for send, _sending in pairs]
        if how == "waiting":
            answers = driver.publish_wait(sends)
        else:
            answers = self.run(driver.publish(sends, durability=how))
        assert list(map(said, answers)) == self.reference.send([sending for _send, sending in pairs])

    def publish_to_nowhere(self, data: st.DataObject) -> None:
        self.publish_these(self.main, [(data.draw(SHAPES), data.draw(shapes.NOWHERE))], "full")

    def time_passes(self, data: st.DataObject) -> None:
        self.reference.now += data.draw(st.sampled_from([0.5, 1.0, 5.0, 25.0]))

    # Taking

    def claim(self, data: st.DataObject) -> None:
        self.turn(self.one(data), self.source(data), data.draw(st.integers(1, 6)))

    def work(self, data: st.DataObject) -> None:
        """Take some and settle them."""
        holder = self.one(data)
        taken = self.turn(holder, self.source(data), data.draw(st.integers(1, 6)))
        if taken:
            self.settle_these(holder, taken, data)

    def source(self, data: st.DataObject, place: str = "ready") -> str:
        """A queue with something there, or any."""
        there = {entry.queue for entry in self.reference.entries.values() if entry.place == place}.intersection(
            CONSUMED
        )
        return data.draw(st.sampled_from(sorted(there)) if there else shapes.TAKEN_FROM)

    def claim_suspect(self, data: st.DataObject) -> None:
        """It runs alone; then it ends, or its holder does, or it is kept for now."""
        holder = self.one(data)
        taken = self.turn(holder, self.source(data, "suspect"), 1, alone=True)
        begins = data.draw(st.sampled_from([True, True, False]))
        if taken and begins:
            (begun,) = self.run(holder.consumer.begin(taken))
            assert begun.verdict == "run"
            self.reference.begin(self.entry(taken[0]))
        then = data.draw(shapes.SUSPECT_ENDS)
        if then == "die":
            self.die(holder, taken if begins else [], swept=data.draw(st.booleans()))
        elif then == "close":
            self.close(holder)
        elif then == "settle" and taken:
            self.settle_these(holder, taken, data)
        elif then == "give back" and taken:
            self.settle_as(holder, taken, [Release()], data)

    def turn(self, holder: Holder, queue: str, limit: int, *, alone: bool = False) -> list[Delivery]:
        """From one of its queues: of the others nothing may be taken."""
        limits = {name: 0 for name in CONSUMED if name != queue}
        turn = self.run(holder.consumer.turn((), limit, 0, alone=alone, limits=limits))
        expected = self.reference.claim(queue, limit, holder.number, alone=alone)
        assert [
            (
                d.source,
                d.message.id,
                d.message.body,
                d.message.expires_at,
                d.attempt,
                d.crashes,
                d.suspect,
                d.needs_begin,
            )
            for d in turn.deliveries
        ] == [(e.queue, e.id, e.body, e.expires_at, e.attempt, e.crashes, alone, alone) for e in expected]
        waiting = [entry for entry in self.reference.waiting(queue) if entry.place == "suspect"]
        assert turn.suspects_waiting == bool(waiting)
        assert turn.cancelled == self.reference.marks
        holder.held.extend(turn.deliveries)
        return list(turn.deliveries)

    def entry(self, delivery: Delivery) -> Entry:
        """The reference's own of what is held."""
        (found,) = [
            e for e in self.reference.entries.values() if (e.queue, e.id) == place_of(delivery) and e.place == "held"
        ]
        return found

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
        self.settle_as(holder, chosen, [data.draw(shapes.OUTCOMES) for _ in chosen], data)

    def settle_as(self, holder: Holder, chosen: list[Delivery], outcomes: list[Outcome], data: st.DataObject) -> None:
        """Each with a mark or none; what ends well may send one message to a queue without a bound."""
        target = ("", data.draw(st.sampled_from(["a", "b"])))
        pairs = [
            [self.sending(shape, target) for shape in data.draw(st.lists(SHAPES, max_size=1))]
            if outcome is ACCEPT
            else []
            for outcome in outcomes
        ]
        settlements = [
            Settlement(
                delivery, outcome, tuple(send for send, _ in pair), (Put("end", delivery.message.id, "{}"),), data.draw(shapes.MARKS)
            )
            for delivery, outcome, pair in zip(chosen, outcomes, pairs, strict=True)
        ]  # fmt: skip
        lost = [Settlement(delivery, ACCEPT) for gone, delivery in self.stale[-2:] if gone is holder]
        failures = self.run(holder.consumer.turn([*settlements, *lost], 0, 0)).failures
        repeats = self.repeats(settlements)
        expected = [*((each, "lost") for each in lost), *((each, "duplicate") for each in repeats)]
        assert [(failure.settlement, failure.kind) for failure in failures] == expected
        self.forget(holder, chosen)
        self.conclude(settlements, repeats)
        done = [n for n, each in enumerate(settlements) if each not in repeats]
        self.reference.send([sending for n in done for _send, sending in pairs[n]])

    def repeats(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """Those whose mark was there; of the others it is there now."""
        found = []
        for each in settlements:
            mark = (each.delivery.source, each.mark or "")
            if each.mark is not None and not isinstance(each.outcome, Release):
                found += [each] if mark in self.reference.handled else []
                self.reference.handled.add(mark)
        return found

    def forget(self, holder: Holder, chosen: list[Delivery]) -> None:
        holder.held = [delivery for delivery in holder.held if delivery not in chosen]
        self.stale += [(holder, delivery) for delivery in chosen]

    def conclude(self, settlements: Sequence[Settlement], repeats: Sequence[Settlement] = ()) -> None:
        """In the engine's order: what returns, what dies, what ends. A repeat ends, and leaves nothing."""
        ended = [Settlement(each.delivery, ACCEPT) if each in repeats else each for each in settlements]
        for each in sorted(ended, key=rank_of):
            entry = self.entry(each.delivery)
            self.reference.documents.update({f"end/{write.key}": ("", "{}", None) for write in each.writes})
            if isinstance(each.outcome, Release):
                self.reference.release(entry, each.outcome.delay_s, each.outcome.counted, each.delivery.crashes)
            elif isinstance(each.outcome, Reject):
                self.reference.reject(entry, each.delivery.crashes)
            else:
                self.reference.remove(entry)

    def settle_with_sends(self, data: st.DataObject) -> None:
        """One settlement that sends to wherever it likes: all of that is taken, or it does not happen."""
        holder = self.busy(data)
        if holder is None:
            return
        drawn = st.lists(st.tuples(shapes.PLAIN_SHAPES, shapes.TARGETS), min_size=1, max_size=5)
        pairs = [self.sending(shape, target) for shape, target in data.draw(drawn)]
        settlement = Settlement(holder.held[0], ACCEPT, tuple(send for send, _ in pairs), (Put("end", "sent", "{}"),))
        failures = self.run(holder.consumer.turn([settlement], 0, 0)).failures
        answers = self.reference.send([sending for _send, sending in pairs], together=True)
        refused = [answer for answer in answers if isinstance(answer, str)]
        if refused:
            kind = "blocked" if set(refused) == {"blocked"} else "refused"
            assert [failure.kind for failure in failures] == [kind]
        else:
            assert not failures
            self.conclude([settlement])
            self.forget(holder, [settlement.delivery])

    def settle_with_a_refused_send(self, data: st.DataObject) -> None:
        holder = self.busy(data)
        if holder is not None:
            good, _ = self.sending(data.draw(SHAPES), ("", "a"))
            bad, _ = self.sending(data.draw(SHAPES), data.draw(shapes.NOWHERE))
            settlement = Settlement(holder.held[0], ACCEPT, (good, bad), (Put("end", "refused", "{}"),))
            failures = self.run(holder.consumer.turn([settlement], 0, 0)).failures
            assert [failure.kind for failure in failures] == ["refused"]

    def settle_what_is_lost(self, data: st.DataObject) -> None:
        stale = [(holder, delivery) for holder, delivery in self.stale if holder in self.holders]
        if stale:
            holder, delivery = data.draw(st.sampled_from(stale))
            settlement = Settlement(
                delivery, data.draw(shapes.OUTCOMES), (), (Put("end", "stale", "{}"),), data.draw(shapes.MARKS)
            )
            failures = self.run(holder.consumer.turn([settlement], 0, 0)).failures
            assert [failure.kind for failure in failures] == ["lost"]

    # Holders come and go

    def claim_and_die(self, data: st.DataObject) -> None:
        holder = self.one(data)
        self.turn(holder, self.source(data), data.draw(st.integers(1, 3)))
        running = data.draw(st.sets(st.integers(0, SLOTS - 1)))
        started = [delivery for index, delivery in enumerate(holder.held) if index in running]
        self.die(holder, started, swept=data.draw(st.booleans()))

    def die(self, holder: Holder, started: list[Delivery], *, swept: bool) -> None:
        """Its process ends while these run."""
        assert holder.seat is not None
        image = b"".join(SLOT.pack(*delivery.receipt, 1) for delivery in started)
        Path(holder.seat.slots_path).write_bytes(image + FREE * (SLOTS - len(started)))
        count = self.run(self.sweep_after_death(holder.seat) if swept else self.main.vacate(holder.seat))
        running = {place_of(delivery) for delivery in started}
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


def said(answer: Receipt | Refused) -> Answer:
    """What the engine answered, as the reference says it."""
    return answer.kind if isinstance(answer, Refused) else (answer.duplicate_of, answer.routed)
