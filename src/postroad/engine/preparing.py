"""What special handlers ask for before they run: the inbox's word on a mark, the gate's on a delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from postroad.core.delivery import Begun, Delivery
from postroad.core.outcome import ACCEPT, Settlement
from postroad.engine.handler import Along, Gate, Job
from postroad.engine.pipeline import Pipeline, accompanied
from postroad.errors import MessageError, NotSupported
from postroad.ports.store import Store

Begin = Callable[[Sequence[Delivery], Sequence[str | None]], Awaitable[Sequence[Begun]]]
GATE_HEADER = "postroad-gap"
"""In messages that a gate sends to itself, with the body of one that it watches for."""
Prepared = Job | Settlement
"""A job that may run, or how its delivery ends without."""


class Preparation:
    """``begin``: as Consumer.begin. ``store``: for gates; None where there is none."""

    def __init__(self, pipeline: Pipeline, begin: Begin, store: Store | None) -> None:
        self.pipeline = pipeline
        self.begin = begin
        self.store = store

    async def prepare(self, jobs: Sequence[Job]) -> list[tuple[Job, Prepared | None]]:
        """Each with what becomes of it; None when somebody else has it by now."""
        found: dict[int, Prepared | None] = {id(job): self.marked(job) for job in jobs}
        await self.ask_inbox([job for job in jobs if found[id(job)] is job and job.mark is not None], found)
        await self.ask_gates([job for job in jobs if found[id(job)] is job and job.handler.gate is not None], found)
        return [(job, found[id(job)]) for job in jobs]

    def marked(self, job: Job) -> Prepared:
        """With its mark, which is read from the body; what a gate sends itself has none."""
        if GATE_HEADER in job.delivery.message.headers:
            return job
        try:
            job.mark = job.handler.mark(job.delivery)
        except MessageError as error:
            return self.pipeline.failed(job, error)
        return job

    async def ask_inbox(self, jobs: Sequence[Job], found: dict[int, Prepared | None]) -> None:
        """Also where one mark comes twice in these: the second is none of the first's."""
        if not jobs:
            return
        first: dict[tuple[str, str | None], Job] = {}
        begun = await self.begin([job.delivery for job in jobs], [job.mark for job in jobs])
        for job, answer in zip(jobs, begun, strict=True):
            before = first.setdefault((job.delivery.source, job.mark), job)
            if answer.verdict == "lost":
                found[id(job)] = None
            elif answer.verdict == "duplicate" or before is not job:
                found[id(job)] = self.duplicate(job)

    def duplicate(self, job: Job) -> Settlement:
        reason = f"the inbox of {job.delivery.source} has {job.mark!r}: it was handled before"
        return self.pipeline.not_run(job.delivery, job.handler, "DUPLICATE", ACCEPT, reason)

    async def at_gate(self, job: Job, unrun: Settlement) -> Settlement:
        """How a delivery ends that will not run: by the gate's word, else as decided, with what the gate sends along."""
        found: dict[int, Prepared | None] = {id(job): job}
        await self.ask_gates([job], found)
        answer = found[id(job)]
        return answer if isinstance(answer, Settlement) else accompanied(job, unrun)

    async def ask_gates(self, jobs: Sequence[Job], found: dict[int, Prepared | None]) -> None:
        by_gate: dict[int, tuple[Gate, list[Job]]] = {}
        for job in jobs:
            gate = job.handler.gate
            if gate is not None:
                by_gate.setdefault(id(gate), (gate, []))[1].append(job)
        for gate, waiting in by_gate.values():
            for job, answer in zip(waiting, await self.admitted(gate, waiting), strict=True):
                if isinstance(answer, Settlement):
                    found[id(job)] = answer
                else:
                    job.along = answer

    async def admitted(self, gate: Gate, jobs: Sequence[Job]) -> Sequence[Settlement | Along]:
        if self.store is None:
            raise NotSupported("sequence= needs a store, and this engine is none: give App(store=...).")
        return await gate.admit(self.store, [job.delivery for job in jobs])
