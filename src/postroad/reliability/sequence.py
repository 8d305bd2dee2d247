"""Order by number: a gate that lets each key's messages pass in the order of their numbers, each once.

What comes early is accepted at the queue and parked in the store, in one transaction; when the number before it ends, it
goes back to the queue with that outcome. Of one key only one message is out at a time (its lane), so what is read here
is still true when the settlement made of it is committed.

A gap is watched by a control message: delayed, of the same key, with the headers of one it watches for, so that it comes
to the same handler. There is one, for a key, for as long as something of it is parked; it is sent on from gap to gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.ids import derived_id
from postroad.core.message import Address, Message, Send
from postroad.core.outcome import ACCEPT, Reject, Settlement
from postroad.core.writes import Delete, Put, Write
from postroad.engine.handler import NOTHING_ALONG, Along
from postroad.engine.preparing import GATE_HEADER
from postroad.engine.records import record
from postroad.errors import MessageError
from postroad.ports.store import Store
from postroad.reliability import series as numbers
from postroad.reliability.ranges import contains, lowest
from postroad.reliability.series import Series, Verdict

STATE = "sequence"
PARKED = "sequence.parked"
KEEP_S = 30 * 86_400.0
"""A key that is quiet for so long is forgotten, unless something of it is parked."""
CONDEMNED_AT_ONCE = 100
NUMBER_MAX = 2**63 - 2
ON_GAP = ("dead-letter", "skip")

ENCODE = msgspec.json.Encoder().encode
SERIES = msgspec.json.Decoder(Series).decode
SENDS = msgspec.json.Decoder(Send).decode


class Place(msgspec.Struct, frozen=True):
    """A delivery with its number (None: a control message), and where its series stands."""

    delivery: Delivery
    number: int | None
    key: str
    series: Series


class SequenceGate:
    """``queue``: in whose name the state is kept. ``number_of``: raises a MessageError where there is no number.

    ``on_gap``: after ``gap_timeout_s`` (at most twice that, for a gap behind another one: it is counted from the end of the
    number before it, whose handler may take long), what is parked becomes dead letters ("dead-letter"; the missing number stays
    expected), or the series goes on with the lowest of it ("skip"; a record tells).
    """

    def __init__(
        self,
        queue: str,
        number_of: Callable[[Delivery], object],
        gap_timeout_s: float,
        on_gap: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = queue
        self.number_of = number_of
        self.gap_timeout_s = gap_timeout_s
        self.on_gap = on_gap
        self.clock = clock

    async def admit(self, store: Store, deliveries: Sequence[Delivery]) -> Sequence[Settlement | Along]:
        """As Gate.admit. One look at the store for the series; one more when something parked is due."""
        read = [self.read(delivery) for delivery in deliveries]
        keys = [one[1] for one in read if not isinstance(one, Settlement)]
        found = {one.key: SERIES(one.value) for one in await store.get(STATE, keys)} if keys else {}
        places = [
            one if isinstance(one, Settlement) else Place(delivery, *one, found.get(one[1], Series()))
            for delivery, one in zip(deliveries, read, strict=True)
        ]
        due = [key for one in places if isinstance(one, Place) for key in self.due(one)]
        parked = {one.key: SENDS(one.value) for one in await store.get(PARKED, due)} if due else {}
        return [one if isinstance(one, Settlement) else self.answer(one, parked) for one in places]

    def read(self, delivery: Delivery) -> tuple[int | None, str] | Settlement:
        """Number and state's key; or why it has none."""
        key = delivery.message.key
        if key is None:
            return self.dead(
                delivery, "SequenceNumber", "no key: numbers order the messages of one key, and this one has none"
            )
        if GATE_HEADER in delivery.message.headers:
            return None, f"{self.queue}\x1f{key}"
        try:
            number = self.number_of(delivery)
        except MessageError as error:
            return self.dead(delivery, "SequenceNumber", f"no number: {error}")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= NUMBER_MAX:
            words = f"no number: {number!r:.80} is none. A series is numbered by whole numbers, from 1 (or 0) up"
            return self.dead(delivery, "SequenceNumber", words)
        return number, f"{self.queue}\x1f{key}"

    def due(self, place: Place) -> list[str]:
        """The parked messages that this one may send back."""
        return [parked_key(place.key, number) for number in self.returning(place)]

    def returning(self, place: Place) -> list[int]:
        series, number = place.series, place.number
        if number is None:
            return lowest(series.parked, self.at_once(series)) if self.is_over(place) else []
        runs = judged(place) is Verdict.RUN and contains(series.parked, number + 1)
        return [number + 1] if runs else []

    def at_once(self, series: Series) -> int:
        return 1 if self.goes_on(series) else CONDEMNED_AT_ONCE

    def goes_on(self, series: Series) -> bool:
        """After a gap; a series that has not begun begins with what there is."""
        return self.on_gap == "skip" or series.first is None

    def answer(self, place: Place, parked: dict[str, Send]) -> Settlement | Along:
        if place.number is None:
            return self.control(place, parked)
        verdict = judged(place)
        if verdict is Verdict.RUN:
            return self.run(place, place.number, parked)
        if verdict is Verdict.PARK:
            return self.park(place, place.number)
        if verdict is Verdict.AGAIN:
            return NOTHING_ALONG
        return self.refuse(place, place.number, verdict)

    # What comes in

    def run(self, place: Place, number: int, parked: dict[str, Send]) -> Along:
        """It runs; the next goes back to the queue when it ends, or is watched for."""
        message = place.delivery.message
        series = numbers.ran(place.series, number, message.id)
        sends, writes = self.back(place.key, [number + 1], parked)
        if series.parked and not sends:
            series = numbers.watching(series, 0.0)
        return Along(sends, (*writes, self.put(place.key, series)))

    def park(self, place: Place, number: int) -> Settlement:
        """It is early."""
        delivery, series, before = place.delivery, numbers.parked(place.series, number), place.series
        sends: tuple[Send, ...] = ()
        unwatched = before.watched is None or self.overdue(before)
        if unwatched or before.watched != series.next:
            series = numbers.watching(series, self.clock() + self.gap_timeout_s)
        if unwatched:
            sends = (self.watch(delivery, series.next, series.over_at),)
        document = Put(PARKED, parked_key(place.key, number), ENCODE(returned(delivery)).decode())
        return Settlement(delivery, ACCEPT, sends, (document, self.put(place.key, series)))

    def refuse(self, place: Place, number: int, verdict: Verdict) -> Settlement:
        delivery, series, now = place.delivery, place.series, self.clock()
        name = f"number {number} of key {delivery.message.key!r}"
        if verdict is Verdict.LATE:
            return self.dead(
                delivery, "SequenceLate", f"{name} came after its gap was skipped; {series.next} is expected now"
            )
        if verdict is Verdict.RESET:
            write = self.put(place.key, numbers.begun_anew(series))
            return self.dead(delivery, "SequenceReset", f"sequence reset: {name}: {reset_words(series)}", write)
        if verdict is Verdict.GAP:
            words = f"sequence gap: {name} waited {self.gap_timeout_s:g} s for number {series.next}, which did not come"
            advice = "Redrive it when that number is there"
            return self.dead(
                delivery, "SequenceGap", f"{words}. {advice}", self.put(place.key, numbers.rejected(series, number))
            )
        reason = f"{name} was there before: {series.next} is expected"
        return Settlement(delivery, ACCEPT, (), (record(delivery, "DUPLICATE", reason, now),))

    # Gaps

    def overdue(self, series: Series) -> bool:
        """Whether the control message should have come long ago: it expired, or somebody purged the queue."""
        return 0.0 < series.over_at < self.clock() - self.gap_timeout_s

    def is_over(self, place: Place) -> bool:
        """Whether the number that is expected was waited for long enough."""
        series = place.series
        return series.watched == series.next and 0.0 < series.over_at <= self.clock()

    def control(self, place: Place, parked: dict[str, Send]) -> Settlement:
        """A control message has come: is the gap over, or another one there by now?"""
        delivery, series = place.delivery, place.series
        if not series.parked:
            return Settlement(delivery, ACCEPT, (), (self.put(place.key, numbers.unwatched(series)),))
        if not self.is_over(place):
            same = series.watched == series.next and series.over_at > 0.0
            series = numbers.watching(series, series.over_at if same else self.clock() + self.gap_timeout_s)
            return Settlement(delivery, ACCEPT, *self.watched(place, series))
        return self.go_on(place, parked) if self.goes_on(series) else self.give_up(place, parked)

    def go_on(self, place: Place, parked: dict[str, Send]) -> Settlement:
        """With the lowest of what is parked."""
        before, series = place.series, numbers.skipping(place.series)
        sends, writes = self.back(place.key, [series.next], parked)
        key = place.delivery.message.key
        done = (
            f"skipped {run_of(before.next, series.next - 1)}"
            if before.first is not None
            else f"begins at {series.next}"
        )
        reason = f"sequence of key {key!r} {done}: {run_of(before.next, series.next - 1)} did not come within {self.gap_timeout_s:g} s"
        told = record(place.delivery, "DROPPED", reason, self.clock())
        more, state = self.still(place, series, self.clock() + self.gap_timeout_s)
        return Settlement(place.delivery, ACCEPT, (*sends, *more), (*writes, told, *state))

    def give_up(self, place: Place, parked: dict[str, Send]) -> Settlement:
        """What is parked goes to the dead letters, in order, by way of the queue: so each is one as it was."""
        chosen = lowest(place.series.parked, CONDEMNED_AT_ONCE)
        sends, writes = self.back(place.key, chosen, parked)
        more, state = self.still(place, numbers.condemning(place.series, chosen), self.clock())
        return Settlement(place.delivery, ACCEPT, (*sends, *more), (*writes, *state))

    def still(self, place: Place, series: Series, over_at: float) -> tuple[tuple[Send, ...], tuple[Write, ...]]:
        """Watch on, while something is parked."""
        if not series.parked:
            return (), (self.put(place.key, numbers.unwatched(series)),)
        return self.watched(place, numbers.watching(series, over_at))

    def watched(self, place: Place, series: Series) -> tuple[tuple[Send, ...], tuple[Write, ...]]:
        return (self.watch(place.delivery, series.next, series.over_at),), (self.put(place.key, series),)

    # What is sent and written

    def back(self, key: str, which: list[int], parked: dict[str, Send]) -> tuple[tuple[Send, ...], tuple[Write, ...]]:
        """Those of them that are parked, back to the queue."""
        there = [parked_key(key, number) for number in which if parked_key(key, number) in parked]
        return tuple(parked[one] for one in there), tuple(Delete(PARKED, one) for one in there)

    def watch(self, delivery: Delivery, number: int, due_at: float) -> Send:
        """The control message of this key, which waits for this number first."""
        message = delivery.message
        return Send(
            Address(delivery.source),
            Message(
                derived_id(f"{message.id}\x1f{self.clock():.6f}", number),
                message.body,
                message.content_type,
                {**message.headers, GATE_HEADER: str(number)},
                message.key,
                message.priority,
                due_at,
                queued_at=self.clock(),
                order_skip=message.order_skip,
            ),
            returning=True,
        )

    def put(self, key: str, series: Series) -> Put:
        return Put(STATE, key, ENCODE(series).decode(), "", None if series.parked else self.clock() + KEEP_S)

    def dead(self, delivery: Delivery, error_type: str, reason: str, *writes: Write) -> Settlement:
        now = self.clock()
        attempt = Attempt("error", error_type, reason, started_at=now, ended_at=now)
        return Settlement(delivery, Reject(reason, attempt), (), writes)


def judged(place: Place) -> Verdict:
    message = place.delivery.message
    redriven = any(attempt.kind == "redriven" for attempt in place.delivery.history)
    return numbers.judge(place.series, place.number or 0, message.id, redriven)


def parked_key(key: str, number: int) -> str:
    return f"{key}\x1f{number:020d}"


def returned(delivery: Delivery) -> Send:
    """Straight to its queue, under its id, which the inbox knows already."""
    message = msgspec.structs.replace(delivery.message, dedupe=False, unique=None, due_at=None)
    return Send(Address(delivery.source), message, returning=True)


def reset_words(series: Series) -> str:
    return (
        f"the series began at {series.first} with message {series.first_id} and {series.next} is expected, so its producer "
        "began to count anew. Let it go on counting, or give each count a key of its own; then redrive what is here"
    )


def run_of(first: int, last: int) -> str:
    return f"number {first}" if first == last else f"numbers {first} to {last}"
