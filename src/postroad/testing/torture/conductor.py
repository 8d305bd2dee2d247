"""The run itself: start, kill, start again, wait for the end, count.

Duties: 1. every number is attempted. 2. In each round one kill, chosen by the seed: a child, the supervisor alone, the
whole tree, or a producer that is sending. 3. What was killed is started again. 4. At the end nothing is left running,
whatever happened.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import cast

import msgspec

from postroad.drivers.registry import open_driver, parse
from postroad.engine.identity import new_id
from postroad.errors import InvalidOption, NotSupported, UsageError
from postroad.ports.driver import DeadLetterFilter, Driver, Inspectable
from postroad.ports.store import Store
from postroad.testing.torture import numbers
from postroad.testing.torture.order import Order
from postroad.testing.torture.processes import Producer, Tree, still_running
from postroad.testing.torture.records import ATTEMPTED, PRODUCERS, SUBSCRIBERS, WORKERS, count, read
from postroad.testing.torture.tally import Ledger
from postroad.testing.torture.tasks import QUEUES, app
from postroad.testing.torture.verdict import Kills, Verdict

POLL_S = 0.02
STUCK_S = 60.0
ORPHANS_S = 15.0
PRODUCERS_AT_ONCE = 2
VICTIMS = ("child", "supervisor", "tree", "producer")
CHUNK = 500

Tell = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True):
    """``tasks``: messages in all, sent in ``rounds`` with a kill in each. ``processes``, ``threads``: of the worker.
    ``folder``: where the records go; None: a temporary one."""

    url: str
    rounds: int = 20
    tasks: int = 20_000
    seed: int = 1
    processes: int = 2
    threads: int = 5
    folder: str | None = None

    def __post_init__(self) -> None:
        for name in ("rounds", "tasks", "processes", "threads"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name}={getattr(self, name)}: it must be at least 1.")
        if parse(self.url).scheme == "memory":
            raise NotSupported("memory:// is private to one process, and torture starts many: use sqlite:///torture.db.")

    @property
    def concurrency(self) -> int:
        """Coroutines one child runs at once."""
        return 2 * self.threads

    @property
    def slots(self) -> int:
        """Handlers one child runs at once: threads and coroutines."""
        return self.threads + self.concurrency


def torture(plan: Plan, tell: Tell = lambda line: None) -> Verdict:
    """Run it; takes minutes. ``tell`` is given lines about how it goes.

    Raises PostroadError when a worker or a producer fails by itself, or when nothing moves any more.
    """
    if plan.folder is not None:
        return asyncio.run(Conductor(plan, empty_folder(plan.folder), tell).conduct())
    with tempfile.TemporaryDirectory(prefix="postroad-torture-") as folder:
        return asyncio.run(Conductor(plan, Path(folder), tell).conduct())


def empty_folder(name: str) -> Path:
    """Made when it is not there. Raises InvalidOption when something is in it: old records would be counted."""
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InvalidOption(f"The folder {name} for the records is not empty: name another, or empty it.")
    return folder


class Conductor:
    """One torture. ``trees``: every worker ever started; the last is the living one."""

    def __init__(self, plan: Plan, folder: Path, tell: Tell) -> None:
        self.plan = plan
        self.folder = folder
        self.tell = tell
        self.dice = random.Random(plan.seed)
        self.run_id = new_id()
        self.kills = Kills()
        self.trees: list[Tree] = []
        self.producers: list[Producer] = []
        self.moved_at = time.monotonic()
        self.moved: tuple[int, ...] = ()

    async def conduct(self) -> Verdict:
        started_at = time.monotonic()
        async with open_driver(self.plan.url, worker="torture") as driver:
            await self.check_empty(driver)
            dead_before = await self.dead(driver)
            try:
                self.start_tree()
                await self.rounds()
                depth = await self.until_empty(driver)
                self.trees[-1].stop()
                orphans = await self.until_alone()
            finally:
                self.abandon()
            ledger = self.ledger()
            tally = ledger.tally()
            return Verdict(
                self.plan.rounds, self.plan.seed, round(time.monotonic() - started_at, 1), tally, self.kills, self.plan.slots,
                depth, await self.dead(driver) - dead_before, await self.results_lost(driver, tally.kept), orphans,
            )  # fmt: skip

    # Rounds

    async def rounds(self) -> None:
        share, rest = divmod(self.plan.tasks, self.plan.rounds)
        first = 0
        for number in range(self.plan.rounds):
            last = first + share + (number < rest)
            await self.round(number, list(range(first, last)))
            first = last

    async def round(self, number: int, chosen: list[int]) -> None:
        """Send these numbers, and kill something while they are sent and handled."""
        victim, moment, choice = VICTIMS[self.dice.randrange(4)], self.dice.uniform(0.1, 0.9), self.dice.random()
        self.start_producers(chosen)
        await self.until_moment(victim, moment, len(chosen))
        done = self.kill(victim, choice)
        self.tell(f"round {number + 1}/{self.plan.rounds}: killed {victim} ({done}); {self.words()}")
        while not all(producer.ended() for producer in self.producers):
            await self.pause()
        self.producers = []

    def start_producers(self, chosen: list[int]) -> None:
        for part in range(PRODUCERS_AT_ONCE):
            self.start_producer(chosen[part::PRODUCERS_AT_ONCE])

    def start_producer(self, chosen: list[int]) -> None:
        if chosen:
            order = Order(self.plan.url, str(self.folder), self.run_id, self.dice.getrandbits(32), chosen)
            self.producers.append(Producer(order, self.folder / "log"))

    async def until_moment(self, victim: str, moment: float, size: int) -> None:
        """Until that share of the round is sent (for a producer) or handled, or there is nothing left to wait for."""
        who = PRODUCERS if victim == "producer" else WORKERS
        before = count(self.folder, who)
        while count(self.folder, who) < before + 2 * moment * size:
            if all(producer.ended() for producer in self.producers) and (who == PRODUCERS or self.is_idle()):
                return
            await self.pause()

    def is_idle(self) -> bool:
        """All that was confirmed has been handled; an estimate, from the sizes of files."""
        return count(self.folder, WORKERS) >= count(self.folder, PRODUCERS)

    # Killing

    def kill(self, victim: str, choice: float) -> str:
        """Do it, start again what is gone, and say what that was."""
        if victim == "producer":
            return self.kill_producer(choice)
        tree = self.trees[-1]
        act = {"child": lambda: tree.kill_child(choice), "supervisor": tree.kill_supervisor, "tree": tree.kill_all}
        killed = act[victim]()
        setattr(self.kills, victim, getattr(self.kills, victim) + 1)
        self.kills.children += killed
        if victim != "child":
            self.start_tree()
        return f"{killed} children ended"

    def kill_producer(self, choice: float) -> str:
        """What it had not confirmed is sent again if it has an id of its own; the rest of its numbers goes on."""
        living = [producer for producer in self.producers if not producer.ended()]
        if not living:
            return "all had sent theirs"
        producer = living[int(choice * len(living))]
        producer.kill()
        self.producers.remove(producer)
        self.kills.producer += 1
        ledger = self.ledger()
        unconfirmed = set(ledger.unconfirmed()).intersection(producer.order.numbers)
        untouched = set(producer.order.numbers) - {number for number, _nonce in ledger.counts[ATTEMPTED]}
        again = [number for number in unconfirmed if numbers.kind_of(number) == numbers.KEPT]
        self.start_producer(sorted({*again, *untouched}))
        return f"{len(unconfirmed)} unconfirmed, {len(again)} sent again"

    def start_tree(self) -> None:
        plan = self.plan
        self.trees.append(Tree(plan.url, self.folder, plan.processes, plan.threads, plan.concurrency))

    # Waiting

    async def pause(self) -> None:
        """A moment. Raises PostroadError when a worker ended by itself."""
        self.trees[-1].check()
        self.trees[-1].children()
        await asyncio.sleep(POLL_S)

    async def until_empty(self, driver: Driver) -> int:
        """Until all queues are, or nothing has moved for a minute; answers how many are left."""
        self.moved_at = time.monotonic()
        while True:
            depth = await self.depth(driver)
            state = (depth, count(self.folder, WORKERS), count(self.folder, SUBSCRIBERS))
            if state != self.moved:
                self.moved, self.moved_at = state, time.monotonic()
            if depth == 0 or time.monotonic() - self.moved_at > STUCK_S:
                return depth
            await self.pause()

    async def until_alone(self) -> int:
        """Until no child of a killed supervisor runs any more; answers how many still do."""
        known = sorted({pid for tree in self.trees for pid in tree.known})
        for _ in range(int(ORPHANS_S / POLL_S)):
            if not still_running(known):
                return 0
            await asyncio.sleep(POLL_S)
        return len(still_running(known))

    def abandon(self) -> None:
        for producer in self.producers:
            producer.kill()
        for tree in self.trees:
            tree.abandon()

    # Looking

    def ledger(self) -> Ledger:
        return Ledger(chain.from_iterable(read(self.folder, who) for who in (PRODUCERS, WORKERS, SUBSCRIBERS)))

    def words(self) -> str:
        return f"{count(self.folder, PRODUCERS) // 2:,} sent, {count(self.folder, WORKERS) // 2:,} handled"

    async def check_empty(self, driver: Driver) -> None:
        await driver.apply(await driver.plan(app.topology()))
        for queue, depth in (await self.depths(driver)).items():
            if depth:
                raise UsageError(
                    f"The queue {queue!r} holds {depth:,} messages of a torture before this one: 'postroad queues purge {queue}' "
                    "takes them out, or name another file."
                )

    async def depths(self, driver: Driver) -> dict[str, int]:
        """What waits or is held in each queue."""
        assert isinstance(driver, Inspectable)
        found = await driver.queues()
        return {each.queue: each.ready + each.delayed + each.in_flight for each in found if each.queue in QUEUES}

    async def depth(self, driver: Driver) -> int:
        return sum((await self.depths(driver)).values())

    async def dead(self, driver: Driver) -> int:
        assert isinstance(driver, Inspectable)
        return sum([await driver.count_dead(DeadLetterFilter(source=queue)) for queue in QUEUES])

    async def results_lost(self, driver: Driver, kept: tuple[int, ...]) -> int:
        """How many of these have no document that says they succeeded."""
        store = cast(Store, driver)
        found = 0
        for start in range(0, len(kept), CHUNK):
            ids = [numbers.id_of(self.run_id, number) for number in kept[start : start + CHUNK]]
            found += sum(document.tag == "SUCCEEDED" for document in await store.get("task", ids))
        return len(kept) - found
