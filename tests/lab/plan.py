"""Names, addresses and the kernel's scripts of a district: text only, nothing is run here.

    point --- p{i} access a{i} --- r{i} core gate0 --- core0 gate hub0 --- hub

Every queue, rate and loss sits between the ends, in access, core and gate, as in a carrier's
network: a sender never feels the queue of its own line through its socket buffer. Up: the own
line's rate is on ``a{i}`` in access, its loss in core; the hub line's rate is on ``gate0`` in
core, its loss in gate. Down: hub line's rate on ``core0`` in gate, loss in core; own line's rate
on ``r{i}`` in core, loss in access. The relay sits in access, next to the point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.lab.shapes import Line, Shape, link_rate

MEASURE_PORT = 8620
HUB_ADDRESS = "10.4.0.2"
HUB_TO_GATE = "10.4.0.1"
_CORE, _GATE = "10.3.0.1", "10.3.0.2"
TO_GATE, TO_CORE, _TO_HUB = "gate0", "core0", "hub0"
_MILLION = 1_000_000
_BURST_BYTES_MIN = 3000
_BURST_SECONDS = 0.001
_RELAYED, _DIRECT = 500, 100
_IS_RTP = "@th,64,8 0x80"
"""First octet behind the UDP header: version 2, no padding, extension or sources (RFC 3550)."""


@dataclass(frozen=True, slots=True)
class Names:
    """Namespaces of one district; ``prefix`` is unique on the machine."""

    prefix: str
    points: int

    @property
    def hub(self) -> str:
        """Where server and broker run."""
        return f"{self.prefix}hub"

    @property
    def access(self) -> str:
        """The points' modems."""
        return f"{self.prefix}access"

    @property
    def core(self) -> str:
        """Where own lines and hub line meet."""
        return f"{self.prefix}core"

    @property
    def gate(self) -> str:
        """The hub's modem."""
        return f"{self.prefix}gate"

    def point(self, number: int) -> str:
        """Return the namespace of point ``number``, from 1."""
        return f"{self.prefix}p{number:02}"

    @property
    def numbers(self) -> range:
        """Numbers of the points."""
        return range(1, self.points + 1)

    @property
    def all(self) -> tuple[str, ...]:
        """Every namespace."""
        ends = tuple(self.point(number) for number in self.numbers)
        return (self.hub, self.access, self.core, self.gate, *ends)


def point_address(number: int) -> str:
    """Return the address of point ``number``."""
    return f"10.1.{number}.2"


def point_network(number: int) -> str:
    """Return the network between point ``number`` and its modem."""
    return f"10.1.{number}.0/24"


def access_links(names: Names) -> Iterator[str]:
    """``ip`` lines in access: links, addresses, and one routing table for each point."""
    for i in names.numbers:
        yield from _pair(f"p{i}", "eth0", names.point(i), (1, i))
        yield from _pair(f"a{i}", f"r{i}", names.core, (2, i))
        yield from _up(f"p{i}", f"10.1.{i}.1/24", point_address(i), (1, i, 2))
        yield from _up(f"a{i}", f"10.2.{i}.1/24", f"10.2.{i}.2", (2, i, 2))
        yield f"route add default via 10.2.{i}.2 dev a{i} table {_DIRECT + i}"
        yield f"route add {point_network(i)} dev p{i} table {_DIRECT + i}"
        yield f"rule add pref 300 iif p{i} lookup {_DIRECT + i}"
        yield f"rule add pref 300 iif t{i} lookup {_DIRECT + i}"


def core_links(names: Names) -> Iterator[str]:
    """``ip`` lines in core; the links to access stand already."""
    yield from _pair(TO_GATE, TO_CORE, names.gate, (3, 0))
    yield from _up(TO_GATE, f"{_CORE}/24", _GATE, (3, 0, 2))
    yield f"route add default via {_GATE}"
    for i in names.numbers:
        yield from _up(f"r{i}", f"10.2.{i}.2/24", f"10.2.{i}.1", (2, i, 1))
        yield f"route add {point_network(i)} via 10.2.{i}.1"


def gate_links(names: Names) -> Iterator[str]:
    """``ip`` lines in gate."""
    yield from _pair(_TO_HUB, "eth0", names.hub, (4, 0))
    yield from _up(TO_CORE, f"{_GATE}/24", _CORE, (3, 0, 1))
    yield from _up(_TO_HUB, f"{HUB_TO_GATE}/24", HUB_ADDRESS, (4, 0, 2))
    yield f"route add 10.0.0.0/8 via {_CORE}"


def end_links(address: str, modem: str, key: tuple[int, int]) -> Iterator[str]:
    """``ip`` lines in a point or in the hub."""
    yield "link set lo up"
    yield from _up("eth0", f"{address}/24", modem, (*key, 1))
    yield f"route add default via {modem}"


def relay_on(number: int) -> Iterator[str]:
    """``ip`` lines in access that lead the line's packets through its TUN device."""
    yield f"link set t{number} up txqueuelen 4000"
    yield f"route replace default dev t{number} table {_RELAYED + number}"
    for side in "pa":
        yield f"rule add pref 200 iif {side}{number} lookup {_RELAYED + number}"


def relay_off(number: int) -> Iterator[str]:
    """``ip`` lines that take it out again."""
    for side in "pa":
        yield f"rule del pref 200 iif {side}{number} lookup {_RELAYED + number}"


def queue(device: str, shape: Shape) -> str:
    """``tc`` line for the rate and drop-tail queue of one direction."""
    rate = shape.rate_bits_per_second
    if rate is None:
        return f"qdisc replace dev {device} root handle 1: pfifo limit 10000"
    link = link_rate(rate)
    burst = max(_BURST_BYTES_MIN, round(link / 8 * _BURST_SECONDS))
    limit = max(_BURST_BYTES_MIN, round(link / 8 * shape.queue_seconds))
    numbers = f"rate {round(link)}bit burst {burst} limit {limit}"
    return f"qdisc replace dev {device} root handle 1: tbf {numbers}"


def no_queue(device: str) -> str:
    """``tc`` line that removes it, whatever its kind."""
    return f"qdisc del dev {device} root"


def filter_script(place: str, numbers: Sequence[int]) -> str:
    """``nft`` script of access, core or gate: one chain of faults per line, and the counters.

    Counted are the RTP packets of the measuring port (not STAMP), per point: ``up_in`` where they
    enter the own line, ``up_mid`` behind it, ``up_out`` behind the hub line; ``down_in``,
    ``down_mid``, ``down_out`` the other way.
    """
    counted = {
        "access": (("up_in", "dport", "iifname", "p{}"), ("down_out", "sport", "oifname", "p{}")),
        "core": (("up_mid", "dport", "iifname", "r{}"), ("down_mid", "sport", "oifname", "r{}")),
        "gate": (("up_out", "dport", "saddr", ""), ("down_in", "sport", "daddr", "")),
    }[place]
    faults = {
        "access": [(f"a{i}", f"down_{i}") for i in numbers]
        + [(f"p{i}", f"up_{i}") for i in numbers],
        "core": [(f"r{i}", f"up_{i}") for i in numbers] + [(TO_GATE, "down_hub")],
        "gate": [(TO_CORE, "up_hub")],
    }[place]
    lines = ["table inet lab {"]
    for name, _, _, _ in counted:
        lines += [f" counter {name}_{i} {{\n }}" for i in numbers]
    for name, _, _, device in counted:
        kind = "ifname" if device else "ipv4_addr"
        keys = [f'"{device.format(i)}"' if device else point_address(i) for i in numbers]
        elements = ", ".join(f'{key} : "{name}_{i}"' for key, i in zip(keys, numbers, strict=True))
        lines.append(f" map {name} {{\n  type {kind} : counter\n  elements = {{ {elements} }}\n }}")
    lines += [f" chain {chain} {{\n }}" for _, chain in faults]
    jumps = ", ".join(f'"{device}" : jump {chain}' for device, chain in faults)
    rules = {name: _count_rule(name, port, by) for name, port, by, _ in counted}
    early = [rule for name, rule in rules.items() if name in {"up_in", "down_in"}]
    late = [rule for name, rule in rules.items() if name not in {"up_in", "down_in"}]
    body = [*early, f"iifname vmap {{ {jumps} }}", *late]
    lines += [" chain forward {", "  type filter hook forward priority 0; policy accept;"]
    lines += [f"  {rule}" for rule in body] + [" }", "}"]
    return "\n".join(lines) + "\n"


def loss_script(chain: str, loss_ratio: float, *, udp_blocked: bool = False) -> str:
    """``nft`` lines that replace what a chain of faults does."""
    lines = [f"flush chain inet lab {chain}"]
    if udp_blocked:
        lines.append(f"add rule inet lab {chain} meta l4proto udp drop")
    parts = round(loss_ratio * _MILLION)
    if parts:
        lines.append(f"add rule inet lab {chain} numgen random mod {_MILLION} < {parts} drop")
    return "\n".join(lines) + "\n"


def place_scripts(numbers: Sequence[int], lines: dict[int, Line], hub: Line) -> dict[str, str]:
    """Return the ``nft`` lines for access, core and gate that set all losses."""
    access = core = ""
    for i in numbers:
        line = lines.get(i, Line())
        access += loss_script(f"down_{i}", line.down.loss_ratio)
        access += loss_script(f"up_{i}", 0.0, udp_blocked=line.udp_blocked)
        core += loss_script(f"up_{i}", line.up.loss_ratio)
    core += loss_script("down_hub", hub.down.loss_ratio)
    return {"access": access, "core": core, "gate": loss_script("up_hub", hub.up.loss_ratio)}


def _count_rule(name: str, port: str, by: str) -> str:
    key = by if by.endswith("ifname") else f"ip {by}"
    return f"udp {port} {MEASURE_PORT} {_IS_RTP} counter name {key} map @{name}"


def _hardware(network: int, number: int, host: int) -> str:
    return f"02:00:00:{network:02x}:{number:02x}:{host:02x}"


def _pair(device: str, peer: str, namespace: str, key: tuple[int, int]) -> Iterator[str]:
    first, second = _hardware(*key, 1), _hardware(*key, 2)
    yield (
        f"link add {device} address {first} type veth "
        f"peer name {peer} address {second} netns {namespace}"
    )


def _up(device: str, address: str, peer: str, key: tuple[int, int, int]) -> Iterator[str]:
    """Neighbours are fixed: a full queue must not lose the question for them."""
    yield f"address add {address} dev {device}"
    yield f"link set {device} up"
    yield f"neighbour replace {peer} lladdr {_hardware(*key)} dev {device} nud permanent"
