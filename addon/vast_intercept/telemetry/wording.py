"""Words a call in one line, for mitmproxy's list of flows and for the log."""

from ..openai_api.operations import Operation
from ..relay.progress import Progress
from .report import CallReport, Ending

# Characters.
_LONGEST_NAME = 100
_LONGEST_MESSAGE = 2_000


def comment(report: CallReport) -> str:
    """The line for the list of flows: where the call went, its numbers, and its error."""
    return "; ".join(_route(report) + _numbers(report) + _trouble(report, quoting=True))


def log_line(report: CallReport) -> str:
    """The line for the log. It has nothing of what the app or the model said."""
    operation = report.operation or "request"
    if report.path:
        operation = f"{operation} ({printable(report.path)})"
    what = _route(report) + _numbers(report) + _trouble(report, quoting=False)
    client = printable(report.client or "somebody")
    return f"{report.request_id} {client} {operation}: {'; '.join(what)}"


def waiting_comment(progress: Progress) -> str:
    """The line for the list of flows while a call has no answer."""
    text = f"{printable(progress.model or 'no model')} → {printable(progress.endpoint_name or '')}"
    if progress.waiting is not None:
        text += f"; waiting for a worker ({printable(progress.waiting) or 'none is ready'})"
    elif progress.waited:
        text += f"; waited {seconds(progress.waited)} for a worker"
    return text


def printable(text: str, longest: int = _LONGEST_NAME) -> str:
    """Cuts a text that came over the network, and replaces what could control a terminal."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def seconds(value: float) -> str:
    """A duration in seconds, rounded for people."""
    if value < 0.1:
        return f"{1000 * value:.0f} ms"
    if value >= 100:
        return f"{value:,.0f} s"
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def rate(value: float) -> str:
    """A number per second, rounded for people."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def byte_count(value: int) -> str:
    """A number of bytes, rounded for people, in powers of 1,000."""
    if value < 1_000:
        return "1 byte" if value == 1 else f"{value} bytes"
    for unit, size in (("kB", 1_000), ("MB", 1_000_000)):
        if value < 999.5 * size:
            number = value / size
            return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
    return f"{value / 1_000_000_000:,.1f} GB"


def _route(report: CallReport) -> list[str]:
    if not report.endpoint:
        return []
    if report.outcome is Ending.PASSED_ON:
        return [f"passed on to {printable(report.endpoint)}"]
    text = f"{printable(report.model or 'no model')} → {printable(report.endpoint)}"
    if report.response_model and report.response_model != report.model:
        text += f" ({printable(report.response_model)})"
    return [text]


def _numbers(report: CallReport) -> list[str]:
    words = [str(report.status)] if report.status else []
    if report.waited:
        words.append(f"waited {seconds(report.waited)} for a worker")
    if report.time_to_first_token is not None:
        first = "byte" if report.operation == Operation.AUDIO_SPEECH else "token"
        words.append(f"first {first} {seconds(report.time_to_first_token)}")
    if report.attempts and report.duration is not None:
        words.append(f"{seconds(report.duration)} in all")
    words += _amounts(report)
    if report.prompt_tokens is not None and report.is_listed and not report.completion_tokens:
        words.append(_counted(report.prompt_tokens, "token"))
    elif report.prompt_tokens is not None:
        words.append(f"{report.prompt_tokens:,} + {report.completion_tokens or 0:,} tokens")
    elif report.tokens:
        words.append(f"about {report.tokens:,} tokens")
    if report.tokens_per_second:
        words.append(f"{rate(report.tokens_per_second)} tokens/s")
    if report.attempts > 1:
        words.append(f"{report.attempts} attempts")
    if report.left_out:
        words.append(f"left out: {', '.join(report.left_out)}")
    return words


def _amounts(report: CallReport) -> list[str]:
    words = [_counted(report.texts, "text")] if report.texts else []
    # The length of texts says less than their number, and that of a prompt less than the images.
    if report.characters and not (report.texts or report.images):
        words.append(_counted(report.characters, "character"))
    if report.audio_seconds:
        words.append(f"{seconds(report.audio_seconds)} of audio")
    if report.images:
        words.append(_counted(report.images, "image"))
    if report.media_bytes:
        words.append(byte_count(report.media_bytes))
    return words


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word if number == 1 else f'{word}s'}"


def _trouble(report: CallReport, *, quoting: bool) -> list[str]:
    ending = report.outcome.replace("_", " ")
    if report.error is None:
        return [] if report.outcome in {Ending.OK, Ending.PASSED_ON} else [ending]
    words = f"{ending}: {printable(report.error)}"
    if quoting and report.error_message:
        message = " ".join(report.error_message.split())
        return [f"{words}: {printable(message, _LONGEST_MESSAGE)}"]
    return [f"{words} at {printable(report.error_param)}" if report.error_param else words]
