"""The settings of the panel as traits, which Python and the page both set and observe."""

from __future__ import annotations

from typing import Any

import traitlets

from xattn_widget.panel.settings import SETTINGS, Setting


class SettingTrait(traitlets.TraitType[Any, Any]):
    """A setting as a trait that is synchronized with the page."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting.default, help=setting.doc)
        self._kind = setting.kind
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as plain data.

        Raises:
            TraitError: a value of another kind.
        """
        return self._kind.read(str(self.name), value)


class ViewTraits(traitlets.HasTraits):
    """Has a trait for each setting of :class:`xattn_widget.panel.settings.View`."""

    locals().update({name: SettingTrait(setting) for name, setting in SETTINGS.items()})
