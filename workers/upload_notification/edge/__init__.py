"""What a browser itself calls: two HTTP calls and a WebSocket, each behind a small function of its own."""
