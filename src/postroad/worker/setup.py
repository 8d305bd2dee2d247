"""How every process that runs handlers sets itself up."""

from __future__ import annotations

import faulthandler
import importlib
import logging
import signal
import sys
from types import FrameType

from postroad.worker.copysignals import give_copies_plain_signals
from postroad.worker.options import WorkerOptions

SWITCH_INTERVAL_S = 0.0005
"""A busy handler thread may keep the engine's thread, and with it the file's lock, waiting for this long (E1)."""

FORMAT = "%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s"


def prepare_process(options: WorkerOptions) -> None:
    """The switch interval, logging, and Ctrl-C left to the supervisor."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    set_up_logging(options)
    signal.signal(signal.SIGINT, left_to_supervisor)
    give_copies_plain_signals()


def set_up_logging(options: WorkerOptions) -> None:
    """By the callable that whoever started us has named, or plainly on stderr."""
    if options.log_setup:
        module, _, name = options.log_setup.partition(":")
        getattr(importlib.import_module(module), name)(options.log_format, options.log_level)
    else:
        logging.basicConfig(level=options.log_level.upper(), format=FORMAT)


def left_to_supervisor(number: int, frame: FrameType | None) -> None:
    """A handler of ours rather than SIG_IGN, which a handler's own subprocesses would inherit."""


def dump_stacks_into(fd: int) -> None:
    """On SIGUSR1 write all threads' stacks there, in C: it works while a call holds the GIL."""
    faulthandler.register(signal.SIGUSR1, fd, all_threads=True, chain=False)
