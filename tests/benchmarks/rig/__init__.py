"""What benchmarks have in common: where they take place, who takes part, what is measured and shown.

Each benchmark beside this package is a program of its own. It says what every contender is to do (a `Task`,
or a function of its own), and the rig plays them in turns, compares every byte that was received, and puts
the figures beside each other.
"""
