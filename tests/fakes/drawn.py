"""What Hypothesis draws for the JSON dialect: what strangers say, and what our own peers and tracker say."""

import json
from typing import Any

from hypothesis import strategies as st

from minibit import bitfield
from minibit.text import name_fault

COUNT = 20
ID = bytes(range(20))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=25) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=30,
)
FIELDS = ("peer_id", "ip", "porta", "blocks", "bt_id", "bitfield", "substituir", "figures", "origin")

letters = st.characters(categories=("L", "M", "Nd"), include_characters="._-")
names = st.text(letters, min_size=1, max_size=32).filter(lambda name: name_fault(name) is None)
ips = st.ip_addresses().map(str).filter(lambda ip: not ip.startswith("::ffff:"))
blocks = st.integers(0, bitfield.full(COUNT))
ids = st.none() | st.binary(min_size=20, max_size=20)
ports = st.integers(1, 65535)


def over_the_wire(document: object) -> Any:
    return json.loads(json.dumps(document))
