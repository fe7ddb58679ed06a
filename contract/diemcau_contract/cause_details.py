"""Why a cause is likely there, in the words of the communes' handbooks.

Keys are the codes of SPEC 6.4; ``device_words`` has what does not fit a device.
"""

from collections.abc import Mapping

LIKELY: Mapping[str, tuple[str, str]] = {
    "own_line_up": (
        "Đường truyền của xã nghẽn hoặc đứt quãng, hoặc máy khác ở xã đang gửi dữ liệu.",
        "The point's own line is congested or broken, or another PC there is sending.",
    ),
    "own_line_down": (
        "Đường truyền của xã nghẽn hoặc đứt quãng, hoặc máy khác ở xã đang tải dữ liệu.",
        "The point's own line is congested or broken, or another PC there is downloading.",
    ),
    "own_line": (
        "Lỗi đường truyền của xã, bộ chuyển đổi hoặc dây mạng tại phòng họp.",
        "A fault of the point's line, of its converter or of the cable in the room.",
    ),
    "hub_line_up": (
        "Tổng lưu lượng của các xã lớn hơn đường truyền của hội trường.",
        "All points together send more than the hall's line carries.",
    ),
    "hub_line_down": (
        "Tổng lưu lượng đi các xã lớn hơn đường truyền của hội trường.",
        "All points together are sent more than the hall's line carries.",
    ),
    "hub_line": (
        "Tổng lưu lượng của các xã lớn hơn đường truyền của hội trường, cả hai chiều.",
        "All points together need more than the hall's line carries, both ways.",
    ),
    "firewall": (
        "Tường lửa trên máy hoặc trên thiết bị mạng chưa mở cổng UDP.",
        "A firewall on the PC or in the network does not let the UDP port through.",
    ),
    "pc_busy": (
        "Máy đang cập nhật, quét vi-rút hoặc chạy nhiều chương trình.",
        "The PC is updating, scanning for viruses or running many programs.",
    ),
    "clock_step": (
        "Máy vừa đồng bộ lại giờ, hoặc có người chỉnh giờ.",
        "The PC has just set its clock, or somebody did.",
    ),
    "wifi": (
        "Sóng Wi-Fi yếu hoặc nhiều máy dùng chung.",
        "Wi-Fi is weak or shared with many.",
    ),
    "agent_silent": (
        "Máy tính của xã tắt, mất điện hoặc mất mạng.",
        "The room's PC is off, without power or without network.",
    ),
    "unknown": (
        "Số liệu chưa đủ để kết luận.",
        "What was measured is not enough to say.",
    ),
    "missing": (
        "Dây lỏng, thiết bị chưa bật nguồn, hoặc đã bị mang đi nơi khác.",
        "A loose cable, a device without power, or it was taken elsewhere.",
    ),
    "denied": (
        "Máy chặn quyền dùng thiết bị, hoặc tài khoản chưa thuộc nhóm được phép.",
        "The system forbids it, or the account is not in the group that may.",
    ),
    "busy": (
        "Phần mềm họp hoặc chương trình khác đang mở thiết bị.",
        "Meeting software or another program has the device open.",
    ),
    "timeout": (
        "Thiết bị hoặc trình điều khiển bị treo.",
        "The device or its driver hangs.",
    ),
    "no_frames": (
        "Camera thiếu nguồn, cổng USB lỗi, hoặc camera bị treo.",
        "The camera lacks power, its USB port is faulty, or it hangs.",
    ),
    "low_fps": (
        "Cổng USB chậm hoặc dùng chung, hoặc phòng thiếu sáng.",
        "A slow or shared USB port, or too little light.",
    ),
    "wrong_size": (
        "Camera đặt sai độ phân giải, hoặc cổng USB không đủ nhanh.",
        "The camera is set otherwise, or its USB port is too slow.",
    ),
    "black": (
        "Nắp camera đóng, phòng tắt đèn, hoặc camera hỏng.",
        "The lens cap is on, the room is dark, or the camera is broken.",
    ),
    "covered": (
        "Có vật che ống kính hoặc màn che chưa mở.",
        "Something is before the lens, or the shutter is closed.",
    ),
    "frozen": (
        "Camera bị treo.",
        "The camera hangs.",
    ),
    "dark": (
        "Phòng chưa bật đủ đèn.",
        "Not enough lamps are on.",
    ),
    "overexposed": (
        "Camera hướng thẳng vào cửa sổ hoặc đèn.",
        "The camera looks into a window or a lamp.",
    ),
    "blurred": (
        "Ống kính bẩn hoặc lệch nét.",
        "The lens is dirty or out of focus.",
    ),
    "no_signal": (
        "Dây HDMI lỏng, nguồn phát tắt, hoặc bộ chia hỏng.",
        "A loose HDMI cable, a source that is off, or a faulty splitter.",
    ),
    "muted": (
        "Có người đã bấm nút tắt tiếng.",
        "Somebody has pressed mute.",
    ),
    "volume_zero": (
        "Âm lượng đã bị kéo hết xuống.",
        "The volume was turned all the way down.",
    ),
    "digital_silence": (
        "Micro đang tắt, tuột dây, hoặc máy chặn quyền dùng micro.",
        "The microphone is off, unplugged, or the system keeps it from programs.",
    ),
    "too_quiet": (
        "Độ nhạy micro thấp hoặc micro đặt quá xa.",
        "The gain is low or the microphone too far away.",
    ),
    "clipping": (
        "Độ nhạy micro hoặc mức ra của bàn trộn quá cao.",
        "The gain or the mixer's output is too high.",
    ),
    "hum": (
        "Dây âm thanh hở, tiếp đất kém, hoặc đi gần dây điện.",
        "A bad audio cable or ground, or it runs beside mains.",
    ),
    "noisy": (
        "Quạt, máy lạnh hoặc tiếng ồn từ bên ngoài.",
        "A fan, an air conditioner, or noise from outside.",
    ),
    "chirp_not_heard": (
        "Loa hoặc âm ly tắt, âm lượng nhỏ, hoặc tuột dây loa.",
        "Speaker or amplifier is off, turned down or unplugged.",
    ),
    "needs_microphone": (
        "Loa được thử bằng micro của phòng; micro đang không nghe được gì.",
        "The room's microphone listens to the speaker, and it hears nothing at present.",
    ),
    "quiet_hours": (
        "Phòng đã đặt giờ không phát tiếng thử, hoặc lần đo này được yêu cầu không phát tiếng.",
        "The room has set hours in which no test sound is played, or this test was asked for "
        "without sound.",
    ),
    "changed": (
        "Có người xoay, dời hoặc chỉnh lại thiết bị, hoặc ánh sáng trong phòng đã khác.",
        "Somebody turned, moved or set the device anew, or the room is lit otherwise.",
    ),
    "wrong_device": (
        "Máy tự chuyển sang thiết bị khác sau khi rút ra, cắm lại hoặc khởi động lại.",
        "The PC chose another device by itself after a replug or a restart.",
    ),
    "no_edid": (
        "Dây hoặc bộ chia HDMI không truyền được thông tin của màn hình.",
        "The HDMI cable or splitter does not pass on what the display says of itself.",
    ),
    "off": (
        "Thiết bị chưa bật hoặc đang ở chế độ chờ.",
        "It was not switched on, or is in standby.",
    ),
    "warming": (
        "Thiết bị vừa được bật.",
        "It was switched on a moment ago.",
    ),
    "wrong_input": (
        "Có người đã chuyển ngõ vào, hoặc thiết bị tự chọn ngõ khác khi bật.",
        "Somebody chose another input, or the device did when it was switched on.",
    ),
    "av_mute": (
        "Có người đã bấm A/V Mute hoặc Blank.",
        "Somebody has pressed A/V mute or blank.",
    ),
    "lamp": (
        "Bóng đèn hết tuổi thọ hoặc hỏng.",
        "The lamp is worn out or broken.",
    ),
    "fan": (
        "Bụi bám quạt hoặc quạt hỏng.",
        "Dust in the fan, or it is broken.",
    ),
    "temp": (
        "Lỗ thoát gió bị che hoặc lưới lọc bẩn.",
        "Its air vents are covered or the filter is dirty.",
    ),
    "device_fault": (
        "Thiết bị tự báo lỗi: nắp mở, lưới lọc bẩn hoặc hỏng bên trong.",
        "The device itself reports a fault: cover open, filter dirty, or a defect inside.",
    ),
    "auth": (
        "Mật khẩu của thiết bị đã đổi, hoặc tệp cấu hình ghi sai.",
        "The device's password was changed, or the agent's file has another.",
    ),
    "refused": (
        "Địa chỉ là của thiết bị khác, hoặc dịch vụ trên thiết bị chưa bật.",
        "The address belongs to another device, or the service on it is off.",
    ),
    "unreachable": (
        "Thiết bị tắt, tuột dây mạng, hoặc đã đổi địa chỉ.",
        "It is off, its network cable is loose, or its address has changed.",
    ),
    "no_sound_system": (
        "Chưa ai đăng nhập, hoặc dịch vụ âm thanh của máy đã dừng.",
        "Nobody is logged in, or the PC's sound service has stopped.",
    ),
    "crashed": (
        "Lỗi của trình điều khiển hoặc của chương trình kiểm tra.",
        "A fault of the driver or of the check itself.",
    ),
    "switched_off": (
        "Người của phòng họp đã tắt việc mở thiết bị trên máy này.",
        "The room's own people have switched the opening of devices off on this PC.",
    ),
    "stale": (
        "Lần kiểm tra gần nhất đã quá lâu.",
        "The last real look is too long ago.",
    ),
    "sleep_timer": (
        "Chế độ tiết kiệm điện của máy đang bật.",
        "The PC's power saving is on.",
    ),
    "usb_suspend": (
        "Chế độ tiết kiệm điện của cổng USB đang bật.",
        "Power saving of the USB ports is on.",
    ),
    "disk_low": (
        "Nhiều tệp tải về, tệp ghi hình hoặc bản cập nhật cũ.",
        "Downloads, recordings or old updates fill it.",
    ),
    "clock_off": (
        "Tự động đồng bộ giờ đang tắt, hoặc pin nuôi đồng hồ của máy yếu.",
        "Time synchronisation is off, or the PC's clock battery is weak.",
    ),
    "cpu_busy": (
        "Máy đang cập nhật, quét vi-rút hoặc chạy nhiều chương trình.",
        "The PC is updating, scanning for viruses or running many programs.",
    ),
    "memory_low": (
        "Mở quá nhiều chương trình hoặc trang web.",
        "Too many programs or pages are open.",
    ),
    "wifi_only": (
        "Dây mạng chưa cắm hoặc bị tuột.",
        "The network cable is not plugged in.",
    ),
    "on_battery": (
        "Chưa cắm sạc hoặc mất điện.",
        "The charger is not plugged in, or there is no mains power.",
    ),
}
"""What is commonest in such rooms, not what was measured: one sentence a cause."""
