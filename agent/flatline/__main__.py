"""``python -m flatline``."""

import sys

from flatline.cli import main

sys.exit(main())
