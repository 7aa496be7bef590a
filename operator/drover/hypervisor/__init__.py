"""The only importer of libvirt: small verbs on guests, volumes, pools and networks of this host.

Calls block, so each runs in a thread of the connection's pool; events arrive in the asyncio loop. libvirt's exceptions
end here: `hypervisor.errors` holds the one table that turns them into the taxonomy.
"""
