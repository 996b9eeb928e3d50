"""Calls that outlive their connection: kept while the client is gone, and taken up by it again."""
