"""The probe guest: a boot sector that proves that a virtual processor runs code, and its domain document.

It enters 64-bit mode with paging, counts to thirty million, does what kernels do early (``lock cmpxchg16b``, SSE),
says OK on the serial line and switches itself off. Where KVM is advertised but falls back to interpreting, that takes
for ever; on a real one, milliseconds after the firmware.
"""

from pathlib import PurePosixPath

from drover.state.host import Capabilities
from drover.translation.xml import element, number, render

ANSWER = b"OK"
NAME = "drover-probe"
_DISK_BYTES = 1 << 20
_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cbf0010b90018f3abc70600100320c70600200330c7060030830066b8001000000f22d866"  # page tables
    "b8200600000f22e066b9800000c00f32660d000100000f300f0116b07c66b8110000800f22c0ea5b7c0800b980c3c901"  # long mode
    "31c001c8ffc975fabf0040000031c031d248890748895708f0480fc70f0f100766baf803b04feeb04beeb00aee66ba04"  # the proof
    "0666b8002066eff4ebfd660f1f440000000000000000000000000000009a20000f00a07c"  # power off; descriptor table
)
_SIGNATURE_AT = 510
_SIGNATURE = bytes((0x55, 0xAA))


def disk() -> bytes:
    """The disk that the probe guest boots from."""
    sector = _CODE.ljust(_SIGNATURE_AT, b"\0") + _SIGNATURE
    return sector.ljust(_DISK_BYTES, b"\0")


def document(host: Capabilities, image: PurePosixPath, answer: PurePosixPath) -> str:
    """A guest with KVM that boots `image` and writes to `answer`."""
    drive = element(
        "disk",
        element("driver", name="qemu", type="raw"),
        element("source", file=str(image)),
        element("target", dev="vda", bus="virtio"),
        element("readonly"),
        type="file",
        device="disk",
    )
    serial = element("serial", element("source", path=str(answer)), element("target", port=0), type="file")
    devices = (
        element("emulator", host.emulator),
        drive,
        element("controller", type="usb", model="none"),
        serial,
        element("memballoon", model="none"),
    )
    return render(
        element(
            "domain",
            element("name", NAME),
            number("memory", 64, unit="MiB"),
            number("vcpu", 1),
            element("os", element("type", "hvm", arch=host.architecture, machine=host.machine)),
            element("features", element("acpi"), element("apic")),
            element("cpu", mode="host-model", check="partial"),
            element("devices", *devices),
            type="kvm",
        )
    )
