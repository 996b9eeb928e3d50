"""Providers of a whole server that fail on purpose, each with a healthy one behind it.

    chaos = ProviderChaos(seed=7)
    serve(agent, stt=lambda: chaos.stt(Moonshine()), tts=lambda: chaos.tts(Hibari()))

`duologue callers --chaos SEED` calls such a server, and checks that no call ends, or gets a message of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from duologue.resilience import BreakerSettings, ResilienceSettings, resilient_stt, resilient_tts
from duologue.stt import SpeechToText, SttModel
from duologue.testing.faults import LIVE_KINDS, FaultKind, FaultPlan, FaultySpeechToText, FaultyTextToSpeech
from duologue.tts import TextToSpeech, TtsModel

__all__ = ["ProviderChaos"]

FORGIVING: Final = ResilienceSettings(breaker=BreakerSettings(open_for=1.0, growth=1.0, max_open=2.0))
"""Breakers that close soon, so that the faults go on."""


class ProviderChaos:
    """Makes providers of which a share of all calls fails, in ways drawn from a seed.

    Args:
        seed: The same faults for the same seed, by the order of the calls.
        share: Of the calls to the failing provider. The healthy one, which takes over, is called besides.
        kinds: What may go wrong.
        seconds: For how long, for faults that last.
        settings: Limits of the lists; by default those of `resilient_stt`, with breakers that close after a second.
    """

    def __init__(
        self,
        seed: int,
        *,
        share: float = 0.25,
        kinds: Sequence[FaultKind] = LIVE_KINDS,
        seconds: float = 1.0,
        settings: ResilienceSettings | None = None,
    ) -> None:
        self._plans: dict[str, tuple[FaultPlan, FaultPlan]] = {
            kind: (FaultPlan.random(seed + i, share=share, kinds=kinds, seconds=seconds), FaultPlan(()))
            for i, kind in enumerate(("stt", "tts"))
        }
        self._settings = FORGIVING if settings is None else settings

    def stt(self, provider: SpeechToText | SttModel) -> SpeechToText:
        """A recognizer that fails, and behind it the same one as it is."""
        failing, healthy = self._plans["stt"]
        first = FaultySpeechToText(provider, failing, name=f"faulty-{provider.name}")
        return resilient_stt([first, FaultySpeechToText(provider, healthy)], self._settings)

    def tts(self, voice: TextToSpeech | TtsModel) -> TextToSpeech:
        """A voice that fails, and behind it the same one as it is."""
        failing, healthy = self._plans["tts"]
        first = FaultyTextToSpeech(voice, failing, name=f"faulty-{voice.name}")
        return resilient_tts([first, FaultyTextToSpeech(voice, healthy)], self._settings)

    def counts(self) -> dict[str, Any]:
        """Calls to recognizers and voices so far, and the faults of them by kind."""
        struck: Counter[str] = Counter()
        for failing, _ in self._plans.values():
            struck.update(failing.struck)
        calls = {kind: sum(plan.calls for plan in plans) for kind, plans in self._plans.items()}
        return {"calls": calls, "faults": dict(sorted(struck.items()))}
