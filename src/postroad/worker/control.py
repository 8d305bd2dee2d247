"""What supervisor and child say to each other: JSON lines on a socket, which is the child's descriptor 0 at birth.

A line may carry descriptors. The end of the stream tells the child that its supervisor is dead.
"""

from __future__ import annotations

import array
import os
import socket
import threading
from collections.abc import Sequence

import msgspec

from postroad.engine.forks import on_fork
from postroad.worker.options import WorkerOptions

LINE_BYTES = 65_536
DESCRIPTORS_MAX = 2


class Configure(msgspec.Struct, frozen=True, tag="configure"):
    """The first line."""

    options: WorkerOptions


class Seated(msgspec.Struct, frozen=True, tag="seated"):
    """The child's seat; its line carries the descriptors of the seat's lock and of the file for stack dumps.

    Without a seat (``name`` is "") the engine cannot tell who lives.
    """

    name: str
    slots_path: str
    slots: int


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Take nothing more, finish what runs within ``timeout_s``, give back the rest, and exit."""

    timeout_s: float


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The app is imported. ``queues``: what the child will take from; ``batched``: how many of them may start at once
    beside those that start one by one."""

    url: str
    queues: tuple[str, ...]
    batched: int = 0


class Entered(msgspec.Struct, frozen=True, tag="entered"):
    """The child is in this state now. ``given_back``: messages returned uncounted by a drain."""

    state: str
    given_back: int = 0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The child cannot start. ``configuration``: nor could another; people must change something."""

    error: str
    configuration: bool
    traceback: str = ""


ToChild = Configure | Seated | Drain
ToSupervisor = Hello | Entered | Failed

ENCODE = msgspec.json.Encoder().encode
TO_CHILD: msgspec.json.Decoder[ToChild] = msgspec.json.Decoder(Configure | Seated | Drain)
TO_SUPERVISOR: msgspec.json.Decoder[ToSupervisor] = msgspec.json.Decoder(Hello | Entered | Failed)


def take_descriptor_0() -> socket.socket:
    """The socket this process was born with; descriptor 0 becomes /dev/null, for user code and its subprocesses."""
    own = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return own


def send(sock: socket.socket, said: ToChild | ToSupervisor, descriptors: Sequence[int] = ()) -> None:
    """One line. Raises OSError when the other side is gone."""
    line = ENCODE(said) + b"\n"
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sent = sock.sendmsg([line], ancillary)
    if sent < len(line):
        sock.sendall(line[sent:])


class Lines:
    """Bytes as they arrive, line by line."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines


class Link:
    """The child's end. Reading is one thread's; saying is anybody's."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.lines = Lines()
        self.said: list[ToChild] = []
        self.descriptors: list[int] = []
        self.ended = False
        self.lock = threading.Lock()
        on_fork(self)

    def after_fork(self) -> None:
        """A forked copy must not keep the supervisor's socket open, nor speak on it."""
        self.ended = True
        self.sock.close()

    def wait(self) -> ToChild | None:
        """The next word; None when the supervisor is dead. Blocking."""
        while not self.said and not self.ended:
            self.read()
        return self.said.pop(0) if self.said else None

    def read(self) -> None:
        """Take in what has arrived; blocks until something has."""
        try:
            data, descriptors, _flags, _address = socket.recv_fds(self.sock, LINE_BYTES, DESCRIPTORS_MAX)
        except OSError:
            data, descriptors = b"", []
        self.descriptors += descriptors
        self.ended = self.ended or not data
        self.said += [TO_CHILD.decode(line) for line in self.lines.feed(data)]

    def say(self, said: ToSupervisor) -> None:
        """Never raises: a dead supervisor is noticed by the reader."""
        with self.lock:
            try:
                send(self.sock, said)
            except OSError:
                pass
