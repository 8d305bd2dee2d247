"""A copy that a handler forks takes signals as any process does.

Without this a signal sent to the copy (multiprocessing's ``terminate``) would be written to the descriptor by which its
parent's event loop hears of signals, and the parent would drain.
"""

from __future__ import annotations

import os
import signal
import threading

OURS = (signal.SIGTERM, signal.SIGINT)


class HeldSignals(threading.local):
    """Signals are held back while a thread forks, so that none finds the copy half made."""

    before: set[signal.Signals]

    def hold(self) -> None:
        self.before = {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, OURS)}

    def release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    def release_in_copy(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.release()


def give_copies_plain_signals() -> None:
    """Once a process, before its first fork."""
    held = HeldSignals()
    os.register_at_fork(before=held.hold, after_in_parent=held.release, after_in_child=held.release_in_copy)
