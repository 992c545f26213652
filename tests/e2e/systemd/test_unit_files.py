"""What systemd itself says of the unit files."""

EXPOSURE_MAX = 16
"""``systemd-analyze security`` on systemd 252, in tenths: what is left are the network, devices and other users."""


def test_the_unit_of_the_machine_has_no_mistakes(machine):
    assert machine.run("systemd-analyze", "verify", "--man=no", "/opt/systemd/epochwatchd.service") == ""


def test_the_unit_of_a_user_has_no_mistakes(machine):
    machine.run("mkdir", "--parents", "/home/mina/.local/share", "/tmp/run", user="mina")
    machine.run("ln", "--symbolic", "/opt/epochwatch", "/home/mina/.local/share/epochwatch", user="mina")
    verify = ("systemd-analyze", "verify", "--user", "--man=no", "/opt/systemd/user/epochwatchd.service")

    assert machine.run("env", "XDG_RUNTIME_DIR=/tmp/run", *verify, user="mina") == ""


def test_the_service_of_the_machine_is_hardly_exposed(machine):
    unit = "/opt/systemd/epochwatchd.service"

    machine.run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", unit)
