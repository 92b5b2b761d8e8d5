"""What tests of the view of a corpus share: a score of the user's own, and the page's requests for rows."""

from __future__ import annotations

from widget_messages import ask

from xattn_widget import score


@score(direction="lower")
def first_share(attention, source_mask, target_mask):
    """The share of the first source token."""
    return attention[..., 0].mean(-1)


def rows(view, start=0, row=None, **query):
    """The reply to the page's request for rows, as the view ranks them unless ``query`` says otherwise."""
    asked = {name: getattr(view, name) for name in ("score_name", "head", "lowest_first", "search")} | query
    asked["head"] = list(asked["head"]) if isinstance(asked["head"], tuple) else asked["head"]
    return ask(view, {"id": "1", "kind": "rows", "query": asked, "start": start, "row": row})[0]


def listed(view, **query):
    return [entry["row"] for entry in rows(view, **query)["rows"]]
