"""What is given on the command line, before any command sees it."""

from __future__ import annotations

import click


class Strict(click.Command):
    """A command that takes no empty value: where a shell's variable is unset, `--to "$QUEUE"` is not the same as no `--to`. What it says
    of a wrong one cannot speak to the terminal.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            given, _, _ = self.make_parser(ctx).parse_args(args=[*args])
            for each in self.params:
                values = given.get(each.name or "")
                for value in values if isinstance(values, list | tuple) else [values]:
                    if isinstance(value, str) and not value.strip():
                        raise click.BadParameter("its value is empty: name one, or leave it out", ctx=ctx, param=each)
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            from fleet.dead_letters.model.redaction import printable

            raise click.UsageError(printable(error.format_message().expandtabs(4)), ctx=error.ctx) from error
