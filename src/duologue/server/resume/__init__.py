"""Calls that outlive their connection: kept while the client is away, and resumed when it comes back."""
