"""What is made ready before calls come: connections of providers, common phrases, and what agents depend on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from duologue.agent import HasStartupWarning
from duologue.agent.faults import is_fault
from duologue.engine import Engine
from duologue.errors import DuologueError
from duologue.session import SessionConfig
from duologue.settings.local import LocalModels

__all__ = ["WARM_TIMEOUT", "check_agents", "warm_phrases", "warm_provider"]

WARM_TIMEOUT: Final = 10.0
"""Seconds that a provider may take to open its connections before calls come."""


async def warm_provider(provider: Any, option: str) -> str | None:
    """Have a provider open its connections before calls come. Returns what to warn of; the server starts anyway."""
    if (warm := getattr(provider, "warm", None)) is None:
        return None
    try:
        async with asyncio.timeout(WARM_TIMEOUT):
            await warm()
    except DuologueError as error:
        return f"{option} is not ready: {error}"
    except TimeoutError:
        return f"{option} was not ready within {WARM_TIMEOUT:g} s; it is tried again with the first call."
    except BaseException as error:
        if not is_fault(error):
            raise
        return f"{option} failed to get ready: {type(error).__name__}."
    return None


async def warm_phrases(engine: Engine, models: LocalModels, phrases: Sequence[str], config: SessionConfig) -> None:
    """Have the voice say what agents say often, and each language's voice what is said when something fails."""
    if models.tts is None:
        return
    await engine.warm(engine.tts(models.tts_of(config.language)), phrases)
    for language in dict.fromkeys((config.language, *models.languages)):
        rules = replace(config, language=language).rules_of_call()
        standby = [*(rules.fillers or ()), rules.apology or "", rules.not_understood or ""]
        await engine.standby.prepare(engine.tts(models.tts_of(language)), standby)


async def check_agents(agents: Sequence[object], say: Callable[[str], None]) -> None:
    """Warn of what agents depend on and lack, while the models load."""
    for agent in agents:
        try:
            warning = await agent.startup_warning() if isinstance(agent, HasStartupWarning) else None
        except BaseException as error:
            if not is_fault(error):
                raise
            warning = f"The agent's own check failed: {type(error).__name__}."
        if warning:
            say(f"warning: {warning}")
