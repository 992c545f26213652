"""What systemd itself says of the unit files."""

EXPOSURE_MAX = 16
"""``systemd-analyze security`` on systemd 252, in tenths: what is left are the network, devices and other users."""


def test_the_units_have_no_mistakes(machine):
    machine.run("mkdir", "-p", "/home/mina/.local/share", user="mina")
    machine.run("ln", "-s", "/opt/flatline", "/home/mina/.local/share/flatline", user="mina")

    assert machine.run("systemd-analyze", "verify", "--man=no", "/opt/systemd/flatlined.service") == ""
    machine.run("systemd-analyze", "verify", "--user", "--man=no", "/opt/systemd/user/flatlined.service", user="mina")


def test_the_service_of_the_machine_is_hardly_exposed(machine):
    unit = "/opt/systemd/flatlined.service"

    machine.run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", unit)
