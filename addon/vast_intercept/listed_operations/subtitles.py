"""Makes subtitles of the segments of a transcription: SubRip (`srt`) and WebVTT (`vtt`).

vLLM serves neither. https://www.w3.org/TR/webvtt1/ has the format of WebVTT. In both, a blank line
ends a text, and an arrow would make a line of it one of times.
"""

import re

from .listed_call import Steps

_END_OF_LINE = re.compile(r"[\r\n]\s*")
_ARROW = re.compile(r"-{2,}>")

_SEGMENTS_AT_ONCE = 500
_LAST = 359_999.0  # seconds: more than that has no two digits of hours

type Segment = tuple[float, float, str]
"""Where a segment begins and ends, in seconds, and its text."""


def srt(segments: list[Segment]) -> Steps[str]:
    """The segments in SubRip's format: numbered, and with a comma before the milliseconds."""
    made = []
    for number, (start, end, text) in enumerate(segments, 1):
        made.append(f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{_text(text)}\n\n")
        if number % _SEGMENTS_AT_ONCE == 0:
            yield
    return "".join(made)


def vtt(segments: list[Segment]) -> Steps[str]:
    """The segments as WebVTT: a header, and a point before the milliseconds."""
    made = ["WEBVTT\n\n"]
    for number, (start, end, text) in enumerate(segments, 1):
        made.append(f"{_time(start, '.')} --> {_time(end, '.')}\n{_text(text)}\n\n")
        if number % _SEGMENTS_AT_ONCE == 0:
            yield
    return "".join(made)


def _time(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(1000 * min(max(seconds, 0.0), _LAST)), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _text(text: str) -> str:
    return _ARROW.sub("->", _END_OF_LINE.sub("\n", text.strip()))
