#!/usr/bin/env python3
"""Draws grafana-dashboard.json without Grafana: asks a Prometheus the dashboard's own queries and
writes a page of what came back. It shows that every query has an answer, and how the panels lie;
in Grafana they look like Grafana.

    draw-dashboard.py http://127.0.0.1:9090 > dashboard.html
    chromium --headless --screenshot=grafana-dashboard.png --window-size=1460,2240 dashboard.html
"""

import html
import json
import pathlib
import sys
import time
import urllib.parse
import urllib.request

MINUTES = 15
UNIT = 30
WIDTH = 1440
COLOURS = ["#3a7d44", "#c9822b", "#3b6ea8", "#b3404a", "#7a5aa6", "#2a9d8f", "#8d6e3f", "#5c6770"]


def ask(server, expression):
    for variable, value in (("$instance", ".*"), ("$job", ".*"), ("$__rate_interval", "30s")):
        expression = expression.replace(variable, value)
    end = int(time.time())
    query = {"query": expression, "start": end - MINUTES * 60, "end": end, "step": 5}
    url = f"{server}/api/v1/query_range?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def series(server, panel):
    found = []
    for target in panel["targets"]:
        for result in ask(server, target["expr"]):
            name = target["legendFormat"]
            for label, value in result["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            points = [(time, float(v)) for time, v in result["values"] if v not in ("NaN", "+Inf")]
            found.append((name, points))
    return found


def told(value, unit):
    if unit == "s":
        for size, word in ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
            if value >= size:
                return f"{value / size:.3g} {word}"
        return f"{value * 1000:.3g} ms"
    if unit == "bytes":
        for size, word in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if value >= size:
                return f"{value / size:.3g} {word}"
        return f"{value:.3g} B"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    return f"{value:.3g}" + ("/s" if unit in ("mps", "ops") else "")


def stat(panel, found, unit):
    last = [points[-1][1] for _, points in found if points]
    text = told(last[0], unit) if last else "no data"
    for mapping in panel["fieldConfig"]["defaults"].get("mappings", []):
        option = mapping["options"].get(f"{last[0]:g}" if last else "")
        text = option["text"] if option else text
    return f"<div class=stat>{html.escape(text)}</div>"


def chart(panel, found, unit, width, height):
    stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    drawn, base = [], {}
    for name, points in found:
        if stacked:
            points = [(at, base.get(at, 0) + value) for at, value in points]
            base.update(points)
        drawn.append((name, points))
    values = [value for _, points in drawn for _, value in points]
    if not values:
        return "<div class=none>no data</div>"
    top, end = max(values) * 1.1 or 1, time.time()
    left, chart_width, chart_height = 62, width - 74, height - 56

    def place(at, value):
        x = left + (at - (end - MINUTES * 60)) / (MINUTES * 60) * chart_width
        return f"{x:.1f},{6 + (1 - value / top) * chart_height:.1f}"

    parts = []
    for part in range(4):
        value = top * part / 3
        y = 6 + (1 - part / 3) * chart_height
        parts.append(f"<line x1={left} x2={width - 12} y1={y:.0f} y2={y:.0f} class=grid />")
        parts.append(f"<text x={left - 6} y={y + 4:.0f} class=axis>{told(value, unit)}</text>")
    for index, (_, points) in reversed(list(enumerate(drawn))):
        if not points:
            continue
        colour = COLOURS[index % len(COLOURS)]
        line = " ".join(place(at, value) for at, value in points)
        first, last = place(points[0][0], 0), place(points[-1][0], 0)
        fill = 0.5 if stacked else 0.07
        parts.append(f"<polygon points='{first} {line} {last}' fill='{colour}' opacity={fill} />")
        parts.append(f"<polyline points='{line}' stroke='{colour}' />")
    svg = f"<svg width={width - 4} height={height - 46}>{''.join(parts)}</svg>"
    names = "".join(
        f"<span><i style='background:{COLOURS[index % len(COLOURS)]}'></i>{html.escape(name)}</span>"
        for index, (name, _) in enumerate(drawn[:12])
    )
    return f"{svg}<div class=legend>{names}</div>"


def place_of(panel):
    grid = panel["gridPos"]
    column = WIDTH / 24
    return int(grid["x"] * column), grid["y"] * UNIT, int(grid["w"] * column) - 6, grid["h"] * UNIT - 6


def main(server):
    folder = pathlib.Path(__file__).parent
    dashboard = json.loads((folder / "grafana-dashboard.json").read_text())
    boxes, bottom = [], 0
    for panel in dashboard["panels"]:
        x, y, width, height = place_of(panel)
        bottom = max(bottom, y + height)
        style = f"left:{x}px;top:{y}px;width:{width}px;height:{height}px"
        title = html.escape(panel["title"])
        if panel["type"] == "row":
            boxes.append(f"<h2 style='{style}'>{title}</h2>")
            continue
        found, unit = series(server, panel), panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] == "stat":
            content = stat(panel, found, unit)
        else:
            content = chart(panel, found, unit, width, height)
        boxes.append(f"<div class=panel style='{style}'><b>{title}</b>{content}</div>")
    note = "drawn by draw-dashboard.py from the dashboard's own queries, not by Grafana"
    print(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>")
    print(f"<h1>{dashboard['title']} <small>{MINUTES} minutes, {note}</small></h1>")
    print(f"<main style='height:{bottom}px'>{''.join(boxes)}</main>")


STYLE = """
body { margin: 8px; width: 1440px; background: #f4f5f6; font: 12px sans-serif; color: #24292e }
h1 { font-size: 18px; margin: 0 0 6px } h1 small { font-weight: normal; font-size: 12px; color: #667 }
main { position: relative } main > * { position: absolute; box-sizing: border-box; margin: 0 }
h2 { font-size: 13px; padding: 8px 2px }
.panel { background: #fff; border: 1px solid #dcdfe3; border-radius: 3px; padding: 5px 0; overflow: hidden }
.panel b { padding-left: 8px; font-weight: 600 }
.stat { font-size: 26px; text-align: center; padding-top: 20px; color: #2f6b3a }
.none { color: #99a; text-align: center; padding-top: 50px }
polyline { fill: none; stroke-width: 1.3 } .grid { stroke: #eceef0 }
.axis { font-size: 10px; text-anchor: end; fill: #667 }
.legend { padding-left: 10px; font-size: 11px; white-space: nowrap; color: #445 }
.legend span { margin-right: 10px } .legend i { display: inline-block; width: 9px; height: 9px; margin-right: 4px }
"""

if __name__ == "__main__":
    main(sys.argv[1])
