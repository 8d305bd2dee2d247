"""What everything that sends needs of the app that owns it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import tzinfo
from typing import Protocol

from postroad.core.message import Receipt, Refused, Send
from postroad.engine.publisher import Connection
from postroad.engine.puller import Puller


class Engine(Connection, Protocol):
    """An app's engine. ``in_use``: whether this process has opened it."""

    @property
    def in_use(self) -> bool: ...
    def changed(self) -> None:
        """Something more was declared: it is applied before the next send."""

    async def pulling(self) -> Puller:
        """Takes messages by hand, of the open engine. On the portal's loop."""


class Outbound(Protocol):
    """Where sends go (engine.publisher.Publisher, or what stands in for it).

    ``timeout_s``: how long to wait for room in a queue that blocks; ``durability``: other than the app's.
    """

    def send(
        self,
        sends: list[Send],
        verb: str,
        line: str,
        now: bool = False,
        timeout_s: float | None = None,
        durability: str | None = None,
    ) -> Sequence[Receipt]: ...
    async def asend(
        self, sends: list[Send], now: bool = False, timeout_s: float | None = None, durability: str | None = None
    ) -> Sequence[Receipt]: ...
    def submit(self, sends: list[Send]) -> Future[Sequence[Receipt | Refused]]: ...


class Way(Protocol):
    """Where an app's messages go now: to its engine or, in tests, to one in this process."""

    @property
    def outbound(self) -> Outbound: ...


class Owner(Protocol):
    """An app, as its queues, exchanges and events see it. ``connection`` is its engine, for whoever asks or pulls."""

    @property
    def name(self) -> str: ...
    @property
    def route(self) -> Way: ...
    @property
    def connection(self) -> Engine: ...
    @property
    def body_bytes_max(self) -> int: ...
    @property
    def tzinfo(self) -> tzinfo: ...
