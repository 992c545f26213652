def measure(*_):
    return []


def fair():
    return []
