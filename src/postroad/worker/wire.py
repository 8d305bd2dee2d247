"""Frames between a child and its one-task processes: a length, then msgpack."""

from __future__ import annotations

import socket
import struct
import threading
from typing import TypeVar

import msgspec

from postroad.core.delivery import Delivery
from postroad.core.message import Send
from postroad.core.outcome import Outcome
from postroad.core.writes import Write
from postroad.worker.options import WorkerOptions

LENGTH = struct.Struct("<I")


class Introduction(msgspec.Struct, frozen=True, tag="introduction"):
    """The first frame to a one-task process. ``worker``: the name its records bear."""

    options: WorkerOptions
    worker: str


class Work(msgspec.Struct, frozen=True, tag="work"):
    """Run this."""

    delivery: Delivery


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """How it ended, and what leaves with that."""

    outcome: Outcome
    sends: tuple[Send, ...] = ()
    writes: tuple[Write, ...] = ()


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """The running handler reports. ``value``: the JSON document."""

    id: str
    value: str


class CannotStart(msgspec.Struct, frozen=True, tag="cannot-start"):
    """The app or its lifespan failed in that process."""

    error: str


ToSolo = Introduction | Work
FromSolo = Reply | Progress | CannotStart

TO_SOLO: msgspec.msgpack.Decoder[ToSolo] = msgspec.msgpack.Decoder(Introduction | Work)
FROM_SOLO: msgspec.msgpack.Decoder[FromSolo] = msgspec.msgpack.Decoder(Reply | Progress | CannotStart)
ENCODE = msgspec.msgpack.Encoder().encode

T = TypeVar("T")


class Wire:
    """One end. Raises EOFError when the other end is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.lock = threading.Lock()

    def send(self, frame: ToSolo | FromSolo) -> None:
        data = ENCODE(frame)
        try:
            with self.lock:
                self.sock.sendall(LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise EOFError from error

    def receive(self, decoder: msgspec.msgpack.Decoder[T]) -> T:
        (size,) = LENGTH.unpack(self.exactly(LENGTH.size))
        return decoder.decode(self.exactly(size))

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self.sock.recv(min(size - len(data), 1 << 20))
            except OSError as error:
                raise EOFError from error
            if not part:
                raise EOFError
            data += part
        return bytes(data)
