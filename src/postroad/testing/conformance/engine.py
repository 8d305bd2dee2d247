"""How a check reaches the engine under test: drivers in this process, actors in others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from postroad.core.topology import Change, Exchange, Queue, Thing, Topology, merged
from postroad.drivers.registry import open_driver
from postroad.ports.driver import Driver, Seat

QUEUE = "work"
FOLLOWERS = "followers"
LINE_TIMEOUT_S = 30.0


class Engine:
    """One engine, fresh and empty. Subclass it for another technology.

    ``kept``: what is in it survives the closing of every driver. ``shared``: several drivers of one process reach the
    same messages; ``processes``: drivers of several processes do. ``can_lose_starts``: `lose_starts` is there.
    """

    name = ""
    url = ""
    kept = True
    shared = True
    processes = True
    can_lose_starts = False

    def __init__(self, folder: Path) -> None:
        """``folder``: empty, for whatever the engine keeps on this machine."""
        self.folder = folder

    def driver(self, *, seat: Seat | None = None, worker: str = "") -> Driver:
        """Another driver on this engine, to be opened by ``async with``."""
        return open_driver(self.url, seat=seat, worker=worker)

    async def actor(self, part: str, *, seat: Seat | None = None, **options: Any) -> Actor:
        """Another process that plays a part on this engine (`postroad.testing.conformance.actor`)."""
        return await Actor.start(self.url, part, seat, options)

    def lose_starts(self) -> None:
        """Remove every record of what was started, as a restart of the machine does."""
        raise NotImplementedError


class EmbeddedEngine(Engine):
    """``sqlite:///`` on a file in this folder."""

    name = "sqlite"
    can_lose_starts = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "engine.db"
        self.url = f"sqlite:///{self.file}"

    def lose_starts(self) -> None:
        for path in self.file.with_name(self.file.name + "-run").glob("s-*"):
            path.unlink()


class MemoryEngine(Engine):
    """``memory://``: private to one driver."""

    name = "memory"
    url = "memory://"
    kept = shared = processes = False


class Cue(msgspec.Struct):
    """What an actor is told on its first line."""

    url: str
    part: str
    options: dict[str, Any]
    seat: Seat | None = None


class Actor:
    """A process that plays a part and tells of it line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, url: str, part: str, seat: Seat | None, options: dict[str, Any]) -> Actor:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "postroad.testing.conformance.actor",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=(seat.fd,) if seat else (),
        )  # fmt: skip
        actor = cls(process)
        await actor.tell(msgspec.json.encode(Cue(url, part, options, seat)).decode())
        return actor

    async def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def line(self) -> str:
        """Its next line. Raises EOFError when it ended instead."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), LINE_TIMEOUT_S)
        if not line.endswith(b"\n"):
            raise EOFError(f"the actor ended (exit code {self.process.returncode}) after {line!r}")
        return line.decode().rstrip("\n")

    async def lines(self, count: int) -> list[str]:
        return [await self.line() for _ in range(count)]

    async def kill(self) -> list[str]:
        """SIGKILL; answers the whole lines it still told."""
        assert self.process.stdout is not None
        if self.process.returncode is None:
            self.process.kill()
        rest = await self.process.stdout.read()
        await self.process.wait()
        return rest.decode().split("\n")[:-1]

    async def finish(self) -> list[str]:
        """Let it end by closing its input; answers the lines it still told."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        rest = await asyncio.wait_for(self.process.stdout.read(), LINE_TIMEOUT_S)
        await self.process.wait()
        return rest.decode().split("\n")[:-1]

    async def __aenter__(self) -> Actor:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.kill()


def topology_of(things: Sequence[Thing]) -> Topology:
    """These, each once."""
    return merged(
        Topology((thing,)) if isinstance(thing, Queue)
        else Topology((), (thing,)) if isinstance(thing, Exchange)
        else Topology((), (), (thing,))
        for thing in things
    )  # fmt: skip


async def establish(driver: Driver, *things: Thing) -> Sequence[Change]:
    """Make what is not there; answers what there was to do."""
    changes = await driver.plan(topology_of(things))
    await driver.apply(changes)
    return changes


async def declare(driver: Driver, queues: Sequence[str]) -> None:
    """Make the queues that are not there."""
    await establish(driver, *map(Queue, queues))
