"""The edge's Lambda functions: each answers one kind of call of a browser."""

from typing import Final

from shared import make_function
from workers.upload_notification.client import open_sessions
from workers.upload_notification.edge import calls, socket

authorize: Final = make_function(open_sessions, socket.authorize)
connect: Final = make_function(open_sessions, socket.connect)
disconnect: Final = make_function(open_sessions, socket.disconnect)
resume: Final = make_function(open_sessions, socket.resume)
open_session: Final = make_function(open_sessions, calls.open_session)
read_session: Final = make_function(open_sessions, calls.read_session)
make_token: Final = make_function(open_sessions, calls.make_token)
