"""What shows the archive to those who do not trust its bucket: signatures, anchors, and the time."""
