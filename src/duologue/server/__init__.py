"""The server: sessions over WebSockets, and a console in the browser."""
