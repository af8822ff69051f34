"""What an agent wrote does nothing to whoever looks at its page: no tag of its own, and in a real browser
nothing that runs and nothing that is fetched."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lambdactl.report import html
from lambdactl.report.html.render import policy
from tests.report import hostile
from tests.report.pages import Page, folder, sample
from tests.support.browser import Browser, browser

AGENTS = ("claude-code", "codex", "command")
# What may be in a page at all.
TAGS = {
    "html", "head", "meta", "title", "link", "style", "body", "header", "div", "h1", "span", "p",
    "dl", "dt", "dd", "small", "nav", "a", "section", "h2", "ul", "li", "pre", "details", "summary",
    "figure", "svg", "rect", "path", "text", "b", "ol", "h3", "table", "thead", "tbody", "tr", "th",
    "td", "code", "footer",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "data-made-by", "charset", "http-equiv", "content", "name", "rel", "href", "class",
    "id", "viewbox", "preserveaspectratio", "role", "aria-label", "aria-hidden", "x", "y", "width",
    "height", "d", "text-anchor", "title", "open", "data-name",
}  # fmt: skip
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")
# A page of our own making in which nothing is escaped.
OPEN = "<!doctype html><title>x</title>{policy}<body>{attack}</body>"


@dataclass
class Beacon:
    """A server that no page may ask anything of. `asked` are the paths that were."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def beacon() -> Iterator[Beacon]:
    found = Beacon()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Browser]:
    home = tmp_path / "browser"
    home.mkdir()
    with browser(home) as found:
        yield found


@pytest.mark.parametrize("agent", AGENTS)
def test_nothing_an_agent_wrote_becomes_a_tag_or_a_control(agent: str) -> None:
    text = html.page(folder(*hostile.run(agent, "http://beacon.invalid")))
    page = Page(text)
    assert page.tags <= TAGS
    assert {name for _, name in page.attributes} <= ATTRIBUTES
    assert {link[:2] for link in page.links} <= {"./", *(f"#{letter}" for letter in "onptcmsf")}
    assert not UNSEEN.search(text)
    assert "<script" not in text.lower()
    assert text.count("&lt;script&gt;") > 5  # they are there, to be read
    assert "\\x1b" in text
    assert "\\u202e" in text
    assert "49" not in re.findall(r"]]&gt;.{0,80}", text)[0]  # no template is run within one


def test_the_policy_is_strict_and_of_this_very_style() -> None:
    text = html.page(folder(*sample("codex")))
    page = Page(text)
    assert text.startswith(html.MARK)
    assert page.policy == policy(page.style)
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; img-src data:; "
        r"base-uri 'none'; form-action 'none'",
        page.policy,
    )
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<body")
    assert not any(name == "style" or name.startswith("on") for _, name in page.attributes)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_browser_runs_nothing_fetches_nothing_and_complains_of_nothing(
    agent: str, chromium: Browser, beacon: Beacon, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    file.write_text(html.page(folder(*hostile.run(agent, beacon.url))))
    chromium.open(file.as_uri())
    chromium.run("for (const each of document.querySelectorAll('details')) each.open = true")
    chromium.run(
        "for (const each of document.querySelectorAll('*')) each.dispatchEvent(new Event('mouseover'))"
    )
    chromium.look(390)
    chromium.run("new Promise(done => setTimeout(done, 300))")
    assert chromium.run("window.pwned === undefined")
    assert chromium.run("document.scripts.length + document.images.length + document.forms.length") == 0
    # Its one icon is in the page itself.
    assert [url for url in chromium.asked_for if not url.startswith("data:")] == [file.as_uri()]
    assert beacon.asked == []
    assert chromium.complaints == []
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth")  # it fits a phone
    assert chromium.run("getComputedStyle(document.querySelector('section')).borderTopStyle") == "solid"


def test_the_browser_would_have_seen_it(chromium: Browser, beacon: Beacon, tmp_path: Path) -> None:
    """Unescaped, the same text runs and fetches; the policy alone, the second wall, stops that too."""
    file, bad = tmp_path / "open.html", hostile.attack(beacon.url).encode("utf-8", "replace").decode()
    bad = bad.replace("http-equiv=refresh", "")
    file.write_text(OPEN.format(policy="", attack=bad))
    chromium.open(file.as_uri())
    assert chromium.run("window.pwned === 1")
    assert {"/script", "/img"} <= set(beacon.asked)
    beacon.asked.clear()
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy("")}">'
    file.write_text(OPEN.format(policy=meta, attack=bad))
    chromium.open(file.as_uri())
    assert chromium.run("window.pwned === undefined")
    assert beacon.asked == []
    assert any("Content Security Policy" in each for each in chromium.complaints)


@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_an_ordinary_page_works_in_a_browser(agent: str, chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(html.page(folder(*sample(agent))))
    for width in (390, 1200):
        for dark in (False, True):
            chromium.look(width, dark=dark)
            chromium.open(file.as_uri())
            assert chromium.complaints == []
            assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
            ground = chromium.run("getComputedStyle(document.documentElement).backgroundColor")
            assert (ground == "rgb(20, 23, 26)") is dark
    assert chromium.run("document.title") == "triage: succeeded"
    # A call unfolds without a script.
    chromium.run("document.querySelector('.call summary').click()")
    assert chromium.run("document.querySelector('.call pre').getBoundingClientRect().height > 10")
