from diemcau_contract.evidence import LoadEvidence, PointEvidence
from diemcau_contract.measurements import Bursts
from diemcau_server.cli.line_detail import facts
from diemcau_server.speech.language import speech
from tests.measured import STAMP, traffic


def test_what_is_said_of_a_direction_bears_its_name() -> None:
    """Audio and bursts are of a direction, not of what it lost."""
    bursts = Bursts(count=3, length_max=4, length_mean=2.0, spacing_mean_seconds=1.5)
    evidence = PointEvidence(
        "bom-bo", "Xã Bom Bo", agent_answered=True, udp_answered=True, idle=STAMP,
        up=LoadEvidence(traffic(bursts=bursts)), down=LoadEvidence(traffic()),
    )  # fmt: skip

    said = list(facts(evidence, speech("vi")))
    assert "Chiều lên: mất thành 3 đợt, dài nhất 4 gói, trung bình 2,0; cứ 1,5 s một đợt" in said
    assert "Chiều lên: âm thanh 4,4/5 (ước tính theo E-model, ITU-T G.107)" in said
    assert "Chiều xuống: âm thanh 4,4/5 (ước tính theo E-model, ITU-T G.107)" in said
    english = list(facts(evidence, speech("en")))
    assert (
        "Up: losses in 3 bursts, the longest of 4 packets, 2.0 on average; one every 1.5 s"
        in english
    )
    assert "Down: audio 4.4 of 5 (estimate by the E-model, ITU-T G.107)" in english
