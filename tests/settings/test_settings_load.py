"""duologue.toml, the environment and flags: which wins, what is refused, and where a value is from."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from duologue.conversation.config import ConversationConfig
from duologue.engine import EngineConfig
from duologue.errors import ConfigError
from duologue.server.configured import check_configuration, options_of
from duologue.server.origins import TRUSTED_PROXIES
from duologue.server.policy import CallPolicy
from duologue.session import SessionConfig
from duologue.settings.load import Loaded, load_settings
from duologue.settings.schema import Settings
from duologue.stt.deepgram import DeepgramSpeechToText


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("DEEPGRAM_API_KEY", "OPENAI_API_KEY", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def load(folder: Path, text: str = "", flags: dict[str, Any] | None = None, **environment: str) -> Loaded:
    file = folder / "duologue.toml"
    file.write_text(text, "utf-8")
    names = {name: f"--{name.rpartition('.')[2]}" for name in flags or {}}
    return load_settings(file.relative_to(folder), flags=flags, flag_names=names, environment=environment)


def refused(folder: Path, text: str = "", **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options_of(load(folder, text, None, **environment))
    return str(caught.value)


def test_without_anything_all_is_as_in_the_code(folder: Path) -> None:
    loaded = load_settings(environment={})
    assert (loaded.file, dict(loaded.origins)) == (None, {})
    options = options_of(loaded)
    assert options["config"].rules.greeting == options["greeting"]
    options["config"] = SessionConfig()
    assert options["config"] == Settings().session_config() == SessionConfig()
    assert options["engine"] == EngineConfig(max_sessions=100)
    assert options["policy"] == CallPolicy()
    assert (options["stt"], options["tts"], options["trusted_proxies"]) == (None, None, TRUSTED_PROXIES)


def test_every_field_of_the_code_is_a_setting() -> None:
    settings, elsewhere = (
        Settings.model_fields,
        {"rules", "agent_name", "first_text_timeout", "stall_timeout", "text_timeout"},
    )
    tables: dict[str, Any] = {name: field.annotation for name, field in settings.items()}
    assert {f.name for f in fields(SessionConfig)} - elsewhere == set(tables["session"].model_fields)
    assert {f.name for f in fields(EngineConfig)} == set(tables["limits"].model_fields)
    assert {f.name for f in fields(CallPolicy)} == set(tables["policy"].model_fields)
    theirs = {"greeting", "timeout", "idle_timeout"}
    assert {f.name for f in fields(ConversationConfig)} - theirs == set(tables["turn_taking"].model_fields)


def test_flags_win_over_the_environment_and_that_over_the_file(folder: Path) -> None:
    text = "[server]\nport = 1\nhost = 'a'\nworkers = 2\nlistener = 'picows'\n"
    loaded = load(folder, text, {"server.port": 3}, DUOLOGUE_SERVER__PORT="2", DUOLOGUE_SERVER__HOST="b", HOST="c")
    server = loaded.settings.server
    assert (server.port, server.host, server.workers, server.listener) == (3, "b", 2, "picows")
    origins = {name: loaded.origin(("server", name)) for name in ("port", "host", "workers")}
    assert origins == {"port": "--port", "host": "DUOLOGUE_SERVER__HOST", "workers": "duologue.toml, line 4"}
    assert loaded.origin(("log", "level")) == "default"


def test_the_file_in_the_current_folder_is_read_by_default(folder: Path) -> None:
    (folder / "duologue.toml").write_text("[server]\nport = 7\n")
    loaded = load_settings(environment={"PORT": "8", "HOST": ""})
    assert (str(loaded.file), loaded.settings.server.port, loaded.settings.server.host) == (
        "duologue.toml",
        8,
        "127.0.0.1",
    )


def test_a_later_agent_takes_the_place_of_a_language_model(folder: Path) -> None:
    model = "[agent]\nllm = 'openai:any'\n"
    assert load(folder, model, {"agent.name": "echo"}).settings.agent.llm is None
    assert load(folder, "[agent]\nname = 'echo'", DUOLOGUE_AGENT__LLM="openai:x").settings.agent.name is None
    assert "Two agents" in refused(folder, f"{model}name = 'echo'\n")


def test_lists_are_texts_with_commas_in_the_environment(folder: Path) -> None:
    loaded = load(
        folder,
        DUOLOGUE_SECURITY__ALLOWED_ORIGINS="https://a.example, https://b.example",
        DUOLOGUE_TURN_TAKING__ENDPOINTING__DOUBT="0.2,0.9",
        DUOLOGUE_LOG__WORDS="true",
        DUOLOGUE_STT__DEEPGRAM__KEYTERM='["one, two"]',
        DUOLOGUE_STT__DEEPGRAM__API_KEY="12345",
    )
    assert loaded.settings.security.allowed_origins == ("https://a.example", "https://b.example")
    assert loaded.settings.session_config().rules.endpointing.doubt == (0.2, 0.9)
    assert loaded.settings.log.words is True
    assert loaded.settings.stt == {"deepgram": {"keyterm": ["one, two"], "api_key": "12345"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\n\nport = 80000", "duologue.toml, line 3: server.port is 80000, and must be at most 65535."),
        ("[server]\nport = 'x'", 'line 2: server.port is "x", and must be a whole number.'),
        ("server.workers = true", "line 1: server.workers is true, and must not be true or false."),
        ("[session]\ntimeout = inf", "line 2: session.timeout is inf, and must be a finite number."),
        ("[session]\ntimeout = -1", "line 2: session.timeout is -1, and must be at least 0."),
        ("[session]\necho = 'x'", 'line 2: session.echo is "x", and must be "client", "server" or "none".'),
        ("[log]\nlevel = 'loud'", 'must be "debug", "info", "warning" or "error".'),
        ("[limits.admission]\nmax_lag = 1", "line 2: there is no setting limits.admission.max_lag. Did you mean"),
        ("[sever]", "line 1: there is no setting sever. Did you mean server?"),
        (
            "[server]\nzzz = 1",
            "The settings of [server] are: drain_timeout, host, listener, port, ",
        ),
        ("server = 1", "line 1: server is 1, and must be a table."),
        ("[agent]\ngreeting = 3", "line 2: agent.greeting is 3, and must be text in quotes."),
        ("[turn_taking.endpointing]\ndoubt = [1]", "doubt is [1], and must be a list of two numbers."),
        ("[session]\nchunk = 0.03", "duologue.toml, line 2: chunk is 0.03 s, and must be 0.02 to 0.1 s"),
        ("[agent]\ndisplay_name = '" + 41 * "x" + "'", "line 2: agent_name has 41 characters"),
        ("[turn_taking.endpointing]\naction_delay = 5", "line 2: endpointing.timeout must not be below"),
        ("[limits]\ntick = 0", "line 2: tick is 0.0 s, and must be more than 0 s"),
        ("[policy]\ntimeout = [3, 1]", "line 2: timeout is (3.0, 1.0), and must be two numbers of seconds"),
        ("a = 1\nb = x\n", "duologue.toml, line 2: no TOML: Invalid value."),
        ("a = ", "duologue.toml, end of document: no TOML: Invalid value."),
        ("[providers]\nstt = 'deepgrm'", "line 2: There is no speech recognizer 'deepgrm'. Choose one of"),
        ("[providers]\nstt = []", "line 2: providers.stt names no provider."),
        ("[stt.deepgrm]\nmodel = 'x'", "line 2: there is no provider for the table [stt.deepgrm]. Choose one of"),
        ("[agent]\nname = 'nobody'", "There is no agent 'nobody'."),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_is_allowed(text: str, said: str, folder: Path) -> None:
    assert said in refused(folder, text)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = "[server]\nport = -1\n[log]\nlevel = 1\n[agent]\nstall_timeout = 0\n"
    lines = refused(folder, text, DUOLOGUE_SERVER__WORKERS="many").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "DUOLOGUE_SERVER__WORKERS", "duologue.toml, line 2", "duologue.toml, line 4", "duologue.toml, line 6",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["DUOLOGUE_SEVER__PORT", "DUOLOGUE_SERVER__"])
def test_a_variable_that_is_no_setting_is_told(name: str, folder: Path) -> None:
    assert f"The environment variable {name} is no setting." in refused(folder, **{name: "1"})
    assert "DUOLOGUE_SERVER__PROT: there is no setting server.prot" in refused(folder, DUOLOGUE_SERVER__PROT="1")


@pytest.mark.parametrize(
    "text",
    [
        "[stt.deepgram]\napi_key = 'sk-1'",
        "[agent]\nllm = 'openai:x'\napi_key = 'sk-1'",
        "[security]\ntokens = ['sk-1']",
        "[stt.other]\nclient_secret = 'sk-1'",
        "[agent]\nbase_url = 'http://user:sk-1@example.com'",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_shown(text: str, folder: Path) -> None:
    said = refused(folder, text)
    assert f"duologue.toml, line {text.count(chr(10)) + 1}: " in said
    assert "sk-1" not in said
    assert "environment" in said


@pytest.mark.parametrize(("content", "said"), [(b"\xff", "is not UTF-8"), (b"#" * 300_000, "more than 262,144 bytes")])
def test_a_file_that_is_none_of_settings_is_told(content: bytes, said: str, folder: Path) -> None:
    (folder / "odd.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_settings("odd.toml")
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        load_settings("none.toml")


def test_a_file_may_begin_with_a_mark_of_its_encoding(folder: Path) -> None:
    (folder / "duologue.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 8001\r\n")
    assert load_settings(environment={}).settings.server.port == 8001


@pytest.mark.parametrize("text", [f"a = {'[' * 20_000}{']' * 20_000}", f"[server]\nport = {'9' * 5000}"])
def test_a_file_of_tables_that_are_too_deep_or_numbers_that_are_too_long_is_told(text: str, folder: Path) -> None:
    assert "a number that is too long, or tables that are too deep" in refused(folder, text)


def test_variables_that_contradict_each_other_are_told(folder: Path) -> None:
    said = refused(folder, "", DUOLOGUE_VOICES__A="hibari", DUOLOGUE_VOICES__A__PROVIDER="hibari")
    assert "DUOLOGUE_VOICES__A__PROVIDER is a part of DUOLOGUE_VOICES__A, which is set, too" in said


def test_an_agent_that_is_no_table_is_told_or_replaced(folder: Path) -> None:
    assert 'agent is "booking", and must be a table' in refused(folder, 'agent = "booking"')
    assert load(folder, 'agent = "booking"', {"agent.name": "echo"}).settings.agent.name == "echo"


def test_a_home_folder_that_is_not_there_is_told(folder: Path) -> None:
    said = refused(folder, '[recording]\nfolder = "~nobody-here/calls"')
    assert "duologue.toml, line 2: recording.folder is '~nobody-here/calls', and there is no such home folder" in said


def test_lines_are_found_in_all_forms_of_toml(folder: Path) -> None:
    text = """\
# a comment
server = { port = 1,
  host = "a" }

[stt."deepgram"]
keyterm = [
  "[server]",
]
[session] # of a call
timeout = 1
"language" = \"\"\"
en\"\"\"
"""
    loaded = load(folder, text.replace(",\n  host", ", host"))
    lines = {".".join(keys): int(origin.rpartition(" ")[2]) for keys, origin in loaded.origins.items()}
    assert lines == {
        "server.port": 2, "server.host": 2, "stt.deepgram.keyterm": 5, "session.timeout": 9, "session.language": 10,
    }  # fmt: skip


def test_paths_are_relative_to_the_file_and_agents_are_found_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "there").mkdir()
    (folder / "there" / "beside_it.py").write_text("async def agent(text): return text")
    (folder / "there" / "keys.toml").write_text("[security]\nkeys = 'keys.json'\ncertfile = 'cert.pem'\n")
    security = load_settings("there/keys.toml", environment={}).settings.security
    assert (security.keys, security.certfile) == (Path("there/keys.json"), Path("there/cert.pem"))
    (folder / "there" / "duologue.toml").write_text(
        "[records]\nfolder = 'calls'\n[stt.deepgram]\napi_key_file = 'key'\n[agent]\nname = 'beside_it:agent'\n"
    )
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    options = options_of(load_settings("there/duologue.toml", environment={}))
    assert options["records"] == Path("there/calls")
    assert options["agent"].sample is not None


def test_a_provider_gets_the_options_of_its_table(folder: Path) -> None:
    (folder / "key").write_text("dg-1")
    text = "[providers]\nstt = 'deepgram/nova-3'\n[stt.deepgram]\napi_key_file = 'key'\nlanguage = 'de'\n"
    stt = options_of(load(folder, text))["stt"]()
    assert isinstance(stt, DeepgramSpeechToText)
    assert (stt.settings.model, stt.settings.language) == ("nova-3", "de")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("language = 'de'", "The environment variable DEEPGRAM_API_KEY holds no key."),
        ("language = 7", "duologue.toml, line 4: The settings of deepgram are not valid: language"),
        ("color = 7", "duologue.toml, line 4: The settings of deepgram are not valid: color"),
        ("api_key_file = 'none'", "The file none cannot be read: FileNotFoundError."),
    ],
)
def test_options_of_providers_are_checked_by_name(text: str, said: str, folder: Path) -> None:
    loaded = load(folder, f"[providers]\nstt = 'deepgram'\n[stt.deepgram]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        check_configuration(loaded)
    assert said in str(caught.value)


def test_options_of_a_local_model_are_checked_without_loading_it(folder: Path) -> None:
    loaded = load(folder, "[tts.hibari]\npitch = 2\n")
    with pytest.raises(ConfigError, match="does not take the options pitch"):
        check_configuration(loaded)


def test_a_speech_to_speech_model_has_a_table_of_options(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "key").write_text("sk-1")
    text = """
[agent]
realtime = "openai:gpt-realtime-2.1"
instructions = "Be brief."
[realtime.openai]
api_key_file = "key"
voice = "marin"
typical_latency = 0.5
[realtime.openai.settings]
thinking = "low"
[realtime.google]
voice = "Puck"
"""
    loaded = load(folder, text, None, DUOLOGUE_REALTIME__OPENAI__STALL_TIMEOUT="7")
    check_configuration(loaded)
    model = options_of(loaded)["realtime"]()
    assert model.settings.voice == "marin"
    assert (model.settings.stall_timeout, model.settings.instructions) == (7.0, "Be brief.")
    assert model.capabilities.typical_latency == 0.5
    assert model._model_settings["thinking"] == "low"
    assert loaded.made == [model]  # SIGHUP has it read its key again


def test_a_detector_of_speech_has_a_table_of_options(folder: Path) -> None:
    loaded = load(folder, "[providers]\nvad = 'webrtc'\n[vad.webrtc]\nmode = 3\n")
    check_configuration(loaded)
    assert options_of(loaded)["vad"]()._mode == 3
    assert "line 2: there is no provider for the table [vad.sonar]" in refused(folder, "[vad.sonar]\nmode = 3\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[realtime.openai]\nvoise = 'marin'", "line 4: The settings of the speech-to-speech model"),
        ("[realtime.openai]\nstall_timeout = 0", "line 4: The settings of the speech-to-speech model"),
        ("[realtime.openai]\ntools = ['x']", "tools cannot be set in a file"),
        ("[realtime.openai]\nsettings = 'low'", "must be a table"),
        ("[realtime.opnai]\nvoice = 'marin'", "there is no provider for the table [realtime.opnai]"),
    ],
)
def test_options_of_a_speech_to_speech_model_are_checked(
    text: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert said in refused(folder, f"[agent]\nrealtime = 'openai:gpt-realtime-2.1'\n{text}\n")
