"""What waits for models, in order of deadline, and which jobs run together next."""

from __future__ import annotations

import heapq

from duologue.engine.accounting import Counters
from duologue.engine.jobs import PADDING, ContinuousBatch, Job, padding

__all__ = ["NEAR_S", "JobQueue"]

NEAR_S = 0.5
"""Seconds before its deadline from which on speech may use the thread that is kept for first clauses."""


class JobQueue:
    """Three heaps: general work, speech, and jobs that wait for the next continuous batch.

    Not thread-safe: the caller holds a lock. A cancelled job keeps its place until a thread comes by it, because
    removing it from the middle of a heap takes time in proportion to the heap.
    """

    MAX_BATCH_SECONDS = 6.0
    """Seconds of audio in one batch: a batch of long items would occupy its thread for too long."""

    def __init__(self, counters: Counters) -> None:
        self.continuous: ContinuousBatch = ContinuousBatch()
        self.seconds: float = 0.0
        """What everything that waits is expected to take."""
        self._counters = counters
        self._general: list[Job] = []
        self._speech: list[Job] = []
        self._cancelled = 0
        """Places of cancelled jobs."""

    def __len__(self) -> int:
        """Return the number of jobs that wait; cancelled ones do not count."""
        return self.places - self._cancelled

    @property
    def places(self) -> int:
        """The number of places in the heaps, including those of cancelled jobs."""
        return len(self._general) + len(self._speech) + len(self.continuous.waiting)

    def push(self, job: Job, *, is_speech: bool) -> None:
        """Add a job."""
        heapq.heappush(self._speech if is_speech else self._general, job)
        self.seconds += job.cost

    def cancel(self, job: Job) -> None:
        """Release everything that a waiting job holds, except its place."""
        self.seconds -= job.cost
        self._cancelled += 1
        job.is_cancelled, job.cost, job.item = True, 0.0, None

    def clear(self) -> list[Job]:
        """Remove and return all jobs."""
        jobs = [*self._general, *self._speech, *self.continuous.waiting]
        for heap in (self._general, self._speech, self.continuous.waiting):
            heap.clear()
        self.seconds, self._cancelled = 0.0, 0
        return jobs

    def take(self, now: float, *, speech_only: bool, is_crowded: bool) -> list[Job]:
        """Remove and return the jobs that run next, in one batch; empty if a thread of this kind has to wait."""
        while heap := self._next_heap(now, speech_only, is_crowded):
            job = heapq.heappop(heap)
            self.seconds -= job.cost
            self._cancelled -= job.is_cancelled
            job.is_running = True
            if job.result.cancelled():
                self._counters.dropped += 1
                continue
            others = self._companions(heap, job)
            for other in others:
                other.is_running = True
                self.seconds -= other.cost
            self.continuous.is_running |= job.is_continued
            return [job, *others]
        return []

    def ready_in(self, now: float, *, speech_only: bool, is_crowded: bool) -> float | None:
        """Return the seconds after which a thread without work must look again; None until it is notified."""
        if speech_only:
            return NEAR_S if self._speech else None
        return self.continuous.begins_in(now, is_crowded)

    def _next_heap(self, now: float, speech_only: bool, is_crowded: bool) -> list[Job]:
        """Return the heap with the most urgent job that this kind of thread takes; an empty list if there is none."""
        speech = self._speech
        if speech_only:
            return speech if speech and speech[0].rank < now + NEAR_S else []
        continued = self.continuous.waiting if self.continuous.begins_in(now, is_crowded) == 0.0 else []
        return min((heap for heap in (speech, self._general, continued) if heap), key=_most_urgent, default=[])

    def _companions(self, heap: list[Job], job: Job) -> list[Job]:
        """Remove and return other jobs that the same run can serve.

        A batch takes as long as its longest item, so the nearest sizes go together, up to the model's `max_batch` and
        a total of `MAX_BATCH_SECONDS`. In a continuous batch all items are padded to the longest one: it leaves out
        what would add more padding than a run of its own costs.
        """
        room = job.model.max_batch - 1
        if room <= 0 or not heap:
            return []
        alike = [j for j in heap if j.model is job.model and not j.result.cancelled()]
        alike.sort(key=lambda j: abs(j.length - job.length) if job.is_continued else abs(j.size - job.size))
        left = self.MAX_BATCH_SECONDS - job.size
        chosen: list[Job] = []
        for other in alike[:room]:
            left -= other.size
            if left < 0 or (job.is_continued and padding([job, *chosen, other]) > PADDING):
                break
            chosen.append(other)
        if chosen:
            taken = {j.order for j in chosen}
            heap[:] = [j for j in heap if j.order not in taken]
            heapq.heapify(heap)
        return chosen


def _most_urgent(heap: list[Job]) -> float:
    return heap[0].rank
