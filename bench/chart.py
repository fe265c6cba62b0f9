"""The chart of bench/compare, as SVG."""
from xml.sax.saxutils import escape

from figures import COLOURS, agrees, heading, per_image


def draw(rows):
    """Bars of ms per image, a group for each row. Every group has its own scale."""
    left, bar, gap, width, most = 150, 18, 44, 900, 600
    parts, y = [], 64
    for row in rows:
        times = {name: t for name, t in per_image(row).items()}
        scale = most / max(t[1] for t in times.values())
        parts.append(f'<text x="16" y="{y}" class="h">{escape(heading(row))}</text>')
        y += 10
        for name in sorted(times, key=list(COLOURS).index):
            median = times[name][1]
            mark = "" if agrees(name, row["results"][name]) else ", outputs differ"
            parts.append(
                f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="{left}" y="{y}" width="{max(1, median * scale):.1f}" height="{bar - 3}" '
                f'fill="{COLOURS[name]}"/>'
                f'<text x="{left + median * scale + 6:.1f}" y="{y + 13}">{median:.1f} ms{mark}'
                f'</text>')
            y += bar
        y += gap - 14
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" '
            f'height="{y}" role="img" aria-label="Time for one image by program">'
            '<style>text{font:13px sans-serif;fill:#222}.h{font-weight:bold}'
            '.t{font:bold 17px sans-serif}</style>'
            f'<rect width="{width}" height="{y}" fill="#fff"/>'
            '<text x="16" y="26" class="t">Time for one image, ms (shorter is better)</text>'
            '<text x="16" y="44">Each group has its own scale.</text>')
    return head + "\n" + "\n".join(parts) + "\n</svg>\n"
