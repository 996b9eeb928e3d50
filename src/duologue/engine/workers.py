"""Worker threads for models: a fixed few, fed from heaps ordered by deadline, with batches across sessions."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from duologue.engine.jobs import PADDING, Job, Joint, padding
from duologue.engine.ledger import OWNER, Costs, Debts, Share, Strain
from duologue.errors import DuologueError, OverloadedError, ProviderError, because
from duologue.stt.steps import Step, Unfinished

__all__ = ["Workers"]

log = logging.getLogger(__name__)

BUSY = 0.3
"""The share of the time from which on threads count as busy."""
CROWDED = 0.6
"""The share of the time from which on what is done in joint runs waits a moment for company."""
NEAR = 0.5
"""Seconds before its deadline from which on speech may use the thread that is kept for first clauses."""
CLOSING = 30.0
"""Seconds that a run may still take when the workers are closed."""
NICENESS = 5
"""By how much the threads of models give way to the loop's, where the system knows of it."""


@dataclass(slots=True)
class Counters:
    """What the workers did, as plain numbers to be read at leisure."""

    done: int = 0
    batches: int = 0
    """Runs of a model, those included that left something unfinished."""
    dropped: int = 0
    """Jobs that nobody wanted any more when their turn came."""
    rationed: int = 0
    """Judgements that were not asked for, because work was behind."""
    refused: int = 0
    failed: int = 0
    threads_replaced: int = 0
    """Threads that died and were replaced."""


class Workers:
    """Runs models off the event loop.

    `general` threads take the earliest deadline first; one more thread takes only what is wanted at once (the first
    clause of a reply) and speech that is about to be missed, so that neither waits behind a long transcription. What is
    less pressing has a later deadline (a reply that may be discarded, words for show), so that it waits for the rest,
    and never for ever. A session that has had more seconds of sound understood than others of late has its deadlines
    put off in proportion. Jobs whose future was cancelled are dropped before they run. At most `max_waiting` jobs wait;
    one more is refused. Where a batch fails, its items are run one by one, so that a bad item spoils no other session's
    work. What a model leaves unfinished takes its place again with its next step; of such a step one run goes on at a
    time, and what comes meanwhile joins the next.
    """

    MAX_BATCH_SECONDS = 6.0
    """Seconds of sound in one batch: a batch of long items would hold its thread too long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, general: int = 2, max_waiting: int = 4096) -> None:
        self.counters = Counters()
        self.costs = Costs()
        self.max_waiting = max_waiting
        self.running = 0
        """Threads that run a model now."""
        self._strain = Strain()
        self._share = Share(general)
        self._debts = Debts()
        self._general = general
        self._queued = 0.0
        self._gone = 0
        """Places of cancelled jobs that nobody has come by yet."""
        self._loop = loop
        self._heap: list[Job] = []
        self._speech: list[Job] = []
        self._joint = Joint()
        self._order = itertools.count()
        self._lock = threading.Condition()
        self._closed = False
        self._threads = [self._start(f"duologue-worker-{i}", False) for i in range(general)]
        self._threads.append(self._start("duologue-first", True))

    def _start(self, name: str, speech_only: bool) -> threading.Thread:
        thread = threading.Thread(target=self._live, args=(speech_only,), name=name, daemon=True)
        thread.start()
        return thread

    @property
    def is_whole(self) -> bool:
        """True while all threads live."""
        return all(thread.is_alive() for thread in self._threads)

    def mend(self) -> None:
        """Replace the threads that have died."""
        for i, thread in enumerate(self._threads):
            if not thread.is_alive() and not self._closed:
                self.counters.threads_replaced += 1
                log.error("The thread %s died, and is replaced.", thread.name)
                self._threads[i] = self._start(thread.name, i == self._general)

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return self._places - self._gone

    @property
    def _places(self) -> int:
        return len(self._heap) + len(self._speech) + len(self._joint.waiting)

    @property
    def idle(self) -> bool:
        """True where a thread is free and nothing waits, so that work which nobody waits for costs nobody anything."""
        return not self.waiting and self.running < self._general

    @property
    def busy(self) -> bool:
        """True where the threads have worked for so much of the last seconds that nothing should be done in vain."""
        return bool(self.waiting) or self.share > BUSY

    @property
    def share(self) -> float:
        """What all threads have worked in the last seconds, as a share of what the general ones can: about 0 to 1."""
        return self._share.at(time.monotonic())

    @property
    def backlog(self) -> float:
        """Seconds that what waits is expected to keep the general threads busy."""
        return max(0.0, self._queued) / self._general

    @property
    def strain(self) -> float:
        """Seconds by which work was done later than it was wanted, on average of late."""
        return self._strain.at(time.monotonic())

    def submit(
        self, model: Step, item: Any, deadline: float | None, *, aloud: bool = False, owed: bool = True
    ) -> asyncio.Future[Any]:
        """Queue `item` for `model`. `deadline` in seconds of any one clock orders the work; None means at once.
        `aloud`: it is speech. `owed`: its sound is counted in the debt of its session; that of speech never is.

        Cancelling the future drops the job if it has not begun. Raises OverloadedError where too many wait, and
        ProviderError where the workers are closed or the model does not take the item.
        """
        if self._places >= self.max_waiting:
            self.counters.refused += 1
            raise OverloadedError(f"{self.max_waiting} pieces of work wait for models already.", retry_after=1.0)
        try:
            size = model.size(item)
        except DuologueError:
            raise
        except Exception as error:
            raise _failure(model, error) from error
        result = self._loop.create_future()
        now, owner = time.monotonic(), OWNER.get()
        rank = 0.0 if deadline is None else deadline + self._debts.delay(owner, now)
        wanted = now if deadline is None else rank
        cost = self.costs.expect(model.name, size)
        debtor = owner if owed and not aloud else ""
        job = Job(rank, next(self._order), model, item, size, cost, wanted, result, debtor)
        result.add_done_callback(lambda _: self._let_go(job))
        with self._lock:
            if self._closed:
                raise _closed(model)
            heapq.heappush(self._speech if aloud or deadline is None else self._heap, job)
            self._queued += job.cost
            self._lock.notify_all()
        self._debts.add(debtor, size, now)
        return result

    def _let_go(self, job: Job) -> None:
        """Forget the sound of a job that was cancelled before its turn came."""
        if not job.result.cancelled():
            return
        with self._lock:
            if not job.running and not self._closed:
                self._queued -= job.cost
                self._gone += 1
                self._debts.add(job.owner, -job.size, time.monotonic())
                job.gone, job.cost, job.item = True, 0.0, None

    def close(self) -> None:
        """Stop the threads when what runs is done; what waits fails with ProviderError. May be called on any thread.

        A run that does not end within `CLOSING` seconds is left behind.
        """
        with self._lock:
            self._closed = True
            waiting = [*self._heap, *self._speech, *self._joint.waiting]
            for heap in (self._heap, self._speech, self._joint.waiting):
                heap.clear()
            self._queued, self._gone = 0.0, 0
            self._lock.notify_all()

        self._refuse(waiting)
        until = time.monotonic() + CLOSING
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                log.warning("%s is still in a run after %g s, and is left behind.", thread.name, CLOSING)

    def _refuse(self, jobs: list[Job], why: Callable[[Step], ProviderError] | None = None) -> None:
        def refuse() -> None:
            for job in jobs:
                if not job.result.done():
                    job.result.set_exception((why or _closed)(job.model))

        if jobs:
            self._on_loop(refuse)

    def _live(self, speech_only: bool) -> None:
        """The life of a thread; nothing but a fault of ours, or a model that ends the interpreter, can cut it short."""
        try:
            self._work(speech_only)
        except BaseException:
            log.exception("A thread that runs models broke off.")

    def _work(self, speech_only: bool) -> None:
        with suppress(OSError, AttributeError):  # a thread has a priority of its own on Linux only
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while batch := self._take(speech_only):
            joint = batch[0].step
            unfinished: list[Job] = []
            lost = batch
            try:
                unfinished = self._run(batch)
                lost = []
            finally:
                with self._lock:
                    self.running -= 1
                    if joint:
                        self._joint.runs = False
                self._refuse(lost, _lost)  # The thread dies, and nobody else will answer.
            with self._lock:
                if not self._closed:
                    for job in unfinished:
                        job.running = False
                    self._joint.add(unfinished)
                    unfinished = []
                if self._joint.waiting:
                    self._lock.notify_all()
            self._refuse(unfinished)

    def _run(self, batch: list[Job]) -> list[Job]:
        """Run a batch and deliver its results; returns the jobs that are unfinished, each with its next step."""
        model = batch[0].model
        began, cpu = time.monotonic(), time.thread_time()
        try:
            results = model.run([job.item for job in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results for {len(batch)} items")
        except Exception as error:
            if len(batch) > 1:
                return [job for one in batch for job in self._run([one])]
            failure = _failure(model, error)
            took = time.monotonic() - began
            self._deliver(batch, took, lambda job, _: job.result.set_exception(failure), failed=1)
            return []
        now = time.monotonic()
        took, cpu = now - began, time.thread_time() - cpu
        begun = sum(not job.step for job in batch)
        self._on_loop(partial(self.costs.note, model.name, begun, sum(job.size for job in batch), took, cpu))
        unfinished, finished, found = [], [], []
        for job, result in zip(batch, results, strict=True):
            if isinstance(result, Unfinished):
                job.go_on(result.step, result.item, now)
                unfinished.append(job)
            else:
                finished.append(job)
                found.append(result)
        self._deliver(finished, took, lambda job, i: job.result.set_result(found[i]))
        return unfinished

    def _take(self, speech_only: bool) -> list[Job]:
        """The next batch; empty when closed."""
        with self._lock:
            while True:
                heap = self._next_heap(speech_only)
                while heap:
                    job = heapq.heappop(heap)
                    self._queued -= job.cost
                    self._gone -= job.gone
                    job.running = True
                    if not job.result.cancelled():
                        batch = [job, *self._companions(heap, job)]
                        for one in batch:
                            one.running = True
                        self._queued -= sum(other.cost for other in batch[1:])
                        self.running += 1
                        self._joint.runs |= job.step
                        return batch
                    self.counters.dropped += 1
                    heap = self._next_heap(speech_only)
                if self._closed:
                    return []
                if not self._next_heap(speech_only):
                    self._lock.wait(self._patience(speech_only))

    def _next_heap(self, speech_only: bool) -> list[Job]:
        """Where the most pressing job is; an empty list where there is none that this kind of thread takes."""
        speech = self._speech
        if speech_only:
            return speech if speech and speech[0].rank < time.monotonic() + NEAR else []
        joint = self._joint.waiting if self._joint_begins_in() == 0.0 else []
        return min((heap for heap in (speech, self._heap, joint) if heap), key=lambda heap: heap[0].rank, default=[])

    def _patience(self, speech_only: bool) -> float | None:
        """Seconds after which a thread without work is to look again; None where it will be told."""
        if speech_only:
            return NEAR if self._speech else None
        return self._joint_begins_in()

    def _joint_begins_in(self) -> float | None:
        now = time.monotonic()
        return self._joint.begins_in(now, crowded=self._share.at(now) > CROWDED)

    def _companions(self, heap: list[Job], job: Job) -> list[Job]:
        """Others that the same run can serve: nearest in size first, within `max_batch` and a sum of sizes.

        In a joint run all take as long as the longest, so that it leaves out what is much longer or shorter.
        """
        room = job.model.max_batch - 1
        if room <= 0 or not heap:
            return []
        alike = [j for j in heap if j.model is job.model and not j.result.cancelled()]
        alike.sort(key=lambda j: abs(j.length - job.length) if job.step else abs(j.size - job.size))
        left = self.MAX_BATCH_SECONDS - job.size
        chosen: list[Job] = []
        for other in alike[:room]:
            left -= other.size
            if left < 0 or (job.step and padding([job, *chosen, other]) > PADDING):
                break
            chosen.append(other)
        if chosen:
            taken = {j.order for j in chosen}
            heap[:] = [j for j in heap if j.order not in taken]
            heapq.heapify(heap)
        return chosen

    def _deliver(self, batch: list[Job], took: float, answer: Callable[[Job, int], None], failed: int = 0) -> None:
        def answer_all() -> None:
            now = time.monotonic()
            self._share.note(took, now)
            for job in batch:
                self._strain.note(max(0.0, now - job.deadline), now)
            self.counters.batches += 1
            self.counters.done += len(batch)
            self.counters.failed += failed
            for i, job in enumerate(batch):
                if not job.result.done():
                    answer(job, i)

        self._on_loop(answer_all)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has closed meanwhile: nobody waits any more
            self._loop.call_soon_threadsafe(callback)


def _failure(model: Step, error: Exception) -> DuologueError:
    if isinstance(error, DuologueError):
        return error
    return because(ProviderError(f"The model {model.name} failed: {type(error).__name__}.", provider=model.name), error)


def _closed(model: Step) -> ProviderError:
    return ProviderError(f"The engine is closed, and {model.name} was not run.", provider=model.name)


def _lost(model: Step) -> ProviderError:
    return ProviderError(f"The thread that ran {model.name} died.", provider=model.name)
