"""What a developer's machine needs in place of AWS: emulators, stand-ins, the demo."""
