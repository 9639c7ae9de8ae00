"""The commands of `footfall-agent` beside `run`, a file each; `agent.cli` lists them. `spoken` is what they share."""
