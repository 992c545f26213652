from epochwatchd.alerting.delivery import retry_after


def test_the_wait_doubles_up_to_five_minutes():
    assert [retry_after(n) for n in range(1, 10)] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert retry_after(10_000) == 300
