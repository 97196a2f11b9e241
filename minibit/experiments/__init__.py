"""Published results, and how swarms of ours come out beside them: one experiment per file, in virtual time.

An experiment says which swarms are played and what is read off them. It knows nothing of processes, terminals
or pictures, and it must never bend a figure: what a paper says is quoted with its name, and what disagrees
with it is told like what agrees.
"""
