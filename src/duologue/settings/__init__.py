"""From names and flags to providers: which models are loaded, and which agent answers."""
