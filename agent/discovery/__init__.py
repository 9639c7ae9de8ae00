"""Finding cameras on the store's network: they answer to multicast, or to unauthenticated requests one by one."""
