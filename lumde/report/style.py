"""The page's style sheet: system fonts, readable in print and in the dark."""

from lumde.pictures.colours import colour_map
from lumde.pictures.depth import DEPTH_MAP, ERROR_MAP

_RULES = """
:root {
  --ink: #1c2230; --soft: #5b6475; --line: #dfe3ea; --back: #f6f7f9; --card: #fff; --accent: #2563eb;
  --good: #0f7a4f; --good-back: #e3f5ec; --bad: #b3380b; --bad-back: #fdebe2; --bar: #dbe7ff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9f0; --soft: #9aa4b7; --line: #2c3342; --back: #12151c; --card: #1a1f29; --accent: #7aa5ff;
    --good: #6fd3a5; --good-back: #14352a; --bad: #ff9d73; --bad-back: #3d2117; --bar: #26375c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 34px; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 8px; }
h2 { font-size: 21px; letter-spacing: -.01em; margin: 44px 0 12px; }
h3 { font-size: 14px; font-weight: 600; color: var(--soft); margin: 22px 0 6px; }
p { max-width: 75ch; margin: 0 0 12px; }
.lead { font-size: 18px; color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; }
.card + p { margin-top: 12px; color: var(--soft); font-size: 14px; }
.scroll { overflow-x: auto; }
.badge {
  display: inline-block; padding: 2px 10px; border-radius: 99px;
  font-size: 13px; font-weight: 600; white-space: nowrap;
}
.met { color: var(--good); background: var(--good-back); }
.missed { color: var(--bad); background: var(--bad-back); }
.unknown { color: var(--soft); background: var(--line); }
.heroes {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr));
  gap: 14px; margin: 24px 0 8px;
}
.hero b { display: block; font-size: 32px; line-height: 1.25; letter-spacing: -.02em; }
.hero span { color: var(--soft); font-size: 14px; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; font-size: 13px; }
tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; }
td.text { white-space: normal; }
tr.network td:first-child { font-weight: 600; }
tr.trivial td { color: var(--soft); }
.bar { position: relative; min-width: 130px; }
.bar i { position: absolute; left: 0; top: 5px; bottom: 5px; background: var(--bar); border-radius: 4px; }
.bar data { position: relative; }
.none { color: var(--soft); }
.frames { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 10px; }
figure { margin: 0; }
figure img { display: block; width: 100%; border-radius: 6px; }
figure img + img { margin-top: 4px; }
figcaption {
  display: flex; justify-content: space-between; gap: 8px; white-space: nowrap;
  font-size: 13px; color: var(--soft); margin-bottom: 4px;
}
.scales { display: flex; flex-wrap: wrap; gap: 8px 32px; font-size: 13px; color: var(--soft); }
.scales i {
  display: inline-block; width: 140px; height: 10px; border-radius: 5px;
  margin: 0 8px; vertical-align: middle;
}
.scales .depth { background: DEPTH_GRADIENT; }
.scales .error { background: ERROR_GRADIENT; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 14px; }
.plots h3 { margin: 0 0 4px; }
.plot { width: 100%; height: auto; }
.plot text { font-size: 11px; fill: var(--soft); }
.plot .grid { stroke: var(--line); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft); }
.legend i {
  display: inline-block; width: 14px; height: 3px; border-radius: 2px;
  margin-right: 6px; vertical-align: middle;
}
pre {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 16px; overflow-x: auto; font-size: 14px;
}
details { margin-top: 14px; }
summary { cursor: pointer; color: var(--accent); }
ul { padding-left: 20px; margin: 0; }
li { max-width: 85ch; margin-bottom: 6px; }
footer { margin-top: 48px; color: var(--soft); font-size: 13px; }
@media print { body { background: #fff; } .card, figure { break-inside: avoid; } }
"""


def _gradient(name: str) -> str:
    stops = ("#{:02x}{:02x}{:02x}".format(*colour_map(name)[i]) for i in range(0, 256, 17))
    return f"linear-gradient(90deg, {', '.join(stops)})"


STYLE = _RULES.replace("DEPTH_GRADIENT", _gradient(DEPTH_MAP)).replace("ERROR_GRADIENT", _gradient(ERROR_MAP))
