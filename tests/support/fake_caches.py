"""The caches of a controller that hears of the cluster's changes late, but in order."""

from typing import Any

from tests.support.fake_cluster import Etcd, FakeCluster

from drover.api.kinds import Kind
from drover.controllers.watches import watches
from drover.runtime.informer import Watch
from drover.runtime.selectors import selects
from drover.runtime.store import Store
from drover.state.resource import Body


class FakeCaches:
    """Stands in for the informer; `hear` is the watch."""

    def __init__(self, etcd: Etcd, cluster: FakeCluster) -> None:
        self._etcd = etcd
        self._heard = 0
        self._watches: dict[Kind, Watch[Any]] = {watch.kind: watch for watch in watches("drover-system")}
        self._stores: dict[Kind, Store[Any]] = {kind: Store(watch.indexes) for kind, watch in self._watches.items()}
        cluster.on_write(self.learn)

    def store(self, kind: Kind) -> Store[Any]:
        return self._stores[kind]

    def learn(self, kind: Kind, body: Body | None) -> None:
        watch = self._watches.get(kind)
        if watch is not None and body is not None and selects(watch.labels, watch.fields, body):
            self._stores[kind].observe(watch.read(body))

    def hear(self, limit: int | None = None) -> bool:
        """Take in the next changes, all of them without a limit; tell whether there were any."""
        end = len(self._etcd.events) if limit is None else min(self._heard + limit, len(self._etcd.events))
        news = self._etcd.events[self._heard : end]
        self._heard = end
        for kind, word, body in news:
            watch = self._watches.get(kind)
            if watch is None or not selects(watch.labels, watch.fields, body):
                continue
            found = watch.read(body)
            self._stores[kind].observe_deleted(found) if word == "DELETED" else self._stores[kind].observe(found)
        return bool(news)
