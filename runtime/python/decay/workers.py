"""Threads that share the work of a call to a package for the processor."""
import ctypes
import os
import queue
import threading

from decay import abi


class Pool:
    """Workers that take the indices of a call from one counter. A foreign call lets go of Python's lock, so that they
    run at once. One call at a time: another waits."""

    def __init__(self, workers):
        self.inbox = [queue.SimpleQueue() for _ in range(workers - 1)]
        self.done = queue.SimpleQueue()
        self.one_call = threading.Lock()
        for worker in range(1, workers):
            threading.Thread(target=self._serve, args=(worker,), daemon=True).start()
        self.runner = abi.TaskRunner(None, workers, abi.Run(self._run))
        self.stream = ctypes.addressof(self.runner)

    def _serve(self, worker):
        while True:
            task, closure, indices = self.inbox[worker - 1].get()
            for index in indices:
                task(closure, index, worker)
            self.done.put(None)

    def _run(self, _, count, task, closure):
        indices = iter(range(count))  # next() on it is atomic
        for box in self.inbox:
            box.put((task, closure, indices))
        for index in indices:
            task(closure, index, 0)
        for _ in self.inbox:
            self.done.get()


_pools = {}


def pool(workers):
    """The pool of so many workers of this process: a fork has its parent's memory, but none of its threads."""
    key = os.getpid(), workers
    if key not in _pools:
        _pools[key] = Pool(workers)
    return _pools[key]
