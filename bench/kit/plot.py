"""bench/run plot: results of --json as a picture."""
from html import escape
from pathlib import Path

from .compare import read
from .machine import BenchError

HELP = "draws results of --json as bars, into an SVG file"

# bench -> figure, what it is
FIGURES = {
    "hits": ("cpu_us", "CPU µs per request"),
    "conditional": ("cpu_us", "CPU µs per request"),
    "zipf": ("cpu_us", "CPU µs per request"),
    "pass": ("cpu_us", "CPU µs per request"),
    "post": ("cpu_us", "CPU µs per request"),
    "misses": ("cpu_us", "CPU µs per request"),
    "mix": ("cpu_us", "CPU µs per request"),
    "latency": ("p99_us", "p99 µs"),
    "arrivals": ("p99_us", "p99 µs"),
    "redis": ("cpu_us", "CPU µs per record"),
    "following": ("redis_us", "Redis’ CPU µs per record"),
    "propagation": ("p99_ms", "p99 ms"),
    "memory": ("beyond", "bytes of a 1 KiB response beyond key, head and content"),
    "cold": ("ms", "ms"),
    "churn": ("to_bound", "resident memory, less idle, divided by the bound"),
    "traces": ("meshcache_objects", "hit ratio"),
    "connections": ("each", "bytes for each connection"),
}
WIDTH, LABELS, BAR, GAP, TITLE = 760, 170, 18, 6, 44
COLOURS = {"limit": "#9aa0a6", "peer": "#c58b3b", "own": "#2f6f9f"}


def add_arguments(parser):
    parser.add_argument("results", nargs="+", metavar="RESULT.json", help="files, or folders of `bench/run all`")
    parser.add_argument("--output", default="docs/measured.svg", metavar="FILE", help="[docs/measured.svg]")
    parser.add_argument("--figure", metavar="NAME", help="of the summaries in the JSON [the one that tells most]")


def kind(name, result):
    if name == "limit":
        return "limit"
    return "peer" if name in result.get("peers", []) or name == "webdis" else "own"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def panel(top, title, what, result, figure):
    """(lines of SVG, height) of one table."""
    bars = [(name, s[figure]) for name, s in result["summary"].items() if isinstance(s.get(figure), (int, float))]
    lines = [f'<text x="0" y="{top + 16}" class="title">{escape(title)}</text>',
             f'<text x="0" y="{top + 33}" class="what">{escape(what)}</text>']
    most = max((value for _, value in bars), default=0) or 1
    room = WIDTH - LABELS - 90
    for i, (name, value) in enumerate(bars):
        y = top + TITLE + i * (BAR + GAP)
        length = max(1., value / most * room)
        lines += [f'<text x="{LABELS - 8}" y="{y + 13}" class="name">{escape(name)}</text>',
                  f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" '
                  f'fill="{COLOURS[kind(name, result)]}"/>',
                  f'<text x="{LABELS + length + 6:.1f}" y="{y + 13}">{number(value)}</text>']
    return lines, TITLE + len(bars) * (BAR + GAP) + 24


def draw(results, figure=None):
    """The whole picture. `results`: (bench, title) -> result."""
    body, top = [], 10
    for (bench, title), result in results.items():
        chosen, what = FIGURES.get(bench, ("cpu_us", "CPU µs"))
        if figure:
            chosen, what = figure, figure
        if not any(chosen in s for s in result["summary"].values()):
            continue
        lines, height = panel(top, f"{bench}: {title}", what, result, chosen)
        body += lines
        top += height
    if not body:
        raise BenchError("there is nothing to draw: no table has that figure")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 20}" height="{top}" '
        f'viewBox="-10 0 {WIDTH + 20} {top}" font-family="sans-serif" font-size="12">',
        '<style>.title{font-weight:bold;font-size:14px}.what{fill:#666}.name{text-anchor:end}</style>',
        f'<rect x="-10" width="{WIDTH + 20}" height="{top}" fill="#fff"/>', *body, "</svg>", ""])


def run(arguments):
    results = {}
    for path in arguments.results:
        results.update(read(path))
    Path(arguments.output).write_text(draw(results, arguments.figure))
    print(arguments.output)
    return 0
