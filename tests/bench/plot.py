# SPDX-License-Identifier: GPL-2.0
"""What is added to a pair, as SVG: a dot for each column, on a logarithmic scale."""
from math import log10
from xml.sax.saxutils import escape

from results import COLUMNS, PAIRS
from tables import HEADS, ROWS

COLOURS = {"host": "#1b9e77", "container": "#1f78b4", "near": "#6a3d9a", "stacks": "#e7298a", "memcg": "#d95f02",
           "tracer": "#666666", "bpftrace": "#b15928"}
LEFT, WIDE, HIGH, MOST = 230, 560, 24, 4  # MOST: of the scale, 10 to its power


def place(more):
    return LEFT + WIDE * log10(max(more, 1)) / MOST


def panel(kernel, top):
    out = [f'<text x="8" y="{top + 14}" font-weight="bold">{escape(kernel.release)}</text>']
    bottom = top + 24 + HIGH * len(PAIRS)
    for power in range(MOST + 1):
        x = place(10 ** power)
        out.append(f'<line x1="{x:.1f}" y1="{top + 20}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">+{10 ** power:,}</text>')
    for i, row in enumerate(PAIRS):
        y = top + 24 + HIGH * i + HIGH / 2
        out.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(ROWS[row])}</text>')
        for column in COLUMNS:
            more = (kernel.cell(row, column) or {}).get("more")
            if more is None:
                continue
            out.append(f'<circle cx="{place(more):.1f}" cy="{y}" r="5" fill="{COLOURS[column]}">'
                       f'<title>{escape(HEADS[column])}: {more:+g}</title></circle>')
    return out, bottom + 30


def svg(date, kernels):
    out, top = [], 56
    shown = [c for c in COLUMNS if any("more" in (k.cell(r, c) or {}) for k in kernels for r in PAIRS)]
    for i, column in enumerate(shown):
        x = 8 + i * 112
        out.append(f'<circle cx="{x + 6}" cy="40" r="5" fill="{COLOURS[column]}"/><text x="{x + 16}" y="44">{escape(HEADS[column])}</text>')
    for kernel in kernels:
        lines, top = panel(kernel, top)
        out += lines
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDE + 40}" height="{top}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n'
            f'<text x="8" y="18" font-size="14">Instructions added to an allocation and its free, {escape(date)}</text>\n'
            + "\n".join(out) + "\n</svg>\n")
