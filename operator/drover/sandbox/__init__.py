"""The cluster in a box: a real control plane and emulated hypervisor hosts on one machine, and the bed of the tests.

On the command line it is ``drover sandbox`` (see ``__main__``). A program, such as a test, uses::

    import asyncio
    from pathlib import Path
    from drover.sandbox import control, lifecycle, power, supervise
    from drover.sandbox.settings import Settings

    state = Path("/tmp/box")
    box = asyncio.run(lifecycle.up(state, Settings(nodes=3, quickstart=False)))   # idempotent, resumes; a Layout
    box.kubeconfig, box.kubectl, box.api_url, box.images, box.logs               # where things are
    box.node(1).address, box.node(1).libvirt_uri, box.node(1).boot_id
    asyncio.run(control.kill(box, "libvirtd-n1"))         # comes back by itself within a third of a second
    asyncio.run(control.stop(box, "kube-apiserver"))      # stays down until control.start
    asyncio.run(power.power_off(box, "n1"))               # power_on, partition, heal
    asyncio.run(supervise.status(box))                    # a Report for every component
    asyncio.run(lifecycle.down(state))

Components are ``etcd``, ``kube-apiserver``, ``kube-controller-manager``, ``kube-scheduler``, ``images``, ``routes``,
and for each node ``n1``, ``libvirtd-n1``. Real nodes add ``containerd-n1``, ``kubelet-n1``, ``kube-proxy-n1``, and
Drover runs on them as its chart says; without (``kubelet="Kwok"``) there are ``kwok``, ``controller``
(``controller-2`` …), ``agent-n1``.

Who imports whom: ``__main__`` > ``power`` > ``control``, ``lifecycle`` > ``raising`` > ``install``, ``release`` >
``realnode`` > ``seed``, ``node``, ``controlplane``, ``guestimage``, ``routes``, ``images``, ``image`` > ``supervise``
> ``supervisor`` > ``unit``, ``sweep`` > ``slot`` > ``process``, ``component``, ``command`` > ``layout``. Everything
that touches the machine carries the sandbox's slot in its name, see ``layout``.
"""
