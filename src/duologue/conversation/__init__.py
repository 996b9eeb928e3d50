"""The rules of conversation: `(input, now) → effects`, in audio time. No clock, no asyncio, no I/O."""
