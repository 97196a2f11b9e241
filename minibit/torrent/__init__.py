"""What is shared: its name, its files, how it is cut into blocks, which hash each block has (BEP 3).

Bytes in, values out, and the reverse. It must never know where files lie, who shares them, or a socket.
"""
