"""See, score and mine the cross-attention of encoder-decoder models.

from xattn_widget import show_cross_attention
show_cross_attention(model, tokenizer, "Ich habe das Buch gelesen.")
"""

import lazy_loader

# The public names are listed in __init__.pyi, for type checkers too. Each is imported when it is first used, so that
# importing the package does not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
