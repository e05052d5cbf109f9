"""What `fleet dlq` reads from the environment."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field, field_validator

from shared.settings import Settings

EDIT_DISABLED = "editing is off: set DLQ_EDIT_ENABLED=true where this may be done"


class ReplaySettings(Settings):
    """All of it may stay unset.

    - DLQ_AUDIT_LOG: the hash-chained file that every mutation is appended to, as an absolute path; else
      `fleet/dlq-audit.jsonl` in the user's state directory (XDG_STATE_HOME, else ~/.local/state).
    - DLQ_AUDIT_MIRROR: `s3://bucket/prefix`, where each line is put as an object of its own as well.
    - DLQ_PLAN_KEY: what plans are sealed with, at least 16 characters, for those who share plans; else a key of this user's
      own in the state directory.
    - DLQ_OTHER_ACCOUNTS: account ids, with commas, that letters may be sent to beside the account of their queue.
    - DLQ_ARCHIVE_BUCKET_NAME: where archived letters go, as objects below `dead-letters/`; the stack makes a bucket for
      them. DLQ_ARCHIVE_DAYS: after how many days they count as no longer wanted; the stack's bucket forgets after 30.
    - DLQ_EDIT_ENABLED: `true` allows bodies to be changed, by `edit` and `import`.
    - DLQ_ACTOR: who acts, for the log; else user@host.
    - DLQ_QUEUES: which dead-letter queues are looked at where a command names none: `all` that are found in the account and region, or
      `named`, those of variables (`..._DLQ_URL`) alone, which is what `--stage` sets where it is unset.
    - DLQ_LAST_LOOK_SECONDS: the long poll after which a queue counts as read to its end.
    - DLQ_SETTLE_SECONDS: how long destinations must stay empty before a canary counts as done; else 60 on AWS, whose
      counts lag by that much, and 2 at an endpoint of your own; 240 where a function is a destination.
    - DLQ_WATCH_SECONDS: how long each step of a replay is watched at most, where a plan does not say; 0 leaves the rest unwatched.
    - CONSOLE_URL: where `fleet console --port` answers, such as http://127.0.0.1:8400; `show` then names a letter's page.
    - LEDGER_TABLE_NAME: where workers write down that a replayed letter is done, which settles a canary at once.
    """

    dlq_audit_log: str = ""
    dlq_audit_mirror: str = Field(default="", pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?)?$")
    xdg_state_home: str = ""
    dlq_plan_key: str = Field(default="", pattern="^(.{16,})?$", repr=False)
    dlq_other_accounts: str = Field(default="", pattern=r"^([0-9]{12}(,[0-9]{12})*)?$")
    dlq_archive_bucket_name: str = ""
    dlq_archive_days: int = Field(default=30, ge=1, le=3650)
    dlq_edit_enabled: bool = False
    dlq_actor: str = ""
    dlq_queues: Literal["all", "named"] = "all"
    dlq_last_look_seconds: int = Field(default=1, ge=0, le=20)
    dlq_watch_seconds: float = Field(default=300.0, ge=0, le=86_400)
    dlq_settle_seconds: float | None = Field(default=None, ge=0, le=3600)
    ledger_table_name: str = ""
    console_url: str = Field(default="", pattern=r"^(https?://[^/\s]+)?$")

    @field_validator("dlq_audit_log")
    @classmethod
    def _is_the_same_everywhere(cls, given: str) -> str:
        if given and not Path(given).expanduser().is_absolute():
            raise ValueError("must be an absolute path: a relative one is another log in another directory")
        return given

    def page(self, queue: str, letter: str) -> str:
        """The address of a letter in the console, "" where nobody says where that answers."""
        if not self.console_url:
            return ""
        return f"{self.console_url}/queues/{quote(queue, safe='')}/letters/{quote(letter, safe='')}"

    @property
    def audit_log(self) -> Path:
        """Where the audit log is, whichever directory a command runs in."""
        if self.dlq_audit_log:
            return Path(self.dlq_audit_log).expanduser()
        return self.state_directory / "dlq-audit.jsonl"

    @property
    def state_directory(self) -> Path:
        """https://specifications.freedesktop.org/basedir-spec/latest/: a relative XDG_STATE_HOME is ignored."""
        state = Path(self.xdg_state_home)
        return (state if state.is_absolute() else Path.home() / ".local/state") / "fleet"

    @property
    def other_accounts(self) -> frozenset[str]:
        return frozenset(self.dlq_other_accounts.split(",")) - {""}

    @property
    def actor(self) -> str:
        return self.dlq_actor or f"{getpass.getuser()}@{socket.gethostname()}"
