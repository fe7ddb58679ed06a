"""Why there is no contact with the hub, and what to check first, in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from diemcau_agent.config import Broker
from diemcau_contract.causes import Text


class LinkFault(StrEnum):
    """Kinds of failure, told apart by what a person must check."""

    UNKNOWN_HOST = "unknown_host"
    NOT_LISTENING = "not_listening"
    UNREACHABLE = "unreachable"
    LOGIN_REFUSED = "login_refused"
    REFUSED = "refused"
    TLS = "tls"
    CUT = "cut"
    LOST = "lost"
    NO_ANSWER = "no_answer"
    """The broker is reached, and the hub's server says nothing through it."""


_WORDS: Final[Mapping[LinkFault, Text]] = {
    LinkFault.UNKNOWN_HOST: Text(
        "không tìm thấy máy chủ {host}: kiểm tra broker.url trong tệp cấu hình và dây mạng",
        "the name {host} is not known: check broker.url in the agent's file and the network cable",
    ),
    LinkFault.NOT_LISTENING: Text(
        "máy chủ {host} không mở cổng {port}: báo huyện kiểm tra máy chủ MQTT đã chạy chưa",
        "{host} does not listen on port {port}: ask the hub whether its MQTT broker runs",
    ),
    LinkFault.UNREACHABLE: Text(
        "không kết nối được máy chủ {host}:{port} ({reason}): kiểm tra dây mạng, bộ chuyển đổi "
        "và tường lửa (TCP {port})",
        "{host}:{port} cannot be reached ({reason}): check the network cable, the converter and "
        "the firewall (TCP {port})",
    ),
    LinkFault.LOGIN_REFUSED: Text(
        "máy chủ {host}:{port} từ chối đăng nhập: kiểm tra broker.username và password_file "
        "trong tệp cấu hình",
        "{host}:{port} refuses the login: check broker.username and password_file in the "
        "agent's file",
    ),
    LinkFault.REFUSED: Text(
        "máy chủ {host}:{port} từ chối kết nối ({reason}): báo huyện kiểm tra máy chủ MQTT",
        "{host}:{port} refuses the connection ({reason}): ask the hub to check its MQTT broker",
    ),
    LinkFault.TLS: Text(
        "kết nối bảo mật (TLS) với {host}:{port} thất bại ({reason}): kiểm tra ca_file, tên máy "
        "chủ trong broker.url và đồng hồ máy tính",
        "the secure connection (TLS) with {host}:{port} failed ({reason}): check ca_file, the "
        "host name in broker.url and this PC's clock",
    ),
    LinkFault.CUT: Text(
        "kết nối với máy chủ {host}:{port} bị ngắt: chương trình sẽ tự kết nối lại; nếu lặp lại "
        "nhiều lần, kiểm tra dây mạng và báo huyện kiểm tra máy chủ MQTT",
        "the connection with {host}:{port} was cut: it is made again by itself; if that happens "
        "again and again, check the network cable and ask the hub to check its MQTT broker",
    ),
    LinkFault.LOST: Text(
        "mất kết nối với máy chủ {host}:{port} ({reason}): chương trình sẽ tự kết nối lại",
        "the connection with {host}:{port} was lost ({reason}): it is made again by itself",
    ),
    LinkFault.NO_ANSWER: Text(
        "đã kết nối {host}:{port} nhưng máy chủ huyện không trả lời điểm cầu {reason}: kiểm tra "
        "hub và point trong tệp cấu hình; nếu đúng, báo huyện xem diemcau-server có đang chạy và "
        "có điểm cầu này trong cấu hình không",
        "connected to {host}:{port}, but the hub's server does not answer the point {reason}: "
        "check hub and point in the agent's file; if they are right, ask the hub whether "
        "diemcau-server runs and has this point in its configuration",
    ),
}


@dataclass(frozen=True, slots=True)
class LinkProblem:
    """One failure; ``reason`` is the system's own wording, or which point is not answered."""

    fault: LinkFault
    broker: Broker
    reason: str

    def text(self) -> Text:
        """Say what is wrong and what to check."""
        words = _WORDS[self.fault]
        values = {"host": self.broker.host, "port": self.broker.port, "reason": self.reason}
        return Text(words.vi.format(**values), words.en.format(**values))
