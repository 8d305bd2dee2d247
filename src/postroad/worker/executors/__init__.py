"""Where handlers run: threads, coroutines, and processes of their own."""

from __future__ import annotations

from postroad.worker.executors.coroutine import CoroutineExecutor
from postroad.worker.executors.process import ProcessExecutor
from postroad.worker.executors.thread import ThreadExecutor

__all__ = ["CoroutineExecutor", "ProcessExecutor", "ThreadExecutor"]
