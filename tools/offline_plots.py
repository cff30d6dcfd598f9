"""Let `dvc plots show` and `dvc plots diff` write pages that need no network.

DVC's own page loads Vega, which draws the charts, from the Internet. This writes a template that
contains Vega, and sets DVC's option plots.html_template to it, for this clone alone and unless the
option is set already. Back to DVC's own: dvc config --local -u plots.html_template
"""

import re
import subprocess
import sys
from pathlib import Path

import vl_convert

from stages.common.command import InputError, command_line, run
from stages.common.files import replacing

DVC_FOLDER = Path(".dvc")
TEMPLATE = Path("tmp/plots.html")  # below .dvc; Git ignores it
OPTION = "plots.html_template"
VEGA_LITE = "6.4"

# DVC calls vegaEmbed(place, spec). SVG is sharp at any size, and its text can be searched. Of each
# chart's menu, saving stays: the rest is for authors, and one entry needs a network. Vega-Lite 6
# draws what is written for 5, but warns unless it is told so. A chart is drawn out of sight first:
# so much as it is then wider or narrower than the page, its panels have to give or get.
SNIPPET = """
window.vegaEmbed = async (place, spec) => {
  const draw = where => vegaEmbed(
    where,
    structuredClone(spec),
    {renderer: "svg", actions: {export: true, source: false, compiled: false, editor: false}}
  );
  spec.$schema = spec.$schema?.replace("/vega-lite/v5", "/vega-lite/v6");
  const panel = spec.spec ?? spec;
  const room = Math.min(document.body.clientWidth, 1200);
  if (spec.columns) spec.columns = Math.max(1, Math.floor(room / (panel.width + 70)));
  if (panel.width) {
    const trial = document.createElement("div");
    const {view} = await draw(trial);
    const left = room - trial.querySelector("svg").viewBox.baseVal.width;
    view.finalize();
    const fit = (width, least, number) =>
      Math.max(least, Math.min(width + Math.floor(left / number), 1.6 * width));
    if (panel.width.step) {
      const columns = new Set(spec.data.values.map(row => [row.rev, row.variant].join())).size;
      panel.width.step = fit(panel.width.step, 28, columns);
    } else {
      panel.width = fit(panel.width, 100, spec.columns ?? 1);
    }
  }
  return draw(place);
};
"""

# DVC replaces {plot_divs} and {refresh_tag}. Its {scripts}, those from the Internet, have no place.
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh_tag}
<title>Plots: photograph or AI-generated?</title>
<style>
body { margin: 1rem; font-family: sans-serif; }
/* What is wider than the screen scrolls by itself, so that the page does not. */
body > div { box-sizing: border-box; max-width: 100%; overflow-x: auto; margin-bottom: 1.5rem; }
body > div.vega-embed { display: block; }
/* The menu would cover a narrow chart, and is nothing to print. */
@media print, (max-width: 40rem) { .vega-embed summary { display: none; } }
</style>
<script>
SCRIPT
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """Return the template of a page of plots, with all that it needs."""
    # The function keeps the script's own names apart from those of DVC's scripts, such as `spec`.
    script = f"(() => {{{vl_convert.javascript_bundle(SNIPPET, VEGA_LITE)}}})();"
    return PAGE.replace("SCRIPT", in_html(script))


def in_html(script: str) -> str:
    """Return JavaScript that does the same and whose strings cannot end the script of a page."""
    return re.sub("<(?=/script|!--)", r"\\x3c", script, flags=re.IGNORECASE)


def main() -> None:
    command_line("tools.offline_plots", __doc__).parse_args()
    if not DVC_FOLDER.is_dir():
        raise InputError(f"{Path.cwd()}: expected a DVC project, found no folder {DVC_FOLDER} here")
    before = _dvc("config", OPTION).stdout.strip()
    with replacing(DVC_FOLDER / TEMPLATE) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    if before in ("", TEMPLATE.as_posix()):
        result = _dvc("config", "--local", OPTION, TEMPLATE.as_posix())
        if result.returncode:
            raise InputError(f"{OPTION}: cannot be set: {' '.join(result.stderr.split())}")
    else:
        print(f"{OPTION} stays what it is: {before}")


def _dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], text=True, capture_output=True, check=False
    )


if __name__ == "__main__":
    run(main)
