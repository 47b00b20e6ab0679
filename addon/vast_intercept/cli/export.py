"""`vast-intercept export FILE`: the chats of a recording as a data set."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from ..intercept.recorded_call import keys_of_environment
from ..rehearsal.exporting import Exported, ExportError, export_chats, new_private_file
from ..rehearsal.recordings.reading import RecordingError
from ..rehearsal.redaction import PatternError, Redaction
from ..secret import Secrets

_BAD_INPUT = 2
# Reasons that are named one by one.
_NAMED = 10


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["openai-jsonl"]),
    default="openai-jsonl",
    show_default=True,
    help="Form of the data set.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="New file.")
@click.option(
    "--redact",
    metavar="REGEX",
    multiple=True,
    help="Replace what this matches by [REDACTED]. May be given several times.",
)
def export(*, file: Path, form: str, output: Path | None, redact: tuple[str, ...]) -> None:
    """Write the chats of a recording as a data set for fine-tuning.

    FILE is what `vast-intercept record` has written, or another recording. Each line that is
    written is one chat: its messages, with the answer as the last, and its tools. Chats that are
    equal are written once, and keys are masked. Without -o, the lines go to the standard output.
    """
    del form  # there is one
    keys = Secrets()
    keys.add(*keys_of_environment())
    try:
        exported = _export(file, output, Redaction(redact, keys))
    except PatternError as error:
        raise click.BadParameter(str(error), param_hint="--redact") from None
    except (ExportError, RecordingError) as error:
        _say(str(error))
        sys.exit(_BAD_INPUT)
    for line in _summary(exported, output):
        _say(line)


def _export(file: Path, output: Path | None, redaction: Redaction) -> Exported:
    def written(out: BinaryIO) -> Exported:
        exported = export_chats(file, out, redaction)
        if not exported.chats:
            reasons = "".join(f"\n{line}" for line in _reasons(exported))
            raise ExportError(f"{file} has no chat that can be exported.{reasons}")
        return exported

    if output is None or str(output) == "-":
        if sys.stdout is None:
            raise ExportError("There is no standard output: name a file with -o.")
        try:
            exported = written(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise  # who reads the output, such as `head`, has read enough
        except OSError as error:
            # Python would try to write the rest once more as it ends.
            sys.stdout = None
            raise ExportError(f"The standard output cannot be written: {error.strerror}.") from None
        return exported
    with new_private_file(output) as out:
        return written(out)


def _summary(exported: Exported, output: Path | None) -> list[str]:
    where = f" to {output}" if output else ""
    said = f"Exported {_many(exported.chats, 'chat')}{where}."
    if exported.repeated:
        said += f" Left out {exported.repeated:,} equal to one of these."
    return [said, *_reasons(exported)]


def _reasons(exported: Exported) -> list[str]:
    found = exported.left_out.most_common()
    lines = [f"{_many(many, 'call')} not exported: {why}." for why, many in found[:_NAMED]]
    if rest := sum(many for _, many in found[_NAMED:]):
        lines.append(f"{_many(rest, 'call')} not exported for other reasons.")
    return lines


def _many(many: int, what: str) -> str:
    return f"{many:,} {what}{'' if many == 1 else 's'}"


def _say(text: str) -> None:
    click.echo(f"vast-intercept: {text}", err=True)
