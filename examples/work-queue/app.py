"""Jobs of different length, and processes that take one at a time."""

import logging
import os
import time
from dataclasses import dataclass

from postroad import App

app = App("sqlite:///work-queue.db")
jobs = app.queue("jobs")
log = logging.getLogger("jobs")


@dataclass
class Job:
    name: str
    seconds: float


@jobs.consumer(prefetch=1)
def work(job: Job) -> None:
    time.sleep(job.seconds)
    log.info("%s done by process %d", job.name, os.getpid())
