"""The command line: what can be asked for, one file per command, and exit codes.

It wires rooms together and decides nothing else; only a command that needs a heavy library imports it.
"""
