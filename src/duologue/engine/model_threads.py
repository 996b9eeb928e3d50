"""Threads that run models off the event loop: a fixed few for all sessions, fed by deadline, in batches."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from duologue.engine.accounting import OWNER, CostModel, Counters, FairShare, Lateness, Utilization
from duologue.engine.job_queue import JobQueue
from duologue.engine.jobs import Job
from duologue.engine.model_errors import model_closed, model_failure, thread_died
from duologue.errors import DuologueError, OverloadedError, ProviderError
from duologue.stt.steps import Pending, Step
from duologue.telemetry import names
from duologue.telemetry.metrics import Metrics

__all__ = ["ModelThreads"]

log: Final = logging.getLogger(__name__)

BUSY = 0.3
"""Utilization from which on the threads count as busy."""
CROWDED = 0.6
"""Utilization from which on a continuous batch waits a moment to fill up."""
CLOSE_TIMEOUT_S = 30.0
"""Seconds that a run may still take when the threads are closed."""
NICENESS = 5
"""By how much the threads yield to the event loop's, on systems with a priority for each thread."""


class ModelThreads:
    """Runs models off the event loop.

    `general` threads take the earliest deadline first. One more thread takes only urgent work (the first clause of a
    reply) and speech that is about to be late, so that neither waits behind a long transcription. Less urgent work has
    a later deadline (a reply that may be discarded, a transcript for display), so that it yields to the rest and is
    never starved. Jobs whose future was cancelled are dropped before they run. At most `max_waiting` jobs wait; one
    more is refused. Where a batch fails, its items run one by one, so that a bad item fails for its own session alone.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        general: int = 2,
        max_waiting: int = 4096,
        metrics: Metrics | None = None,
    ) -> None:
        self.counters: Counters = Counters()
        self.costs: CostModel = CostModel()
        self._metrics = metrics or Metrics(enabled=False)
        self.max_waiting = max_waiting
        self.running: int = 0
        """Threads that run a model now."""
        self._lateness = Lateness()
        self._utilization = Utilization(general)
        self._fair_share = FairShare()
        self._general = general
        self._loop = loop
        self._queue = JobQueue(self.counters)
        self._order = itertools.count()
        self._lock = threading.Condition()
        self._closed = False
        self._threads = [self._start(f"duologue-model-{i}", False) for i in range(general)]
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
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """True if a thread is free and nothing waits, so that optional work delays nothing."""
        return not self.waiting and self.running < self._general

    @property
    def busy(self) -> bool:
        """True if work waits or utilization is so high that nothing should be done in vain."""
        return bool(self.waiting) or self.utilization > BUSY

    @property
    def utilization(self) -> float:
        """The recent work of all threads as a share of what the general threads can do, about 0 to 1."""
        return self._utilization.at(time.monotonic())

    @property
    def backlog(self) -> float:
        """Seconds for which waiting jobs are expected to occupy the general threads."""
        return max(0.0, self._queue.seconds) / self._general

    @property
    def lateness(self) -> float:
        """Seconds by which work is done later than it is wanted, a recent average."""
        return self._lateness.at(time.monotonic())

    def submit(
        self, model: Step, item: Any, deadline: float | None, *, is_speech: bool = False, count_usage: bool = True
    ) -> asyncio.Future[Any]:
        """Queue `item` for `model`. Cancelling the future drops the job if it has not begun.

        Args:
            model: A model, or one step of it.
            item: What its `run` takes.
            deadline: Seconds of any one clock, by which jobs are ordered; None means at once.
            is_speech: Whether it makes speech, which may use the thread for first clauses.
            count_usage: Whether its audio counts towards the fair share of the session; that of speech never does.

        Raises:
            OverloadedError: Too many jobs wait.
            ProviderError: The threads are closed, or the model does not take the item.
        """
        if self._queue.places >= self.max_waiting:
            self.counters.refused += 1
            raise OverloadedError(f"{self.max_waiting} pieces of work wait for models already.", retry_after=1.0)
        try:
            size = model.size(item)
        except DuologueError:
            raise
        except Exception as error:
            raise model_failure(model, error) from error
        result = self._loop.create_future()
        now, owner = time.monotonic(), OWNER.get()
        rank = 0.0 if deadline is None else deadline + self._fair_share.delay(owner, now)
        wanted = now if deadline is None else rank
        charged = owner if count_usage and not is_speech else ""
        cost = self.costs.expect(model.name, size)
        job = Job(rank, next(self._order), model, item, size, cost, wanted, result, charged, submitted=now)
        result.add_done_callback(lambda _: self._forget(job))
        with self._lock:
            if self._closed:
                raise model_closed(model)
            self._queue.push(job, is_speech=is_speech or deadline is None)
            # Threads of both kinds wait on one condition: waking one alone might wake the one that does not take it.
            self._lock.notify_all()
        self._fair_share.add(charged, size, now)
        return result

    def _forget(self, job: Job) -> None:
        """Release the audio of a job that was cancelled before its turn came, and refund its session."""
        if not job.result.cancelled():
            return
        with self._lock:
            if not job.is_running and not self._closed:
                self._queue.cancel(job)
                self._fair_share.add(job.owner, -job.size, time.monotonic())

    def close(self) -> None:
        """Stop the threads when the current runs end; waiting jobs fail with ProviderError. Safe on any thread.

        A run that does not end within `CLOSE_TIMEOUT_S` seconds is left behind.
        """
        with self._lock:
            self._closed = True
            waiting = self._queue.clear()
            self._lock.notify_all()
        self._refuse(waiting, model_closed)
        until = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                log.warning("%s is still in a run after %g s, and is left behind.", thread.name, CLOSE_TIMEOUT_S)

    # --- on the threads ---

    def _live(self, speech_only: bool) -> None:
        """Run a thread. Only a bug in duologue, or a model that ends the interpreter, can end it early."""
        try:
            self._work(speech_only)
        except BaseException:
            log.exception("A thread that runs models broke off.")

    def _work(self, speech_only: bool) -> None:
        with suppress(OSError, AttributeError):  # only Linux has a priority for each thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while batch := self._take(speech_only):
            is_continued = batch[0].is_continued
            unfinished: list[Job] = []
            lost = batch
            try:
                unfinished = self._run(batch)
                lost = []
            finally:
                with self._lock:
                    self.running -= 1
                    if is_continued:
                        self._queue.continuous.is_running = False
                self._refuse(lost, thread_died)  # The thread dies, and nothing else will answer.
            with self._lock:
                if not self._closed:
                    for job in unfinished:
                        job.is_running = False
                    self._queue.continuous.add(unfinished)
                    unfinished = []
                if self._queue.continuous.waiting:
                    self._lock.notify_all()
            self._refuse(unfinished, model_closed)

    def _take(self, speech_only: bool) -> list[Job]:
        """Wait for the next batch; empty when closed."""
        with self._lock:
            while not self._closed:
                now = time.monotonic()
                is_crowded = self._utilization.at(now) > CROWDED
                if batch := self._queue.take(now, speech_only=speech_only, is_crowded=is_crowded):
                    self.running += 1
                    return batch
                self._lock.wait(self._queue.ready_in(now, speech_only=speech_only, is_crowded=is_crowded))
            return []

    def _run(self, batch: list[Job]) -> list[Job]:
        """Run a batch and deliver its results; returns the unfinished jobs, each with its next step."""
        model = batch[0].model
        began, cpu = time.monotonic(), time.thread_time()
        try:
            results = model.run([job.item for job in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results for {len(batch)} items")
        except Exception as error:
            if len(batch) > 1:
                return [job for one in batch for job in self._run([one])]
            failure = model_failure(model, error)
            took = time.monotonic() - began
            self._deliver(batch, took, lambda job, _: job.result.set_exception(failure), failed=1)
            return []
        took, cpu = (now := time.monotonic()) - began, time.thread_time() - cpu
        waits = [began - job.submitted for job in batch if not job.is_continued]
        self._on_loop(partial(self._note_run, model.name, len(batch), waits, sum(job.size for job in batch), took, cpu))
        unfinished, finished, found = [], [], []
        for job, result in zip(batch, results, strict=True):
            if isinstance(result, Pending):
                job.go_on(result.step, result.item, now)
                unfinished.append(job)
            else:
                finished.append(job)
                found.append(result)
        self._deliver(finished, took, lambda job, i: job.result.set_result(found[i]))
        return unfinished

    def _note_run(self, model: str, items: int, waits: list[float], size: float, took: float, cpu: float) -> None:
        self.costs.note(model, len(waits), size, took, cpu)
        record = self._metrics.record
        record(names.BATCH_SIZE, items, model)
        record(names.INFERENCE_DURATION, took, model)
        for wait in waits:
            record(names.QUEUE_WAIT, wait, model)

    def _deliver(self, batch: list[Job], took: float, answer: Callable[[Job, int], None], failed: int = 0) -> None:
        def answer_all() -> None:
            now = time.monotonic()
            self._utilization.note(took, now)
            for job in batch:
                self._lateness.note(max(0.0, now - job.deadline), now)
            self.counters.batches += 1
            self.counters.done += len(batch)
            self.counters.failed += failed
            for i, job in enumerate(batch):
                if not job.result.done():
                    answer(job, i)

        self._on_loop(answer_all)

    def _refuse(self, jobs: list[Job], why: Callable[[Step], ProviderError]) -> None:
        def refuse() -> None:
            for job in jobs:
                if not job.result.done():
                    job.result.set_exception(why(job.model))

        if jobs:
            self._on_loop(refuse)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nothing waits for the result
            self._loop.call_soon_threadsafe(callback)
