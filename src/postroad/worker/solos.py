"""A one-task process as its child sees it: started, given a message, asked for the answer."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable

from postroad.core.delivery import Delivery
from postroad.errors import PostroadError
from postroad.worker.wire import FROM_SOLO, CannotStart, Introduction, Reply, Wire, Work

OnProgress = Callable[[str, str], None]
EXIT_TIMEOUT_S = 5.0


class SoloDied(PostroadError):
    """The process ended before it answered."""


class SoloFailed(PostroadError):
    """The process could not load the app, or open its lifespan."""


class Solo:
    """``python -m postroad.worker.solo``, which ends when the other end of its socket does."""

    def __init__(self, introduction: Introduction) -> None:
        here, there = socket.socketpair()
        try:
            command = [sys.executable, "-m", "postroad.worker.solo"]
            self.process = subprocess.Popen(command, stdin=there.fileno())
        finally:
            there.close()
        self.wire = Wire(here)
        self.introduction: Introduction | None = introduction

    def run(self, delivery: Delivery, on_progress: OnProgress | None) -> Reply:
        """Blocking. Raises SoloDied or SoloFailed."""
        try:
            if self.introduction is not None:
                self.wire.send(self.introduction)
                self.introduction = None
            self.wire.send(Work(delivery))
            return self.answer(on_progress)
        except EOFError:
            raise SoloDied(self.how_it_died()) from None

    def answer(self, on_progress: OnProgress | None) -> Reply:
        while True:
            frame = self.wire.receive(FROM_SOLO)
            if isinstance(frame, Reply):
                return frame
            if isinstance(frame, CannotStart):
                raise SoloFailed(frame.error)
            if on_progress is not None:
                on_progress(frame.id, frame.value)

    def how_it_died(self) -> str:
        try:
            code = self.process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "its process stopped answering"
        return death_in_words(code)

    def kill(self) -> None:
        """End it now, and bury it."""
        self.wire.sock.close()
        self.process.kill()
        self.process.wait()


def death_in_words(code: int) -> str:
    """How a process ended, from its return code: "killed by SIGKILL", "exit code 3"."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its process was killed by {name}"
