"""Agents on language models, by way of pydantic-ai; which is loaded when one is made, not before.

```python
agent = LLMAgent("openai:gpt-6-luna", instructions="You answer the phone for a dentist.", tools=[free_slots, book])
local = LLMAgent("qwen3", instructions="Be brief.", base_url="http://127.0.0.1:8080/v1")
```
"""

from __future__ import annotations

from duologue.agent.llm.agent import LLMAgent, openai_model
from duologue.agent.llm.effects import read_only, side_effect

__all__ = ["LLMAgent", "openai_model", "read_only", "side_effect"]
