"""The picture of docs/architecture.md: the path of a change, drawn as SVG."""

from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 1160, 565
_BOX_WIDTH, _BOX_HEIGHT = 200, 108
_LINE = 18

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1d2830 }
  .name { font-weight: 650; font-size: 15px }
  .file { font: 12px ui-monospace, monospace; fill: #52616b }
  .station { fill: #ffffff; stroke: #0f766e; stroke-width: 1.5 }
  .store { fill: #e8f3f1; stroke: #0f766e; stroke-width: 1.5 }
  .area { fill: none; stroke: #9aa7b0; stroke-dasharray: 5 4 }
  .note { fill: #52616b }
  .arrow { fill: none; stroke: #52616b; stroke-width: 1.6; marker-end: url(#head) }
  #head path { fill: #52616b }
  @media (prefers-color-scheme: dark) {
    text { fill: #e3eaee }
    .file, .note { fill: #9fb0ba }
    .station { fill: #16212a; stroke: #2dd4bf }
    .store { fill: #12302d; stroke: #2dd4bf }
    .area { stroke: #51606a }
    .arrow { stroke: #9fb0ba }
    #head path { fill: #9fb0ba }
  }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A station (a package of `cdc`) or a server, with its name, task and file."""

    x: int
    y: int
    name: str
    lines: tuple[str, ...]
    file: str = ""
    """The file of a station that a reader should open first; empty for a server."""

    def svg(self) -> str:
        kind = "station" if self.file else "store"
        text = [
            f'<text class="name" x="{self.x + 14}" y="{self.y + 26}">{escape(self.name)}</text>'
        ]
        for number, line in enumerate(self.lines):
            y = self.y + 48 + number * _LINE
            text.append(f'<text x="{self.x + 14}" y="{y}">{escape(line)}</text>')
        if self.file:
            y = self.y + _BOX_HEIGHT - 12
            text.append(f'<text class="file" x="{self.x + 14}" y="{y}">{escape(self.file)}</text>')
        frame = (
            f'<rect class="{kind}" x="{self.x}" y="{self.y}" width="{_BOX_WIDTH}" '
            f'height="{_BOX_HEIGHT}" rx="10"/>'
        )
        return "\n".join([frame, *text])


BOXES = (
    Box(
        x=40,
        y=70,
        name="capture",
        lines=("writes the outbox row", "in the transaction"),
        file="cdc/capture/signals.py",
    ),
    Box(x=40, y=240, name="MySQL", lines=("stories_story", "cdc_outbox"), file=""),
    Box(
        x=330,
        y=240,
        name="outbox",
        lines=("the relay with the lease", "publishes rows in order"),
        file="cdc/outbox/relay.py",
    ),
    Box(x=620, y=240, name="Kafka", lines=("story-events", "5 partitions, compacted"), file=""),
    Box(
        x=620,
        y=70,
        name="feed",
        lines=("one thread reads the topic", "for all live-feed readers"),
        file="cdc/feed/hub.py",
    ),
    Box(
        x=920,
        y=70,
        name="consumer",
        lines=("applies each event once,", "one batch at a time"),
        file="cdc/consumer/consumer.py",
    ),
    Box(
        x=920,
        y=240,
        name="mongo",
        lines=("documents and position", "in one transaction"),
        file="cdc/mongo/replica.py",
    ),
    Box(
        x=920, y=390, name="MongoDB", lines=("3 replica collections", "history, positions"), file=""
    ),
    Box(
        x=330,
        y=390,
        name="resync",
        lines=("sends rows again,", "compares both databases"),
        file="cdc/resync/reconcile.py",
    ),
    Box(
        x=620,
        y=390,
        name="dead_letters",
        lines=("stores messages that", "cannot be applied"),
        file="cdc/dead_letters/store.py",
    ),
)
_ARROWS = (
    ("M140 178 V232", "", 0, 0),
    ("M240 294 H322", "poll", 262, 286),
    ("M530 294 H612", "produce", 545, 286),
    ("M720 240 V186", "", 0, 0),
    ("M820 270 C870 250 850 140 912 130", "fetch", 872, 214),
    ("M1020 178 V232", "", 0, 0),
    ("M1020 348 V382", "", 0, 0),
    ("M330 444 C260 444 180 420 142 356", "send again", 165, 446),
    ("M430 498 C430 555 1020 555 1020 506", "compare", 698, 534),
    ("M920 330 C880 350 850 380 800 386", "rejected", 780, 368),
)


_HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"
  aria-label="The path of a change from save() to MongoDB">
<style>{_STYLE}</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
  orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>
<text class="note" x="40" y="40">Story.save(), delete(), update(), bulk_create()</text>"""


def architecture() -> str:
    """Return the picture as SVG. Its colours adapt to the reader's theme."""
    arrows = [_arrow(*arrow) for arrow in _ARROWS]
    return "\n".join([_HEAD, *arrows, *[box.svg() for box in BOXES], "</svg>\n"])


def _arrow(path: str, label: str, x: int, y: int) -> str:
    line = f'<path class="arrow" d="{path}"/>'
    return f'{line}\n<text class="note" x="{x}" y="{y}">{label}</text>' if label else line
