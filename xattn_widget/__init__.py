"""See, score and mine the cross-attention of encoder-decoder models.

from xattn_widget import show_cross_attention
show_cross_attention(model, tokenizer, "Ich habe das Buch gelesen.")
"""

import sys as _sys

import lazy_loader

# The public names are listed in __init__.pyi, for type checkers too. Each is imported when it is first used, so that
# importing the package does not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

if "IPython" in _sys.modules:  # tables and profiles are readable in the notebook or shell that runs
    from xattn_widget.messages.tables import show_profiles as _show_profiles
    from xattn_widget.messages.tables import show_tables as _show_tables

    def _table_html(table):  # type: ignore[no-untyped-def]
        from xattn_widget.corpus.display import table_html

        return table_html(table)

    def _table_text(table):  # type: ignore[no-untyped-def]
        from xattn_widget.corpus.display import table_text

        return table_text(table)

    _show_tables(_table_html, _table_text)

    def _profile_bundle(profile):  # type: ignore[no-untyped-def]
        from xattn_widget.widget.profile_view import ProfileView

        return ProfileView(profile)._repr_mimebundle_()

    _show_profiles(_profile_bundle)
