"""`duologue serve`: a conversation for everyone who opens the page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from duologue.cli.options import (
    AgentName,
    BaseUrl,
    Config,
    Greeting,
    Instructions,
    Llm,
    NoSmartTurn,
    Realtime,
    Stt,
    Tts,
)
from duologue.cli.output import AsJson, notes, print_json

__all__ = ["FLAGS", "serve"]

_log = logging.getLogger("duologue.server")

FLAGS: Final = {
    "server.host": "--host",
    "server.port": "--port",
    "server.workers": "--workers",
    "server.listener": "--listener",
    "agent.name": "--agent",
    "agent.llm": "--llm",
    "agent.realtime": "--realtime",
    "agent.base_url": "--base-url",
    "agent.instructions": "--instructions",
    "agent.display_name": "--agent-name",
    "agent.greeting": "--greeting",
    "agent.first_text_timeout": "--first-text-timeout",
    "agent.stall_timeout": "--stall-timeout",
    "agent.text_timeout": "--text-timeout",
    "providers.stt": "--stt",
    "providers.tts": "--tts",
    "providers.smart_turn": "--no-smart-turn",
    "session.timeout": "--timeout",
    "session.chunk": "--chunk-ms",
    "session.lead": "--chunk-ms",
    "limits.max_sessions": "--max-sessions",
    "limits.cache_max_bytes": "--cache-mb",
    "server.store": "--store",
    "security.keys": "--keys",
    "security.insecure": "--insecure",
    "security.certfile": "--certfile",
    "security.keyfile": "--keyfile",
    "security.calls_per_token": "--calls-per-token",
    "security.calls_per_address": "--calls-per-address",
    "security.allowed_origins": "--allow-origin",
    "security.trusted_proxies": "--trusted-proxy",
    "records.folder": "--records",
    "recording.folder": "--record",
    "recording.consent": "--record-consent",
    "recording.days": "--record-days",
    "recording.gigabytes": "--record-gb",
    "recording.audio": "--record-no-audio",
    "telemetry.otlp_endpoint": "--otlp",
    "telemetry.sample": "--trace-sample",
    "log.level": "--log-level",
    "log.format": "--log-format",
    "log.words": "--log-words",
}
"""The flags, by the settings that they are."""


def serve(
    config: Config = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, also as HOST in the environment [default: 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on, also as PORT in the environment; 0 takes a free one [default: 8000].",
            min=0,
            max=65535,
        ),
    ] = None,
    agent: AgentName = None,
    llm: Llm = None,
    realtime: Realtime = None,
    base_url: BaseUrl = None,
    instructions: Instructions = None,
    stt: Stt = None,
    tts: Tts = None,
    agent_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the page calls the agent; by default derived from the agent."),
    ] = None,
    greeting: Greeting = None,
    max_sessions: Annotated[
        int | None, typer.Option(min=1, help="Conversations at once; more are refused [default: 100].")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds that a conversation may last [default: 1800].")
    ] = None,
    first_text_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Seconds to the agent's first word or sign of work [default: 15, and 60 with --llm]."
        ),
    ] = None,
    stall_timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds from one word or sign of work of the agent to the next [default: 15]."),
    ] = None,
    text_timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds that the agent may work without a word [default: 120]."),
    ] = None,
    chunk_ms: Annotated[
        int | None,
        typer.Option(
            "--chunk-ms",
            min=20,
            max=100,
            help="Milliseconds of speech in each message: 20, or 40 for many calls [default: 20].",
        ),
    ] = None,
    cache_mb: Annotated[
        int | None,
        typer.Option(
            min=0, help="Megabytes of synthesized speech that are kept to be played again; 0: none [default: 33]."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Processes that share the port and the load; more than one helps on more than two cores [default: 1].",
        ),
    ] = None,
    listener: Annotated[
        Literal["uvicorn", "picows"] | None,
        typer.Option(help="The library that handles the WebSockets; picows takes less CPU [default: uvicorn]."),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ask callers for a token signed with a key of FILE; see `duologue token`."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on addresses that other machines reach, without tokens.")
    ] = False,
    certfile: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate for HTTPS, in PEM.")] = None,
    keyfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The key of the certificate, if it is in another file.")
    ] = None,
    calls_per_token: Annotated[
        int | None, typer.Option(min=0, help="With --keys: calls at once with one token; 0: any number [default: 10].")
    ] = None,
    calls_per_address: Annotated[
        int | None, typer.Option(min=0, help="Calls at once from one address; 0: any number [default: 0].")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where servers share tickets and calls that can be resumed: a folder, or redis://HOST:6379/0.",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="A page of another host that may connect, such as https://example.com."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A proxy, or a network, whose X-Forwarded headers are believed."),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for a record of each call, with what was said: JSON Lines, up to 1 GB in all."
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for recordings of calls: both voices, and every decision. Needs --record-consent.",
        ),
    ] = None,
    record_consent: Annotated[
        bool,
        typer.Option("--record-consent", help="State that all callers have agreed to be recorded."),
    ] = False,
    record_days: Annotated[
        float | None, typer.Option(min=0.001, help="Days after which a recording is deleted [default: 30].")
    ] = None,
    record_gb: Annotated[
        float | None,
        typer.Option(min=0.001, help="Gigabytes of recordings; beyond them the oldest are deleted [default: 10]."),
    ] = None,
    record_no_audio: Annotated[
        bool, typer.Option("--record-no-audio", help="Record transcripts and decisions, but no audio.")
    ] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="The lowest level of the log's lines [default: info]."),
    ] = None,
    log_format: Annotated[
        Literal["auto", "text", "json"] | None,
        typer.Option(
            help="The format of the log on standard error; auto is text on a terminal, JSON elsewhere [default: auto]."
        ),
    ] = None,
    log_words: Annotated[
        bool, typer.Option("--log-words", help="Write to the log what callers and agents say.")
    ] = False,
    otlp: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A collector for metrics and traces, as http://127.0.0.1:4318 [env: OTEL_EXPORTER_OTLP_ENDPOINT].",
        ),
    ] = None,
    trace_sample: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of conversations whose traces are sent to it [default: 0.1]."),
    ] = None,
    no_smart_turn: NoSmartTurn = False,
    as_json: AsJson = False,
) -> None:
    """Serve spoken conversations, with a page to talk from.

    Settings come from duologue.toml, from DUOLOGUE_ variables, and from these options, of which the
    last one wins (docs/configuration.md).

    Everything runs on this machine, with no account, no key and no network, unless a language model or a provider of
    speech is named that is a service. A browser gives a page the microphone only on localhost or over HTTPS.
    """
    from duologue.server.acceptor import listen
    from duologue.server.logs import logging_to
    from duologue.server.run import serve as run
    from duologue.server.signals import EndSignals
    from duologue.settings.load import load_settings

    given: dict[str, Any] = {
        "server.host": host,
        "server.port": port,
        "server.workers": workers,
        "server.listener": listener,
        "agent.name": agent,
        "agent.llm": llm,
        "agent.realtime": realtime,
        "agent.base_url": base_url,
        "agent.instructions": instructions,
        "agent.display_name": agent_name,
        "agent.greeting": greeting,
        "agent.first_text_timeout": first_text_timeout,
        "agent.stall_timeout": stall_timeout,
        "agent.text_timeout": text_timeout,
        "providers.stt": stt,
        "providers.tts": tts,
        "providers.smart_turn": False if no_smart_turn else None,
        "session.timeout": timeout,
        "session.chunk": None if chunk_ms is None else chunk_ms / 1000,
        "session.lead": None if chunk_ms is None else 3 * chunk_ms / 1000,
        "limits.max_sessions": max_sessions,
        "limits.cache_max_bytes": None if cache_mb is None else cache_mb * 1_000_000,
        "server.store": store,
        "security.keys": keys,
        "security.insecure": insecure or None,
        "security.certfile": certfile,
        "security.keyfile": keyfile,
        "security.calls_per_token": calls_per_token,
        "security.calls_per_address": calls_per_address,
        "security.allowed_origins": allow_origin or None,
        "security.trusted_proxies": trusted_proxy or None,
        "records.folder": records,
        "recording.folder": record,
        "recording.consent": record_consent or None,
        "recording.days": record_days,
        "recording.gigabytes": record_gb,
        "recording.audio": False if record_no_audio else None,
        "telemetry.otlp_endpoint": otlp,
        "telemetry.sample": trace_sample,
        "log.level": log_level,
        "log.format": log_format,
        "log.words": log_words or None,
    }
    loaded = load_settings(config, flags=given, flag_names=FLAGS)
    settings = loaded.settings
    server = settings.server
    # The port is taken first: who calls while the agent's packages are imported and the models load is not refused.
    with (
        EndSignals() as signals,
        logging_to(level=settings.log.level, log_format=settings.log.format) as log_format,
        listen(server.host, server.port) as sock,
    ):
        # Messages about the start go where the log goes: standard error holds JSON and nothing else, or text.
        say = _skip if as_json else notes.print if log_format == "text" else _write_to_log
        if loaded.file is not None:
            say(f"settings from {loaded.file}")
        run(settings=loaded, sock=sock, say=say, on_ready=_print_ready if as_json else None)
        signals.ignore()


def _skip(_: str) -> None:
    """Say nothing: what is said is on standard output, as JSON."""


def _write_to_log(line: str) -> None:
    if line.startswith("warning: "):
        _log.warning(line.removeprefix("warning: "))
    else:
        _log.info(line.strip())


def _print_ready(address: str, seconds: float) -> None:
    print_json({"address": address, "ready_s": round(seconds, 3)})
