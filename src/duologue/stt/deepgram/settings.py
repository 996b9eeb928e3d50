"""Settings of the Deepgram recognizer, and the query parameters that follow from them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from duologue.audio.format import RATE
from duologue.services import http_address
from duologue.stt.service import SocketSettings

__all__ = ["PRICES", "DeepgramSettings", "is_flux"]

Parameters = list[tuple[str, str]]

PRICES: Final[dict[str, tuple[float, float | None]]] = {
    "nova-3": (0.288, 0.462),
    "nova-3/multi": (0.348, 0.552),
    "flux-general-multi": (0.468, None),
}
"""US dollars for an hour of audio, streamed and prerecorded, by model, or model and language: list prices of
deepgram.com/pricing, pay as you go, as published in August and November 2026. Prices change: `cost` replaces them."""

Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class DeepgramSettings(SocketSettings):
    """Settings of the Deepgram recognizer. docs/providers/deepgram.md has a table of them."""

    model: str = Field("nova-3", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][\w.:-]*$")
    """A Nova model, or `flux-general-en` or `flux-general-multi`, which judge the end of turns."""
    base_url: str = "https://api.deepgram.com"
    """The region's endpoint, or a Deepgram of one's own."""
    language: str | None = Field(None, min_length=2, max_length=20)
    """Of calls that do not name theirs. Nova-3 takes `multi`."""
    keyterm: tuple[Term, ...] = Field((), max_length=100)
    """Names and terms to expect."""
    punctuate: bool = True
    """Nova: punctuation and capitals, which the rules of turn-taking use."""
    smart_format: bool = False
    """Nova: dates, amounts and addresses as they are written."""
    numerals: bool = False
    """Numbers as digits."""
    profanity_filter: bool = False
    endpointing: Annotated[int, Field(ge=10, le=10_000)] | Literal[False] = False
    """Nova: milliseconds of silence after which Deepgram itself closes a segment. Sessions ask for finals instead."""
    utterance_end_ms: int | None = Field(None, ge=1000, le=5000)
    """Nova: milliseconds without a word after which Deepgram says that the utterance has ended."""
    utterance_end_probability: float = Field(0.8, ge=0, le=1)
    """What that counts as an opinion on the end of the turn."""
    eot_threshold: float | None = Field(None, ge=0.5, le=1.0)
    """Flux: confidence that ends a turn."""
    eager_eot_threshold: float | None = Field(0.5, ge=0.3, le=0.9)
    """Flux: confidence with which a reply may be prepared. None: replies are not prepared early."""
    eot_timeout_ms: int | None = Field(None, ge=500, le=30_000)
    """Flux: milliseconds of silence that end a turn in any case."""
    mip_opt_out: bool = False
    """Keeps audio out of Deepgram's model improvement program; has a price."""
    tag: Term | None = None
    """Marks requests in Deepgram's own usage reports."""
    prerecorded_model: str | None = Field(None, min_length=1, max_length=100)
    """For whole utterances and files; by default the model, and nova-3 for a Flux model."""
    keep_alive_interval: float = Field(4.0, gt=0, le=8)
    """Nova: seconds between messages that keep a silent stream open. Deepgram closes it after 10."""
    request_timeout: float = Field(60.0, gt=0, le=600)
    """For the transcript of a whole utterance or file, once it has been sent."""
    max_requests: int = Field(20, ge=1, le=10_000)
    """Requests for whole utterances at once."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str) -> str:
        return http_address(url, "https://api.deepgram.com")

    @model_validator(mode="after")
    def _check_thresholds(self) -> DeepgramSettings:
        if self.warm_connections and is_flux(self.model):
            raise ValueError("warm_connections are not kept open by Flux models, which have no keep-alive")
        eager, sure = self.eager_eot_threshold, self.eot_threshold
        if eager is not None and sure is not None and eager > sure:
            raise ValueError(f"eager_eot_threshold is {eager:g} and must not exceed eot_threshold, which is {sure:g}")
        return self

    @property
    def price(self) -> float | None:
        """US dollars for an hour of streamed audio; None if unknown."""
        return self.cost if self.cost is not None else self._price(self.model, 0)

    @property
    def prerecorded_price(self) -> float | None:
        """US dollars for an hour of prerecorded audio; None if unknown."""
        return self._price(self.model_for_recordings, 1)

    @property
    def model_for_recordings(self) -> str:
        """The model of prerecorded requests."""
        return self.prerecorded_model or ("nova-3" if is_flux(self.model) else self.model)

    def stream_url(self) -> str:
        """Where streams are opened."""
        version = 2 if is_flux(self.model) else 1
        return f"ws{self.base_url.removeprefix('http')}/v{version}/listen"

    def stream_parameters(self, language: str | None) -> Parameters:
        """The query of a stream of 16 kHz mono PCM16."""
        audio = [("encoding", "linear16"), ("sample_rate", str(RATE))]
        return [*audio, *(self._flux(language) if is_flux(self.model) else self._nova(language))]

    def recording_parameters(self, language: str | None) -> Parameters:
        """The query of a request that carries a WAV file."""
        return [("model", self.model_for_recordings), *self._formatting(language), *self._common()]

    def _nova(self, language: str | None) -> Parameters:
        parameters = [("model", self.model), ("channels", "1"), ("interim_results", "true")]
        parameters.append(("endpointing", str(self.endpointing or "false")))
        if self.utterance_end_ms is not None:
            parameters.append(("utterance_end_ms", str(self.utterance_end_ms)))
        return [*parameters, *self._formatting(language), *self._common()]

    def _flux(self, language: str | None) -> Parameters:
        parameters = [("model", self.model)]
        for name in ("eot_threshold", "eager_eot_threshold", "eot_timeout_ms"):
            value = getattr(self, name)
            if value is not None:
                parameters.append((name, f"{value:g}"))
        hint = language or self.language
        if hint is not None and self.model.endswith("-multi"):
            parameters.append(("language_hint", hint))
        return [*parameters, *self._common()]

    def _formatting(self, language: str | None) -> Parameters:
        parameters = [("punctuate", _flag(self.punctuate))]
        if self.smart_format:
            parameters.append(("smart_format", "true"))
        if spoken := language or self.language:
            parameters.append(("language", spoken))
        return parameters

    def _common(self) -> Parameters:
        parameters = [("keyterm", term) for term in self.keyterm]
        flags = ("numerals", "profanity_filter", "mip_opt_out")
        parameters += [(name, "true") for name in flags if getattr(self, name)]
        if self.tag is not None:
            parameters.append(("tag", self.tag))
        return parameters

    def _price(self, model: str, column: int) -> float | None:
        found = PRICES.get(f"{model}/{self.language}") or PRICES.get(model)
        return found[column] if found else None


def is_flux(model: str) -> bool:
    """Whether a model speaks the protocol of turns, `/v2/listen`."""
    return model.startswith("flux")


def _flag(value: bool) -> str:
    return "true" if value else "false"
