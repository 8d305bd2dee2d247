"""The consumer's loop: settle what ended, take what there is room for, hand it to the executors. All in batches.

Duties: 1. never two turns at once. 2. Whatever ended is settled, however often the engine must be asked. 3. Hold no
more than credit allows. 4. Suspects run alone. 5. On the way out finish or give back everything.
Safety before progress: a settlement that the engine could not take is kept and tried again, and nothing new is taken
meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

from postroad.core.delivery import Delivery
from postroad.core.outcome import ACCEPT, Release, Settlement, SettlementFailure
from postroad.engine.admission import Admission
from postroad.engine.batching import Gatherer, each_of
from postroad.engine.credit import Credit
from postroad.engine.early import EarlyEndings
from postroad.engine.executor import Ended, Executor
from postroad.engine.handler import Handler, Job, Resolve
from postroad.engine.pipeline import Pipeline
from postroad.engine.preparing import Preparation
from postroad.engine.quotas import Quotas
from postroad.engine.reports import Reports
from postroad.engine.statistics import Statistics
from postroad.errors import EngineError, SendRefused
from postroad.ports.driver import Consumer, Driver, Subscription, Turn
from postroad.ports.store import Store

logger = logging.getLogger("postroad.consumer")

IDLE_S = 5.0
LINGER_S = 0.005
LINGER_RATE_PER_S = 2000.0
BACKOFF_MAX_S = 5.0
BLOCKED_S = 0.05
BLOCKED_MAX_S = 30.0
"""How long an ended handler waits for room in a queue it sends to, before that counts as its failure."""
SURPLUS_EVERY_S = 0.5


class ConsumerLoop:
    """Runs on one event loop (the engine's); executors answer from their own threads.

    ``progress`` moves with every turn and every settlement: a watchdog may look at it.
    """

    def __init__(
        self,
        driver: Driver,
        subscription: Subscription,
        resolve: Resolve,
        pipeline: Pipeline,
        executors: Mapping[str, Executor],
        *,
        prefetch: int = 1000,
        known: Callable[[], Sequence[str]] = tuple,
        unknown_grace_s: float = 300.0,
        orphan: Handler | None = None,
        store: Store | None = None,
        quotas: Quotas | None = None,
        statistics: Statistics | None = None,
    ) -> None:
        self.driver = driver
        self.subscription = subscription
        self.pipeline = pipeline
        self.executors = executors
        self.store = store
        self.admission = Admission(resolve, pipeline, known, unknown_grace_s, orphan)
        self.credit = Credit(sum(executor.capacity for executor in executors.values()), prefetch)
        self.quotas = quotas
        self.statistics = statistics
        self.reports = Reports(store, statistics)
        self.gatherer = Gatherer(self.submit)
        self.early = EarlyEndings(driver)
        self.blocked_since: dict[tuple[int, int], float] = {}
        self.ended: deque[tuple[Job | None, Settlement]] = deque()
        self.held: dict[tuple[int, int], Job | None] = {}
        self.progress = 0
        self.signalled = False
        self.taking = True
        self.stopping = False
        self.waiting_in_turn = False
        self.suspects_waiting = False
        self.alone = False
        self.limits: Mapping[str, int] | None = None
        self.surplus_checked_at = 0.0
        self.backoff_s = 0.0

    # Life

    async def start(self) -> None:
        """Take part. Raises what the engine says (NotFound for a queue that is not declared)."""
        self.loop = asyncio.get_running_loop()
        self.something = asyncio.Event()
        self.consumer: Consumer = await self.driver.consume(self.subscription, self)
        self.preparation = Preparation(self.pipeline, self.consumer.begin, self.store)
        self.pipeline.on_progress = self.on_progress
        for executor in self.executors.values():
            executor.start(self.done)
        self.task = self.loop.create_task(self.run(), name="postroad-consumer")

    async def quiet(self) -> None:
        """Take nothing more; what is held goes on."""
        self.taking = False
        self.signal()

    async def resume(self) -> None:
        self.taking = True
        self.signal()

    async def stop(self, timeout_s: float) -> int:
        """Finish what runs, up to ``timeout_s``; give back the rest uncounted. Answers how many were given back."""
        await self.quiet()
        given_back = self.give_back_unstarted()
        self.stopping = True
        self.signal()
        await asyncio.wait({self.task}, timeout=timeout_s)
        left = len(self.held)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.settle_last()
        await self.reports.flush(last=True)
        await self.consumer.close()
        return given_back + left

    @property
    def in_flight(self) -> int:
        """How many deliveries are held."""
        return len(self.held)

    @property
    def free_slots(self) -> int:
        return max(self.credit.slots - len(self.held), 0)

    # Told by others

    def done(self, job: Job, ended: Ended) -> None:
        """An executor's answer, from its thread."""
        if isinstance(ended, Settlement):
            self.ended.append((job, ended))
        else:
            self.ended.extend(ended)
        if not self.signalled:
            self.signalled = True
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.signal)

    def signal(self) -> None:
        self.something.set()
        if self.waiting_in_turn:
            self.consumer.interrupt()

    def on_progress(self, id: str, value: str) -> None:
        """The latest counts; from the handler's thread."""
        self.reports.progresses[id] = value
        if not self.signalled:
            self.signalled = True
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.signal)

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        logger.warning(
            "%d deliveries are held no longer: %s. What their handlers send and write is refused.", len(held), why
        )

    def state(self, state: str) -> None:
        logger.info("engine %s", state)

    # The loop

    async def run(self) -> None:
        while not (self.stopping and not self.held and not self.ended):
            try:
                await self.step()
            except asyncio.CancelledError:
                raise
            except Exception:
                logger.exception("The consumer's loop met an error of its own and goes on; please report it.")
                await self.back_off()

    async def step(self) -> None:
        await self.linger()
        self.signalled = False
        self.something.clear()
        settled = self.take_ended()
        limit = self.limit()
        await self.reports.flush()
        if self.early.any:
            settled, early = await self.early.take_out(settled)
            self.progress += len(early)
            self.leave(early)
        if not settled and limit == 0 and not self.wants_suspect():
            await self.wait_for_something()
            return
        turn = await self.turn(settled, limit)
        if turn is not None:
            await self.receive(turn)

    async def linger(self) -> None:
        """While executors have work in hand, let endings gather: a turn costs the same for one as for a hundred.

        Only where handlers end by the thousand a second: what has ended and is not settled runs again after a SIGKILL.
        """
        half = self.credit.target // 2
        fast = self.credit.rate_per_s > LINGER_RATE_PER_S and half > self.credit.slots
        if fast and len(self.held) - len(self.ended) > half and not self.suspects_waiting:
            await asyncio.sleep(LINGER_S)

    async def wait_for_something(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.reports.patience_s or IDLE_S):
                await self.something.wait()

    def take_ended(self) -> list[tuple[Job | None, Settlement]]:
        ended = self.ended
        taken = [ended.popleft() for _ in range(len(ended))]
        if taken:
            self.credit.finished(len(taken), self.loop.time())
        return taken

    def limit(self) -> int:
        """How many to take now. None while suspects wait: what runs must end first."""
        if not self.taking or self.suspects_waiting or self.alone:
            return 0
        self.credit.slots = sum(executor.capacity for executor in self.executors.values())
        self.return_surplus()
        return self.room(0)

    def room(self, leaving: int) -> int:
        """What the credit allows when ``leaving`` of those held are settled; more where quotas go beyond it."""
        held = len(self.held) - leaving
        if self.quotas is None:
            return self.credit.room(held)
        limits = self.limits = self.quotas.limits(self.credit.room(held - self.quotas.held_beyond))
        return max(limits[name] if name in limits else self.credit.room(held) for name in self.subscription.queues)

    def wants_suspect(self) -> bool:
        return self.taking and self.suspects_waiting and not self.held and not self.alone

    async def turn(self, settled: list[tuple[Job | None, Settlement]], limit: int) -> Turn | None:
        """One round trip; None when the engine could not: then the settlements are kept."""
        settlements = [settlement for _job, settlement in settled]
        alone = self.wants_suspect()
        limit = 1 if alone else self.room_after(len(settled), limit)
        timeout_s = 0.0 if settlements or alone else self.reports.patience_s or IDLE_S
        try:
            self.waiting_in_turn = timeout_s > 0
            if self.something.is_set():
                timeout_s = 0.0
            turn = await self.consumer.turn(settlements, limit, timeout_s, alone=alone, limits=self.limits)
        except EngineError as error:
            await self.engine_trouble(settled, error)
            return None
        except Exception as error:
            await self.settle_one_by_one(settled, error)
            return None
        finally:
            self.waiting_in_turn = False
        self.settled(settled, turn.failures)
        if alone and not turn.deliveries:
            self.suspects_waiting = False
        return turn

    def room_after(self, settled: int, limit: int) -> int:
        """Settling frees room in the same turn."""
        if not self.taking or self.suspects_waiting or self.alone:
            return 0
        return max(limit, self.room(settled))

    def settled(self, settled: Sequence[tuple[Job | None, Settlement]], failures: Sequence[SettlementFailure]) -> None:
        self.progress += 1 + len(settled)
        self.backoff_s = 0.0
        jobs = {settlement.delivery.receipt: job for job, settlement in settled} if failures else {}
        self.leave(settled)
        for failure in failures:
            self.failed_to_settle(jobs[failure.settlement.delivery.receipt], failure)
        if not self.held:
            self.alone = False
            self.credit.idle()

    def leave(self, settled: Sequence[tuple[Job | None, Settlement]]) -> None:
        """They are held no longer."""
        pop = self.held.pop
        for _job, settlement in settled:
            pop(settlement.delivery.receipt, None)
        if self.statistics is not None and settled:
            self.statistics.record_all(settled, time.time())
        if self.quotas is not None:
            for _job, settlement in settled:
                self.quotas.gave(settlement.delivery.source)

    def failed_to_settle(self, job: Job | None, failure: SettlementFailure) -> None:
        """Lost: somebody else has it, and nothing of ours happened. Duplicate: the message left, nothing else happened.
        Blocked: it waits for room. Refused: the attempt failed with that error."""
        delivery = failure.settlement.delivery
        if failure.kind == "duplicate":
            logger.info("Message %s was handled elsewhere meanwhile: %s.", delivery.message.id, failure.reason)
            return
        if failure.kind == "lost" or job is None:
            logger.warning("Message %s was settled in vain: %s.", delivery.message.id, failure.reason)
            return
        self.hold_again(job)
        if failure.kind == "blocked" and self.may_wait(delivery.receipt):
            self.loop.call_later(BLOCKED_S, self.done, job, failure.settlement)
            return
        self.blocked_since.pop(delivery.receipt, None)
        self.done(job, self.pipeline.failed(job, SendRefused(f"a send of this handler was refused: {failure.reason}")))

    def hold_again(self, job: Job) -> None:
        self.held[job.delivery.receipt] = job
        if self.quotas is not None:
            self.quotas.took([job.delivery])

    def may_wait(self, receipt: tuple[int, int]) -> bool:
        """A handler that sends into a full queue waits with its settlement in hand, as `put` would; not for ever."""
        now = self.loop.time()
        self.blocked_since = {key: since for key, since in self.blocked_since.items() if key in self.held}
        return not self.stopping and now - self.blocked_since.setdefault(receipt, now) < BLOCKED_MAX_S

    # Receiving

    async def receive(self, turn: Turn) -> None:
        self.suspects_waiting = turn.suspects_waiting
        self.pipeline.cancelled = turn.cancelled
        if not turn.deliveries:
            return
        if self.credit.since is None:
            self.credit.finished(0, self.loop.time())
        if self.quotas is not None:
            self.quotas.took(turn.deliveries)
        now = time.time()
        batches: dict[str, list[Job]] = defaultdict(list)
        special: list[Job] = []
        for delivery in turn.deliveries:
            admitted = self.admission.admit(delivery, now)
            if isinstance(admitted, Settlement):
                self.held[delivery.receipt] = None
                self.ended.append((None, await self.passed_gate(admitted)))
            elif not delivery.needs_begin or await self.begun(delivery):
                self.held[delivery.receipt] = admitted
                (special if admitted.handler.special else batches[admitted.handler.executor]).append(admitted)
        if special:
            await self.receive_special(special)
        for kind, jobs in batches.items():
            self.executors[kind].submit(jobs)
        if self.ended:
            self.something.set()

    async def passed_gate(self, unrun: Settlement) -> Settlement:
        """What ends without its handler, as expired or convicted, has its place in an order by number all the same."""
        handler = self.admission.resolve(unrun.delivery)
        if handler is None or handler.gate is None or isinstance(unrun.outcome, Release):
            return unrun
        try:
            return await self.preparation.at_gate(Job(unrun.delivery, handler), unrun)
        except EngineError as error:
            self.tell_goes_back(1, error)
            return Settlement(unrun.delivery, Release())

    async def receive_special(self, jobs: Sequence[Job]) -> None:
        """Ask the inbox and the gates; accept what is to leave early; let batches gather."""
        ready: list[Job] = []
        try:
            prepared = await self.preparation.prepare(jobs)
        except EngineError as error:
            self.give_back(jobs, error)
            return
        for job, what in prepared:
            if what is None:
                self.forget(job)
            elif isinstance(what, Settlement):
                self.ended.append((job, what))
            else:
                ready.append(job)
        await self.leave_early([job for job in ready if job.handler.ack_early])
        for job in ready:
            if job.delivery.receipt in self.held:
                self.gather(job)

    def gather(self, job: Job) -> None:
        """A suspect runs alone, also where others wait for company."""
        batch = job.handler.batch
        if batch is None:
            self.submit(job.handler, [job])
        else:
            self.gatherer.add(job, batch)
            if job.delivery.suspect:
                self.gatherer.flush(id(job.handler))

    def submit(self, handler: Handler, jobs: list[Job]) -> None:
        self.executors[handler.executor].submit(jobs)

    async def leave_early(self, jobs: Sequence[Job]) -> None:
        """At most once, as asked for: accepted now, and run only if that is so."""
        if not jobs:
            return
        turn = await self.consumer.turn([Settlement(job.delivery, ACCEPT, mark=job.mark) for job in jobs], 0, 0.0)
        gone = {failure.settlement.delivery.receipt for failure in turn.failures}
        for job in jobs:
            job.early = True
            if job.delivery.receipt in gone:
                self.forget(job)
        self.early.any = True

    def give_back(self, jobs: Sequence[Job], error: EngineError) -> None:
        """The engine could not be asked: they come again, uncounted."""
        self.tell_goes_back(len(jobs), error)
        self.ended.extend((job, Settlement(job.delivery, Release())) for job in jobs)

    def tell_goes_back(self, count: int, error: EngineError) -> None:
        logger.error("%d deliveries go back, for the engine could not be asked about them: %s", count, error)

    def forget(self, job: Job) -> None:
        """Somebody else has it."""
        self.held.pop(job.delivery.receipt, None)
        if self.quotas is not None:
            self.quotas.gave(job.delivery.source)

    async def begun(self, delivery: Delivery) -> bool:
        """A suspect's start is charged first; from now on it runs alone."""
        (begun,) = await self.consumer.begin([delivery])
        self.alone = begun.verdict == "run"
        return self.alone

    def return_surplus(self) -> None:
        """When work turned out slower than expected, others may have what waits here."""
        now = self.loop.time()
        surplus = self.credit.surplus(len(self.held))
        if surplus and now - self.surplus_checked_at > SURPLUS_EVERY_S:
            self.surplus_checked_at = now
            self.give_back_unstarted(keep=len(self.held) - surplus)

    def give_back_unstarted(self, keep: int = 0) -> int:
        """Release, uncounted and to their old place, jobs that have not begun; ``keep`` of them stay."""
        withdrawn = [job for executor in self.executors.values() for job in executor.withdraw()]
        stay, go = withdrawn[:keep], each_of(withdrawn[keep:])
        if not keep:
            go += self.gatherer.withdraw()
        early = [job for job in go if job.early]
        for job in stay + early:
            self.executors[job.handler.executor].submit([job])
        self.ended.extend((job, Settlement(job.delivery, Release())) for job in go if not job.early)
        return len(go) - len(early)

    # Trouble

    async def engine_trouble(self, settled: Sequence[tuple[Job | None, Settlement]], error: EngineError) -> None:
        """Keep the settlements, and ask again a little later."""
        self.ended.extendleft(reversed(settled))
        logger.error("The engine did not take %d settlements, which are kept and tried again: %s", len(settled), error)
        await self.back_off()

    async def back_off(self) -> None:
        self.backoff_s = min(max(self.backoff_s * 2, 0.05), BACKOFF_MAX_S)
        await asyncio.sleep(self.backoff_s * (0.5 + random.random() / 2))

    async def settle_one_by_one(self, settled: Sequence[tuple[Job | None, Settlement]], error: Exception) -> None:
        """One settlement of the batch cannot be written: find it, so that the others are not held up by it."""
        for job, settlement in settled:
            try:
                turn = await self.consumer.turn([settlement], 0, 0.0)
            except EngineError as trouble:
                await self.engine_trouble([(job, settlement)], trouble)
            except Exception as culprit:
                self.unwritable(job, settlement, culprit)
            else:
                self.settled([(job, settlement)], turn.failures)
        if not settled:
            logger.error("The engine refused a turn: %s", error)
            await self.back_off()

    def unwritable(self, job: Job | None, settlement: Settlement, culprit: Exception) -> None:
        logger.error("The ending of message %s cannot be written: %s", settlement.delivery.message.id, culprit)
        if job is not None and (settlement.sends or settlement.writes):
            failed = self.pipeline.failed(job, culprit)
            self.ended.append((job, Settlement(failed.delivery, failed.outcome)))
        else:
            self.ended.append((job, Settlement(settlement.delivery, Release(BACKOFF_MAX_S))))

    async def settle_last(self) -> None:
        """What ended while the loop was being stopped."""
        settled = self.take_ended()
        if settled:
            with contextlib.suppress(EngineError):
                turn = await self.consumer.turn([settlement for _job, settlement in settled], 0, 0.0)
                self.settled(settled, turn.failures)
