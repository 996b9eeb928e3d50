"""`--agent` and `--llm`: what leads nowhere is told in a line, before a model is loaded."""

from pathlib import Path

import pytest

from command_line import CommandLine

pytestmark = pytest.mark.usefixtures("unloadable")


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("nobody", "There is no agent 'nobody'. Use booking, echo, or your own as module:attribute."),
        (":answer", "There is no agent ':answer'."),
        ("agents_here:", "There is no agent 'agents_here:'."),
        (".agents_here:answer", "There is no agent '.agents_here:answer'."),
        ("no_such_module:answer", "No module named 'no_such_module'"),
        ("agents_here:missing", "has no attribute 'missing'"),
        ("agents_here:plain", "is not `async`"),
        ("agents_here:NUMBER", "A value of type int cannot answer."),
        ("agents_here:Undeclared", "Undeclared has `reply` and lacks `speculative`, so that it is no Agent."),
        ("agents_here:SHOP", "One Shop would be shared by all calls"),
        ("agents_here:SHOP.answer", "'agents_here' has no attribute 'SHOP.answer'"),
        ("agents_here:METHOD", "One Shop would be shared by all calls"),
        (
            "agents_here:history",
            "history() takes 2 arguments, (text, history); expected (text), (turn) or (text, turn)",
        ),
        ("agents_here:Leaving", "cannot be made: SystemExit: 3 (PATH/agents_here.py, line 23)."),
        ("agents_here:Unready", "cannot be made: ValueError: no database (PATH/agents_here.py, line 6)"),
        ("agents_importing:answer", "No module named 'nothing_like_it' (PATH/agents_importing.py, line 1)"),
        ("agents_raising:answer", "ZeroDivisionError: division by zero (PATH/agents_raising.py, line 2)"),
        ("agents_misspelt:answer", "SyntaxError: "),
        ("agents_exiting:answer", "SystemExit: 3 (PATH/agents_exiting.py, line 2)"),
    ],
)
@pytest.mark.parametrize("command", ["call", "serve"])
def test_an_agent_that_is_none_is_told_in_a_line(
    agent: str, told: str, command: str, silence: Path, duologue: CommandLine, tmp_path: Path
) -> None:
    Path("agents_here.py").write_text(
        "def plain(text):\n    return text\n\nclass Unready:\n    def __init__(self):\n"
        "        raise ValueError('no database')\n\nNUMBER = 3\n\n"
        "class Undeclared:\n    async def reply(self, turn):\n        yield ''\n\n"
        "class Shop(Undeclared):\n    speculative = False\n    def __init__(self):\n        self.orders = []\n"
        "    async def answer(self, text):\n        return text\n\n"
        "class Leaving(Shop):\n    def __init__(self):\n        import sys; sys.exit(3)\n\n"
        "SHOP = Shop()\nMETHOD = SHOP.answer\n\nasync def history(text, history):\n    return text\n"
    )
    Path("agents_importing.py").write_text("import nothing_like_it\n")
    Path("agents_raising.py").write_text("\n1 / 0\n")
    Path("agents_misspelt.py").write_text("def answer(:\n")
    Path("agents_exiting.py").write_text("import sys\nsys.exit(3)\n")
    outcome = duologue(*{"call": ("call", silence, "--fast"), "serve": ("serve",)}[command], "--agent", agent)
    assert outcome.code == 1
    assert outcome.err.startswith("error: ")
    assert told.replace("PATH", str(tmp_path)) in outcome.told
    assert len(outcome.err.splitlines()) <= 2
    assert not outcome.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--llm", "openai:gpt-6-luna"], "needs a key. Set OPENAI_API_KEY in the environment"),
        (["--llm", "openai:"], "'openai:' names no model."),
        (["--llm", ""], "'' names no model."),
        (["--llm", "openai:m", "--agent", "booking"], "Two agents were named, 'openai:m' and 'booking'."),
        (["--llm", "openai:m", "--base-url", "127.0.0.1:8080/v1"], "Write it as http://127.0.0.1:8080/v1"),
        (["--llm", "openai:m", "--base-url", "http://127.0.0.1:port/v1"], "'http://127.0.0.1:port/v1' is no URL"),
        (["--llm", "nobody:model"], "No language model can be made from 'nobody:model'"),
        (["--base-url", "http://127.0.0.1:1/v1"], "base_url and instructions are for a language model."),
        (["--instructions", "Be brief."], "base_url and instructions are for a language model."),
    ],
)
def test_a_language_model_that_is_none_is_told_in_a_line(
    options: list[str], told: str, silence: Path, duologue: CommandLine
) -> None:
    outcome = duologue("call", silence, "--fast", "--json", *options)
    assert outcome.code == 1
    assert told in outcome.told
    assert outcome.json["error"]["code"] == "invalid_config"


def test_a_language_model_whose_package_is_missing_is_named(
    silence: Path, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ImportError("Please install the `anthropic` package")

    monkeypatch.setattr("duologue.agent.llm.openai_model", absent)
    outcome = duologue("call", silence, "--json", "--llm", "anthropic:some-model")
    assert outcome.code == 1
    assert outcome.json["error"]["code"] == "not_installed"
    assert "anthropic" in outcome.err
