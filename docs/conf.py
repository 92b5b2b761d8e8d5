"""Configuration of the documentation, which `make docs` builds."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "xattn-widget"
author = "The xattn-widget authors"
release = metadata.version("xattn-widget")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    # Those of docs/_ext.
    "built_in_scores",
    "click_options",
    "live_panel",
    "mathml",
    "notebooks",
    "public_names",
]
# docs/bench holds the tables that docs/performance.md includes.
exclude_patterns = ["bench"]

# References that lead nowhere are warnings, and `make docs` turns warnings into errors.
nitpicky = True
_LIBRARIES = "torch|nn|PIL|numpy|np|pa|pyarrow|pd|transformers|matplotlib|traitlets|anywidget|t"
_STANDARD = "collections|contextlib|pathlib|os|typing"
_IMPORTED = "Any|Axes|Callable|Sequence|Mapping|Iterable|Path|PathLike|Self|optional"
# Bases and unions of types that have no entry of their own.
_TYPES = (
    "AttentionData|Data|EmbeddedPage|Reference|Reading|Aggregate|Special|Policy|Direction|GridAxis|Scope|PlotKind"
    "|ImportanceMethod|ContributionKind|MelPadding|Method|Link|TimingMethod|TimingSource"
)
nitpick_ignore_regex = [
    ("py:.*", rf"({_LIBRARIES}|{_STANDARD})\..*"),
    ("py:.*", _IMPORTED),
    ("py:class", rf"(.*\.)?({_TYPES})"),
]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# One argument per line in long signatures.
python_maximum_signature_line_length = 88

# A copy button leaves out prompts and outputs.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

# docs/_ext/notebooks.py has copied the notebooks with their outputs.
nb_execution_mode = "off"
# With the default, commonmark, tables in outputs stay text.
nb_render_markdown_format = "myst"
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The site loads nothing from the network: furo brings its own fonts and icons, and browsers draw the formulas.
html_theme = "furo"
html_math_renderer = "mathml"
html_title = "xattn-widget"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["panels.js"]
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
