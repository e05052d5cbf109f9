"""`fleet stand-ins`: the development server beside an emulator."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from fleet.cli.command import Command, env_file_option
from fleet.dev.stand_ins import server


@click.command("stand-ins", cls=Command, short_help="Serve what emulators lack (development only).")
@env_file_option
def stand_ins() -> None:
    """Serve what emulators lack: the stream pipe, an Expo server, a webhook receiver, a WebSocket gateway.

    Listens on STAND_INS_HOST:STAND_INS_PORT (127.0.0.1:8090) until SIGTERM or SIGINT; /livez says that it is there.
    Never run it beside real AWS: the pipe would send every change a second time.
    """
    sys.exit(asyncio.run(server.run(os.environ)))
