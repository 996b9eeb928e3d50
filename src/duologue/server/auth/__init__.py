"""Who may call: signed tokens, the keys that sign them, and tickets for browsers."""
