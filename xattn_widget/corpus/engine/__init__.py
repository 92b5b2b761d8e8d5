"""Run a corpus job on this machine or on a cluster."""
