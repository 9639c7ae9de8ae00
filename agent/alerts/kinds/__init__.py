"""One file a kind of alert; the file's name is what a rule writes as its `kind`."""
