"""A real Chromium, a real JupyterLab and marimo for the tests."""
