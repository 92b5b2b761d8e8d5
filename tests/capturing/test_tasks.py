"""Models in several asyncio tasks: a block sees the forwards of its own task, in whichever thread they run."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from families import batch, eager_weights, one_thread, tiny
from threads import assert_same, no_grad

from xattn_widget import capture


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


def test_asyncio_tasks_of_one_thread_see_each_its_own_forwards():
    model = tiny("bart")
    inputs = [batch("bart", model, seed=seed) for seed in range(3)]
    expected = [eager_weights(model, each) for each in inputs]

    async def request(number, barrier):
        with capture(model) as captured:
            for _ in range(2):
                await barrier.wait()
                model(**inputs[number])
            await barrier.wait()
            await asyncio.to_thread(no_grad(lambda: model(**inputs[number])))
            await asyncio.create_task(child(number))
        return captured

    async def child(number):
        model(**inputs[number])

    async def main():
        barrier = asyncio.Barrier(3)
        return await asyncio.gather(*[request(number, barrier) for number in range(3)])

    for captured, weights in zip(asyncio.run(main()), expected, strict=True):
        assert len(captured.forwards) == 4
        for forward in captured.forwards:
            assert_same(forward, weights)


def test_a_pools_thread_works_for_the_task_that_calls_it_whoever_started_the_thread():
    model = tiny("bart")
    inputs = [batch("bart", model, seed=seed) for seed in range(3)]
    expected = [eager_weights(model, each) for each in inputs]

    async def request(number):
        await asyncio.to_thread(no_grad(lambda: model(**inputs[number])))

    async def watched(number, ready, go_on):
        with capture(model) as captured:
            if number:  # the thread has been started by the first task
                await go_on.wait()
            await request(number)
            ready.set()
            await go_on.wait()
        return captured

    async def main():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        ready, go_on = [asyncio.Event() for _ in range(2)], asyncio.Event()
        tasks = [asyncio.create_task(watched(number, ready[number], go_on)) for number in range(2)]
        await ready[0].wait()
        await request(2)
        go_on.set()
        return await asyncio.gather(*tasks)

    for captured, weights in zip(asyncio.run(main()), expected[:2], strict=True):
        assert len(captured.forwards) == 1
        assert_same(captured.cross_attentions, weights)
