"""Bars as an SVG: how many messages a second of CPU handles, for each contestant."""

from collections.abc import Sequence
from html import escape

from tests.bench.plan import CONTESTANTS, Row

WIDTH, LABEL, BAR, GAP = 900, 300, 22, 8
OURS = "#1f6feb"
LIMIT = "#57606a"
PEERS = "#afb8c1"


def picture(title: str, rows: Sequence[Row]) -> str:
    """One bar for each row, with least and most as a line."""
    most = max(1e6 / row.least for row in rows)
    scale = (WIDTH - LABEL - 110) / most
    parts = [f'<text x="12" y="24" font-weight="600">{escape(title)}</text>',
             '<text x="12" y="44" fill="#57606a">messages per second of CPU, median; the line is least to most</text>']  # fmt: skip
    for place, row in enumerate(rows):
        top = 60 + place * (BAR + GAP)
        color = LIMIT if row.contestant.startswith("raw_") else OURS if row.contestant.startswith("fleet") else PEERS
        width = row.per_cpu_second * scale
        low, high = LABEL + 1e6 / row.most * scale, LABEL + 1e6 / row.least * scale
        middle = top + BAR / 2
        name = escape(CONTESTANTS[row.contestant])
        parts.append(f'<text x="{LABEL - 10}" y="{top + 16}" text-anchor="end">{name}</text>')
        parts.append(f'<rect x="{LABEL}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3" fill="{color}"/>')
        parts.append(f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#24292f" stroke-width="2"/>')
        parts.append(f'<text x="{high + 8:.1f}" y="{top + 16}">{row.per_cpu_second:,.0f}</text>')
    height = 70 + len(rows) * (BAR + GAP)
    style = "font-family:system-ui,sans-serif;font-size:13px"
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" style="{style}" fill="#24292f">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n{inside}\n</svg>\n'
    )
