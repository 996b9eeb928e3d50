"""`duologue serve`: a conversation for everyone who opens the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from duologue.cli.options import AgentName, BaseUrl, Greeting, Instructions, Llm, NoSmartTurn, Stt, Tts
from duologue.cli.output import AsJson, notes, print_json

__all__ = ["serve"]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.", envvar="HOST")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", envvar="PORT", min=0, max=65535)
    ] = 8000,
    agent: AgentName = None,
    llm: Llm = None,
    base_url: BaseUrl = None,
    instructions: Instructions = None,
    stt: Stt = None,
    tts: Tts = None,
    agent_name: Annotated[
        str, typer.Option(metavar="NAME", help="What the page calls the agent; by default derived from the agent.")
    ] = "",
    greeting: Greeting = None,
    max_sessions: Annotated[int, typer.Option(min=1, help="Conversations at once; more are refused.")] = 100,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds that a conversation may last.")] = 1800.0,
    first_text_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Seconds to the agent's first word or sign of work [default: 15, and 60 with --llm]."
        ),
    ] = None,
    stall_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds from one word or sign of work of the agent to the next.")
    ] = 15.0,
    text_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that the agent may work without a word, such as on reasoning.")
    ] = 120.0,
    chunk_ms: Annotated[
        int, typer.Option("--chunk-ms", min=20, max=100, help="Speech in each message: 20, or 40 for many calls.")
    ] = 20,
    cache_mb: Annotated[int, typer.Option(min=0, help="Megabytes of speech kept to be said again; 0: none.")] = 32,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the port and the load; for more than two cores.")
    ] = 1,
    listener: Annotated[
        Literal["uvicorn", "picows"], typer.Option(help="What holds the WebSockets; picows takes less of a core.")
    ] = "uvicorn",
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="A page of another host that may connect, as https://example.com."),
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
    record_days: Annotated[float, typer.Option(min=0.001, help="Days after which a recording is deleted.")] = 30.0,
    record_gb: Annotated[
        float, typer.Option(min=0.001, help="Gigabytes of recordings; beyond them the oldest are deleted.")
    ] = 10.0,
    record_no_audio: Annotated[
        bool, typer.Option("--record-no-audio", help="Record what was decided, and neither voice.")
    ] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="The lowest level of the log's lines.")
    ] = "info",
    log_format: Annotated[
        Literal["text", "json"], typer.Option(help="How the log is written to standard error.")
    ] = "text",
    log_words: Annotated[
        bool, typer.Option("--log-words", help="Write to the log what callers and agents say.")
    ] = False,
    no_smart_turn: NoSmartTurn = False,
    as_json: AsJson = False,
) -> None:
    """Serve spoken conversations, with a page to talk from.

    Everything runs on this machine, with no account, no key and no network, unless --llm, --stt or --tts names a
    service. A browser gives a page the microphone only on
    localhost or over HTTPS.
    """
    from duologue.agent.function import AgentFactory
    from duologue.conversation.config import ConversationConfig
    from duologue.engine import EngineConfig
    from duologue.recording.config import DAY, RecordingConfig
    from duologue.server.acceptor import listen
    from duologue.server.logs import logging_to
    from duologue.server.origins import TRUSTED_PROXIES
    from duologue.server.run import serve as run
    from duologue.session import SessionConfig
    from duologue.session.config import MAX_AGENT_NAME
    from duologue.settings.agents import agent_factories, greeting_of

    recording = None
    if record is not None:
        recording = RecordingConfig(
            record,
            consent=record_consent,
            max_age=record_days * DAY,
            max_bytes=int(record_gb * 1e9),
            audio=not record_no_audio,
        )
    # The port is taken first: who calls while the agent's packages are imported and the models load is not refused.
    with logging_to(level=log_level, log_format=log_format), listen(host, port) as sock:
        factory = agent_factories(
            agent,
            llm=llm,
            base_url=base_url,
            instructions=instructions,
            first_token_timeout=first_text_timeout,
            stall_timeout=stall_timeout,
        )
        if greeting is None and isinstance(factory, AgentFactory) and factory.sample is not None:
            greeting = greeting_of(factory)
        defaults = SessionConfig()
        run(
            None if isinstance(factory, dict) else factory,
            agents=factory if isinstance(factory, dict) else {},
            host=host,
            port=port,
            sock=sock,
            greeting=greeting,
            config=SessionConfig(
                timeout=timeout,
                agent_name=" ".join(agent_name.split()) or _model_name(llm or "")[:MAX_AGENT_NAME],
                first_text_timeout=first_text_timeout or defaults.first_text_timeout,
                stall_timeout=stall_timeout,
                text_timeout=text_timeout,
                rules=ConversationConfig(greeting=greeting or ""),
                chunk=chunk_ms / 1000,
                lead=3 * chunk_ms / 1000,
            ),
            engine=EngineConfig(max_sessions=max_sessions, cache_max_bytes=cache_mb * 1_000_000),
            stt=stt,
            tts=tts,
            smart_turn=not no_smart_turn,
            allowed_origins=allow_origin or (),
            trusted_proxies=(*TRUSTED_PROXIES, *(trusted_proxy or ())),
            workers=workers,
            listener=listener,
            records=records,
            recording=recording,
            log_words=log_words,
            say=(lambda _: None) if as_json else notes.print,
            on_ready=_print_ready if as_json else None,
        )


def _model_name(llm: str) -> str:
    """`gpt-4.1-mini` for `openai:gpt-4.1-mini`; empty without a language model."""
    return (llm.partition(":")[2] or llm).rpartition("/")[2]


def _print_ready(address: str, seconds: float) -> None:
    print_json({"address": address, "ready_s": round(seconds, 3)})
