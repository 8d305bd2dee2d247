"""A child as its supervisor sees it: a process, a socket, a seat, and what it last said. Decides nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from postroad.ports.driver import Seat
from postroad.worker.control import (
    LINE_BYTES,
    TO_SUPERVISOR,
    Configure,
    Drain,
    Entered,
    Failed,
    Hello,
    Lines,
    Seated,
    ToChild,
    send,
)
from postroad.worker.options import WorkerOptions
from postroad.worker.solos import death_in_words
from postroad.worker.vitals import Vitals

COMMAND = [sys.executable, "-m", "postroad.worker.child"]
STACKS_BYTES_MAX = 256 * 1024


class Offspring:
    """Started by construction. In a process group of its own: Ctrl-C reaches the supervisor alone, and a kill its helpers.

    ``number``: which of the supervisor's places it has. Times are monotonic seconds. ``innocent``: what it runs is not
    to be charged with its death. ``replaced``: it was drained for another to take its place at once.
    """

    def __init__(self, number: int, options: WorkerOptions) -> None:
        here, there = socket.socketpair()
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(COMMAND, stdin=there.fileno(), process_group=0)
        finally:
            there.close()
        here.setblocking(False)
        self.number = number
        self.sock = here
        self.lines = Lines()
        self.started_at = time.monotonic()
        self.running_since: float | None = None
        self.state = "STARTING"
        self.hello: Hello | None = None
        self.failed: Failed | None = None
        self.seat: Seat | None = None
        self.stacks = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the child
        self.vitals: Vitals | None = None
        self.deadline: float | None = None
        self.innocent = False
        self.replaced = False
        self.tell(Configure(options))

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, said: ToChild, descriptors: tuple[int, ...] = ()) -> None:
        try:
            send(self.sock, said, descriptors)
        except OSError:
            pass  # it is dead, or about to be: its exit says so

    def seat_at(self, seat: Seat, vitals: Vitals) -> None:
        """Give it its place: it may consume now."""
        self.seat = seat
        self.vitals = vitals
        self.tell(Seated(seat.name, seat.slots_path, seat.slots), (seat.fd, self.stacks.fileno()))

    def drain(self, timeout_s: float, deadline: float) -> None:
        """Ask it to end; past ``deadline`` the supervisor kills it."""
        self.deadline = deadline
        self.tell(Drain(timeout_s))

    def hear(self) -> bool:
        """Take in what it said; False when it will say no more."""
        try:
            data = self.sock.recv(LINE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        for line in self.lines.feed(data):
            self.heard(line)
        return bool(data)

    def heard(self, line: bytes) -> None:
        said = TO_SUPERVISOR.decode(line)
        if isinstance(said, Hello):
            self.hello = said
        elif isinstance(said, Failed):
            self.failed = said
        elif isinstance(said, Entered):
            self.state = said.state
            if said.state == "RUNNING" and self.running_since is None:
                self.running_since = time.monotonic()

    def dead(self) -> bool:
        return self.process.poll() is not None

    def how_it_died(self) -> str:
        return death_in_words(self.process.returncode)

    def ask_for_stacks(self) -> None:
        """All threads' stacks, into its file; a stopped process writes none."""
        if self.seat is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)

    def read_stacks(self) -> str:
        """What it wrote since the last call."""
        fd = self.stacks.fileno()
        text = os.pread(fd, STACKS_BYTES_MAX, 0).decode(errors="replace")
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        return text

    def end(self) -> None:
        """Kill it by our own decision: no message is to blame."""
        self.innocent = True
        self.kill()

    def kill(self) -> None:
        """The process, and what its handlers started."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def bury(self) -> None:
        """After its death: hear its last words, end what it left running, close what it had."""
        while self.hear() and self.has_more_to_say():
            pass
        if self.process.returncode != 0:
            self.kill()
        self.sock.close()
        self.stacks.close()

    def has_more_to_say(self) -> bool:
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except OSError:
            return False
