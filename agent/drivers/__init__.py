"""One file a brand: the file name is the registration. `base` is the contract, `reading` what brands share."""
