"""Plain pictures: horizontal bars, and lines over a few steps. SVG text that reads on light and dark pages."""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 210, 110, 30, 46
COLOURS = ["#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e", "#a61e4d", "#868e96"]
STYLE = ('<style>text{font:13px system-ui,sans-serif;fill:#212529}.t{font-weight:600;font-size:15px}.m{fill:#495057}'
         '</style>')


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def frame(height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">{STYLE}'
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f8f9fa"/>{body}</svg>\n')


def bars_svg(title, unit, rows):
    """One bar a row, ours in colour; a bar's length is its share of the greatest."""
    most = max(value for _, value in rows)
    room = WIDTH - LEFT - RIGHT
    body = [f'<text class="t" x="16" y="26">{escape(title)}, {escape(unit)}</text>']
    for index, (name, value) in enumerate(rows):
        y = TOP + index * ROW
        length = max(2, room * value / most)
        colour = COLOURS[0] if name.startswith("evently") else "#adb5bd"
        body.append(f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
                    f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="20" rx="3" fill="{colour}"/>'
                    f'<text class="m" x="{LEFT + length + 8:.1f}" y="{y + 15}">{number(value)}</text>')
    return frame(TOP + len(rows) * ROW + 10, "".join(body))


def lines_svg(title, unit, labels, series):
    """Each series one line over the labels, from zero."""
    height, bottom, left = 320, 270, 80
    most = max(value for _, values in series for value in values if value is not None)
    step = (WIDTH - left - 200) / max(1, len(labels) - 1)
    body = [f'<text class="t" x="16" y="26">{escape(title)}, {escape(unit)}</text>',
            f'<line x1="{left}" y1="{bottom}" x2="{WIDTH - 190}" y2="{bottom}" stroke="#adb5bd"/>',
            f'<text class="m" x="{left - 8}" y="{TOP + 14}" text-anchor="end">{number(most)}</text>',
            f'<text class="m" x="{left - 8}" y="{bottom + 4}" text-anchor="end">0</text>']
    for index, label in enumerate(labels):
        body.append(f'<text class="m" x="{left + index * step:.1f}" y="{bottom + 20}" text-anchor="middle">{escape(label)}</text>')
    for index, (name, values) in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        points = [(left + i * step, bottom - (bottom - TOP - 10) * value / most) for i, value in enumerate(values)
                  if value is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        body.append(f'<rect x="{WIDTH - 180}" y="{TOP + index * 22}" width="12" height="12" fill="{colour}"/>'
                    f'<text x="{WIDTH - 162}" y="{TOP + index * 22 + 11}">{escape(name)}</text>')
    return frame(height, "".join(body))
