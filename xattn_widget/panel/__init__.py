"""The panel without Jupyter and without a model: settings, replies, pages and exports."""
