"""Tables, bars and bench/results.md: every program leaves its figures in build/bench/NAME.json, the report is made of all."""

import datetime
import json
import os
import pathlib
import statistics
import subprocess

from .picture import bars_svg, lines_svg

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "bench"
COLUMNS = [("rate", "requests/s", "{:,.0f}"), ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"),
           ("cpu_us", "CPU µs", "{:.1f}"), ("user_us", "user", "{:.1f}"), ("system_us", "system", "{:.1f}"),
           ("helpers_us", "database, Redis", "{:.1f}"), ("memory_mib", "MiB", "{:.0f}")]


def median(runs):
    """Of each figure the median; of p99 too."""
    names = runs[0].keys()
    return {name: None if runs[0][name] is None else statistics.median(run[name] for run in runs) for name in names}


def cell(value, pattern):
    return "–" if value is None else pattern.format(value)


def table(rows):
    """Markdown: rows of (name, figures)."""
    lines = ["| | " + " | ".join(title for _, title, _ in COLUMNS) + " |", "| --- |" + " ---: |" * len(COLUMNS)]
    for name, figures in rows:
        lines.append(f"| {name} | " + " | ".join(cell(figures.get(key), pattern) for key, _, pattern in COLUMNS) + " |")
    return "\n".join(lines)


class Program:
    """One bench program's figures: sections of contenders, bars, growth; printed as they come, kept at the end."""

    def __init__(self, name, command):
        self.kept = {"name": name, "command": command, "sections": [], "bars": [], "lines": [], "notes": []}

    def section(self, title, note, results):
        rows = [(name, median(runs)) for name, runs in results.items()]
        self.kept["sections"].append({"title": title, "note": note, "rows": rows})
        print(f"\n{title}\n{note}\n{table(rows)}\n", flush=True)
        return dict(rows)

    def bar(self, text, value, limit, at_least):
        """A ratio (or time) and its bound; printed as ok or missed."""
        held = value >= limit if at_least else value <= limit
        line = {"text": text, "value": value, "limit": limit, "at_least": at_least, "held": held}
        self.kept["bars"].append(line)
        print(f"bar  {text}: {value:.2f} ({'≥' if at_least else '≤'} {limit:g})  {'ok' if held else 'missed'}", flush=True)

    def note(self, text):
        self.kept["notes"].append(text)
        print(text, flush=True)

    def save(self):
        self.kept["date"] = datetime.date.today().isoformat()
        self.kept["load"] = os.getloadavg()[1]
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{self.kept['name']}.json").write_text(json.dumps(self.kept, indent=1, ensure_ascii=False), encoding="utf-8")
        write_results()
        return 0 if all(bar["held"] for bar in self.kept["bars"]) else 1


# ---- bench/results.md ----


def machine():
    model, cores = "unknown", os.cpu_count()
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = int(open("/proc/meminfo", encoding="ascii").readline().split()[1]) / 2**20

    def version(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return "not there"
        return ((done.stdout or done.stderr).strip().splitlines() or ["?"])[0]

    return [f"{model}, {cores} cores, {memory:.0f} GiB, Linux {os.uname().release.split('-')[0]}",
            version("nginx", "-v"), version("psql", "--version"), version("redis-server", "--version").split(" sha")[0],
            f"Node {version('node', '--version')}", version("wrk", "-v").split(" [")[0]]


def bar_table(bars):
    lines = ["| bar | measured | wanted | |", "| --- | ---: | ---: | --- |"]
    for bar in bars:
        sign = "≥" if bar["at_least"] else "≤"
        lines.append(f"| {bar['text']} | {bar['value']:.2f} | {sign} {bar['limit']:g} | {'ok' if bar['held'] else '**missed**'} |")
    return "\n".join(lines)


def write_results():
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*.json"))]
    kept.sort(key=lambda program: program["name"] != "speed")
    out = ["# Measured", "", "Made by `./dev bench`, not by hand. Contenders of a table were run by turns, several times; the "
           "figures are medians. CPU is the server's own time a request, kernel included, from /proc; the client is not in "
           "it. Ratios of one run can be compared, figures of two machines cannot.", ""]
    out += ["Machine: " + " · ".join(machine()), ""]
    for program in kept:
        out += [f"## {program['name']}", "", f"`{program['command']}`, {program['date']}"
                f" (load of the machine over five minutes, with the bench's own: {program['load']:.1f})", ""]
        if program["bars"]:
            out += [bar_table(program["bars"]), ""]
        for section in program["sections"]:
            out += [f"### {section['title']}", "", section["note"], "", table(section["rows"]), ""]
        out += [note + "\n" for note in program["notes"]]
        for picture in draw(program):
            out += [f"![{picture[1]}](../docs/images/{picture[0]})", ""]
    (ROOT / "bench" / "results.md").write_text("\n".join(out), encoding="utf-8")


def draw(program):
    """SVG files under docs/images: (file, what it shows)."""
    made = []
    folder = ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for section in program["sections"]:
        if "picture" not in section["note"] and program["name"] != "speed":
            continue
        slug = "".join(c if c.isalnum() else "-" for c in section["title"].split(",")[0].lower())
        rates = [(name, row["rate"]) for name, row in section["rows"]]
        (folder / f"bench-{slug}.svg").write_text(bars_svg(section["title"], "requests/s", rates), encoding="utf-8")
        made.append((f"bench-{slug}.svg", f"{section['title']}: requests/s"))
        costs = [(name, row["cpu_us"]) for name, row in section["rows"] if row["cpu_us"] is not None]
        if len(costs) > 1:
            (folder / f"bench-{slug}-cpu.svg").write_text(bars_svg(section["title"], "µs of CPU a request", costs),
                                                          encoding="utf-8")
            made.append((f"bench-{slug}-cpu.svg", f"{section['title']}: CPU"))
    for index, chart in enumerate(program["lines"]):
        (folder / f"bench-{program['name']}-{index + 1}.svg").write_text(
            lines_svg(chart["title"], chart["unit"], chart["labels"], chart["series"]), encoding="utf-8")
        made.append((f"bench-{program['name']}-{index + 1}.svg", chart["title"]))
    return made
