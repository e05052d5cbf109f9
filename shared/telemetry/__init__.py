"""What the fleet tells about itself: log lines, spans and metrics, never a payload."""
