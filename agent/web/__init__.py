"""The local page: says in words whether the store works. Every asset is ours, nothing comes from elsewhere."""
