"""Text that is not ours, made safe for one medium each. Pure; the only place that knows how.

Prompts, agent output, AWS error texts and file names pass here before they are shown.
"""

from __future__ import annotations

import html
import re

# C0 and C1 controls but newline and tab, bytes that are no text, and the marks that reorder or hide
# text (Trojan Source).
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~<>@&:-])")


def terminal(text: str) -> str:
    """Controls shown as escapes, so that nothing moves a cursor or hides a line."""
    return _UNSAFE.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def json_(text: str) -> str:
    """As `terminal`, with the escapes of JSON: a JSON document stays the same one."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def line(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, safe for a terminal."""
    flat = " ".join(terminal(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def markdown(text: str) -> str:
    """Inline text in GitHub's Markdown: no markup, no mention, no link, no HTML."""
    return _MARKDOWN.sub(r"\\\1", " ".join(terminal(text).split()))


def fence(text: str, language: str = "") -> str:
    """A fenced block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{terminal(text)}\n{ticks}"


def html_(text: str) -> str:
    return html.escape(terminal(text), quote=True)


def github(text: str, *, property_: bool = False) -> str:
    """A GitHub workflow command's data or property value."""
    safe = terminal(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return safe.replace(":", "%3A").replace(",", "%2C") if property_ else safe
