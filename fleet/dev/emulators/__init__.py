"""AWS on this machine: MiniStack, and LocalStack for a second opinion, each a process of its own behind a gate."""
