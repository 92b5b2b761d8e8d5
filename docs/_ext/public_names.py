"""Links names of the package to their entries in the API pages, and warns about public names without an entry.

Docstrings and annotations name an object by the module that defines it; the pages document it where users import it.
The build is strict, so a warning makes it fail.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)

MODULES = ("xattn_widget", "xattn_widget.alignment", "xattn_widget.corpus", "xattn_widget.scores", "xattn_widget.plot")
MEMBERS = {"attribute", "method", "property"}


def link(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Element) -> nodes.reference | None:
    """Link a name that is documented in another module than the one that defines it."""
    if node.get("refdomain") != "py":
        return None
    objects = env.domaindata["py"]["objects"]
    parts = node["reftarget"].split(".")
    for start in range(len(parts)):
        ending = ".".join(["", *parts[start:]])
        is_member = start < len(parts) - 1
        found = [
            (name, entry)
            for name, entry in objects.items()
            if f".{name}".endswith(ending) and not entry.aliased and (is_member or entry.objtype not in MEMBERS)
        ]
        if len(found) == 1:
            name, entry = found[0]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown, name)
    return None


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Compare the public names with what the pages document."""
    documented = {name.rpartition(".")[2] for name in env.domaindata["py"]["objects"]}
    documented |= {name.rpartition(".")[2] for name in env.domaindata["py"]["modules"]}
    for module in MODULES:
        for name in import_module(module).__all__:
            if name not in documented | {"__version__"}:
                logger.warning("the public name %s.%s is not in the API pages", module, name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Link while references are resolved, and check when everything is read."""
    app.connect("missing-reference", link)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True}
