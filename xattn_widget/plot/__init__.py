"""Pictures with matplotlib, for papers and for places where no widget runs."""

import lazy_loader

# Each name is imported when it is first used: the colors are read where matplotlib is not wanted.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
