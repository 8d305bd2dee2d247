"""Handlers run here, one after another in the caller's thread, when the test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from postroad.core.delivery import Delivery
from postroad.core.outcome import ACCEPT, Settlement, SettlementFailure
from postroad.engine.admission import Admission
from postroad.engine.batching import BatchJob, run_batch, run_batch_async
from postroad.engine.context import CURRENT
from postroad.engine.handler import Handler, Job
from postroad.engine.pipeline import Pipeline
from postroad.engine.portal import PORTAL
from postroad.engine.preparing import Preparation
from postroad.errors import SendRefused, UsageError
from postroad.ports.driver import Consumer, Turn
from postroad.testing.clock import Clock
from postroad.testing.engine import TestEngine
from postroad.testing.ledger import Ledger
from postroad.testing.loop import HandlerLoop

LIMIT = 1_000
RUNS_MAX = 100_000
"""After so many in one drain, something sends to itself without end."""

Settled = list[tuple[Job | None, Settlement]]


class NotingPipeline(Pipeline):
    """Keeps what handlers raised."""

    def __init__(self, worker: str) -> None:
        super().__init__(worker)
        self.errors: list[BaseException] = []

    def failed(self, job: Job, error: BaseException) -> Settlement:
        """As Pipeline.failed."""
        self.errors.append(error)
        return super().failed(job, error)


class Stepper:
    """What a worker does, without threads, processes or waiting. ``runs``: handlers run so far.

    ``loop``: where coroutines run.
    """

    def __init__(
        self,
        engine: TestEngine,
        consumer: Consumer,
        resolve: Callable[[Delivery], Handler | None],
        known: Callable[[], Sequence[str]],
        pipeline: NotingPipeline,
        loop: HandlerLoop,
        clock: Clock,
        ledger: Ledger,
    ) -> None:
        self.engine = engine
        self.consumer = consumer
        self.pipeline = pipeline
        self.loop = loop
        self.clock = clock
        self.ledger = ledger
        self.admission = Admission(resolve, pipeline, known, 0.0, None)
        self.preparation = Preparation(pipeline, consumer.begin, engine)
        self.runs = 0

    def drain(self) -> int:
        """Until nothing is ready; answers how many handlers ran."""
        begun, settled = self.runs, Settled()
        rounds = 0
        while True:
            rounds += 1
            turn = self.turn(settled)
            settled = self.refused(settled, turn)
            if not turn.deliveries and not settled:
                return self.runs - begun
            self.pipeline.cancelled = frozenset(turn.cancelled)
            settled += self.ended(turn.deliveries)
            self.refuse_endless(self.runs - begun, rounds)

    def turn(self, settled: Settled) -> Turn:
        settlements = [settlement for _job, settlement in settled]
        turn: Turn = PORTAL.run(self.consumer.turn(settlements, LIMIT, 0.0))
        failed = {failure.settlement.delivery.receipt for failure in turn.failures}
        for settlement in settlements:
            if settlement.delivery.receipt not in failed:
                self.ledger.note(settlement.sends)
        return turn

    def refuse_endless(self, runs: int, rounds: int) -> None:
        if max(runs, rounds) > RUNS_MAX:
            raise UsageError(
                f"t.drain() has run {runs:,} handlers in {rounds:,} rounds and there is still work: a handler sends to itself, or "
                "retries without delay, without end. Give it an end, or a delay that t.advance(...) passes."
            )

    # What was refused

    def refused(self, settled: Settled, turn: Turn) -> Settled:
        """As a worker does it: what may not leave is the failure of its handler."""
        jobs = {settlement.delivery.receipt: job for job, settlement in settled}
        again = Settled()
        for failure in turn.failures:
            job = jobs[failure.settlement.delivery.receipt]
            if failure.kind not in ("lost", "duplicate"):
                again.append(self.after_refusal(job, failure, bool(turn.deliveries)))
        return again

    def after_refusal(
        self, job: Job | None, failure: SettlementFailure, going_on: bool
    ) -> tuple[Job | None, Settlement]:
        """A full queue may have room when others have been handled."""
        if failure.kind == "blocked" and going_on:
            return job, failure.settlement
        error = SendRefused(f"a send of this handler was refused: {failure.reason}")
        if job is None:
            raise error
        return job, self.pipeline.failed(job, error)

    # What is handled

    def ended(self, deliveries: Sequence[Delivery]) -> Settled:
        settled, plain, special = Settled(), list[Job](), list[Job]()
        for delivery in deliveries:
            admitted = self.admission.admit(delivery, self.clock())
            if isinstance(admitted, Settlement):
                settled.append((None, admitted))
            else:
                (special if admitted.handler.special else plain).append(admitted)
        for job in plain:
            settled.append((job, self.run(job)))
        return settled + self.run_special(special)

    def run(self, job: Job) -> Settlement:
        self.runs += 1
        if job.handler.executor == "coroutine":
            return self.loop.run(self.pipeline.run_async(job))
        return self.pipeline.run(job)

    def run_special(self, jobs: Sequence[Job]) -> Settled:
        """After the inbox and the gates; batches together, as full as they come."""
        settled, batches = Settled(), dict[int, list[Job]]()
        for job, what in PORTAL.run(self.preparation.prepare(jobs)) if jobs else ():
            if isinstance(what, Settlement):
                settled.append((job, what))
            elif what is not None and (not job.handler.ack_early or self.leaves_early(job)):
                batches.setdefault(id(job.handler), []).append(job)
        for ready in batches.values():
            settled += self.run_together(ready)
        return settled

    def run_together(self, jobs: list[Job]) -> Settled:
        batch = jobs[0].handler.batch
        ended = Settled()
        if batch is None:
            ended += [(job, self.run(job)) for job in jobs]
        else:
            for first in range(0, len(jobs), batch.size):
                ended += self.run_batch(BatchJob(jobs[first : first + batch.size]))
        return self.still_to_settle(ended)

    def run_batch(self, batch: BatchJob) -> list[tuple[Job, Settlement]]:
        self.runs += 1
        if batch.handler.executor == "coroutine":
            return self.loop.run(run_batch_async(self.pipeline, batch))
        try:
            return run_batch(self.pipeline, batch)
        finally:
            CURRENT.set(None)  # this thread is the test's: what it sends next is no handler's

    # ack="early"

    def leaves_early(self, job: Job) -> bool:
        settlement = Settlement(job.delivery, ACCEPT, mark=job.mark)
        turn: Turn = PORTAL.run(self.consumer.turn([settlement], 0, 0.0))
        job.early = not turn.failures
        return job.early

    def still_to_settle(self, ended: Settled) -> Settled:
        """What left early only sends and writes now."""
        for job, settlement in ended:
            if job is not None and job.early and (settlement.sends or settlement.writes):
                PORTAL.run(self.publish(settlement))
                self.ledger.note(settlement.sends)
        return [(job, settlement) for job, settlement in ended if job is None or not job.early]

    async def publish(self, settlement: Settlement) -> Any:
        return await self.engine.publish(settlement.sends, writes=settlement.writes)
