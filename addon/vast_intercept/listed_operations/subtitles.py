"""Makes subtitles of the segments of a transcription: SubRip (`srt`) and WebVTT (`vtt`).

vLLM serves neither. https://www.w3.org/TR/webvtt1/ has the format of WebVTT. In both, a blank line
ends a text, and an arrow would make a line of it one of times.
"""

import re

import msgspec

from .listed_call import Steps

_END_OF_LINE = re.compile(r"[\r\n]\s*")
_ARROW = re.compile(r"-{2,}>")

_SEGMENTS_AT_ONCE = 500
_LAST = 359_999.0  # seconds: more than that has no two digits of hours


class Segment(msgspec.Struct, gc=False):
    """Where a segment begins and ends, in seconds, and its text.

    There may be thousands, which the garbage collector need not look through.
    """

    start: float | None = None
    end: float | None = None
    text: str = ""


def srt(segments: list[Segment]) -> Steps[str]:
    """The segments in SubRip's format: numbered, and with a comma before the milliseconds."""
    made = []
    for number, each in enumerate(segments, 1):
        times = f"{_time(each.start, ',')} --> {_time(each.end, ',')}"
        made.append(f"{number}\n{times}\n{_text(each.text)}\n\n")
        if number % _SEGMENTS_AT_ONCE == 0:
            yield
    return "".join(made)


def vtt(segments: list[Segment]) -> Steps[str]:
    """The segments as WebVTT: a header, and a point before the milliseconds."""
    made = ["WEBVTT\n\n"]
    for number, each in enumerate(segments, 1):
        times = f"{_time(each.start, '.')} --> {_time(each.end, '.')}"
        made.append(f"{times}\n{_text(each.text)}\n\n")
        if number % _SEGMENTS_AT_ONCE == 0:
            yield
    return "".join(made)


def _time(seconds: float | None, point: str) -> str:
    minutes, milliseconds = divmod(round(1000 * min(max(seconds or 0.0, 0.0), _LAST)), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _text(text: str) -> str:
    return _ARROW.sub("->", _END_OF_LINE.sub("\n", text.strip()))
