"""The command line: what can be asked for, one file per command, and exit codes.

It must never know how anything is done, only which rooms to wire; a library is imported by the commands that
need it alone.
"""
