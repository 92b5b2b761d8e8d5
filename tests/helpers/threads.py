"""What the tests of threads and of asyncio tasks share."""

import torch


def assert_same(actual, expected):
    assert len(actual) == len(expected) > 0
    for layer, reference in zip(actual, expected, strict=True):
        torch.testing.assert_close(layer, reference, atol=1e-5, rtol=0)


def no_grad(work):
    def run():
        with torch.no_grad():
            return work()

    return run
