"""The run itself: send the first task, kill the worker half way, start it again, wait for the end."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from postroad.cli.demo import catalogue
from postroad.cli.demo.app import GROUP_QUEUES, QUEUE, Run, app, scan
from postroad.cli.demo.bar import Bar
from postroad.cli.demo.heard import GROUPS, Heard, heard
from postroad.cli.demo.totals import Kept, kept
from postroad.cli.workertree import WorkerTree
from postroad.errors import ResultTimeout
from postroad.observe.inspect import Inspection
from postroad.observe.views import WorkerView
from postroad.ports.driver import DeadLetterFilter, Driver

POLL_S = 0.05
STUCK_S = 60.0


class Kill(msgspec.Struct, frozen=True):
    """The one kill of the run. ``back_after_s``: from the new start to the first task done after it."""

    processes: int
    files_done: int
    running: int
    waiting: int
    back_after_s: float | None = None


class Conducted(msgspec.Struct, frozen=True):
    """What the run led to. ``heard``: by group. ``fresh``: the engine was empty, so that its counters are this run's alone."""

    kept: Kept
    catalogue: tuple[int, int, int, int, int]
    heard: dict[str, Heard]
    kill: Kill
    seconds: float
    fresh: bool


class Sight(msgspec.Struct, frozen=True):
    """One look at the run. ``busy``: messages of the demo's queues, its groups' included, that have not ended."""

    files_done: int
    busy: int
    accepted: int
    workers: tuple[WorkerView, ...]


class Conductor:
    """``expected``: how many files there are, for the bar and for half way."""

    def __init__(self, run: Run, tree: WorkerTree, expected: int) -> None:
        self.run = run
        self.tree = tree
        self.expected = expected
        self.bar = Bar(expected)
        self.moved_at = time.monotonic()
        self.last: tuple[int, ...] = ()

    def conduct(self) -> Conducted:
        """Blocking. Raises PostroadError when the worker fails, ResultTimeout when nothing moves any more."""
        before = app.ask(counters)
        letters_before = app.ask(dead_letters)
        started_at = time.monotonic()
        try:
            scan.delay(self.run, "")
            self.tree.start()
            self.until_files(self.expected / 2, letters_before)
            kill = self.kill(letters_before)
            self.until_done(letters_before)
            seconds = time.monotonic() - started_at
            self.bar.close(f"{self.expected:,} files")
            self.tree.end()
        finally:
            self.tree.kill()
        repeats = app.ask(counters)["duplicates"] - before["duplicates"]
        found = app.ask(lambda driver: kept(Inspection(driver), self.run.id, repeats))
        sums = catalogue.sums(Path(self.run.catalogue))
        groups = {group: heard(self.run.catalogue, group) for group in GROUPS}
        return Conducted(found, sums, groups, kill, seconds, not before["published"])

    def until_files(self, files: float, letters_before: int) -> None:
        """Until so many files are done, or nothing is left to do."""
        while (sight := self.look(letters_before)).files_done < files and sight.busy:
            time.sleep(POLL_S)

    def until_done(self, letters_before: int) -> None:
        while self.look(letters_before).busy:
            time.sleep(POLL_S)

    def kill(self, letters_before: int) -> Kill:
        """SIGKILL the whole tree and start another one at once."""
        sight = self.look(letters_before)
        children = [worker for worker in sight.workers if worker.supervisor_pid == self.tree.pid]
        running = sum(len(worker.running) for worker in children)
        killed = self.tree.kill()
        sight = self.look(letters_before)
        self.bar.note(
            f"killed {killed} processes with SIGKILL: {running} tasks were running, {sight.busy:,} not done yet"
        )
        restarted_at = time.monotonic()
        self.tree.start()
        while (now := self.look(letters_before)).accepted == sight.accepted and now.busy:
            time.sleep(POLL_S)
        back_s = time.monotonic() - restarted_at if sight.busy else None
        self.bar.note("started again" if back_s is None else f"started again: back at work after {back_s:.1f} s")
        return Kill(killed, sight.files_done, running, sight.busy, back_s)

    def look(self, letters_before: int) -> Sight:
        """See how far it is and show it. Raises ResultTimeout after a minute without any change."""
        self.tree.check()
        sight = app.ask(lambda driver: seen(Inspection(driver), Path(self.run.catalogue), letters_before))
        state = (sight.files_done, sight.busy, sight.accepted)
        if state != self.last:
            self.last, self.moved_at = state, time.monotonic()
        elif time.monotonic() - self.moved_at > STUCK_S:
            raise ResultTimeout(f"Nothing has moved for {STUCK_S:g} s. The worker's log ends:\n{self.tree.tail()}")
        self.bar.show(sight.files_done, f"{sight.files_done:,}/{self.expected:,} files, {sight.busy:,} messages to go")
        return sight


async def counters(driver: Driver) -> dict[str, int]:
    return dict(await Inspection(driver).engine.counters())


async def dead_letters(driver: Driver) -> int:
    return await Inspection(driver).engine.count_dead(DeadLetterFilter(source=QUEUE))


async def seen(inspection: Inspection, file: Path, letters_before: int) -> Sight:
    queues = {queue.queue: queue for queue in await inspection.queues() if queue.queue in (QUEUE, *GROUP_QUEUES)}
    dead = queues[QUEUE].dead - letters_before
    return Sight(
        catalogue.count(file) + dead,
        sum(queue.ready + queue.delayed + queue.in_flight for queue in queues.values()),
        (await inspection.engine.counters())["accepted"],
        tuple(await inspection.workers()),
    )
