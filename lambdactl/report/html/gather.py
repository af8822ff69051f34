"""Reads what a page shows out of a run folder, stream by stream, in bounded memory. Draws nothing.

Everything in the folder may be the job's own making: what is not as it should be is passed over, and
what could not be read is said.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdactl.errors import NotFound
from lambdactl.report.html import claude_code, codex, diff, picture
from lambdactl.report.html.lines import ends, grouped, last_parts, lines, parts
from lambdactl.report.html.report import File, Report
from lambdactl.report.html.rollout import rollout
from lambdactl.report.html.story import Clock, Story
from lambdactl.report.html.values import (
    Excerpt,
    Folder,
    Server,
    Tally,
    excerpt,
    mapping,
    objects,
    short,
    string,
)

FILES = 2_000
NOTES, NOTE = 200, 2_000  # how many, and the characters of one
SERVERS = 100
PROMPT = 100_000  # characters
INPUT = 20_000
STDERR = 16 << 10  # bytes of its end
LOG = 4 << 10
STDOUT = 32 << 10  # of its beginning, and of its end
PATCH = "artifacts/workspace.patch"


def gather(folder: Folder) -> Report:
    return _Reading(folder).report()


@dataclass(slots=True)
class _Reading:
    folder: Folder
    gaps: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.sizes = dict(self.folder.files)

    def report(self) -> Report:
        run, result = self.folder.run, self.folder.run.result
        definition = mapping(self.folder.definition)
        said = mapping(definition.get("agent"))
        given = {**said, **mapping(result.get("agent"))}
        agent = {name: short(given.get(name)) for name in ("type", "version", "model")}
        seconds = (run.ended - run.started).total_seconds() if run.started and run.ended else None
        story = self._story(agent["type"])
        stdout = self._ends("stdout", STDOUT, STDOUT)
        cost = run.cost_usd if result else story.ended_cost  # the supervisor's, where it came to one
        return Report(
            folder=self.folder,
            agent=agent,
            reason=excerpt(run.reason),
            prompt=excerpt(said.get("prompt"), PROMPT),
            system_prompt=excerpt(said.get("systemPrompt"), PROMPT),
            command=excerpt(shlex.join(map(string, _list(said.get("command")))), PROMPT),
            input=ends(self._bytes(["input.json"]), INPUT, 0),
            # Of a command the result only repeats the end of what it printed.
            output=Excerpt() if stdout else excerpt(result.get("output"), PROMPT),
            story=story,
            picture=picture.draw(
                story.rows, story.points, seconds or 0.0, cost if agent["type"] == "claude-code" else None
            ),
            cost=cost,
            seconds=seconds,
            servers=tuple(self._servers(story, mapping(definition.get("mcpServers")))),
            patch=self._patch(),
            stdout=stdout,
            stderr=self._ends("stderr", 0, STDERR),
            notes=tuple(short(each, NOTE) for each in _list(result.get("notes"))[:NOTES]),
            files=tuple(self._files(objects(result.get("files")))),
            more_files=max(0, len(self.sizes) - FILES),
            gaps=(*self.gaps, *_passed_over(story)),
        )

    # -- streams ---------------------------------------------------------------------------------

    def _story(self, type_: str) -> Story:
        """Its transcripts first: what the events lack is known when they come. A run that has written no
        result, and whose definition is not to be had, is told by what its transcripts are called."""
        run = self.folder.run
        story = Story(Clock(run.started, run.ended or self.folder.now))
        transcripts = grouped(self.sizes, "transcript")
        streams = (self._lines(files) for name, files in sorted(transcripts.items()))
        events = self._lines(parts(self.sizes, "events"))
        if type_ == "codex" or (not type_ and any("rollout-" in name for name in transcripts)):
            codex.Reader(story, rollout(streams, story)).read(events)
        else:
            claude_code.Reader(story, claude_code.transcript(streams)).read(events)
        return story

    def _lines(self, names: list[str]) -> Iterator[bytes | None]:
        return lines(self._bytes(names))

    def _bytes(self, names: list[str]) -> Iterator[bytes]:
        for name in names:
            if name in self.sizes:
                try:
                    yield from self.folder.chunks(name)
                except (NotFound, OSError) as error:
                    self.gaps.append(f"{name} could not be read: {error}")

    def _ends(self, stream: str, head: int, tail: int) -> Excerpt:
        names = parts(self.sizes, stream)
        if head:
            return ends(self._bytes(names), head, tail)
        names, before = last_parts(names, self.sizes, tail)
        found = ends(self._bytes(names), 0, tail)
        return Excerpt(found.text, found.left_out + before, found.end) if before else found

    # -- parts of the page -----------------------------------------------------------------------

    def _servers(self, story: Story, declared: Mapping[str, Any]) -> Iterator[Server]:
        said = {
            short(each.get("name")): short(each.get("status"))
            for each in objects(self.folder.run.result.get("mcpServers"))
        }
        logs = {name.removesuffix(".log"): files for name, files in grouped(self.sizes, "mcp").items()}
        names = dict.fromkeys(map(short, [*declared, *story.servers, *said, *logs]))
        for name in list(names)[:SERVERS]:
            files, before = last_parts(logs.get(name, []), self.sizes, LOG)
            log = ends(self._bytes(files), 0, LOG)
            yield Server(
                name=name,
                status=said.get(name) or story.servers.get(name, ""),
                start=_start(mapping(declared.get(name))),
                tally=_tally(name, story),
                log=Excerpt(log.text, log.left_out + before, log.end),
            )

    def _patch(self) -> diff.Patch | None:
        if PATCH not in self.sizes:
            return None
        return diff.read(lines(self._bytes([PATCH]), 1 << 20))

    def _files(self, listed: list[Mapping[str, Any]]) -> Iterator[File]:
        hashes = {string(each.get("path")): each for each in listed}
        names = sorted(self.sizes, key=lambda name: (not name.startswith("artifacts/"), name))
        for name in names[:FILES]:
            size, known = self.sizes[name], hashes.get(name, {})
            # A hash of other bytes is worse than none: it is the job's folder, and may have changed.
            sha256 = string(known.get("sha256")) if known.get("size") == size else ""
            yield File(name=name, size=size, sha256=sha256[:64], link=self.folder.link(name))


def _tally(server: str, story: Story) -> Tally:
    of = [each for tool, each in story.tools.items() if tool.startswith(f"mcp__{server}__") or tool == server]
    return Tally(
        sum(each.calls for each in of), sum(each.failed for each in of), sum(each.seconds for each in of)
    )


def _start(server: Mapping[str, Any]) -> str:
    """How it is started or reached. Neither its environment nor its headers: values may stand there."""
    if server.get("url"):
        return short(server["url"], 500)
    words = [string(server.get("command")), *map(string, _list(server.get("args")))]
    return short(shlex.join(word for word in words if word), 500)


def _passed_over(story: Story) -> Iterator[str]:
    for count, what in (
        (story.left_out, "rows of the timeline between its beginning and its end are left out"),
        (story.unknown, "events of kinds that this version does not know were passed over"),
        (story.broken, "lines of the event stream are not JSON"),
        (story.too_long, "lines of the event stream are too long and were not looked at"),
    ):
        if count:
            yield f"{count:,} {what}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
