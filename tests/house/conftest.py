"""Files that look at the sources alone, or build them anew, are left out of a run with VGG_TEST_QUICK, such as that
with sanitizers: they would do what they did without."""

import os

collect_ignore = ["test_abi.py", "test_arrows.py", "test_headers.py", "test_minimal.py", "test_style.py"]\
    if "VGG_TEST_QUICK" in os.environ else []
